"""The relational store: one SQLAlchemy engine, one writer at a time, on SQLite or on PostgreSQL (`server.postgres`).

SQLite in WAL mode with `synchronous=FULL`: a commit is on disk when it returns, and the server acknowledges only after
that. Writers take the lock before they begin (`BEGIN IMMEDIATE`), so no transaction ever fails half-way because a
reader turned into a writer. Readers never wait. PostgreSQL keeps the same promises by its own means.

Tables are declared beside the code that owns them, on the one `metadata`. The schema's revisions are Alembic's
(`server/revisions`); a test holds the two against each other, on both.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite

from server import postgres
from server.turns import Turns
from vitals.errors import StoreError

metadata = sa.MetaData()

_Deed = Callable[[], object]

Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""A row's own number, or another's: 64 bits everywhere. SQLite gives numbers only to a column that says INTEGER."""

_INSERT: dict[str, Callable[[sa.Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
_DRIVERS = sqlite3.Error, psycopg.Error
"""What `server.quick` raises, which asks them without a detour."""
_WHAT_WAS_ASKED = tuple(
    getattr(one, name)
    for one in (sa.exc, sqlite3, psycopg)
    for name in ("DataError", "IntegrityError", "ProgrammingError", "NotSupportedError")
)
CHECKPOINT_PAGES = 16_000
"""64 MB of log before a commit itself copies it into the file: every commit is on disk without that, and readings come
in bursts. `Database.checkpoint` copies it before it comes to that, beside those who write."""

_PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000")


@dataclass
class Writes:
    """How writing goes, counted: what was committed, what the database could not take, and how it failed the last time.

    For whoever must act when nothing can be written (`server.notify.emergency`).
    """

    done: int = 0
    failed: int = 0
    failure: Exception | None = None


class Database:
    """Read and write transactions on one SQLite file, or on the PostgreSQL database of a URL."""

    def __init__(self, where: Path | sa.URL) -> None:
        self.path = where if isinstance(where, Path) else None
        """SQLite's file; None for a database that others keep."""
        self.name = str(where) if isinstance(where, Path) else where.render_as_string(hide_password=True)
        self.engine = _engine(where) if isinstance(where, Path) else postgres.engine(where)
        event.listen(self.engine, "savepoint", _mark)
        event.listen(self.engine, "release_savepoint", _unmark)
        event.listen(self.engine, "rollback_savepoint", _back_to_mark)
        self.writes = Writes()
        self._reading: Mapping[str, Any] = {} if isinstance(where, Path) else postgres.READING
        self._writing = Turns()

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end, rolled back by any exception.

        Raises where it cannot be said to be on disk (`troubled`); it may be there all the same when the connection
        broke at the last moment, so whatever is tried again must be harmless twice.
        """
        with self._writing:
            afterwards: list[_Deed | None] = []
            try:
                with self.engine.connect().execution_options(writing=True, afterwards=afterwards) as tx, tx.begin():
                    yield tx
            except Exception as error:
                if troubled(error):
                    self.writes.failed += 1
                    self.writes.failure = error
                raise
            self.writes.done += 1
            for deed in afterwards:
                if deed is not None:
                    deed()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view for reading."""
        with self.engine.connect().execution_options(**self._reading) as tx, tx.begin():
            yield tx

    def problem(self) -> str | None:
        """What is wrong with it now, or None: no name, no address."""
        try:
            with self.read() as tx:
                tx.execute(sa.select(1))
        except (sa.exc.SQLAlchemyError, StoreError) as error:
            return f"the database does not answer ({type(error).__name__})"
        return None

    def reach(self) -> None:
        """Try it; raises StoreError that says why it cannot be used."""
        try:
            with self.read() as tx:
                tx.execute(sa.select(1))
        except sa.exc.DBAPIError as error:
            why = " ".join(str(error.orig).split())
            mend = "see that it is there and that the server may use it" if self.path else postgres.REACH
            raise StoreError(f"the database {self.name} cannot be opened ({why})", mend) from error

    def checkpoint(self) -> None:
        """Copy what SQLite's log has into the file, as far as nobody is reading it; no writer waits for it.

        Without it a commit would, now and then, and whoever was measured then. PostgreSQL does so by itself.
        """
        if self.path is None:
            return
        with self.engine.connect() as outside:
            wire: Any = outside.connection.dbapi_connection
            wire.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def sizes(self, tx: sa.Connection) -> dict[str, int]:
        """Bytes on disk, by what they are: `main`, and SQLite's write-ahead log `wal` while there is one."""
        if self.path is None:
            return {"main": postgres.size(tx)}
        files = {"main": self.path, "wal": self.path.with_name(self.path.name + "-wal")}
        return {name: file.stat().st_size if file.exists() else 0 for name, file in files.items()}

    def close(self) -> None:
        self.engine.dispose()


def after_commit(tx: sa.Connection, deed: _Deed) -> None:
    """Do it once the transaction of `Database.write` is on disk; never, where it or its savepoint is rolled back.

    Whatever memory keeps of what the database holds is noted so: SQLAlchemy's own `commit` event comes before the
    disk has been asked, and one that fails then would be remembered as done.
    """
    tx.get_execution_options()["afterwards"].append(deed)


def upsert(
    tx: sa.Connection,
    table: sa.Table,
    key: Mapping[str, object],
    values: Mapping[str, object],
    again: Mapping[str, object] | None = None,
) -> None:
    """Insert a row, or where its `key` is there already, set `again` in that one (None: the same `values`)."""
    added = _INSERT[tx.dialect.name](table).values(**key, **values)
    tx.execute(added.on_conflict_do_update(index_elements=list(key), set_=dict(values if again is None else again)))


def troubled(error: Exception) -> bool:
    """Whether the database failed, and not what was asked of it: the same may be tried again later.

    Locked, full, gone, read-only after it changed places, not to be trusted with a commit.
    """
    if isinstance(error, sa.exc.TimeoutError | sa.exc.PendingRollbackError | StoreError):
        return True
    if not isinstance(error, (sa.exc.DBAPIError, *_DRIVERS)) or isinstance(error, _WHAT_WAS_ASKED):
        return False
    return not postgres.too_much(error.orig if isinstance(error, sa.exc.DBAPIError) else error)


def _engine(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True, json_deserializer=_decoded
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _decoded(text: str) -> Any:
    """What a column of JSON says; each look at everybody opens thousands of them, which are mostly empty."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:  # Python writes infinity, which JSON does not have
        return json.loads(text)


def _prepare(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves
    for pragma in (*_PRAGMAS, f"wal_autocheckpoint={CHECKPOINT_PAGES}", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _begin(connection: sa.Connection) -> None:
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED")


def _mark(tx: sa.Connection, _name: str | None) -> None:
    """A savepoint begins: what is to be done after the commit has a mark there."""
    tx.get_execution_options()["afterwards"].append(None)


def _unmark(tx: sa.Connection, _name: str, _context: object) -> None:
    """It is released: it shares the fate of what is around it."""
    afterwards = tx.get_execution_options()["afterwards"]
    del afterwards[_last_mark(afterwards)]


def _back_to_mark(tx: sa.Connection, _name: str, _context: object) -> None:
    afterwards = tx.get_execution_options()["afterwards"]
    del afterwards[_last_mark(afterwards) :]


def _last_mark(afterwards: list[_Deed | None]) -> int:
    return max(n for n, one in enumerate(afterwards) if one is None)
