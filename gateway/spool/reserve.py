"""Room on the disk that the spool has taken in advance, so that a full disk stops what comes and not what goes.

SQLite writes everything twice: into the log beside the file, and from there, now and then, to its place. Where the disk
is full, neither may grow, and then not even a deletion can be written. So both are given their room beforehand:

    the log    LOG_BYTES, when the file is opened; SQLite begins again at its start long before they are used up
    the file   grows by CHUNK_PAGES at a time, and only when the disk has set these aside; between two such steps it is
               not allowed to grow at all (`max_page_count`), and new rows take the place of deleted ones

What would need more than the room there is is refused by SQLite itself (SQLITE_FULL); whoever meets that asks `grow`.
"""

import contextlib
import os
import sqlite3
from pathlib import Path

PAGE_BYTES = 4096
CHUNK_PAGES = 256
LOG_BYTES = 4 << 20
_SLACK_PAGES = 2
"""What a table takes beside its one value, and what is left over at the end."""
_OVERFLOW_BYTES = PAGE_BYTES - 4
"""What a page holds of a value that is longer than a page."""


class Reserve:
    """The room of the file `path`, which `db` has open; at most `most_pages`. `close` it after `db`, not before.

    SQLite's lock on the file is the process's: it would be given up with the first descriptor that is closed.
    """

    def __init__(self, db: sqlite3.Connection, path: Path, most_pages: int) -> None:
        self._db = db
        self._most_pages = most_pages
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._limit(self._pages())
        _take_log(path.with_name(f"{path.name}-wal"))
        if self._free() < CHUNK_PAGES // 4:
            self.grow()

    @property
    def most_pages(self) -> int:
        return self._most_pages

    def exhausted(self) -> bool:
        """Whether the file is as large as it may be; else it is the disk that gives no more."""
        return self._most_pages - self._pages() <= _SLACK_PAGES

    def grow(self) -> bool:
        """Take more room; False where there is none."""
        if self.exhausted():
            return False
        pages = self._pages()
        wanted = min(self._most_pages, pages + CHUNK_PAGES)
        try:
            os.posix_fallocate(self._file, 0, wanted * PAGE_BYTES)
            self._limit(wanted)
            self._fill(wanted - pages)
        except (OSError, sqlite3.Error):
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            return False
        finally:
            self._limit(0)
        return True

    def close(self) -> None:
        os.close(self._file)

    def _fill(self, pages: int) -> None:
        """Make that many free pages: of a value that takes all of them, and is thrown away again."""
        free = self._free()
        self._db.execute("BEGIN IMMEDIATE")
        self._db.execute("CREATE TABLE room (x BLOB)")
        self._db.execute("INSERT INTO room VALUES (zeroblob(?))", ((free + pages - _SLACK_PAGES) * _OVERFLOW_BYTES,))
        self._db.execute("DROP TABLE room")
        self._db.execute("COMMIT")
        self._db.execute("PRAGMA wal_checkpoint")

    def _pages(self) -> int:
        return int(self._db.execute("PRAGMA page_count").fetchone()[0])

    def _free(self) -> int:
        return int(self._db.execute("PRAGMA freelist_count").fetchone()[0])

    def _limit(self, pages: int) -> None:
        """The file may have so many pages, and never fewer than it has."""
        self._db.execute(f"PRAGMA max_page_count = {max(1, pages)}")


def _take_log(path: Path) -> None:
    """As long as that log is there, it keeps the room; on a disk that is full already, it has to do without."""
    with contextlib.suppress(OSError):
        log = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.posix_fallocate(log, 0, LOG_BYTES)
        finally:
            os.close(log)
