"""A server that starts answers before its sieve is filled; meanwhile nothing is stored twice, and nothing is lost."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.db import Database
from server.readings import chunks, filling
from server.readings.fold import fold
from server.readings.invalid import every_invalid
from server.readings.memory import Memory, memory_of
from server.readings.sheaf import sheaf
from server.readings.store import keep
from tests.server.readings.made import reading
from tests.server.readings.test_shelf import opened
from vitals.clock import NS

WAIT_S = 20.0
KNOWN = [reading(90.0 + n, n * NS) for n in range(5)]
LATER = [reading(80.0 + n, n * NS) for n in range(3)]


class Gate:
    """Lets the filling begin when it is opened; `reached` once it is there."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        real = chunks.every_identity

        def held(tx: sa.Connection) -> Iterator[object]:
            self.reached.set()
            for halves in real(tx):
                assert self.open.wait(WAIT_S)
                yield halves

        monkeypatch.setattr(filling, "FEW", 0)
        monkeypatch.setattr("server.readings.shelf.FEW", 0)
        monkeypatch.setattr(chunks, "every_identity", held)


def memory(db: Database) -> Memory:
    with db.read() as tx:
        return memory_of(tx)


def filled(db: Database) -> bool:
    """Wait until the thread that fills it has ended; returns whether all is in the sieve."""
    for one in threading.enumerate():
        if one.name == "sieve":
            one.join(WAIT_S)
    return memory(db).shelf.sieve.whole


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A database with something in its chunks."""
    path = tmp_path / "db.sqlite"
    db = opened(path)
    with db.write() as tx:
        keep(tx, KNOWN, 1)
    fold(db)
    db.close()
    return path


def test_what_comes_before_the_sieve_is_filled_is_stored_once(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(monkeypatch)
    db = opened(stored)
    memory(db)
    assert gate.reached.wait(WAIT_S), "and whoever began it did not wait"
    with db.write() as tx:
        assert keep(tx, [*KNOWN, *LATER], 2) == LATER
    fold(db)
    gate.open.set()
    assert filled(db)
    with db.write() as tx:
        assert keep(tx, [*KNOWN, *LATER], 3) == []
    db.close()


def test_a_sieve_that_was_filled_beside_knows_what_is_new(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Gate(monkeypatch).open.set()
    db = opened(stored)
    sieve = memory(db).shelf.sieve
    assert filled(db)
    known, new = (sheaf(some, 1).rows for some in (KNOWN, LATER))
    assert sieve.perhaps(known["hi"], known["lo"]).all()
    assert not sieve.perhaps(new["hi"], new["lo"]).any()
    db.close()


def test_a_server_that_stops_while_it_is_filled_waits_for_no_more_than_a_piece(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    db = opened(stored)
    sieve = memory(db).shelf.sieve
    assert gate.reached.wait(WAIT_S)
    closing = threading.Thread(target=db.close)
    closing.start()
    gate.open.set()
    closing.join(WAIT_S)
    assert not closing.is_alive()
    assert "sieve" not in [one.name for one in threading.enumerate()]
    assert sieve.perhaps(*(sheaf(LATER, 1).rows[name] for name in ("hi", "lo"))).all() or sieve.whole


def test_a_database_that_is_away_for_a_moment_is_asked_again(
    stored: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Gate(monkeypatch).open.set()
    monkeypatch.setattr(filling, "AGAIN_S", 0.0)
    real, failures = every_invalid, [OSError("the disk is away")]

    def failing(tx: sa.Connection) -> Iterator[object]:
        if failures:
            raise failures.pop()
        return real(tx)

    monkeypatch.setattr(filling, "every_invalid", failing)
    db = opened(stored)
    memory(db)
    assert filled(db)
    assert "the disk is away" in caplog.text
    db.close()
