"""The commands as people type them, against a server that is a process of its own."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import tomli_w

from server.__main__ import main as server_command
from tests.ports import free_ports
from tests.server.conftest import LADDERS

ROOT = Path(__file__).parents[2]
TOWN = """
name = "Prøveby"
[[gateways]]
id = "home-1"
place = "Gata 1"
"""


def configured(folder: Path) -> tuple[Path, Path]:
    """server.toml and gateway.toml."""
    own, port, claim_port = free_ports(3)
    tls = {"names": ["127.0.0.1"], "host": "127.0.0.1", "port": port, "claim_port": claim_port}
    server = {
        "name": "Prøveby", "ladders": str(LADDERS), "tick_s": 0.2, "web": {"port": 0},
        "broker": {"kind": "mosquitto", "port": own, "tls": tls},
    }  # fmt: skip
    uplink = {"host": "127.0.0.1", "port": port, "reconnect_max_s": 0.5, "tls": {"claim_port": claim_port}}
    (folder / "municipality.toml").write_text(TOWN, encoding="utf-8")
    (folder / "server.toml").write_text(tomli_w.dumps(server), encoding="utf-8")
    (folder / "gateway.toml").write_text(tomli_w.dumps({"name": "home-1", "uplink": uplink}), encoding="utf-8")
    return folder / "server.toml", folder / "gateway.toml"


@contextlib.contextmanager
def started(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A process of ours, ended by its id."""
    command = [sys.executable, "-m", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.stderr is not None
            process.stderr.read()
            assert process.wait(20) == 0


def said(process: subprocess.Popen[str], words: str) -> str:
    assert process.stderr is not None
    return next(line for line in process.stderr if words in line)


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.processes
@pytest.mark.mosquitto
def test_a_hub_from_the_box_to_its_last_day(tmp_path: Path) -> None:
    server_toml, gateway_toml = configured(tmp_path)
    with started("server", "run", server_toml) as server:
        said(server, "ready http://")
        assert "not claimed yet" in run("gateway", "check", gateway_toml).stdout
        code = run("server", "claim-code", "home-1", "--config", server_toml)
        assert (code.returncode, "good once, for 24 hours, for home-1" in code.stderr) == (0, True), code
        claimed = run("gateway", "claim", code.stdout.strip().lower(), "--config", gateway_toml)
        assert "this hub is home-1 until " in claimed.stdout, claimed
        assert ", identity of home-1 until " in run("gateway", "check", gateway_toml).stdout
        with started("gateway", "run", gateway_toml) as gateway:
            said(gateway, "connected to 127.0.0.1")
            revoked = run("server", "revoke", "home-1", "--config", server_toml, "--reason", "returned")
            assert "home-1 is revoked, 1 certificate" in revoked.stdout, revoked
            said(server, "gateway home-1 was turned away")
            said(gateway, "the connection to the broker was lost")
            said(gateway, "does not take our certificate")
        again = run("gateway", "claim", code.stdout.strip(), "--config", gateway_toml, "--yes")
        assert (again.returncode, "this code is not good, or not any more" in again.stderr) == (2, True), again


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["claim-code", "home-1"], "start the server once"),
        (["claim-code", "home-1", "--hours", "1000"], "good for up to 168 hours"),
        (["revoke", "home-1", "--reason", "returned"], "start the server once"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    server_toml, _ = configured(tmp_path)
    assert server_command([*arguments, "--config", str(server_toml)]) == 2
    told = capsys.readouterr().err
    assert (words in told, told.count("\n")) == (True, 1), told


@pytest.mark.parametrize(
    ("broker", "words"),
    [
        ({"kind": "embedded", "tls": {"names": ["x"]}}, "certificates need a mosquitto that the server starts"),
        ({"host": "0.0.0.0", "tls": {"names": ["x"]}}, "that door is the server's own"),
        ({"tls": {"names": []}}, "broker.tls.names"),
        ({"tls": {"names": ["https://x.no"]}}, "write names or addresses"),
        ({}, "gateway home-1 has no password_hash, and there is no [broker.tls]"),
    ],
)
def test_a_broker_that_cannot_be_as_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broker: dict[str, object], words: str
) -> None:
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    text = tomli_w.dumps({"name": "Prøveby", "ladders": str(LADDERS), "broker": broker})
    (tmp_path / "server.toml").write_text(text, encoding="utf-8")
    assert server_command(["check", str(tmp_path / "server.toml")]) == 2
    told = capsys.readouterr().err
    assert (words in told, told.count("\n")) == (True, 1), told
