"""Whoever listens from outside hears the server for as long as it lives, and systemd too."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.heart import Heart
from server.notify.config import Heartbeat
from tests.server.notify.sink import Sink, sink


@pytest.fixture(name="monitor")
def _monitor() -> Iterator[Sink]:
    with sink() as made:
        yield made


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.setblocking(False)
        yield listening


def heard(systemd: socket.socket) -> list[bytes]:
    found = []
    try:
        while True:
            found.append(systemd.recv(100))
    except BlockingIOError:
        return found


def test_it_beats_while_the_engines_turn_and_alarms_get_out(monitor, systemd):
    turning, calls = [True], [True]
    heart = Heart(
        Heartbeat(monitor.url, every_s=0.001), lambda: turning[0], lambda: calls[0],
        {"NOTIFY_SOCKET": systemd.getsockname()},
    )  # fmt: skip
    heart.beat(0)
    assert (len(monitor.asked), heard(systemd)) == (1, [b"WATCHDOG=1"])
    calls[0] = False
    heart.beat(0)
    assert (len(monitor.asked), heard(systemd)) == (1, [b"WATCHDOG=1"]), "a restart would not bring the database back"
    turning[0] = False
    heart.beat(0)
    assert (len(monitor.asked), heard(systemd)) == (1, [])


def test_it_beats_no_oftener_than_asked_and_says_when_nobody_hears_it(monitor):
    heart = Heart(Heartbeat(monitor.url, every_s=3600), lambda: True, lambda: True, {})
    monitor.answers.append((500, b""))
    heart.beat(0)
    assert heart.problem() == "the heartbeat is not heard"
    heart.beat(0)
    heart.beat(0)
    assert heart.problem() is None
    assert len(monitor.asked) == 2, "tried again until it was heard, then not for an hour"


def test_a_socket_in_the_abstract_namespace_is_told_too():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0hjemvakt-heart-test")
        listening.settimeout(5)
        Heart(None, lambda: True, lambda: True, {"NOTIFY_SOCKET": "@hjemvakt-heart-test"}).tell("READY=1")
        assert listening.recv(100) == b"READY=1"
