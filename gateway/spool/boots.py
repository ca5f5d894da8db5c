"""The boots' table in the spool's file: from which row on which boot was running.

A row's time by the steady clock (`gateway.clock.steady`) means something only together with its boot's name.

*Between two boots numbers are left out*, no one knows how many. There are disks that say that a commit is written when
it is not, and lose the last of them with the power. Their numbers would be given anew, and the server, which has rows
of these numbers, would take new ones for those and have them deleted.
"""

import secrets
import sqlite3

from gateway.clock.steady import BOOT

MOST_LEFT_OUT = 1 << 32
"""So few that a million boots fit what every program can count."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS boot (from_seq INTEGER PRIMARY KEY, id TEXT NOT NULL)"

Boots = list[tuple[int, str]]
"""The first row of each boot, and its name; oldest first."""


def prepare(db: sqlite3.Connection, last_seq: int, boot: str = BOOT) -> tuple[Boots, int]:
    """Make the table where it is missing, and note that rows after `last_seq` are of this boot. The boots that matter,
    and the number after which rows go on."""
    db.execute(_SCHEMA)
    last = db.execute("SELECT from_seq, id FROM boot ORDER BY from_seq DESC LIMIT 1").fetchone()
    if last is not None and last[1] == boot:
        last_seq = max(last_seq, last[0] - 1)
    else:
        db.execute("DELETE FROM boot WHERE from_seq > ?", (last_seq,))  # they have no rows
        if last_seq:
            last_seq += 1 + secrets.randbelow(MOST_LEFT_OUT)
        db.execute("INSERT INTO boot VALUES (?, ?)", (last_seq + 1, boot))
    db.execute(
        "DELETE FROM boot WHERE from_seq < (SELECT max(from_seq) FROM boot"
        " WHERE from_seq <= coalesce((SELECT min(seq) FROM row), ?))",
        (last_seq + 1,),
    )
    return list(db.execute("SELECT from_seq, id FROM boot ORDER BY from_seq")), last_seq
