"""The commands, as a person types them."""

import io
import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from server.__main__ import main
from server.access.passwords import fits
from server.broker.accounts import verify
from server.keeping import kept
from tests.server.conftest import LADDERS, TOWN
from vitals.errors import StoreError

ROOT = Path(__file__).parents[2]


def test_the_example_configuration_can_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(ROOT / "configs" / "server.toml")]) == 0
    assert ": ok: Fjordvik" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "find", "put", "words"),
    [
        ("server.toml", "tick_s", "tik_s", "did you mean 'tick_s'?"),
        ("server.toml", "municipality.toml", "elsewhere.toml", "elsewhere.toml cannot be read"),
        (
            "municipality.toml",
            'programme = "copd"',
            'programme = "kols"',
            "patient p-001: there is no programme 'kols'",
        ),
        ("municipality.toml", "spo2_floor = 88", "spo2_floor = 8", "patient p-001: "),
        ("municipality.toml", 'password_hash = "$7$', 'password_hash = "$6$', "is no $7$ hash"),
        ("municipality.toml", 'id = "gw-bryggeveien-3"', 'id = "server"', "cannot be called 'server'"),
        ("municipality.toml", "to = 2026-01-12T08:00:00Z", "", "at once"),
        ("municipality.toml", "to = 2026-01-12T08:00:00Z", "to = 2020-01-12T08:00:00Z", "ends before it begins"),
        ("municipality.toml", 'password_hash = "$argon2id$', 'password_hash = "secret', "is no argon2 hash"),
        ("municipality.toml", 'name = "Ola Lege"', 'name = "kari  Sykepleier"', "two staff members are called"),
        ("municipality.toml", 'id = "gw-bryggeveien-3"', 'id = "GW 3"', "use small letters, digits and -"),
        ("municipality.toml", 'id = "p-001"', 'id = "p/001"', "a patient cannot be called 'p/001'"),
        ("municipality.toml", "birth_year = ", 'birth_year = "x"#', "`patients[0].birth_year`"),
        ("municipality.toml", "[[shifts]]", "[[shift]]", "did you mean 'shifts'?"),
        ("server.toml", "tick_s = 1.0", "tick_s = 0", "`tick_s`"),
        ("server.toml", "tick_s = 1.0", "tick_s = nan", "`tick_s`"),
        ("server.toml", "acknowledge_expires_s = 3600", "acknowledge_expires_s = -1", "`acknowledge_expires_s`"),
        ("server.toml", "tick_s = 1.0", "clock.speed = 0.0", "time goes forward"),
        ("server.toml", "tick_s = 1.0", "clock.speed = 60.0", "[clock] speed 60 from nowhere: give start_ns"),
        ("server.toml", "offline_after_s = 45", "offline_after_s = 0", "`fleet.offline_after_s`"),
        ("server.toml", "port = 8080", "port = 99999", "`web.port`"),
        ("server.toml", "port = 1883", "port = 0", "`broker.port`"),
        ("ladders.toml", 'priority = "high"', 'priority = "medium"', "ladders"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, find: str, put: str, words: str
) -> None:
    for name in ("server.toml", "municipality.toml", "ladders.toml"):
        text = (ROOT / "configs" / name).read_text(encoding="utf-8")
        if name == file:
            assert find in text
            text = text.replace(find, put, 1)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "server.toml")]) == 2
    said = capsys.readouterr().err
    assert (words in said, said.count("\n")) == (True, 1), said


def test_a_password_is_printed_in_both_forms_and_never_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("en lang setning\n"))
    assert main(["password"]) == 0
    said = capsys.readouterr().out
    staff, gateway = (line.split()[1] for line in said.splitlines())
    assert fits("en lang setning", staff)
    assert verify("en lang setning", gateway)
    assert "setning" not in said


def test_an_empty_password_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["password"]) == 2
    assert "empty" in capsys.readouterr().err


def test_the_web_contract_is_the_one_that_the_page_was_built_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    kept = json.loads((ROOT / "server" / "web" / "openapi.json").read_text(encoding="utf-8"))
    assert json.loads(capsys.readouterr().out) == kept


@pytest.mark.processes
@pytest.mark.parametrize("kind", ["mosquitto", "embedded"])
def test_it_runs_says_when_it_is_ready_and_stops_cleanly(
    tmp_path: Path, free_port: Callable[[], int], kind: str
) -> None:
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        f"""name = "Prøveby"
ladders = "{LADDERS}"
[web]
port = 0
[broker]
kind = "{kind}"
port = {free_port()}
""",
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "server", "run", str(tmp_path / "server.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "ready http://" in line)
        assert f"broker {kind} 127.0.0.1:" in ready
        address = ready.split("ready ")[1].split()[0]
        with urllib.request.urlopen(f"{address}/api/about", timeout=10) as answer:
            assert answer.status == 200
        with pytest.raises(StoreError, match="a server runs on"), kept(tmp_path / "data"):
            pass
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(15) == 0
    assert rest.rstrip().endswith("stopped")
    assert "Traceback" not in rest
