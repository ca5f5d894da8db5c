"""The orders' table in the spool's file: what is on disk before anything acts.

It is written by the spool, in the same transaction as the row that tells the server of the step, so the two never
disagree. Each step has a rank and the table itself refuses to go back: an order that was sent cannot become one that
waits to be sent, whatever the program above it believes.

An id stays for as long as the file does. It is a hundred bytes, and forgetting one could repeat a dose.
"""

import sqlite3
from collections.abc import Sequence

import msgspec

from gateway.clock.steady import BOOT
from vitals.wire import Command

RANK = {"received": 0, "sent": 1, "unknown": 2, "done": 3, "refused": 3, "expired": 3}
"""How far along each of `vitals.wire.ORDER_STEPS` is. What was unknown may still become known."""

OPEN = RANK["unknown"]
"""Below this an order still waits for something."""

_LATER = "boot TEXT NOT NULL DEFAULT ''"
"""What the tables of earlier versions lack."""
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS orders"
    " (id TEXT PRIMARY KEY, rank INTEGER NOT NULL, step TEXT NOT NULL, sent_ns INTEGER, command BLOB NOT NULL,"
    f" {_LATER}) WITHOUT ROWID"
)
_WRITE = (
    "INSERT INTO orders (id, rank, step, sent_ns, command, boot) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE"
    " SET rank = excluded.rank, step = excluded.step, sent_ns = excluded.sent_ns WHERE excluded.rank > orders.rank"
)
_SELECT = "SELECT command, step, sent_ns, boot FROM orders"


class Entry(msgspec.Struct, frozen=True):
    """One order and how far it has come. `sent_ns`: the gateway's clock when it was marked as sent. `boot`: which was
    running when it was received."""

    command: Command
    step: str = "received"
    sent_ns: int | None = None
    boot: str = BOOT

    @property
    def id(self) -> str:
        return self.command.order


def prepare(db: sqlite3.Connection) -> None:
    """Make the table where it is missing."""
    db.execute(_SCHEMA)
    if not any(column[1] == "boot" for column in db.execute("PRAGMA table_info(orders)")):
        db.execute(f"ALTER TABLE orders ADD COLUMN {_LATER}")


def write(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Keep these, in the caller's transaction; one that would go back is left as it was."""
    rows = [
        (one.id, RANK[one.step], one.step, one.sent_ns, msgspec.json.encode(one.command), one.boot) for one in entries
    ]
    db.executemany(_WRITE, rows)


def find(db: sqlite3.Connection, order: str) -> Entry | None:
    """The order of that id, if it has ever been here."""
    row = db.execute(f"{_SELECT} WHERE id = ?", (order,)).fetchone()
    return _entry(row) if row else None


def waiting(db: sqlite3.Connection) -> list[Entry]:
    """Those that have neither an outcome nor been given up."""
    rows = db.execute(f"{_SELECT} WHERE rank < ?", (OPEN,))
    return [_entry(row) for row in rows]


def give_up(db: sqlite3.Connection) -> None:
    """None of them waits any more, in the caller's transaction; their ids stay."""
    db.execute("UPDATE orders SET rank = ?, step = 'unknown' WHERE rank < ?", (OPEN, OPEN))


def _entry(row: tuple[bytes, str, int | None, str]) -> Entry:
    return Entry(msgspec.json.decode(row[0], type=Command), *row[1:])
