"""What memory notes of a transaction it notes when that is on disk, and not a moment before."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from server.config import Database as DatabaseConfig
from server.db import Database, after_commit


@pytest.fixture
def db(tmp_path: Path, database: DatabaseConfig) -> Iterator[Database]:
    """With a table whose rows are looked at when everything is to be stored, and not when each is."""
    db = Database(database.where(tmp_path))
    with db.write() as tx:
        tx.execute(
            sa.text(
                "CREATE TABLE follows (id INTEGER PRIMARY KEY, "
                "after INTEGER REFERENCES follows (id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
    yield db
    db.close()


def follow(tx: sa.Connection, number: int, after: int | None) -> None:
    tx.execute(sa.text("INSERT INTO follows VALUES (:number, :after)"), {"number": number, "after": after})


def test_it_is_noted_after_the_commit_in_the_order_it_was_done(db: Database) -> None:
    noted: list[str] = []
    with db.write() as tx:
        after_commit(tx, lambda: noted.append("first"))
        with tx.begin_nested():
            after_commit(tx, lambda: noted.append("second"))
        assert noted == []
    assert noted == ["first", "second"]
    with db.write():
        pass
    assert noted == ["first", "second"], "once"


def test_what_is_taken_back_was_never_done(db: Database) -> None:
    noted: list[str] = []

    def fail(tx: sa.Connection, what: str) -> None:
        after_commit(tx, lambda: noted.append(what))
        with tx.begin_nested():
            after_commit(tx, lambda: noted.append(f"a part of {what}"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), db.write() as tx:
        fail(tx, "everything")
    with db.write() as tx:
        after_commit(tx, lambda: noted.append("before"))
        with pytest.raises(ZeroDivisionError), tx.begin_nested():
            fail(tx, "something")
        after_commit(tx, lambda: noted.append("after"))
    assert noted == ["before", "after"]


def test_a_commit_that_the_database_refuses_is_none(db: Database) -> None:
    noted: list[int] = []

    def store(number: int, after: int | None) -> None:
        with db.write() as tx:
            follow(tx, number, after)
            after_commit(tx, lambda: noted.append(number))

    with pytest.raises(sa.exc.IntegrityError):
        store(1, after=77)
    store(2, after=None)
    assert noted == [2]
