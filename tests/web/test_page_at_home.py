"""The home's own page in a real browser: a question by keys and by touch, and what is new without losing one's place.

The hub's parts run in a loop of their own thread, as the browser's test is not of that kind; all else is real: the
page's server, the spool on disk, the document of the server.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from gateway.home.page import Page as HomePage
from gateway.spool.store import Spool
from gateway.tasks import ended
from tests.gateway.home.test_sheet import ASKS, Hub, asks
from tests.ports import free_port
from tests.waiting import until
from tests.web.conftest import assert_accessible

pytestmark = pytest.mark.chromium

T = TypeVar("T")


class AtHome:
    """A hub whose page is served, in a thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.at = ("127.0.0.1", free_port())
        self.hub: Hub

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Done in the hub's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def begin(self) -> None:
        self._thread.start()
        self.do(self._begin())

    async def _begin(self) -> None:
        self.hub = Hub(await Spool.open(self._folder / "spool.sqlite"), self._folder, name="Kari")
        await self.hub.local.open()
        await self.hub.home.open()
        page = HomePage("nb", self.hub.local.view, self.hub.local.seen, self.hub.home)
        self._serving = asyncio.create_task(page.serve(self.at))

    def end(self) -> None:
        self.do(ended([self._serving]))
        self.do(self.hub.spool.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


@pytest.fixture
def at_home(tmp_path: Path) -> Iterator[AtHome]:
    at_home = AtHome(tmp_path)
    at_home.begin()
    yield at_home
    at_home.end()


@pytest.fixture
def screen(chromium: Browser, at_home: AtHome) -> Iterator[Callable[..., Page]]:
    """Opens the page; nothing may be blocked or fail on it."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def opened(**more: Any) -> Page:
        context = chromium.new_context(base_url=f"http://{at_home.at[0]}:{at_home.at[1]}", **more)
        contexts.append(context)
        page = context.new_page()
        until(lambda: _reached(page))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def _reached(page: Page) -> bool:
    try:
        page.goto("/")
    except Exception:  # noqa: BLE001 - not yet
        return False
    return True


def test_a_question_is_answered_with_keys_alone_and_by_touch(at_home: AtHome, screen: Callable[..., Page]) -> None:
    hub = at_home.hub
    at_home.do(hub.wished(asks("bp_sys", "09:00", "14:00"), asking=ASKS))
    page = screen(has_touch=True, viewport={"width": 800, "height": 480})
    expect(page.get_by_role("heading", name="Er du tung i pusten?")).to_be_visible()
    expect(page.get_by_text("Mål blodtrykket igjen før kl. 14.")).to_be_visible()
    expect(page.get_by_text("Spørsmål 1 av 2 til Kari")).to_be_visible()
    assert_accessible(page)
    for button in page.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Noe")).to_be_focused()
    page.keyboard.press("Enter")
    field = page.get_by_role("textbox", name="Hvor mange liter oksygen")
    expect(field).to_be_visible()
    expect(page.get_by_text("Takk. Svaret er lagret.")).to_be_visible()
    assert at_home.do(hub.rows()) == [("answers-gw-1", "breathlessness", 2.0)], "thanked for what is on disk"
    field.fill("600")
    page.get_by_role("button", name="Svar", exact=True).tap()
    expect(page.get_by_role("alert").filter(has_text="fra 0 til 60")).to_be_visible()
    expect(field).to_have_value("600")
    assert_accessible(page)
    field.fill("2,5")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Neste spørsmål kommer i morgen kl. 8.")).to_be_visible()
    assert_accessible(page)
    assert at_home.do(hub.rows())[1:] == [("answers-gw-1", "oxygen_flow", 2.5)]


def test_what_is_new_appears_by_itself_and_takes_nobodys_half_written_number(
    at_home: AtHome, screen: Callable[..., Page]
) -> None:
    at_home.do(at_home.hub.wished(asking=ASKS[1:]))
    page = screen()
    field = page.get_by_role("textbox")
    field.press_sequentially("2")
    at_home.do(at_home.hub.wished(asks("spo2", "09:59", "10:15", at_once=True, urgent=True), asking=ASKS[1:]))
    expect(page.get_by_text("Mål oksygenmetningen en gang til nå.")).to_be_visible()
    expect(field).to_have_value("2")
    expect(field).to_be_focused()


def test_a_hub_that_has_died_does_not_go_on_looking_calm(chromium: Browser, tmp_path: Path) -> None:
    at_home = AtHome(tmp_path)
    at_home.begin()
    context = chromium.new_context(base_url=f"http://{at_home.at[0]}:{at_home.at[1]}")
    page = context.new_page()
    until(lambda: _reached(page))
    expect(page.get_by_text("Målingene dine kommer fram")).to_be_visible()
    at_home.end()
    expect(page.get_by_role("alert").filter(has_text="Boksen svarer ikke")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Målingene dine kommer fram")).to_be_hidden()
    context.close()
