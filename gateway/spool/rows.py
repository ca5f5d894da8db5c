"""What the spool is handed and hands out: things heard, rows on disk, and how full it is."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.spool import ledger, raw
from vitals.block import Block
from vitals.events import Event, Fault

Ranges = Sequence[tuple[int, int]]
"""Inclusive ranges of row numbers."""


class Heard(NamedTuple):
    """One thing a device told, and the gateway's two clocks when it did; `mono_ns` is None where nobody can say."""

    device: str
    received_ns: int
    what: Block | Event | Fault
    mono_ns: int | None = None


class Stored(NamedTuple):
    """A row on disk: its number and the wire's Row as JSON."""

    seq: int
    json: bytes


class Status(NamedTuple):
    """`queued` rows wait, the oldest since `oldest_ns`; `last_seq` is the highest number ever given (0: none).

    `urgent_seq`: the highest number of an urgent row (0: none). `low`: the disk itself is nearly full. `shed`: how many
    rows of waves were shed since the spool began.
    """

    queued: int
    oldest_ns: int | None
    last_seq: int
    urgent_seq: int = 0
    low: bool = False
    shed: int = 0


class Room(NamedTuple):
    """Bytes of the file: `used`, `most` that it may grow to, and `raw` of packets that are not understood yet."""

    used: int
    most: int
    raw: int


class Put(NamedTuple):
    """What one caller hands over, to be kept whole or not at all; `done` is told which."""

    heard: Sequence[Heard]
    bookmarks: Mapping[str, str]
    done: "asyncio.Future[None]"
    orders: Sequence[ledger.Entry] = ()
    packets: raw.Change | None = None

    @property
    def grows(self) -> bool:
        """Whether it needs room."""
        return bool(self.heard or (self.packets and self.packets.kept))
