"""Chunks: a patient's readings of seven days in packed columns, made from the journal.

A part has at most PART readings in the order (channel, time, value), so that one channel's stretch of time is a slice;
how it becomes bytes is in `server.readings.packing`. New readings go into a week's last part until it is full; so a
reading is written anew a bounded number of times, and one that comes a year late lands in the week where it was
measured.

A row of `positions` says up to which row of the journal the chunks have everything. It is read in the same statement as
the chunks: what is added to them from the journal's tail never overlaps, and never leaves a gap.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.db import metadata
from server.quick import Among, Quick
from server.readings.packing import Seen, seen_in, unpacked
from server.readings.sheaf import Sheaf
from server.readings.values import NONE, Values
from vitals.clock import NS

WEEK_NS = 7 * 86_400 * NS
PART = 4_096
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


class Last(NamedTuple):
    """The last part of a week, how many it has and, where there is room for more, `seen`, identities and `rest`."""

    part: int
    stored: int
    data: tuple[bytes, bytes, bytes] | None


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A part as it is read for a chart. `identities` are there only where they were asked for."""

    seen: Seen
    identities: bytes


Cut = tuple[Seen, int, int]
"""The rows of a part from one to before another."""


def together(cuts: Sequence[Cut], later: Values = NONE) -> Values:
    """These rows of parts, and `later`, by time and value.

    Parts that come oldest first, and what is newer than all of them, are put behind each other at once.
    """
    if not cuts:
        return later
    if len(cuts) == 1 and not len(later.t_ns):
        return cuts[0][0].values(cuts[0][1], cuts[0][2])
    moments = b"".join([*[seen.t_ns[8 * start : 8 * stop] for seen, start, stop in cuts], later.t_ns.data])
    value = b"".join([*[seen.value[8 * start : 8 * stop] for seen, start, stop in cuts], later.value.data])
    flags = b"".join([*[seen.flags[start:stop] for seen, start, stop in cuts], later.flags.data])
    values = Values(np.frombuffer(moments, np.int64), np.frombuffer(value), np.frombuffer(flags, np.uint8))
    t_ns, end = memoryview(moments).cast("q"), 0
    for _, start, stop in cuts:
        end += stop - start
        if end < len(t_ns) and t_ns[end - 1] >= t_ns[end]:
            return values.only(np.lexsort((values.value, values.t_ns)))
    return values


def position(tx: sa.Connection) -> int:
    """The journal's seq up to which everything is in the chunks."""
    return tx.scalar(sa.select(positions.c.seq).where(positions.c.store == STORE)) or 0


def between(
    tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int, *, named: bool = False
) -> tuple[int, list[Stored]]:
    """The parts with something of the patient between two moments, newest weeks first, and the chunks' position."""
    query = _BETWEEN_NAMED if named else _BETWEEN
    rows = query.rows(tx, patient=patient_id, a=from_ns // WEEK_NS, b=to_ns // WEEK_NS, from_ns=from_ns, to_ns=to_ns)
    found = [Stored(seen_in(row[1]), row[2] if named else b"") for row in rows if row[1] is not None]
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
    return {name for (data,) in rows for name in seen_in(data).channels}


def seen_of(tx: sa.Connection, spans: Mapping[str, tuple[int, int]]) -> Iterator[list[tuple[str, Seen]]]:
    """What a chart needs of the parts with something of each patient between his two moments, and of some more."""
    for some in _some(sorted(spans, key=lambda patient: spans[patient]), 500):
        from_ns, to_ns = min(spans[one][0] for one in some), max(spans[one][1] for one in some)
        these = chunks.c.patient_id.in_(some) & chunks.c.week.between(from_ns // WEEK_NS, to_ns // WEEK_NS)
        these &= (chunks.c.to_ns >= from_ns) & (chunks.c.from_ns <= to_ns)
        rows = tx.execute(sa.select(chunks.c.patient_id, chunks.c.seen).where(these)).all()
        if rows:
            yield [(patient, seen_in(data)) for patient, data in rows]


def patients(tx: sa.Connection) -> list[str]:
    """Those who have chunks."""
    return list(tx.scalars(sa.select(chunks.c.patient_id).distinct()))


def last_parts(tx: sa.Connection, weeks: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Last]:
    """For each (patient, week) that has any its last part."""
    found: dict[tuple[str, int], Last] = {}
    patients: dict[int, list[str]] = {}
    for patient, week in weeks:
        patients.setdefault(week, []).append(patient)
    for week, names in patients.items():
        for patient, part, count, *data in _LAST.rows(tx, names, week=week, full=PART):
            found[patient, week] = Last(part, count, None if data[0] is None else tuple(data))
    return found


def known(tx: sa.Connection, device: str, wanted: set[bytes]) -> set[bytes]:
    """Those of `wanted`, identities of readings of `device`, that are in a chunk of anybody."""
    halves = np.array([int.from_bytes(one[:8], "big") for one in wanted], np.uint64)
    found: set[bytes] = set()
    for (data,) in _OF_DEVICE.rows(tx, device=device):
        hi = np.frombuffer(data, ">u8")[::2]
        places = np.flatnonzero(np.isin(hi, halves)).tolist()
        found |= wanted.intersection(data[place * 16 : place * 16 + 16] for place in places)
    return found


def every_identity(tx: sa.Connection) -> Iterator[NDArray[np.uint64]]:
    """The identities of all that is in chunks, as arrays [n, 2] of their halves."""
    # Of the statement: a connection's options are all its statements', to the end of the transaction.
    for rows in tx.execute(sa.select(chunks.c.identities).execution_options(yield_per=500)).partitions():
        yield np.frombuffer(b"".join(row[0] for row in rows), ">u8").astype(np.uint64).reshape(-1, 2)


def stored(tx: sa.Connection) -> int:
    """How many readings are in chunks."""
    return tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(chunks.c.count), 0))) or 0


def _part(row: Any) -> Part:
    patient_id, week, part, *data = row
    return Part(patient_id, week, part, unpacked([(patient_id, *data)], {}, {}))


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


def _last() -> Among:
    other = chunks.alias()
    same = (other.c.patient_id == chunks.c.patient_id) & (other.c.week == chunks.c.week)
    room = chunks.c.count < sa.bindparam("full", type_=sa.Integer)
    data = (sa.case((room, column)) for column in (chunks.c.seen, chunks.c.identities, chunks.c.rest))
    query = sa.select(chunks.c.patient_id, chunks.c.part, chunks.c.count, *data).where(
        chunks.c.week == sa.bindparam("week"),
        chunks.c.part == sa.select(sa.func.max(other.c.part)).where(same).scalar_subquery(),
    )
    return Among(query, chunks.c.patient_id)


_BETWEEN = _between()
_BETWEEN_NAMED = _between(chunks.c.identities)
_WHOLE = sa.select(chunks.c.patient_id, chunks.c.week, chunks.c.part, chunks.c.seen, chunks.c.identities, chunks.c.rest)
_LAST = _last()
_OF_DEVICE = Quick(
    sa.select(chunks.c.identities)
    .join_from(chunks, sources, sources.c.patient_id == chunks.c.patient_id)
    .where(sources.c.device == sa.bindparam("device", type_=sa.Text))
)
