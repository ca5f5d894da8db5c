"""A voice: what a home hears."""

import sys
from pathlib import Path

import pytest

from gateway.home import voice as voice_module
from gateway.home import words
from gateway.home.voice import Voice, speakable
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
    monkeypatch.setattr(voice_module, "SPEAK_S", 0.2)
    await Voice([sys.executable, "-c", "import time; time.sleep(600)"]).tell("hello")
    assert "was stopped" in caplog.messages[0]


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
