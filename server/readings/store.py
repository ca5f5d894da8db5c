"""Readings as plain rows, in the order in which they are read: patient, channel, time.

A reading is known by its `identity`, a digest of (device, the device's record or its own time, channel, place in the
block, value), or of the transport's name for the row where the device names nothing. The table refuses a second one
of the same identity, so whatever is delivered twice, in whatever order and through whichever gateway, is one reading.

All four times are kept: `t_ns` the best estimate of when it was true, `device_t_ns` the device's own clock,
`received_ns` the gateway's, `stored_ns` the server's.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from server.db import metadata
from triage.grid import Need, Sample
from triage.samples import DOUBTED
from vitals.clock import NS

DAY_NS = 24 * 3600 * NS

readings = sa.Table(
    "readings",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("t_ns", sa.BigInteger, primary_key=True),
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("decimals", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("good", sa.Boolean, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("device_t_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Index("readings_identity", "identity", unique=True),
    sqlite_with_rowid=False,
)

occurrences = sa.Table(
    "events",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("t_ns", sa.BigInteger, primary_key=True),
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("sample", sa.Text, nullable=False, comment="the name that the rules know it by"),
    sa.Column("sample_value", sa.Float, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("device_t_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Index("events_identity", "identity", unique=True),
    sa.Index("events_sample", "patient_id", "sample", "t_ns"),
    sqlite_with_rowid=False,
)


class Reading(msgspec.Struct, frozen=True):
    """One value of one patient, as it is kept. `status`: words of `vitals.block.STATUS`."""

    patient_id: str
    channel: str
    t_ns: int
    identity: bytes
    value: float
    decimals: int
    status: tuple[str, ...]
    device: str
    record: str | None
    device_t_ns: int | None
    received_ns: int

    @property
    def good(self) -> bool:
        """Whether the device trusts it."""
        return DOUBTED.isdisjoint(self.status)


class Occurrence(msgspec.Struct, frozen=True):
    """One event of one patient, as it is kept. `sample` and `sample_value` are what the rules see of it."""

    patient_id: str
    t_ns: int
    identity: bytes
    kind: str
    data: dict[str, int | float | str]
    sample: str
    sample_value: float
    device: str
    record: str | None
    device_t_ns: int | None
    received_ns: int


class Latest(msgspec.Struct, frozen=True):
    """The newest reading of a channel. `before_value`: the newest one 20 to 36 hours older than it."""

    channel: str
    t_ns: int
    value: float
    decimals: int
    status: tuple[str, ...]
    stored_ns: int
    before_value: float | None


class SeriesColumns(msgspec.Struct, frozen=True):
    """One channel, columns of equal length, oldest first. `decimals`: the finest that the device reported."""

    t_ns: list[int]
    value: list[float]
    good: list[bool]
    decimals: int


def keep(tx: sa.Connection, taken: Sequence[Reading], stored_ns: int) -> list[Reading]:
    """Store those that are not there yet and return them."""
    new = _unknown(tx, readings, taken)
    if new:
        tx.execute(readings.insert(), [_reading_row(one, stored_ns) for one in new])
    return new


def keep_events(tx: sa.Connection, happened: Sequence[Occurrence], stored_ns: int) -> list[Occurrence]:
    """Store those that are not there yet and return them."""
    new = _unknown(tx, occurrences, happened)
    if new:
        tx.execute(
            occurrences.insert(), [{**msgspec.structs.asdict(one), "stored_ns": stored_ns} for one in new]
        )
    return new


def latest(tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, dict[str, Latest]]:
    """The newest reading of every channel, by patient and channel; of everybody for None."""
    found: dict[str, dict[str, Latest]] = {}
    for row in tx.execute(_LATEST, {"patients": _names(tx, patient_ids), "channels": _channels(tx)}):
        patient_id, channel, t_ns, value, decimals, status, stored_ns, before = row
        newest = Latest(channel, t_ns, value, decimals, _words(status), stored_ns, before)
        found.setdefault(patient_id, {})[channel] = newest
    return found


def series(tx: sa.Connection, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
    """One channel of one patient between two moments, both inclusive."""
    columns = readings.c
    query = sa.select(columns.t_ns, columns.value, columns.good, columns.decimals).where(
        columns.patient_id == patient_id, columns.channel == channel, columns.t_ns.between(from_ns, to_ns)
    )
    rows = tx.execute(query.order_by(columns.t_ns, columns.identity)).all()
    return SeriesColumns(
        [row[0] for row in rows], [row[1] for row in rows], [row[2] for row in rows],
        max((row[3] for row in rows), default=0),
    )  # fmt: skip


def events(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> list[Occurrence]:
    """What happened to one patient between two moments, both inclusive, oldest first."""
    columns = occurrences.c
    query = sa.select(occurrences).where(columns.patient_id == patient_id, columns.t_ns.between(from_ns, to_ns))
    rows = tx.execute(query.order_by(columns.t_ns, columns.identity)).mappings()
    return [Occurrence(**{name: row[name] for name in Occurrence.__struct_fields__}) for row in rows]


def recent(tx: sa.Connection, patient_ids: Sequence[str], needs: dict[str, Need], now_ns: int) -> list[Sample]:
    """What the rules want to see of these patients, in one query: `needs` as `triage.grid.needs` says.

    Nothing later than `now_ns`. More than was asked for may come where samples share a moment; the window sorts it.
    """
    if not needs or not patient_ids:
        return []
    query = sa.union_all(*(part for name, need in needs.items() for part in _recent(name, need, now_ns)))
    rows = tx.execute(query, {"patients": list(patient_ids)})
    return [Sample(patient, name, t_ns, value, bool(good)) for patient, name, t_ns, value, good in rows]


def _recent(name: str, need: Need, now_ns: int) -> Iterable[sa.Select[Any]]:
    since_ns = now_ns - round(need.window_s * NS) if need.window_s else -(2**63)
    for table, key, value, good in (
        (readings, readings.c.channel, readings.c.value, readings.c.good),
        (occurrences, occurrences.c.sample, occurrences.c.sample_value, sa.true()),
    ):
        # The time of the K-th newest: everything from there on is a short walk along the key.
        inner = table.alias()
        inner_key = inner.c[key.name]
        nth = (
            sa.select(inner.c.t_ns)
            .where(inner.c.patient_id == _PERSON.c.id, inner_key == name, inner.c.t_ns.between(since_ns, now_ns))
            .order_by(inner.c.t_ns.desc())
            .limit(1)
            .offset(need.samples - 1)
            .scalar_subquery()
        )
        yield (
            sa.select(table.c.patient_id, sa.literal(name), table.c.t_ns, value, good)
            .select_from(_PERSON.join(table, table.c.patient_id == _PERSON.c.id))
            .where(_PERSON.c.id.in_(sa.bindparam("patients", expanding=True)))
            .where(key == name, table.c.t_ns <= now_ns, table.c.t_ns >= sa.func.coalesce(nth, since_ns))
        )


_PERSON = metadata.tables["patients"]


def _unknown[T: (Reading, Occurrence)](tx: sa.Connection, table: sa.Table, candidates: Sequence[T]) -> list[T]: ...
