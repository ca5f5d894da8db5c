"""A SQLite database of the newest revision, as a copy: nearly thirty revisions take longer than most tests.

PostgreSQL's are copies too (`tests.postgres`). That an empty database is brought to the newest revision is what
`tests/server/test_revisions.py` and every test with processes are about.
"""

import functools
import tempfile
from pathlib import Path

import sqlalchemy as sa

from server import revisions
from server.db import Database


def lay(where: Path | sa.URL) -> None:
    """Put it there, unless there is one or it is PostgreSQL's."""
    if isinstance(where, Path) and not where.exists():
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(empty())


@functools.cache
def empty() -> bytes:
    """The file, with nothing in its tables."""
    with tempfile.TemporaryDirectory() as folder:
        db = Database(Path(folder) / "empty.sqlite")
        revisions.upgrade(db)
        db.close()
        return db.path.read_bytes()
