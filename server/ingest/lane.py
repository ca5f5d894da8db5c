"""The ordinary lane: a batch in which nothing is out of the ordinary is filed in columns, without a look at each row.

Ordinary is: blocks of one plausible value each, of channels that we know, of devices that were one person's all the
while, at times that can be. Whatever else is in a batch, the whole of it goes the careful way (`server.ingest.filing`),
row by row. Both ways file the same readings under the same identities; a test holds them against each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import repeat
from typing import TypeVar

import msgspec
import numpy as np

from server.ingest.filing import AHEAD_NS, EARLIEST_NS, known_by
from server.patients.store import Whose
from server.readings.sheaf import NOTHING_NS, ROW, Sheaf, name_rows
from vitals.block import DOUBTED, Block
from vitals.channels import CHANNELS
from vitals.wire import Row

_CODES = {name: code for code, name in enumerate(CHANNELS)}
_LOW = np.array([one.low for one in CHANNELS.values()])
_HIGH = np.array([one.high for one in CHANNELS.values()])
_DECIMALS = frozenset(range(-9, 10))
K = TypeVar("K", str, tuple[str, ...])
_encoder = msgspec.json.Encoder()


def ordinary(rows: Sequence[Row], gateway: str, epoch: str, whose: Whose, now_ns: int) -> Sheaf | None:
    """What to keep of these rows, in their order; None if they are not all ordinary."""
    blocks = [row.what for row in rows]
    if set(map(type, blocks)) != {Block}:
        return None
    return _filed(rows, blocks, f"{gateway}/{epoch}/", whose, now_ns)  # type: ignore[arg-type]


def _filed(rows: Sequence[Row], blocks: Sequence[Block], transport: str, whose: Whose, now_ns: int) -> Sheaf | None:
    table = np.zeros(len(rows), ROW)
    channels = [one.channel for one in blocks]
    device_ns = [one.device_t_ns for one in blocks]
    try:
        code = np.array([_CODES[name] for name in channels])
        table["t_ns"] = [t_ns for (t_ns,) in [one.t_ns for one in blocks]]
        table["value"] = [value for (value,) in [one.value for one in blocks]]
        table["received_ns"] = [row.received_ns for row in rows]
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
    devices = [row.device for row in rows]
    owners = {device: whose.patient_throughout(device, first_ns, last_ns) for device in set(devices)}
    if None in owners.values():
        return None
    words = list(dict.fromkeys([*owners, *map(str, owners.values()), *channels]))
    number = {word: place for place, word in enumerate(words)}
    table["decimals"] = decimals
    table["channel"] = [number[name] for name in channels]
    table["device"] = _each({name: number[name] for name in owners}, devices)
    table["patient"] = _each({name: number[str(owner)] for name, owner in owners.items()}, devices)
    said = [one.status for one in blocks]
    statuses = list(dict.fromkeys(said))
    table["status"] = _each({one: place for place, one in enumerate(statuses)}, said)
    table["good"] = np.array([DOUBTED.isdisjoint(one) for one in statuses], np.uint8)[table["status"]]
    records = [one.record for one in blocks]
    known = _known(rows, blocks, records, device_ns, statuses, transport)
    name_rows(table, _identities(zip(devices, known, channels, repeat(0), value.tolist(), strict=False)))
    return Sheaf(table, words, [" ".join(one) for one in statuses], None if _all(records, None) else records)


def _known(
    rows: Sequence[Row],
    blocks: Sequence[Block],
    records: Sequence[str | None],
    device_ns: Sequence[int | None],
    statuses: Sequence[tuple[str, ...]],
    transport: str,
) -> Iterable[tuple[str, str | int | None]]:
    """What tells each from any other of its device, as `known_by` says; mostly the same kind for all of a batch."""
    if None not in records:
        return zip(repeat("record"), records, strict=False)
    if _all(records, None) and None not in device_ns and statuses == [()]:
        return zip(repeat("time"), device_ns, strict=False)
    return [known_by(one, f"{transport}{row.seq}") for row, one in zip(rows, blocks, strict=True)]


def _identities(parts: Iterable[tuple[object, ...]]) -> list[bytes]:
    """As `server.ingest.filing` makes them, written in one go: no part has a line's end in it as JSON."""
    lines = _encoder.encode_lines(parts).split(b"\n")
    return [blake2b(line, digest_size=16).digest() for line in lines[:-1]]


def _each(numbers: Mapping[K, int], names: Sequence[K]) -> int | list[int]:
    """The number of each name; one for all where there is only one."""
    if len(numbers) == 1:
        return next(iter(numbers.values()))
    return [numbers[name] for name in names]


def _all(given: Sequence[object], one: object) -> bool:
    return given.count(one) == len(given)
