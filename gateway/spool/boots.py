"""The boots' table in the spool's file: from which row on which boot was running.

A row's time by the steady clock (`gateway.clock.steady`) means something only together with its boot's name.
"""

import sqlite3

from gateway.clock.steady import BOOT

_SCHEMA = "CREATE TABLE IF NOT EXISTS boot (from_seq INTEGER PRIMARY KEY, id TEXT NOT NULL)"

Boots = list[tuple[int, str]]
"""The first row of each boot, and its name; oldest first."""


def prepare(db: sqlite3.Connection, next_seq: int, boot: str = BOOT) -> Boots:
    """Make the table where it is missing, note that rows from `next_seq` on are of this boot; the boots that matter."""
    db.execute(_SCHEMA)
    last = db.execute("SELECT id FROM boot ORDER BY from_seq DESC LIMIT 1").fetchone()
    if last is None or last[0] != boot:
        db.execute("REPLACE INTO boot VALUES (?, ?)", (next_seq, boot))
    db.execute(
        "DELETE FROM boot WHERE from_seq < (SELECT max(from_seq) FROM boot"
        " WHERE from_seq <= coalesce((SELECT min(seq) FROM row), ?))",
        (next_seq,),
    )
    return [(from_seq, name) for from_seq, name in db.execute("SELECT from_seq, id FROM boot ORDER BY from_seq")]
