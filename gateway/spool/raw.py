"""The bytes themselves, on disk before anybody tries to understand them: the `raw` table in the spool's file.

A packet that a Bluetooth stack has confirmed is gone from the device, whatever becomes of us. So a session keeps a
burst here before it feeds the driver, and what the burst meant is stored in the same transaction that forgets it.
What is found here at a start was interrupted between the two: it is fed to a fresh driver, once.

*A packet on which a driver failed* is set aside under the version of the software that failed, with those before it
that had told nothing yet, and with how much it had told when the driver failed, so that nothing is told twice. Each
later version tries it once. Of these only the newest SET_ASIDE_BYTES of a device are kept: they are a hope, and must
not fill the disk.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from drivers.contract import Rx
from gateway import VERSION
from gateway.clock.steady import BOOT

SET_ASIDE_BYTES = 256 << 10
_ROW_BYTES = 64
"""What a packet takes beside its bytes."""

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS raw (device TEXT, n INTEGER, received_ns INTEGER NOT NULL, pipe TEXT NOT NULL,"
    " data BLOB NOT NULL, tried TEXT, told INTEGER NOT NULL DEFAULT 0, mono_ns INTEGER, boot TEXT,"
    " PRIMARY KEY (device, n)) WITHOUT ROWID"
)
_LATER = ("mono_ns INTEGER", "boot TEXT")
"""What the tables of earlier versions lack."""
_TRIM = (
    "DELETE FROM raw WHERE device = ?1 AND tried IS NOT NULL AND n <= (SELECT max(n) FROM (SELECT n,"
    " sum(length(data) + ?2) OVER (ORDER BY n DESC) AS size FROM raw WHERE device = ?1 AND tried IS NOT NULL)"
    " WHERE size > ?3)"
)
_LEFT = (
    "SELECT n, pipe, data, received_ns, mono_ns, boot, tried, told FROM raw"
    " WHERE device = ? AND tried IS NOT ? ORDER BY n"
)

Range = tuple[int, int]
"""Numbers of packets, both ends included."""


class Kept(NamedTuple):
    """A packet on disk. `n` counts up within a device.

    `tried` is the version that failed on it, if one did; `told` how many things it had told by then.
    """

    n: int
    rx: Rx
    tried: str | None = None
    told: int = 0


class Change(NamedTuple):
    """What becomes of a device's packets: new ones, those understood, and those up to one that a driver failed on.

    `told`: how many things that last one had told, now and at all earlier tries.
    """

    device: str
    kept: Sequence[Kept] = ()
    forgotten: Range | None = None
    set_aside: Range | None = None
    told: int = 0


def prepare(db: sqlite3.Connection) -> None:
    """Make the table where it is missing."""
    db.execute(_SCHEMA)
    there = {column[1] for column in db.execute("PRAGMA table_info(raw)")}
    for column in _LATER:
        if column.split()[0] not in there:
            db.execute(f"ALTER TABLE raw ADD COLUMN {column}")


def write(db: sqlite3.Connection, change: Change) -> None:
    """Carry it out, in the caller's transaction."""
    db.executemany(
        "INSERT INTO raw (device, n, received_ns, pipe, data, mono_ns, boot) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(change.device, one.n, one.rx.t_ns, one.rx.pipe, one.rx.data, one.rx.mono_ns, BOOT) for one in change.kept],
    )
    if change.forgotten:
        db.execute("DELETE FROM raw WHERE device = ? AND n BETWEEN ? AND ?", (change.device, *change.forgotten))
    if change.set_aside:
        device, (first, failed) = change.device, change.set_aside
        db.execute("UPDATE raw SET tried = ? WHERE device = ? AND n BETWEEN ? AND ?", (VERSION, device, first, failed))
        db.execute("UPDATE raw SET told = ? WHERE device = ? AND n = ?", (change.told, device, failed))
        db.execute(_TRIM, (change.device, _ROW_BYTES, SET_ASIDE_BYTES))


def left(db: sqlite3.Connection, device: str) -> list[Kept]:
    """What this version has not tried, in the order of arrival. What another boot counted says nothing in this one."""
    return [
        Kept(n, Rx(pipe, data, received_ns, mono_ns if boot == BOOT else None), tried, told)
        for n, pipe, data, received_ns, mono_ns, boot, tried, told in db.execute(_LEFT, (device, VERSION))
    ]


def last(db: sqlite3.Connection, device: str) -> int:
    """The highest number in use; 0: none."""
    found = db.execute("SELECT max(n) FROM raw WHERE device = ?", (device,)).fetchone()
    return int(found[0] or 0)


def size(db: sqlite3.Connection) -> int:
    """The bytes of all packets, of every device."""
    return int(db.execute("SELECT coalesce(sum(length(data)), 0) FROM raw").fetchone()[0])
