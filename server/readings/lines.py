"""Readings as InfluxDB's line protocol: purely, entries of the journal in, lines and what to remove out.

A point of InfluxDB is known by its tags and its time, and by nothing else: a second one of the same tags and time
overwrites the first. The tags are few, or its index grows with every reading: patient, channel, device. So what tells
two readings of one moment apart must be in the time. A reading keeps its millisecond and gets a nanosecond of its own
within it (its *place*), taken from its identity; the moment itself, exact, is the field `t_ns`. A place is never used
twice within an entry, where most readings of one moment come together. Two of the same millisecond that were filed
apart get the same place once in a million such pairs; then InfluxDB shows the later of them, and the journal has both.

The place follows from the entry alone. So whatever is sent again, after a crash or a lost answer, is the same point.

No name of a person goes out: the patient's id in the municipality's file is a pseudonym, and is all there is of them.
"""

import math
import re
from collections.abc import Iterable
from functools import lru_cache

import msgspec

from server.readings.contract import Entry, Withdrawn
from server.readings.store import Reading
from vitals.clock import MS

MEASUREMENT = "reading"

EARLIEST_NS, LATEST_NS = -(2**63) + 2, 2**63 - 2
"""The times that InfluxDB can hold, both inclusive."""

Key = tuple[str, str, int, bytes]
"""A reading under whom it was filed: patient, channel, moment, identity."""

_NOT_IN_A_TAG = re.compile(r"[\x00-\x1f\x7f]|\\$|^$")
"""The line protocol has no way to write these."""
_IN_A_TAG = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ "})
_IN_A_TEXT = str.maketrans({'"': r"\"", "\\": r"\\"})


class Point(msgspec.Struct, frozen=True):
    """A reading as a line, and the journal's entry it is of."""

    seq: int
    line: str


class Refusal(msgspec.Struct, frozen=True):
    """So many points of these entries, `first_seq` to `last_seq`, are not in the store, and why."""

    first_seq: int
    last_seq: int
    points: int
    reason: str


class Change(msgspec.Struct):
    """What some entries come to: first remove, then write. What is withdrawn again among them is not written."""

    remove: dict[Key, Withdrawn] = {}
    write: dict[Key, Point] = {}
    refused: list[Refusal] = []


def change(entries: Iterable[Entry]) -> Change:
    """What to remove and what to write so that the store has these entries, in order.

    What is withdrawn in an entry was in earlier ones; the same reading in that entry counts again.
    """
    found = Change()
    for entry in entries:
        for gone in entry.withdrawn:
            key = _key(gone)
            found.write.pop(key, None)
            found.remove[key] = gone
        taken: set[tuple[str, str, str, int]] = set()
        for one in entry.readings:
            key = _key(one)
            if key in found.write and found.write[key].seq == entry.seq:
                continue  # twice in one entry: its place is taken by itself, and another would be a second point
            unfit = _unfit(one)
            if unfit:
                found.refused.append(Refusal(entry.seq, entry.seq, 1, unfit))
                continue
            found.write[key] = Point(entry.seq, _line(one, _place(one, taken), entry.stored_ns))
    return found


def short(identity: bytes) -> int:
    """What the field `identity` holds: the last 64 bits, enough to tell the readings of one moment apart."""
    return int.from_bytes(identity[-8:], "big", signed=True)


def millisecond(t_ns: int) -> int:
    """Where the places of this moment begin."""
    return t_ns // MS * MS


def _key(one: Reading | Withdrawn) -> Key:
    return one.patient_id, one.channel, one.t_ns, one.identity


def _place(one: Reading, taken: set[tuple[str, str, str, int]]) -> int:
    """The time of its point; the next one that is free where another of the entry has it."""
    begin, place = millisecond(one.t_ns), short(one.identity) % MS
    while (where := (one.patient_id, one.channel, one.device, begin + place)) in taken:
        place = (place + 1) % MS
    taken.add(where)
    return begin + place


def _unfit(one: Reading) -> str | None:
    """Why it cannot be a line of InfluxDB's. Nothing of the reading itself is told."""
    if not math.isfinite(one.value):
        return "the value is no number"
    if not EARLIEST_NS <= millisecond(one.t_ns) <= LATEST_NS - MS:
        return "the time is out of range"
    if _tags(one.patient_id, one.channel, one.device) is None:
        return "a name cannot be written as a tag"
    return None


def _line(one: Reading, place_ns: int, stored_ns: int) -> str:
    status = f',status="{" ".join(one.status).translate(_IN_A_TEXT)}"' if one.status else ""
    return (
        f"{MEASUREMENT},{_tags(one.patient_id, one.channel, one.device)} "
        f"value={float(one.value)!r},good={'true' if one.good else 'false'},decimals={one.decimals}i,t_ns={one.t_ns}i,"
        f"identity={short(one.identity)}i,stored_ns={stored_ns}i{status} {place_ns}"
    )


@lru_cache(maxsize=20_000)
def _tags(patient: str, channel: str, device: str) -> str | None:
    """How they are written, or None if they cannot be."""
    if any(_NOT_IN_A_TAG.search(name) for name in (patient, channel, device)):
        return None
    named = ("channel", channel), ("device", device), ("patient", patient)
    return ",".join(f"{name}={value.translate(_IN_A_TAG)}" for name, value in named)
