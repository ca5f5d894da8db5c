"""Dialogs are no part of a page that has to stand soon: they come when the browser is idle, or one is wanted."""

import pytest
from playwright.sync_api import BrowserContext, expect

from .conftest import SignIn, Ward

pytestmark = pytest.mark.chromium

NEVER_IDLE = "window.idle = []; window.requestIdleCallback = (call) => window.idle.push(call);"


def test_a_dialog_comes_when_it_is_wanted_gives_the_focus_back_and_the_others_come_when_idle(
    ward: Ward, signed_in: SignIn
) -> None:
    came: list[str] = []

    def watched(context: BrowserContext) -> None:
        context.add_init_script(NEVER_IDLE)
        context.on("request", lambda asked: came.append(asked.url.rpartition("/")[2].partition("-")[0]))

    ward.deteriorate()
    page = signed_in("kari", watched)
    page.goto("/patient/p-1")
    mark = page.get_by_role("button", name="Merk en oversett forverring")
    mark.wait_for()
    dialogs = {"marking", "correct", "ordering", "dialogs"}
    assert not dialogs & set(came)
    mark.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    assert dialogs & set(came) == {"marking", "dialogs"}
    page.keyboard.press("Escape")
    expect(mark).to_be_focused()
    with page.expect_response("**/correct-*.js"), page.expect_response("**/ordering-*.js"):
        page.evaluate("window.idle.splice(0).forEach((call) => call())")
