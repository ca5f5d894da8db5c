"""The ordinary lane: a batch in which nothing is out of the ordinary is filed in columns, without a look at each row.

Ordinary is: blocks of one plausible value each, of channels that we know, of devices that were one person's all the
while, at times that can be. Whatever else is in a batch, the whole of it goes the careful way (`server.ingest.filing`),
row by row. Both ways file the same readings under the same identities; a test holds them against each other.
"""

import hashlib
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.ingest.filing import AHEAD_NS, EARLIEST_NS, known_by
from server.patients.store import Whose
from server.readings.sheaf import NOTHING_NS, ROW, Sheaf, name_rows
from triage.samples import DOUBTED
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.wire import Row

_CODES = {name: code for code, name in enumerate(CHANNELS)}
_LOW = np.array([one.low for one in CHANNELS.values()])
_HIGH = np.array([one.high for one in CHANNELS.values()])
_DECIMALS = frozenset(range(-9, 10))
_encoder = msgspec.json.Encoder()


def ordinary(rows: Sequence[Row], gateway: str, epoch: str, whose: Whose, now_ns: int) -> Sheaf | None:
    """What to keep of these rows, in their order; None if they are not all ordinary."""
    what = [row.what for row in rows]
    if set(map(type, what)) != {Block}:
        return None
    blocks: list[Block] = what  # type: ignore[assignment]
    try:
        codes = [_CODES[one.channel] for one in blocks]
        t_ns = np.array([t for (t,) in [one.t_ns for one in blocks]], np.int64)
        value = np.array([value for (value,) in [one.value for one in blocks]], np.float64)
        received_ns = np.array([row.received_ns for row in rows], np.int64)
        device_ns = [one.device_t_ns for one in blocks]
        device_t_ns = np.array([NOTHING_NS if one is None else one for one in device_ns], np.int64)
    except (KeyError, ValueError, OverflowError):
        return None
    code = np.array(codes)
    if not ((value >= _LOW[code]) & (value <= _HIGH[code])).all():
        return None
    decimals = [one.decimals for one in blocks]
    if not _DECIMALS.issuperset(decimals):
        return None
    first_ns, last_ns = int(t_ns.min()), int(t_ns.max())
    if last_ns > now_ns + AHEAD_NS or first_ns < EARLIEST_NS:
        return None
    devices = [row.device for row in rows]
    owners = {device: whose.patient_throughout(device, first_ns, last_ns) for device in set(devices)}
    if None in owners.values():
        return None
    times = {"t_ns": t_ns, "received_ns": received_ns, "device_t_ns": device_t_ns}
    return _sheaf(rows, blocks, owners, value, times, f"{gateway}/{epoch}/")


def _sheaf(
    rows: Sequence[Row],
    blocks: Sequence[Block],
    owners: dict[str, str | None],
    value: NDArray[np.float64],
    times: Mapping[str, NDArray[np.int64]],
    transport: str,
) -> Sheaf:
    """The columns. `stored_ns` is for whoever files them."""
    table = np.zeros(len(rows), ROW)
    table["value"] = value
    for name, column in times.items():
        table[name] = column
    table["decimals"] = [one.decimals for one in blocks]
    words: dict[str, int] = {}
    table["channel"] = [words.setdefault(one.channel, len(words)) for one in blocks]
    device = {name: words.setdefault(name, len(words)) for name in owners}
    patient = {name: words.setdefault(str(owner), len(words)) for name, owner in owners.items()}
    if len(owners) == 1:
        (only,) = owners
        table["device"], table["patient"] = device[only], patient[only]
    else:
        table["device"] = [device[row.device] for row in rows]
        table["patient"] = [patient[row.device] for row in rows]
    said: dict[tuple[str, ...], int] = {}
    table["status"] = [said.setdefault(one.status, len(said)) for one in blocks]
    table["good"] = np.array([DOUBTED.isdisjoint(words) for words in said], np.uint8)[table["status"]]
    name_rows(table, _identities(rows, blocks, value.tolist(), transport))
    records = [one.record for one in blocks]
    return Sheaf(table, list(words), [" ".join(one) for one in said], None if set(records) == {None} else records)


def _identities(rows: Sequence[Row], blocks: Sequence[Block], values: Sequence[float], transport: str) -> list[bytes]:
    """As `server.ingest.filing` makes them, written in one go."""
    known = [
        ("record", one.record)
        if one.record is not None
        else ("time", one.device_t_ns)
        if one.device_t_ns is not None and not one.status
        else known_by(one, f"{transport}{row.seq}")
        for row, one in zip(rows, blocks, strict=True)
    ]
    named = zip(rows, known, blocks, values, strict=True)
    parts = [(row.device, by, one.channel, 0, value) for row, by, one, value in named]
    lines = _encoder.encode_lines(parts).split(b"\n")
    return [hashlib.blake2b(line, digest_size=16).digest() for line in lines[:-1]]
