"""Chunks: a patient's readings of seven days in packed columns, made from the journal.

A part has at most PART readings in the order (channel, time, value), so that one channel's stretch of time is a slice.
`seen` is what a chart needs of them, `identities` what tells them apart, `rest` all else, compressed. New readings go
into a week's last part until it is full; so a reading is written anew a bounded number of times, and one that comes a
year late lands in the week where it was measured.

A row of `positions` says up to which row of the journal the chunks have everything. It is read in the same statement as
the chunks: what is added to them from the journal's tail never overlaps, and never leaves a gap.
"""

import itertools
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.db import metadata
from server.quick import Quick
from server.readings.sheaf import ROW, Sheaf, identity_bytes
from server.readings.values import NONE, Values, decimals, flags, good
from vitals.clock import NS

WEEK_NS = 7 * 86_400 * NS
PART = 4_096
NOWHERE = slice(0, 0)
STORE = "chunks"
"""Its name in `positions`."""

chunks = sa.Table(
    "chunks",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("week", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("to_ns", sa.BigInteger, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("seen", sa.LargeBinary, nullable=False),
    sa.Column("identities", sa.LargeBinary, nullable=False),
    sa.Column("rest", sa.LargeBinary, nullable=False),
)

sources = sa.Table(
    "sources",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    comment="whose chunks have readings of which device",
)

positions = sa.Table(
    "positions",
    metadata,
    sa.Column("store", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="of the journal: everything up to it is in the store"),
)


class Part(NamedTuple):
    """A chunk's key and its readings."""

    patient_id: str
    week: int
    part: int
    sheaf: Sheaf


class Seen(msgspec.Struct, array_like=True):
    """What a chart needs of a part. The rows of `channels[n]` end before `stops[n]`."""

    channels: list[str]
    stops: list[int]
    t_ns: bytes
    value: bytes
    flags: bytes

    def of(self, channel: str, from_ns: int, to_ns: int) -> slice:
        """Where the rows of one channel between two moments are, both inclusive."""
        if channel not in self.channels:
            return NOWHERE
        place = self.channels.index(channel)
        start, stop = self.stops[place - 1] if place else 0, self.stops[place]
        t_ns = memoryview(self.t_ns).cast("q")  # a search in so few of them costs numpy more than Python
        first = bisect_left(t_ns, from_ns, start, stop)
        after = bisect_right(t_ns, to_ns, first, stop)
        return slice(first, after) if first < after else NOWHERE

    def has(self, t_ns: int) -> bool:
        """Whether anything was measured at that moment."""
        return bool((np.frombuffer(self.t_ns, np.int64) == t_ns).any())

    def values(self, rows: slice) -> Values:
        """Those rows; nothing is copied."""
        start, count = rows.start, rows.stop - rows.start
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


class Stored(NamedTuple):
    """A part as it is read for a chart. `identities` are there only where they were asked for."""

    seen: Seen
    identities: bytes


def together(cuts: Sequence[tuple[Seen, slice]]) -> Values:
    """These rows of these parts, by time and value. Parts that come oldest first are put behind each other at once."""
    if len(cuts) < 2:
        return cuts[0][0].values(cuts[0][1]) if cuts else NONE
    spans = [(seen, where.start, where.stop) for seen, where in cuts]
    t_ns = np.frombuffer(b"".join([seen.t_ns[8 * start : 8 * stop] for seen, start, stop in spans]), np.int64)
    value = np.frombuffer(b"".join([seen.value[8 * start : 8 * stop] for seen, start, stop in spans]), np.float64)
    flags = np.frombuffer(b"".join([seen.flags[start:stop] for seen, start, stop in spans]), np.uint8)
    ends = itertools.accumulate(stop - start for _, start, stop in spans[:-1])
    if all(t_ns.item(end - 1) < t_ns.item(end) for end in ends):
        return Values(t_ns, value, flags)
    return Values(t_ns, value, flags).only(np.lexsort((value, t_ns)))


def position(tx: sa.Connection) -> int:
    """The journal's seq up to which everything is in the chunks."""
    return tx.scalar(sa.select(positions.c.seq).where(positions.c.store == STORE)) or 0


def between(
    tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int, *, named: bool = False
) -> tuple[int, list[Stored]]:
    """The parts with something of the patient between two moments, newest weeks first, and the chunks' position."""
    query = _BETWEEN_NAMED if named else _BETWEEN
    rows = query.rows(tx, patient=patient_id, a=from_ns // WEEK_NS, b=to_ns // WEEK_NS, from_ns=from_ns, to_ns=to_ns)
    found = [Stored(_seen_decoder.decode(row[1]), row[2] if named else b"") for row in rows if row[1] is not None]
    return rows[0][0] if rows else 0, found


def parts(tx: sa.Connection, patient_id: str, week: int, t_ns: int | None = None) -> list[Part]:
    """All that is in the parts of a week (those that may have the moment `t_ns`)."""
    these = (chunks.c.patient_id == patient_id) & (chunks.c.week == week)
    if t_ns is not None:
        these &= (chunks.c.from_ns <= t_ns) & (chunks.c.to_ns >= t_ns)
    return [_part(row) for row in tx.execute(_WHOLE.where(these).order_by(chunks.c.part))]


def whole(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> Iterator[Sheaf]:
    """All that is in the parts with something of one patient between two moments, both inclusive, and more of them."""
    these = (chunks.c.patient_id == patient_id) & (chunks.c.from_ns <= to_ns) & (chunks.c.to_ns >= from_ns)
    these &= chunks.c.week.between(from_ns // WEEK_NS, to_ns // WEEK_NS)
    for row in tx.execute(_WHOLE.where(these).order_by(chunks.c.week, chunks.c.part)):
        yield _part(row).sheaf


def weeks(tx: sa.Connection, patient_id: str) -> list[int]:
    """Those in which one patient has something."""
    return list(tx.scalars(sa.select(chunks.c.week).distinct().where(chunks.c.patient_id == patient_id)))


def channels(tx: sa.Connection, patient_id: str) -> set[str]:
    """Those of which one patient has something."""
    rows = tx.execute(sa.select(chunks.c.seen).where(chunks.c.patient_id == patient_id))
    return {name for (data,) in rows for name in _seen_decoder.decode(data).channels}


def seen_of(tx: sa.Connection, spans: Mapping[str, tuple[int, int]]) -> Iterator[list[tuple[str, Seen]]]:
    """What a chart needs of the parts with something of each patient between his two moments, and of some more."""
    for some in _some(sorted(spans, key=lambda patient: spans[patient]), 500):
        from_ns, to_ns = min(spans[one][0] for one in some), max(spans[one][1] for one in some)
        these = chunks.c.patient_id.in_(some) & chunks.c.week.between(from_ns // WEEK_NS, to_ns // WEEK_NS)
        these &= (chunks.c.to_ns >= from_ns) & (chunks.c.from_ns <= to_ns)
        rows = tx.execute(sa.select(chunks.c.patient_id, chunks.c.seen).where(these)).all()
        if rows:
            yield [(patient, _seen_decoder.decode(data)) for patient, data in rows]


def patients(tx: sa.Connection) -> list[str]:
    """Those who have chunks."""
    return list(tx.scalars(sa.select(chunks.c.patient_id).distinct()))


def last_parts(tx: sa.Connection, weeks: Collection[tuple[str, int]]) -> dict[tuple[str, int], Part | int]:
    """For each (patient, week) that has any: its last part if there is room in it, else that part's number."""
    found: dict[tuple[str, int], Part | int] = {}
    for one in _some(sorted({patient for patient, _ in weeks}), 500):
        these = chunks.c.patient_id.in_(one) & chunks.c.week.between(
            min(week for _, week in weeks), max(week for _, week in weeks)
        )
        numbers = sa.select(chunks.c.patient_id, chunks.c.week, sa.func.max(chunks.c.part)).where(these)
        for patient, week, number in tx.execute(numbers.group_by(chunks.c.patient_id, chunks.c.week)):
            found[patient, week] = number
        for row in tx.execute(_WHOLE.where(these, chunks.c.count < PART)):
            key = row[0], row[1]
            if key in weeks and found[key] == row[2]:
                found[key] = _part(row)
    return {key: value for key, value in found.items() if key in weeks}


def columns(sheaf: Sheaf) -> dict[str, Any]:
    """A part's columns. `sheaf`: of one patient and week, in the order (channel's name, time, value)."""
    rows = sheaf.rows
    channel = rows["channel"]
    starts = [0, *(np.flatnonzero(channel[1:] != channel[:-1]) + 1).tolist()]
    names = [sheaf.words[channel[start]] for start in starts]
    stops = [*starts[1:], len(rows)]
    seen = Seen(
        names, stops, rows["t_ns"].tobytes(), rows["value"].tobytes(), flags(rows["good"], rows["decimals"]).tobytes()
    )
    devices, device = _numbered(rows["device"])
    statuses, status = _numbered(rows["status"])
    rest = _Rest(
        [sheaf.words[number] for number in devices], [sheaf.statuses[number] for number in statuses],
        device, status, rows["device_t_ns"].tobytes(),
        rows["received_ns"].tobytes(), rows["stored_ns"].tobytes(),
        None if sheaf.records is None else list(sheaf.records),
        rows["shift_ns"].tobytes() if rows["shift_ns"].any() else b"",
    )  # fmt: skip
    t_ns = rows["t_ns"]
    return {
        "from_ns": int(t_ns.min()), "to_ns": int(t_ns.max()), "count": len(rows), "seen": _encoder.encode(seen),
        "identities": identity_bytes(rows), "rest": zlib.compress(_encoder.encode(rest), 1),
    }  # fmt: skip


def known(tx: sa.Connection, device: str, wanted: set[bytes]) -> set[bytes]:
    """Those of `wanted`, identities of readings of `device`, that are in a chunk of anybody."""
    query = sa.select(chunks.c.identities).join_from(chunks, sources, sources.c.patient_id == chunks.c.patient_id)
    halves = np.array([int.from_bytes(one[:8], "big") for one in wanted], np.uint64)
    found: set[bytes] = set()
    for (data,) in tx.execute(query.where(sources.c.device == device)):
        hi = np.frombuffer(data, ">u8")[::2]
        places = np.flatnonzero(np.isin(hi, halves)).tolist()
        found |= wanted.intersection(data[place * 16 : place * 16 + 16] for place in places)
    return found


def every_identity(tx: sa.Connection) -> Iterator[NDArray[np.uint64]]:
    """The identities of all that is in chunks, as arrays [n, 2] of their halves."""
    # Of the statement: a connection's options are all its statements', to the end of the transaction.
    for rows in tx.execute(sa.select(chunks.c.identities).execution_options(yield_per=2_000)).partitions():
        yield np.frombuffer(b"".join(row[0] for row in rows), ">u8").astype(np.uint64).reshape(-1, 2)


def stored(tx: sa.Connection) -> int:
    """How many readings are in chunks."""
    return tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(chunks.c.count), 0))) or 0


def _numbered(column: NDArray[Any]) -> tuple[list[int], bytes]:
    """What is in a column, each once, and the column as places in that; mostly it is all the same."""
    if (column == column[0]).all():
        return [int(column[0])], bytes(2 * len(column))
    values, places = np.unique(column, return_inverse=True)
    return values.tolist(), places.astype(np.uint16).tobytes()


def _part(row: Any) -> Part:
    patient_id, week, part, data, identities, rest_data = row
    seen = _seen_decoder.decode(data)
    rest = _rest_decoder.decode(zlib.decompress(rest_data))
    words = [patient_id, *seen.channels, *rest.devices]
    rows = np.zeros(len(seen.flags), ROW)
    values = seen.values(slice(0, len(seen.flags)))
    rows["t_ns"], rows["value"] = values.t_ns, values.value
    rows["good"], rows["decimals"] = good(values.flags), decimals(values.flags)
    rows["channel"] = np.repeat(np.arange(len(seen.channels)) + 1, np.diff([0, *seen.stops]))
    rows["device"] = np.frombuffer(rest.device, np.uint16).astype(np.uint32) + np.uint32(1 + len(seen.channels))
    rows["status"] = np.frombuffer(rest.status, np.uint16)
    for name in ("device_t_ns", "received_ns", "stored_ns"):
        rows[name] = np.frombuffer(getattr(rest, name), np.int64)
    if rest.shift_ns:
        rows["shift_ns"] = np.frombuffer(rest.shift_ns, np.int64)
    halves = np.frombuffer(identities, ">u8").reshape(-1, 2)
    rows["hi"], rows["lo"] = halves[:, 0], halves[:, 1]
    return Part(patient_id, week, part, Sheaf(rows, words, rest.statuses, rest.records))


def _some(names: Sequence[str], at_once: int) -> Iterable[Sequence[str]]:
    return (names[start : start + at_once] for start in range(0, len(names), at_once))


def _between(*more: sa.Column[Any]) -> Quick:
    in_it = (
        (chunks.c.patient_id == sa.bindparam("patient"))
        & chunks.c.week.between(sa.bindparam("a"), sa.bindparam("b"))
        & (chunks.c.to_ns >= sa.bindparam("from_ns"))
        & (chunks.c.from_ns <= sa.bindparam("to_ns"))
    )
    query = sa.select(positions.c.seq, chunks.c.seen, *more).select_from(positions.outerjoin(chunks, in_it))
    newest_first = query.order_by(chunks.c.week.desc(), chunks.c.part.desc())
    return Quick(newest_first.where(positions.c.store == sa.literal_column(f"'{STORE}'")))


_BETWEEN = _between()
_BETWEEN_NAMED = _between(chunks.c.identities)
_WHOLE = sa.select(chunks.c.patient_id, chunks.c.week, chunks.c.part, chunks.c.seen, chunks.c.identities, chunks.c.rest)
_encoder = msgspec.msgpack.Encoder()
_seen_decoder = msgspec.msgpack.Decoder(Seen)
_rest_decoder = msgspec.msgpack.Decoder(_Rest)
