"""A voice and a page: what a home hears and sees, and who else cannot."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway import tell as tell_module
from gateway import words
from gateway.local import View
from gateway.tasks import ended
from gateway.tell import Page, Voice, of_the_house, speakable
from tests.ports import free_port
from vitals.alarm import Level

SPEAKS = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(repr(sys.argv[2:]))"


def voice(path: Path) -> Voice:
    return Voice([sys.executable, "-c", SPEAKS, str(path)])


async def test_a_voice_gets_the_sentence_as_one_argument_whatever_is_in_it(tmp_path: Path) -> None:
    sentence = 'SpO₂ 82 %; "ring" $(113) `nå`\n& kom > igjen'
    await voice(tmp_path / "said").tell(sentence)
    assert eval((tmp_path / "said").read_text()) == [sentence.replace("\n", " ")]


@pytest.mark.parametrize(
    ("sentence", "said"), [("--help", " --help"), ("\x1b[2Ja\x00b", "[2Ja b"), ("x" * 5000, "x" * 1000)]
)
def test_no_sentence_is_an_option_or_a_command_to_a_terminal(sentence: str, said: str) -> None:
    assert speakable(sentence) == said


async def test_a_voice_that_is_not_there_or_fails_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    await Voice(["/no/such/voice"]).tell("hello")
    await Voice([sys.executable, "-c", "raise SystemExit(3)"]).tell("hello")
    assert "cannot be spoken to: /no/such/voice" in caplog.messages[0]
    assert "ended with 3" in caplog.messages[1]


async def test_a_voice_that_does_not_come_to_its_end_is_stopped_and_the_next_sentence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tell_module, "SPEAK_S", 0.2)
    await Voice([sys.executable, "-c", "import time; time.sleep(600)"]).tell("hello")
    assert "was stopped" in caplog.messages[0]


class Hub:
    """What the page shows and hears."""

    def __init__(self) -> None:
        self.view = View(False, Level.UNKNOWN, (words.watched("nb"),), False)
        self.seen = 0
        self.at = ("127.0.0.1", free_port())

    async def press(self) -> None:
        self.seen += 1

    @asynccontextmanager
    async def browser(self) -> AsyncIterator[httpx.AsyncClient]:
        page = Page("nb", lambda: self.view, self.press)
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
        assert "<h1>RØD</h1>" in answer.text
        assert "&lt;b&gt;" in answer.text, "what a rule says is text, not markup"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        [word] = re.findall(r'name="word" value="(\w+)"', answer.text)
        assert (await browser.post("/seen", data={"word": word})).status_code == 303
        assert hub.seen == 1
        hub.view = hub.view._replace(to_be_seen=False)
        assert "<button>" not in (await browser.get("/")).text


async def test_a_page_elsewhere_can_neither_press_the_button_nor_read() -> None:
    hub = Hub()
    async with hub.browser() as browser:
        assert (await browser.post("/seen", data={"word": "guessed"})).status_code == 403
        assert (await browser.post("/seen")).status_code == 403
        assert (await browser.get("/", headers={"Host": "evil.example"})).status_code == 403
        assert (await browser.get("/seen")).status_code == 404
    assert hub.seen == 0


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:8017", True), ("192.168.1.7", True), ("[::1]:8017", True), ("localhost:8017", True),
        ("hub.local", True), ("evil.example", False), ("local.evil.example:8017", False), ("", False),
    ],
)  # fmt: skip
def test_the_house_has_addresses_and_names_that_no_stranger_owns(host: str, ours: bool) -> None:
    assert of_the_house(host) == ours


@pytest.mark.parametrize("language", ["nb", "en"])
@pytest.mark.parametrize("level", [Level.MEDIUM, Level.HIGH])
@pytest.mark.parametrize("phone", ["22 33 44 55", ""])
def test_every_sentence_says_whom_to_call_and_that_nobody_else_has_seen_it(
    language: words.Language, level: Level, phone: str
) -> None:
    said = words.found(language, level, "SpO₂ 82 %.", phone)
    assert "113" in said
    assert (phone or "116117") in said
    assert {"nb": "ingen andre", "en": "nobody else"}[language] in said
    assert ".." not in said
    for other in (words.alone(language, phone), words.blind(language, phone)):
        assert "113" in other
        assert phone in other
