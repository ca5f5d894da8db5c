"""A part of a chunk as bytes, and many parts at once as columns.

`seen` is what a chart needs of a part, the identities tell its readings apart, `rest` is all else, compressed. Where a
crowd sends one reading each, a fold writes a thousand parts of a few readings; so both ways go column by column for all
parts together, and what is done for each part by itself is cutting bytes and putting them into an envelope.
"""

import itertools
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.readings.sheaf import ROW, Sheaf, identity_bytes
from server.readings.values import Values, decimals, flags, good

_SMALL = 8_192
"""Bytes. zlib asks for a quarter of a megabyte before it packs the first one, which takes twenty times as long as
packing a hundred; so what is small is packed with a small window. Anybody's zlib unpacks either."""


class Seen(msgspec.Struct, array_like=True, gc=False):
    """What a chart needs of a part. The rows of `channels[n]` end before `stops[n]`."""

    channels: list[str]
    stops: list[int]
    t_ns: bytes
    value: bytes
    flags: bytes

    def of(self, channel: str, from_ns: int, to_ns: int) -> tuple[int, int] | None:
        """From which row to before which the rows of one channel between two moments are, both inclusive; None: there
        are none."""
        if channel not in self.channels:
            return None
        place = self.channels.index(channel)
        start, stop = self.stops[place - 1] if place else 0, self.stops[place]
        t_ns = memoryview(self.t_ns).cast("q")  # a search in so few of them costs numpy more than Python
        first = start if t_ns[start] >= from_ns else bisect_left(t_ns, from_ns, start, stop)
        after = stop if t_ns[stop - 1] <= to_ns else bisect_right(t_ns, to_ns, first, stop)
        return (first, after) if first < after else None

    def has(self, t_ns: int) -> bool:
        """Whether anything was measured at that moment."""
        return bool((np.frombuffer(self.t_ns, np.int64) == t_ns).any())

    def values(self, start: int, stop: int) -> Values:
        """The rows from `start` to before `stop`; nothing is copied."""
        count = stop - start
        return Values(
            np.frombuffer(self.t_ns, np.int64, count, 8 * start),
            np.frombuffer(self.value, np.float64, count, 8 * start),
            np.frombuffer(self.flags, np.uint8, count, start),
        )  # fmt: skip


class _Rest(msgspec.Struct, array_like=True):
    devices: list[str]
    statuses: list[str]
    device: bytes
    status: bytes
    device_t_ns: bytes
    received_ns: bytes
    stored_ns: bytes
    records: list[str | None] | None
    shift_ns: bytes = b""
    """Empty where no time was moved."""


class Packed(msgspec.Struct, frozen=True):
    """A part's columns in the database."""

    from_ns: int
    to_ns: int
    count: int
    seen: bytes
    identities: bytes
    rest: bytes


def seen_in(data: bytes) -> Seen:
    """What a part's `seen` says."""
    return _seen_decoder.decode(data)


def packed(sheaf: Sheaf, starts: Sequence[int]) -> list[Packed]:
    """The parts that begin at these rows, each of one patient and in the order (channel's name, time, value)."""
    rows, words, records = sheaf.rows, sheaf.words, sheaf.records
    stops = [*starts[1:], len(rows)]
    columns = {name: rows[name].tobytes() for name in ("t_ns", "value", "device_t_ns", "received_ns", "stored_ns")}
    flag, names = flags(rows["good"], rows["decimals"]).tobytes(), identity_bytes(rows)
    from_ns, to_ns = np.minimum.reduceat(rows["t_ns"], starts), np.maximum.reduceat(rows["t_ns"], starts)
    devices, statuses = _numbered(rows["device"], starts, stops), _numbered(rows["status"], starts, stops)
    shifted = rows["shift_ns"].tobytes()
    shifts = np.logical_or.reduceat(rows["shift_ns"] != 0, starts)
    found: list[Packed] = []
    told = zip(
        starts, stops, _channels(rows["channel"], starts), devices, statuses, from_ns.tolist(), to_ns.tolist(),
        shifts.tolist(), strict=True,
    )  # fmt: skip
    for start, stop, (channels, ends), (device, at_device), (status, at_status), first_ns, last_ns, shift in told:
        eight = slice(8 * start, 8 * stop)
        see = Seen(
            [words[number] for number in channels], [end - start for end in ends], columns["t_ns"][eight],
            columns["value"][eight], flag[start:stop],
        )  # fmt: skip
        rest = _Rest(
            [words[number] for number in device], [sheaf.statuses[number] for number in status],
            at_device, at_status, columns["device_t_ns"][eight], columns["received_ns"][eight],
            columns["stored_ns"][eight], None if records is None else list(records[start:stop]),
            shifted[eight] if shift else b"",
        )  # fmt: skip
        found.append(
            Packed(
                first_ns, last_ns, stop - start, _encoder.encode(see), names[16 * start : 16 * stop],
                _small(_encoder.encode(rest)),
            )
        )  # fmt: skip
    return found


def unpacked(
    parts: Sequence[tuple[str, bytes, bytes, bytes]], words: dict[str, int], statuses: dict[str, int]
) -> Sheaf:
    """The readings of these parts (patient, `seen`, identities, `rest`), one part behind the other.

    `words` and `statuses` are what is numbered already, and get what more there is.
    """
    sees = [_seen_decoder.decode(data) for _, data, _, _ in parts]
    rests = [_rest_decoder.decode(zlib.decompress(data)) for _, _, _, data in parts]
    counts = [len(one.flags) for one in sees]
    rows = np.zeros(sum(counts), ROW)
    for name in ("t_ns", "value"):
        rows[name] = _column(ROW[name], [getattr(one, name) for one in sees])
    flag = _column(np.dtype(np.uint8), [one.flags for one in sees])
    rows["good"], rows["decimals"] = good(flag), decimals(flag)
    for name in ("device_t_ns", "received_ns", "stored_ns"):
        rows[name] = _column(ROW[name], [getattr(one, name) for one in rests])
    if any(one.shift_ns for one in rests):
        shifts = [one.shift_ns or bytes(8 * count) for one, count in zip(rests, counts, strict=True)]
        rows["shift_ns"] = _column(ROW["shift_ns"], shifts)
    rows["patient"] = np.repeat(_numbers([part[0] for part in parts], words), counts)
    runs = [stop - start for one in sees for start, stop in itertools.pairwise([0, *one.stops])]
    rows["channel"] = np.repeat(_numbers([name for one in sees for name in one.channels], words), runs)
    rows["device"] = _said([one.devices for one in rests], [one.device for one in rests], counts, words)
    rows["status"] = _said([one.statuses for one in rests], [one.status for one in rests], counts, statuses)
    halves = _column(np.dtype(">u8"), [identities for _, _, identities, _ in parts]).reshape(-1, 2)
    rows["hi"], rows["lo"] = halves[:, 0], halves[:, 1]
    return Sheaf(rows, list(words), list(statuses), _records(rests, counts))


def _channels(channel: NDArray[Any], starts: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Of each part its channels, and before which row each one ends."""
    first = np.ones(len(channel), np.bool_)
    first[1:] = channel[1:] != channel[:-1]
    first[starts] = True
    begins = np.flatnonzero(first)
    numbers, ends = channel[begins].tolist(), [*begins[1:].tolist(), len(channel)]
    cuts = [*np.searchsorted(begins, starts).tolist(), len(begins)]
    return [(numbers[a:b], ends[a:b]) for a, b in itertools.pairwise(cuts)]


def _numbered(column: NDArray[Any], starts: Sequence[int], stops: Sequence[int]) -> list[tuple[list[int], bytes]]:
    """Of each part what is in its column, each once, and the column as places in that; mostly it is all the same."""
    least, most = np.minimum.reduceat(column, starts), np.maximum.reduceat(column, starts)
    found: list[tuple[list[int], bytes]] = []
    for start, stop, one, other in zip(starts, stops, least.tolist(), most.tolist(), strict=True):
        if one == other:
            found.append(([one], bytes(2 * (stop - start))))
        else:
            values, places = np.unique(column[start:stop], return_inverse=True)
            found.append((values.tolist(), places.astype(np.uint16).tobytes()))
    return found


def _said(
    lists: Sequence[Sequence[str]], places: Sequence[bytes], counts: Sequence[int], numbers: dict[str, int]
) -> NDArray[Any]:
    """What parts say by places in a list of each one's own, as numbers."""
    every = _numbers([word for some in lists for word in some], numbers)
    before = list(itertools.accumulate(map(len, lists), initial=0))[:-1]
    found: NDArray[Any] = every[_column(np.dtype(np.uint16), places) + np.repeat(np.array(before, np.int64), counts)]
    return found


def _numbers(said: Sequence[str], numbers: dict[str, int]) -> NDArray[np.int64]:
    return np.array([numbers.setdefault(word, len(numbers)) for word in said], np.int64)


def _records(rests: Sequence[_Rest], counts: Sequence[int]) -> list[str | None] | None:
    if all(one.records is None for one in rests):
        return None
    named = zip(rests, counts, strict=True)
    return [name for one, count in named for name in (one.records or itertools.repeat(None, count))]


def _column(kind: np.dtype[Any], pieces: Iterable[bytes]) -> NDArray[Any]:
    return np.frombuffer(b"".join(pieces), kind)


def _small(data: bytes) -> bytes:
    if len(data) > _SMALL:
        return zlib.compress(data, 1)
    packer = zlib.compressobj(1, zlib.DEFLATED, wbits=13, memLevel=5)
    return packer.compress(data) + packer.flush()


_encoder = msgspec.msgpack.Encoder()
_seen_decoder = msgspec.msgpack.Decoder(Seen)
_rest_decoder = msgspec.msgpack.Decoder(_Rest)
