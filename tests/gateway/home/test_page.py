"""The home's page: what is on it, what its buttons do, and who else cannot press them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.home import words
from gateway.home.asking import Ready
from gateway.home.local import View
from gateway.home.page import Page, of_the_house
from gateway.home.sheet import Sheet
from gateway.tasks import ended
from tests.ports import free_port
from vitals.alarm import Level
from vitals.answers import QUESTIONS

NOTHING = Sheet()
PAIN = Ready("pain@7", QUESTIONS["pain"], 2, 2)
BREATH = Ready("breathlessness@0", QUESTIONS["breathlessness"], 1, 2)
ASKED = Sheet(requests=("Mål blodtrykket igjen før kl. 14.",), question=PAIN, whose="Spørsmål 2 av 2")


class Hub:
    """What the page shows and hears."""

    def __init__(self, page: Sheet = NOTHING) -> None:
        self.page = page
        self.answers: list[tuple[str, str]] = []
        self.view = View(False, Level.UNKNOWN, (words.watched("nb"),), False)
        self.seen = 0
        self.at = ("127.0.0.1", free_port())

    def sheet(self) -> Sheet:
        return self.page

    async def answer(self, ask: str, text: str) -> None:
        self.answers.append((ask, text))

    def later(self, ask: str) -> None:
        self.answers.append((ask, "later"))

    async def press(self) -> None:
        self.seen += 1

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        page = Page("nb", lambda: self.view, self.press, self)
        serving = asyncio.create_task(page.serve(self.at))
        async with httpx.AsyncClient(base_url=f"http://{self.at[0]}:{self.at[1]}") as client:
            try:
                async with asyncio.timeout(10):
                    while True:
                        try:
                            await client.get("/")
                            break
                        except httpx.ConnectError:
                            await asyncio.sleep(0.01)
                yield client
            finally:
                await ended([serving])


async def test_the_page_says_who_watches_and_what_to_do_and_takes_note_that_it_was_seen() -> None:
    hub = Hub()
    async with hub.browser() as browser:
        assert "Målingene dine kommer fram" in (await browser.get("/")).text
        found = words.found("nb", Level.HIGH, "SpO₂ 82 % <b>", "22 33 44 55")
        hub.view = View(True, Level.HIGH, (found, words.alone("nb", "22 33 44 55")), True)
        answer = await browser.get("/")
        assert ">RØD</h1>" in answer.text
        assert "&lt;b&gt;" in answer.text, "what a rule says is text, not markup"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        [word] = re.findall(r'name="word" value="(\w+)"', answer.text)
        assert (await browser.post("/seen", data={"word": word})).status_code == 303
        assert hub.seen == 1
        hub.view = hub.view._replace(to_be_seen=False)
        assert "<button>" not in (await browser.get("/")).text


async def test_a_page_elsewhere_can_neither_press_the_button_nor_read() -> None:
    hub = Hub(ASKED)
    async with hub.browser() as browser:
        for path in ("/answer", "/later"):
            told = {"ask": "pain@0", "value": "3", "word": "guessed"}
            assert (await browser.post(path, data=told)).status_code == 403
        assert (await browser.get("/answer")).status_code == 404
        assert (await browser.post("/seen", data={"word": "guessed"})).status_code == 403
        assert (await browser.post("/seen")).status_code == 403
        assert (await browser.get("/", headers={"Host": "evil.example"})).status_code == 403
        assert (await browser.get("/seen")).status_code == 404
    assert (hub.seen, hub.answers) == (0, [])


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8017", True), ("192.168.1.7", True), ("[::1]:8017", True), ("localhost:8017", True),
        ("hub.local", True), ("evil.example", False), ("local.evil.example:8017", False), ("", False),
    ],
)  # fmt: skip
def test_the_house_has_addresses_and_names_that_no_stranger_owns(host: str, ours: bool) -> None:
    assert of_the_house(host) == ours


async def test_a_question_is_answered_or_put_off_and_what_was_wrong_stands_there() -> None:
    hub = Hub(ASKED._replace(question=BREATH, not_you="Er du ikke Kari? La spørsmålet stå.", note="Takk."))
    async with hub.browser() as browser:
        shown = (await browser.get("/")).text
        for text in (
            "Er du tung i pusten?",
            "Svært mye",
            "Mål blodtrykket igjen før kl. 14.",
            "Er du ikke Kari?",
            "Takk.",
        ):
            assert text in shown
        [word] = set(re.findall(r'name="word" value="(\w+)"', shown))
        for path in ("/answer", "/later"):
            told = {"word": word, "ask": BREATH.id, "value": "2"}
            answer = await browser.post(path, data=told)
            assert (answer.status_code, answer.headers["location"]) == (303, "/")
        hub.page = ASKED._replace(error="Svaret passer ikke <i>.", typed='"12')
        shown = (await browser.get("/")).text
        assert "Svaret passer ikke &lt;i&gt;." in shown
        assert 'value="&quot;12"' in shown
    assert hub.answers == [(BREATH.id, "2"), (BREATH.id, "later")]
