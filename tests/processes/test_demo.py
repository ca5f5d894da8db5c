"""The whole chain as processes of their own, over a real broker, a virtual radio and a serial line: `make demo`."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ports import free_port

EVERY_STEP = {
    "deteriorates": ["taken", "stored", "raised", "told", "told", "acknowledged", "closed"],
    "gains weight": ["taken", "stored", "raised", "told", "acknowledged", "closed"],
    "misses a dose": ["taken", "stored", "raised", "told"],
    "falls silent": ["raised", "told"],
}


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hjemvakt", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


@pytest.mark.processes
@pytest.mark.parametrize("broker", ["mosquitto", "embedded"])
def test_the_story_is_played_from_the_device_to_the_doctors_phone(broker: str, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    done = demo("--once", "--json", "--broker", broker, "--port", str(free_port()), "--keep", str(folder))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["ok"]
    assert report["unforeseen_alarms"] == [], "who is well is left in peace"
    assert {one["story"]: [step["what"] for step in one["timeline"]] for one in report["stories"]} == EVERY_STEP
    for one in report["stories"]:
        times = [step["time"] for step in one["timeline"]]
        assert times == sorted(times), one["story"]
    assert f"broker {broker}" in (folder / "server.log").read_text(encoding="utf-8")
    for log in folder.glob("*.log"):
        text = log.read_text(encoding="utf-8")
        assert "Traceback" not in text, log.name
        assert "Nilsen" not in text, f"{log.name}: no personal data in a log"
        for secret in folder.glob("home-*/password"):
            assert secret.read_text(encoding="utf-8").strip() not in text, f"{log.name}: no secret in a log"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--patients", "2"), "the story needs 4 to 40 homes"),
        (("--speed", "0"), "choose 1 to 1000"),
        (("--port", "99999"), "choose another"),
        (("--sped", "3"), "unrecognized arguments"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_with_the_mend(arguments: tuple[str, ...], words: str) -> None:
    refused = demo(*arguments)
    assert refused.returncode == 2
    assert words in refused.stderr


def test_a_port_that_is_taken_is_told_with_one_that_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = demo("--once", "--port", str(taken.getsockname()[1]))
    assert refused.returncode == 2
    assert "choose another, such as --port" in refused.stderr
