"""Batches in columns, as far as they say themselves what they are: all but whose the readings are.

Ordinary is, in this respect: blocks of one plausible value each, of channels that we know. A step of numpy costs as
much for one row as for hundreds, so all batches that came together are put into columns together. If they are not all
ordinary, the ones that are not are found by halving.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, repeat
from typing import NamedTuple, TypeVar

import numpy as np

from server.ingest.identity import identities, known_by
from server.ingest.parcel import Parcel
from server.readings.sheaf import NOTHING_NS, ROW, Sheaf, name_rows
from vitals.block import DOUBTED, Block
from vitals.channels import CHANNELS

_CODES = {name: code for code, name in enumerate(CHANNELS)}
_LOW = np.array([one.low for one in CHANNELS.values()])
_HIGH = np.array([one.high for one in CHANNELS.values()])
_DECIMALS = frozenset(range(-9, 10))
K = TypeVar("K", str, tuple[str, ...])
T = TypeVar("T")


class Columns(NamedTuple):
    """Readings of these devices, in the order in which they came; `patient` and `stored_ns` say nothing yet."""

    sheaf: Sheaf
    devices: tuple[str, ...]


def in_columns(parcels: Sequence[Parcel], together: Callable[[Sequence[Parcel]], T | None]) -> Iterator[T | Parcel]:
    """All of these, in their order: neighbours that can be put `together`, and each one without."""
    if not parcels:
        return
    if (found := together(parcels)) is not None:
        yield found
    elif len(parcels) == 1:
        yield parcels[0]
    else:
        half = len(parcels) // 2
        yield from in_columns(parcels[:half], together)
        yield from in_columns(parcels[half:], together)


def columns(parcels: Sequence[Parcel]) -> Columns | None:
    """The rows of these; None if they are not all ordinary."""
    rows = [row for parcel in parcels for row in parcel.rows]
    blocks = [row.what for row in rows]
    if set(map(type, blocks)) != {Block}:
        return None
    devices, received_ns = [row.device for row in rows], [row.received_ns for row in rows]
    return _columns(parcels, devices, received_ns, blocks)  # type: ignore[arg-type]


def _columns(
    parcels: Sequence[Parcel], devices: Sequence[str], received_ns: Sequence[int], blocks: Sequence[Block]
) -> Columns | None:
    table = np.zeros(len(blocks), ROW)
    channels = [one.channel for one in blocks]
    device_ns = [one.device_t_ns for one in blocks]
    decimals = [one.decimals for one in blocks]
    try:
        code = np.array([_CODES[name] for name in channels])
        table["t_ns"] = [t_ns for (t_ns,) in [one.t_ns for one in blocks]]
        table["value"] = values = [value for (value,) in [one.value for one in blocks]]
        table["received_ns"] = received_ns
        table["device_t_ns"] = [NOTHING_NS if t_ns is None else t_ns for t_ns in device_ns]
    except (KeyError, ValueError, OverflowError):
        return None
    value = table["value"]
    if not ((value >= _LOW[code]) & (value <= _HIGH[code])).all() or not _DECIMALS.issuperset(decimals):
        return None
    theirs = tuple(dict.fromkeys(devices))
    words = list(dict.fromkeys([*theirs, *channels]))
    number = {word: place for place, word in enumerate(words)}
    table["decimals"] = decimals
    table["channel"] = np.array([number.get(name, 0) for name in CHANNELS])[code]
    table["device"] = _each({name: number[name] for name in theirs}, devices)
    said = [one.status for one in blocks]
    statuses = list(dict.fromkeys(said))
    table["status"] = _each({one: place for place, one in enumerate(statuses)}, said)
    table["good"] = np.array([DOUBTED.isdisjoint(one) for one in statuses], np.uint8)[table["status"]]
    records = [one.record for one in blocks]
    known = _known(parcels, blocks, records, device_ns, statuses)
    name_rows(table, identities(zip(devices, known, channels, repeat(0), map(float, values), strict=False)))
    named = None if _all(records, None) else records
    return Columns(Sheaf(table, words, [" ".join(one) for one in statuses], named), theirs)


def _known(
    parcels: Sequence[Parcel],
    blocks: Sequence[Block],
    records: Sequence[str | None],
    device_ns: Sequence[int | None],
    statuses: Sequence[tuple[str, ...]],
) -> Iterable[tuple[str, str | int | None]]:
    """What tells each from any other of its device, as `known_by` says; mostly the same kind for all of a batch."""
    if None not in records:
        return zip(repeat("record"), records, strict=False)
    if _all(records, None) and None not in device_ns and statuses == [()]:
        return zip(repeat("time"), device_ns, strict=False)
    return map(known_by, blocks, chain.from_iterable(map(Parcel.transports, parcels)))


def _each(numbers: Mapping[K, int], names: Sequence[K]) -> int | list[int]:
    """The number of each name; one for all where there is only one."""
    if len(numbers) == 1:
        return next(iter(numbers.values()))
    return [numbers[name] for name in names]


def _all(given: Sequence[object], one: object) -> bool:
    return given.count(one) == len(given)
