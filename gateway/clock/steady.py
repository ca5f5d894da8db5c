"""The hub's other clock: the one that nobody sets.

A hub's clock may start in 1970, be an hour off, and jump when the network tells it the time. `steady_ns` counts from
the boot and never jumps, also while the hub sleeps. So each row carries it beside the clock's time, and whoever knows
both clocks at one right moment knows when every row of that boot was really received (`server.ingest.correct`).

*The boots' table* in the spool's file says from which row on which boot was running: what was counted in one says
nothing about another.

*A session lives in one frame of time.* Its driver compares the device's clock with ours, once; if ours jumped between
that and a record, the record would be off by the jump, and no later correction would know. So while a session lasts,
times go on from its beginning by the steady clock, and a session that notices a jump ends soon.
"""

import secrets
import sqlite3
import time
from pathlib import Path

import msgspec

from drivers.contract import Rx
from vitals.clock import NS, Clock

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
JUMP_S = 2.0
"""A clock that went on by so much more or less than the steady one has been set."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS boot (from_seq INTEGER PRIMARY KEY, id TEXT NOT NULL)"

Boots = list[tuple[int, str]]
"""The first row of each boot, and its name; oldest first."""


def steady_ns() -> int:
    """Nanoseconds of the wall since the hub was started."""
    return time.clock_gettime_ns(_STEADY)


def _name() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")[:16]
    except OSError:  # not Linux: each process counts as a boot of its own
        return secrets.token_hex(8)


BOOT = _name()
"""This boot, in 16 hexadecimal digits."""


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


class Frame:
    """Time as it goes on from now by the steady clock."""

    def __init__(self, clock: Clock) -> None:
        self._speed = clock.speed
        self._clock_ns = clock.now_ns()
        self._steady_ns = steady_ns()
        self.jumped = False
        """Whether the clock was set since."""

    def placed(self, rx: Rx) -> Rx:
        """The same with its time in this frame, where the clock jumped meanwhile."""
        if rx.mono_ns is None:
            return rx
        t_ns = self._clock_ns + round((rx.mono_ns - self._steady_ns) * self._speed)
        if abs(rx.t_ns - t_ns) < JUMP_S * NS * max(1.0, self._speed):
            return rx
        self.jumped = True
        return msgspec.structs.replace(rx, t_ns=t_ns)
