"""The spool's file as SQLite has it: its tables, how it is opened, locked and emptied, and what its errors mean.

WAL with `synchronous=FULL`: a commit that has returned survives a power cut. The lock is SQLite's own and exclusive: a
second gateway on the same folder is refused.
"""

import secrets
import sqlite3
from pathlib import Path

from gateway.spool import ledger, raw, shed
from gateway.spool.reserve import LOG_BYTES
from vitals.errors import StoreError

SCHEMA_VERSION = 2

_SCHEMA = """
CREATE TABLE row (seq INTEGER PRIMARY KEY AUTOINCREMENT, received_ns INTEGER NOT NULL, json BLOB NOT NULL);
CREATE TABLE bookmark (device TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE spool (epoch TEXT NOT NULL);
"""
_RANKS = f"""
ALTER TABLE row ADD COLUMN rank INTEGER NOT NULL DEFAULT {shed.ORDINARY};
CREATE INDEX row_wave ON row (seq) WHERE rank = {shed.WAVE};
ALTER TABLE spool ADD COLUMN shed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX row_urgent ON row (seq) WHERE rank = {shed.URGENT};
"""


def connected(path: Path) -> sqlite3.Connection:
    """The file, ours alone, with the tables of this version; raises StoreError."""
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=0)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -512")
        db.execute("PRAGMA temp_store = MEMORY")  # a full disk has no room for that either
        db.execute("PRAGMA wal_autocheckpoint = 256")
        db.execute(f"PRAGMA journal_size_limit = {LOG_BYTES}")
        _prepare(db, path)
        ledger.prepare(db)
        raw.prepare(db)
    except BaseException as error:
        if db is not None:
            db.close()
        if isinstance(error, sqlite3.Error):
            raise store_error(error, path) from error
        raise
    return db


def wipe(path: Path) -> None:
    """Throw away, for good, everything that waits in a spool that nobody has open; raises StoreError.

    The ids of orders stay: a hub that forgot one could act on it twice. None of them waits for anything any more.
    """
    db = None
    try:
        db = sqlite3.connect(path, isolation_level=None, timeout=0)
        db.execute("PRAGMA secure_delete = ON")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("BEGIN EXCLUSIVE")
        for table in ("row", "bookmark", "raw"):
            db.execute(f"DELETE FROM {table}")
        ledger.give_up(db)
        db.execute("UPDATE spool SET epoch = ?", (secrets.token_hex(8),))
        db.execute("COMMIT")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise store_error(error, path) from error
    finally:
        if db is not None:
            db.close()


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables in a new file, or what an older version lacked; raises StoreError for one of a newer."""
    version = number(db, "PRAGMA user_version")
    if version not in range(SCHEMA_VERSION + 1):
        raise StoreError(
            f"{path} is a spool of version {version}, this gateway writes {SCHEMA_VERSION}",
            "run the gateway that wrote it until it is empty, then move the file away",
        )
    if version < SCHEMA_VERSION:
        db.execute("BEGIN IMMEDIATE")
        if version == 0:
            _execute(db, _SCHEMA)
            db.execute("INSERT INTO spool VALUES (?)", (secrets.token_hex(8),))
        _execute(db, _RANKS)
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        db.execute("COMMIT")


def _execute(db: sqlite3.Connection, script: str) -> None:
    for statement in script.strip().splitlines():
        db.execute(statement)


def number(db: sqlite3.Connection, query: str) -> int:
    """The number that a query asks for."""
    return int(db.execute(query).fetchone()[0])


def store_error(error: Exception, path: Path, *, low: bool = False) -> StoreError:
    """What to tell of it. `low`: the disk itself is full."""
    if not isinstance(error, sqlite3.Error):
        why = f"{type(error).__name__}: {error}"
        return StoreError(f"the spool {path} cannot keep what it was given ({why})", "report it with the log")
    match getattr(error, "sqlite_errorname", ""):
        case "SQLITE_FULL" if low:
            return StoreError(f"the disk of the spool {path} is full", "make room on it, or bring the server back")
        case "SQLITE_FULL":
            return StoreError(f"the spool {path} is full", "bring the server back, or give it more with spool_mb")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreError(f"another process has the spool {path}", "stop the other gateway")
        case "SQLITE_NOTADB" | "SQLITE_CORRUPT":
            return StoreError(f"the spool {path} is damaged ({error})", "keep a copy, move it away and start again")
        case "SQLITE_CANTOPEN" | "SQLITE_READONLY":
            return StoreError(f"the spool {path} cannot be written ({error})", "see to the folder's rights")
    return StoreError(f"the spool {path} failed ({error})", "see to the disk")
