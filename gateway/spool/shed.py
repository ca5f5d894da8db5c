"""What goes first when a spool runs full: waves, the oldest of them, and what is left in their place.

A wave is a signal sampled many times a second (`vitals.channels.Channel.wave`). It is most of the bytes and least of
the worth; a vital sign, an event or a fault is never shed, and when those alone fill the spool, it refuses.

A stretch is taken at a time, large enough that what says so is small beside it: for each device and channel one event
`gap`, in the same transaction, with the first and last row and moment, and how many rows and samples there were.
"""

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from vitals import events
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.events import Event, Fault
from vitals.wire import Row

WAVE, ORDINARY, URGENT = 0, 1, 2
"""A row's rank: what is shed first, what is neither, and what is sent first."""

FROM = 0.9
"""So full a spool begins to shed."""
SHARE = 0.05
"""So much of it is taken at a time."""

_OLDEST = "SELECT seq, json FROM row WHERE rank = 0 ORDER BY seq"
_decoder = msgspec.json.Decoder(Row)


class Gap(NamedTuple):
    """The event that stands for what was shed of one device."""

    device: str
    event: Event


def rank(what: Block | Event | Fault) -> int:
    """How a row of this is treated."""
    if isinstance(what, Event):
        return URGENT if what.kind in events.URGENT else ORDINARY
    if isinstance(what, Block) and what.channel in CHANNELS and CHANNELS[what.channel].wave:
        return WAVE
    return ORDINARY


def make_room(db: sqlite3.Connection, room_bytes: int) -> tuple[list[Gap], int]:
    """Delete the oldest waves, so many bytes of them, in the caller's transaction; what to leave, and rows deleted."""
    shed: list[Row] = []
    for seq, json in db.execute(_OLDEST):
        if room_bytes <= 0:
            break
        room_bytes -= len(json)
        shed.append(_decoder.decode(json))
        assert shed[-1].seq == seq
    db.executemany("DELETE FROM row WHERE seq = ?", [(row.seq,) for row in shed])
    return list(_gaps(shed)), len(shed)


def _gaps(shed: list[Row]) -> Iterator[Gap]:
    stretches: dict[tuple[str, str], list[tuple[int, Block]]] = {}
    for row in shed:
        assert isinstance(row.what, Block)
        stretches.setdefault((row.device, row.what.channel), []).append((row.seq, row.what))
    for (device, channel), rows in stretches.items():
        times = [t_ns for _, block in rows for t_ns in block.t_ns]
        data: dict[str, int | float | str] = {
            "channel": channel, "from_seq": rows[0][0], "to_seq": rows[-1][0], "rows": len(rows),
            "samples": len(times), "from_ns": min(times), "to_ns": max(times), "why": "the spool was nearly full",
        }  # fmt: skip
        yield Gap(device, Event("gap", max(times), data))
