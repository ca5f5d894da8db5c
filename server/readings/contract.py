"""What keeps readings to be read back, whatever it is made of.

The journal is where a reading becomes durable, and what was decided of it: whose it is, what it is known by. A series
store is fed from the journal, in order, by position, and can be made anew from it; so it may fall behind, or be away
for a week, and nothing is lost. Charts read it, and so does whoever works with the readings outside.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from server.readings.model import Occurrence, Reading, SeriesColumns


class Withdrawn(msgspec.Struct, frozen=True):
    """A reading that no longer counts: it was somebody else's, or it was wrong. What it said stays in the journal."""

    patient_id: str
    channel: str
    t_ns: int
    identity: bytes


class Entry(msgspec.Struct, frozen=True):
    """One row of the journal, as it was filed: what came, and what was withdrawn. `stored_ns`: when.

    What is withdrawn was in earlier rows: the same identity among `readings` is a reading that counts again.
    """

    seq: int
    stored_ns: int
    readings: tuple[Reading, ...] = ()
    events: tuple[Occurrence, ...] = ()
    withdrawn: tuple[Withdrawn, ...] = ()


class Buckets(msgspec.Struct, frozen=True):
    """A channel at a coarser step, columns of equal length, oldest first; a bucket without readings is left out.

    `t_ns`: where each bucket begins, a multiple of its step since 1970. Readings that the device doubts count too.
    """

    t_ns: list[int]
    low: list[float]
    mean: list[float]
    high: list[float]
    count: list[int]


class SeriesStore(Protocol):
    """Raises StoreError where it cannot be reached."""

    def position(self) -> int:
        """The journal's seq up to which everything is in it; 0 for nothing."""

    def take(self, entries: Sequence[Entry]) -> None:
        """Add these, in order of seq. Entries that it has already change nothing."""

    def series(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
        """One channel of one patient between two moments, both inclusive."""

    def buckets(self, patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int) -> Buckets:
        """The same, in steps of whole seconds."""
