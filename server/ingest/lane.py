"""The ordinary lane: batches in which nothing is out of the ordinary are filed in columns, without a look at each row.

Ordinary is: blocks of one plausible value each, of channels that we know, of devices that were one person's all the
while, at times that can be. Whatever else is in a batch, the whole of it goes the careful way (`server.ingest.filing`),
row by row. Both ways file the same readings under the same identities; a test holds them against each other.

All batches that came together are filed together: a step of numpy costs as much for one row as for hundreds. If they
are not all ordinary, the ones that are not are found by halving.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from itertools import chain, repeat
from typing import TypeVar

import msgspec
import numpy as np

from server.ingest.filing import AHEAD_NS, EARLIEST_NS, known_by
from server.ingest.parcel import Parcel
from server.patients.store import Whose
from server.readings.sheaf import NOTHING_NS, ROW, Sheaf, name_rows
from vitals.block import DOUBTED, Block
from vitals.channels import CHANNELS

_CODES = {name: code for code, name in enumerate(CHANNELS)}
_LOW = np.array([one.low for one in CHANNELS.values()])
_HIGH = np.array([one.high for one in CHANNELS.values()])
_DECIMALS = frozenset(range(-9, 10))
K = TypeVar("K", str, tuple[str, ...])
_encoder = msgspec.json.Encoder()
_digest = blake2b(digest_size=16)


def in_columns(
    parcels: Sequence[Parcel], columns: Callable[[Sequence[Parcel]], Sheaf | None]
) -> Iterator[Sheaf | Parcel]:
    """All of these, in their order: neighbours for whom there are `columns` put together, and each one without."""
    if not parcels:
        return
    if (sheaf := columns(parcels)) is not None:
        yield sheaf
    elif len(parcels) == 1:
        yield parcels[0]
    else:
        half = len(parcels) // 2
        yield from in_columns(parcels[:half], columns)
        yield from in_columns(parcels[half:], columns)


def ordinary(parcels: Sequence[Parcel], whose: Whose, now_ns: int) -> Sheaf | None:
    """What to keep of the rows of these, in their order; None if they are not all ordinary."""
    rows = [row for parcel in parcels for row in parcel.rows]
    blocks = [row.what for row in rows]
    if set(map(type, blocks)) != {Block}:
        return None
    devices, received_ns = [row.device for row in rows], [row.received_ns for row in rows]
    return _filed(parcels, devices, received_ns, blocks, whose, now_ns)  # type: ignore[arg-type]


def _filed(
    parcels: Sequence[Parcel],
    devices: Sequence[str],
    received_ns: Sequence[int],
    blocks: Sequence[Block],
    whose: Whose,
    now_ns: int,
) -> Sheaf | None:
    table = np.zeros(len(blocks), ROW)
    channels = [one.channel for one in blocks]
    device_ns = [one.device_t_ns for one in blocks]
    try:
        code = np.array([_CODES[name] for name in channels])
        table["t_ns"] = [t_ns for (t_ns,) in [one.t_ns for one in blocks]]
        table["value"] = values = [value for (value,) in [one.value for one in blocks]]
        table["received_ns"] = received_ns
        table["device_t_ns"] = [NOTHING_NS if t_ns is None else t_ns for t_ns in device_ns]
    except (KeyError, ValueError, OverflowError):
        return None
    value, t_ns = table["value"], table["t_ns"]
    if not ((value >= _LOW[code]) & (value <= _HIGH[code])).all():
        return None
    decimals = [one.decimals for one in blocks]
    first_ns, last_ns = int(t_ns.min()), int(t_ns.max())
    if not _DECIMALS.issuperset(decimals) or last_ns > now_ns + AHEAD_NS or first_ns < EARLIEST_NS:
        return None
    owners = {device: whose.patient_throughout(device, first_ns, last_ns) for device in set(devices)}
    if None in owners.values():
        return None
    words = list(dict.fromkeys([*owners, *map(str, owners.values()), *channels]))
    number = {word: place for place, word in enumerate(words)}
    table["decimals"] = decimals
    table["channel"] = np.array([number.get(name, 0) for name in CHANNELS])[code]
    table["device"] = _each({name: number[name] for name in owners}, devices)
    table["patient"] = np.array([number[str(owners[name])] if name in owners else 0 for name in words])[table["device"]]
    said = [one.status for one in blocks]
    statuses = list(dict.fromkeys(said))
    table["status"] = _each({one: place for place, one in enumerate(statuses)}, said)
    table["good"] = np.array([DOUBTED.isdisjoint(one) for one in statuses], np.uint8)[table["status"]]
    records = [one.record for one in blocks]
    known = _known(parcels, blocks, records, device_ns, statuses)
    name_rows(table, _identities(zip(devices, known, channels, repeat(0), map(float, values), strict=False)))
    return Sheaf(table, words, [" ".join(one) for one in statuses], None if _all(records, None) else records)


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


def _identities(parts: Iterable[tuple[object, ...]]) -> list[bytes]:
    """As `server.ingest.filing` makes them, written in one go: no part has a line's end in it as JSON."""
    names = []
    for line in _encoder.encode_lines(parts).split(b"\n")[:-1]:
        name = _digest.copy()  # which costs less than a new one
        name.update(line)
        names.append(name.digest())
    return names


def _each(numbers: Mapping[K, int], names: Sequence[K]) -> int | list[int]:
    """The number of each name; one for all where there is only one."""
    if len(numbers) == 1:
        return next(iter(numbers.values()))
    return [numbers[name] for name in names]


def _all(given: Sequence[object], one: object) -> bool:
    return given.count(one) == len(given)
