"""The relational store: one SQLAlchemy engine, one writer at a time.

SQLite in WAL mode with `synchronous=FULL`: a commit is on disk when it returns, and the server acknowledges only after
that. Writers take the lock before they begin (`BEGIN IMMEDIATE`), so no transaction ever fails half-way because a
reader turned into a writer. Readers never wait.

Tables are declared beside the code that owns them, on the one `metadata`. The schema's revisions are Alembic's
(`server/revisions`); a test holds the two against each other.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event

metadata = sa.MetaData()


class Database:
    """Read and write transactions on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # An error must not carry what was to be stored into the log.
        self.engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30}, hide_parameters=True)
        self._writing = threading.RLock()
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that may write: committed at the end, rolled back by any exception."""
        with (
            self._writing,
            self.engine.connect().execution_options(begin="IMMEDIATE") as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A consistent view for reading."""
        with self.engine.connect() as tx, tx.begin():
            yield tx

    def close(self) -> None:
        self.engine.dispose()


def _prepare(connection: object, _record: object) -> None:
    connection.isolation_level = None  # type: ignore[attr-defined]  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")  # type: ignore[attr-defined]


def _begin(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
