"""Readings handed out as a file: Parquet for a program, CSV for anybody.

A file is written under another name beside it and gets its own when it is whole, so what has the name is complete.
Only its owner may read it: it is about people's health. The numbers are those that are stored, to the last digit:
values as the device gave them, times to the nanosecond, in UTC.
"""

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import msgspec
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from server.readings.filed import Filed, Wanted
from server.readings.moments import moment
from vitals.channels import CHANNELS
from vitals.errors import StoreError

_TIME = pa.timestamp("ns", tz="UTC")


class Column(msgspec.Struct, frozen=True):
    """A column of the file: what it is called and what it says."""

    name: str
    kind: pa.DataType
    says: str


COLUMNS = (
    Column("patient_id", pa.string(), "the patient, by the municipality's id"),
    Column("channel", pa.string(), "what was measured, by Hjemvakt's name for it"),
    Column("loinc", pa.string(), "its LOINC code; empty where there is none"),
    Column("unit", pa.string(), "the value's unit, in UCUM"),
    Column("t", _TIME, "when it was true, as well as is known"),
    Column("value", pa.float64(), "the value as the device gave it"),
    Column("decimals", pa.int8(), "decimals that the device gave: 36.0 with one is not 36"),
    Column("status", pa.string(), "the device's words about its quality, parted by a space (vitals/block.py)"),
    Column("device", pa.string(), "the device, by the municipality's id"),
    Column("device_t", _TIME, "what the device's own clock said, untouched; empty where it has none"),
    Column("received", _TIME, "when the gateway had it, by the gateway's clock"),
    Column("stored", _TIME, "when the server had it"),
)

FORMATS = (".parquet", ".csv")


class Writer(Protocol):
    """Takes the readings, some at a time; `close` ends the file."""

    def write(self, some: Filed) -> None: ...
    def close(self) -> None: ...


def export(out: Path, wanted: Wanted, found: Iterable[Filed]) -> int:
    """Write `found` to `out`, whose ending says how; returns how many. Raises StoreError."""
    count = 0
    with _whole_or_not_there(out) as file:
        writer = _Parquet(file, wanted) if out.suffix == ".parquet" else _Csv(file)
        with contextlib.closing(writer):
            for some in found:
                writer.write(some)
                count += len(some.t_ns)
    return count


class _Parquet:
    """A group of rows for each portion. What the file is, it says itself (`about`, and `says` of each column)."""

    def __init__(self, file: BinaryIO, wanted: Wanted) -> None:
        self._schema = pa.schema(
            [pa.field(one.name, one.kind, metadata={"says": one.says}) for one in COLUMNS],
            metadata={"about": about(wanted)},
        )
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def write(self, some: Filed) -> None:
        columns = [pa.array(values, one.kind) for one, values in zip(COLUMNS, _columns(some), strict=True)]
        self._writer.write_batch(pa.record_batch(columns, schema=self._schema))

    def close(self) -> None:
        self._writer.close()


class _Csv:
    """One line a reading under a line of names; a time ends in Z, an empty cell is unknown."""

    def __init__(self, file: BinaryIO) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        self._writer = csv.writer(self._text, lineterminator="\n")
        self._writer.writerow([one.name for one in COLUMNS])

    def write(self, some: Filed) -> None:
        columns = [
            map(_cell, values) if one.kind == _TIME else values
            for one, values in zip(COLUMNS, _columns(some), strict=True)
        ]
        self._writer.writerows(zip(*columns, strict=True))

    def close(self) -> None:
        self._text.detach()


def about(wanted: Wanted) -> str:
    """What a file of these readings is, for whoever finds it."""
    people = f"of {', '.join(wanted.patients)}" if wanted.patients else "of all patients"
    channels = ", ".join(wanted.channels) or "all channels"
    return (
        f"Readings from Hjemvakt {people}, {channels}, taken from {moment(wanted.from_ns)} (inclusive) to "
        f"{moment(wanted.to_ns)} (exclusive). Sorted by patient, time and channel. Times are UTC, to the nanosecond. "
        "Left out: what was withdrawn, and what is held because it may be somebody else's. Hjemvakt is not a certified "
        "medical device."
    )


def _cell(t_ns: int | None) -> str | None:
    return None if t_ns is None else moment(t_ns)


def _columns(some: Filed) -> tuple[Sequence[Any], ...]:
    """In the order of COLUMNS."""
    kinds = [CHANNELS.get(name) for name in some.channel]
    loinc = [kind.loinc[0] if kind and kind.loinc else None for kind in kinds]
    units = [kind.unit if kind else None for kind in kinds]
    return (
        some.patient_id, some.channel, loinc, units, some.t_ns, some.value, some.decimals, some.status, some.device,
        some.device_t_ns, some.received_ns, some.stored_ns,
    )  # fmt: skip


@contextlib.contextmanager
def _whole_or_not_there(out: Path) -> Iterator[BinaryIO]:
    """A file that gets its name at the end, when it is on the disk."""
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written ({error.strerror or error})", "name a file in a folder that has room and is yours"
        ) from error
    finally:
        part.unlink(missing_ok=True)
