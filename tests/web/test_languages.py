"""Whoever reads a language fetches that one's words, and beside the program: not Bokmål's first, and not after it."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from .conftest import SignIn, Ward, assert_accessible

pytestmark = pytest.mark.chromium

WORDS = re.compile(r"/assets/(nb\.Norsk|en\.English)-")
PROGRAM = re.compile(r"/assets/index-[^/]*\.js$")


def fetched(page: Page) -> list[str]:
    """The scripts that a reload fetches, in the order in which they are asked for."""
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if one.resource_type == "script" else None)
    page.reload()
    page.get_by_role("heading", level=1).wait_for()
    return asked


def words_of(asked: list[str]) -> set[str]:
    return {found[1] for url in asked if (found := WORDS.search(url))}


@pytest.mark.parametrize(("button", "file"), [("Norsk", "nb.Norsk"), ("English", "en.English")])
def test_only_the_words_that_are_read_are_fetched(signed_in: SignIn, button: str, file: str) -> None:
    page = signed_in("kari")
    page.get_by_role("button", name=button).click()
    expect(page.locator("html")).to_have_attribute("lang", file[:2])
    assert words_of(fetched(page)) == {file}


def test_they_are_asked_for_before_the_program_has_come(signed_in: SignIn) -> None:
    page = signed_in("kari")
    held: list[Route] = []
    page.route(PROGRAM, lambda route: held.append(route))
    with page.expect_request(WORDS) as asked:
        page.reload(wait_until="commit")
    assert "nb.Norsk" in asked.value.url
    for one in held:
        one.continue_()
    expect(page.get_by_role("region", name="Uten alarm")).to_be_visible()


def test_words_that_cannot_be_fetched_at_first_are_asked_for_again(
    ward: Ward, fresh: Callable[[], BrowserContext]
) -> None:
    page = fresh().new_page()
    page.route(WORDS, lambda route: route.abort())
    with page.expect_event("requestfailed", lambda one: bool(WORDS.search(one.url))):
        page.goto("/")
    page.unroute(WORDS)
    expect(page.get_by_role("button", name="Logg inn")).to_be_visible()
    assert_accessible(page)
