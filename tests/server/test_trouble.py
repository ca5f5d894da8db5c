"""A store that fails says why, once, and never with what was to be stored."""

import contextlib
import logging
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from server import trouble
from server.db import Database

FULL = "the disk is full: make room on it"
log = logging.getLogger("tests.trouble")


def full(path: Path) -> sa.exc.OperationalError:
    """The error of a database that may not grow, on writing a patient's name."""
    db = Database(path / "full.sqlite")
    with contextlib.closing(db), db.write() as tx:
        tx.exec_driver_sql("CREATE TABLE people (name TEXT)")
        tx.exec_driver_sql("PRAGMA max_page_count = 2")
        with pytest.raises(sa.exc.OperationalError) as raised:
            tx.execute(sa.text("INSERT INTO people VALUES (:name)"), {"name": "Eva Nordmann " * 10_000})
    return raised.value


def test_a_full_disk_is_told_once_and_without_what_was_to_be_stored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = full(tmp_path)
    assert "Nordmann" not in str(error)
    first = trouble.report(log, None, error, "storing 3 messages")
    assert trouble.report(log, first, error, "storing 4 messages") == first == FULL
    assert [record.getMessage() for record in caplog.records] == [
        f"storing 3 messages failed, trying again until it succeeds: {FULL}"
    ]
    assert caplog.records[0].exc_info is None


def test_what_nobody_has_foreseen_is_told_each_time_with_its_place(caplog: pytest.LogCaptureFixture) -> None:
    error = RuntimeError("ours")
    assert trouble.report(log, "RuntimeError", error, "watch in this tick") == "RuntimeError"
    assert trouble.report(log, "RuntimeError", error, "watch in this tick") == "RuntimeError"
    assert len(caplog.records) == 2
    assert all(record.exc_info for record in caplog.records)


@pytest.mark.parametrize("name", ["SQLITE_IOERR", "SQLITE_IOERR_WRITE"])
def test_a_disk_that_fails_is_known_by_whatever_it_failed_at(name: str) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    assert (trouble.known(error) or "").startswith(f"the disk fails ({name})")
