"""Readings as columns: what the journal, the chunks and the memory all hold.

A reading is a row of ROW, 80 bytes wide; what is said in words (patient, channel, device, status) is a number into the
sheaf's own list of words, so that a sheaf means the same wherever it is put. Names of records stand beside the rows,
for hardly any two are the same. Putting sheaves together, sorting, choosing and writing them are one step of numpy
each, however many readings there are. Where whole rows move, they move as bytes: what has fields numpy copies field by
field, which takes it twenty times as long.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from server.readings.model import Reading

ROW = np.dtype(
    [
        ("patient", "<u4"), ("channel", "<u4"), ("device", "<u4"), ("status", "<u2"), ("decimals", "i1"),
        ("good", "u1"), ("t_ns", "<i8"), ("value", "<f8"), ("received_ns", "<i8"), ("device_t_ns", "<i8"),
        ("stored_ns", "<i8"), ("hi", "<u8"), ("lo", "<u8"), ("shift_ns", "<i8"),
    ]
)  # fmt: skip
"""`hi` and `lo` are the identity's 16 bytes, read as two numbers with the first byte highest. `status` counts from the
sheaf's own list of statuses."""

_PLAIN = np.dtype((np.void, ROW.itemsize))
"""A row as nothing but its bytes."""

NOTHING_NS = -(2**63)
"""In `device_t_ns`: the device said no time."""

Rows = NDArray[Any]
Index = NDArray[np.intp]


class _Packed(msgspec.Struct, array_like=True):
    rows: bytes
    words: list[str]
    statuses: list[str]
    records: list[str | None] | None


class Sheaf:
    """Readings in some order. `words`: patients, channels and devices; `statuses`: words with spaces between.

    `records`: the devices' names for them, one for each row; None where no device named any.
    """

    __slots__ = ("records", "rows", "statuses", "words")

    def __init__(
        self, rows: Rows, words: Sequence[str], statuses: Sequence[str], records: Sequence[str | None] | None
    ) -> None:
        self.rows = rows
        self.words = words
        self.statuses = statuses
        self.records = records

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, index: Index) -> "Sheaf":
        """These rows, in the order of `index`."""
        records = self.records
        return Sheaf(
            picked(self.rows, index), self.words, self.statuses,
            None if records is None else [records[row] for row in index.tolist()],
        )  # fmt: skip

    def cut(self, start: int, stop: int) -> "Sheaf":
        """The rows from `start` to before `stop`; nothing is copied."""
        records = self.records
        return Sheaf(self.rows[start:stop], self.words, self.statuses, None if records is None else records[start:stop])

    def alone(self) -> "Sheaf":
        """The same with no more words than its own: a cut has those of all that it was cut from."""
        rows = copied(self.rows)
        names = ("patient", "channel", "device")
        used, places = np.unique(np.concatenate([rows[name] for name in names]), return_inverse=True)
        for name, column in zip(names, places.reshape(3, len(rows)), strict=True):
            rows[name] = column
        return Sheaf(rows, [self.words[number] for number in used.tolist()], self.statuses, self.records)

    def identities(self) -> list[bytes]:
        """16 bytes each."""
        return identities(self.rows)

    def readings(self) -> list[Reading]:
        """The same, one by one."""
        words, statuses = self.words, [tuple(one.split()) for one in self.statuses]
        records = self.records or [None] * len(self)
        column = {name: self.rows[name].tolist() for name in ROW.names or ()}
        return [
            Reading(
                words[patient], words[channel], t_ns, identity, value, decimals, statuses[status], words[device],
                record, None if device_t_ns == NOTHING_NS else device_t_ns, received_ns, shift_ns,
            )
            for patient, channel, t_ns, identity, value, decimals, status, device, record, device_t_ns, received_ns,
            shift_ns in
            zip(
                column["patient"], column["channel"], column["t_ns"], self.identities(), column["value"],
                column["decimals"], column["status"], column["device"], records, column["device_t_ns"],
                column["received_ns"], column["shift_ns"], strict=True,
            )
        ]  # fmt: skip

    def pack(self) -> bytes:
        """As bytes, for `unpack`."""
        return _encoder.encode(
            _Packed(
                self.rows.tobytes(), list(self.words), list(self.statuses),
                None if self.records is None else list(self.records),
            )
        )  # fmt: skip


def unpack(data: bytes | memoryview) -> Sheaf:
    """The sheaf that `pack` made bytes of."""
    packed = _decoder.decode(data)
    return Sheaf(np.frombuffer(packed.rows, ROW), packed.words, packed.statuses, packed.records)


def sheaf(readings: Sequence[Reading], stored_ns: int | Sequence[int]) -> Sheaf:
    """The columns of these. `stored_ns`: one moment for all, or one each."""
    words: dict[str, int] = {}
    statuses: dict[str, int] = {}
    rows = np.zeros(len(readings), ROW)
    for name in ("t_ns", "value", "decimals", "received_ns", "good", "shift_ns"):
        rows[name] = [getattr(one, name) for one in readings]
    rows["patient"] = [words.setdefault(one.patient_id, len(words)) for one in readings]
    rows["channel"] = [words.setdefault(one.channel, len(words)) for one in readings]
    rows["device"] = [words.setdefault(one.device, len(words)) for one in readings]
    rows["status"] = [statuses.setdefault(" ".join(one.status), len(statuses)) for one in readings]
    rows["device_t_ns"] = [NOTHING_NS if one.device_t_ns is None else one.device_t_ns for one in readings]
    rows["stored_ns"] = stored_ns
    name_rows(rows, [one.identity for one in readings])
    records = [one.record for one in readings]
    return Sheaf(rows, list(words), list(statuses), None if all(one is None for one in records) else records)


def join(sheaves: Sequence[Sheaf]) -> Sheaf:
    """All of them, one behind the other."""
    if len(sheaves) == 1:
        return sheaves[0]
    rows = np.concatenate([_NO_ROWS, *(one.rows.view(_PLAIN) for one in sheaves)]).view(ROW)
    records: list[str | None] | None = None
    if any(one.records is not None for one in sheaves):
        records = [name for one in sheaves for name in (one.records or [None] * len(one))]
    if sheaves and all(one.words is sheaves[0].words and one.statuses is sheaves[0].statuses for one in sheaves):
        return Sheaf(rows, sheaves[0].words, sheaves[0].statuses, records)
    words: dict[str, int] = {}
    statuses: dict[str, int] = {}
    start = 0
    for one in sheaves:
        part = rows[start : start + len(one)]
        start += len(one)
        number = np.array([words.setdefault(word, len(words)) for word in one.words], np.uint32)
        for name in ("patient", "channel", "device"):
            part[name] = number[part[name]]
        part["status"] = np.array([statuses.setdefault(word, len(statuses)) for word in one.statuses], np.uint16)[
            part["status"]
        ]
    return Sheaf(rows, list(words), list(statuses), records)


def picked(rows: Rows, index: Index) -> Rows:
    """These rows, in the order of `index`, to be written into."""
    return rows.view(_PLAIN)[index].view(ROW)


def copied(rows: Rows) -> Rows:
    """The same rows, to be written into."""
    return rows.view(_PLAIN).copy().view(ROW)


def name_rows(rows: Rows, given: Iterable[bytes]) -> None:
    """Write these identities, of 16 bytes each, into the rows."""
    pairs = np.frombuffer(b"".join(given), ">u8").reshape(len(rows), 2)
    rows["hi"], rows["lo"] = pairs[:, 0], pairs[:, 1]


def numbered(words: Sequence[str]) -> dict[str, int]:
    """The place of each word."""
    return {word: number for number, word in enumerate(words)}


def identities(rows: Rows) -> list[bytes]:
    """The identities of rows that have `hi` and `lo`, 16 bytes each."""
    names: list[bytes] = np.frombuffer(identity_bytes(rows), "V16").tolist()
    return names


def identity_bytes(rows: Rows) -> bytes:
    """The identities of rows, one behind the other."""
    return np.stack([rows["hi"], rows["lo"]], axis=1).astype(">u8").tobytes()


_NO_ROWS = np.empty(0, _PLAIN)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)
