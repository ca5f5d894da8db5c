"""Readings as plain rows, in the order in which they are read: patient, channel, time.

A reading is known by its `identity`, a digest of (device, the device's record or its own time, channel, place in the
block, value), or of the transport's name for the row where the device names nothing. The table refuses a second one
of the same identity, so whatever is delivered twice, in whatever order and through whichever gateway, is one reading.

All four times are kept: `t_ns` the best estimate of when it was true, `device_t_ns` the device's own clock,
`received_ns` the gateway's, `stored_ns` the server's. Where the gateway's clock was found to be wrong
(`server.ingest.correct`), `t_ns` is the corrected time, and `shift_ns` by how much it was moved: the gateway told
`t_ns - shift_ns`, and received it at `received_ns + shift_ns`.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.patients.store import patients
from triage.grid import Need, Sample
from triage.samples import DOUBTED
from vitals.channels import CHANNELS
from vitals.clock import NS

K = TypeVar("K", "Reading", "Occurrence")

_BEFORE_NS = (20 * 3600 * NS, 36 * 3600 * NS)
_BEGINNING = -(2**63)
_ASK = 1_000
"""So many identities in one question: a database has a limit."""
_VARIABLES = 30_000
"""So many variables in one query: SQLite itself allows 32,766."""

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
    sa.Column("shift_ns", sa.BigInteger, nullable=False, server_default="0"),
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
    sa.Column("shift_ns", sa.BigInteger, nullable=False, server_default="0"),
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
    shift_ns: int = 0

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
    shift_ns: int = 0


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
    new = _new(tx, readings, taken)
    if new:
        tx.execute(readings.insert(), [_reading_row(one, stored_ns) for one in new])
    return new


def keep_events(tx: sa.Connection, happened: Sequence[Occurrence], stored_ns: int) -> list[Occurrence]:
    """Store those that are not there yet and return them."""
    new = _new(tx, occurrences, happened)
    if new:
        tx.execute(occurrences.insert(), [{**msgspec.structs.asdict(one), "stored_ns": stored_ns} for one in new])
    return new


def take_back(
    tx: sa.Connection, patient_id: str, device: str, t_ns: int, channels: Iterable[str]
) -> list[tuple[Reading, int]]:
    """Remove what a device measured at one moment, and return it with when it was stored: it is kept elsewhere."""
    columns = readings.c
    these = (columns.patient_id == patient_id) & (columns.t_ns == t_ns) & (columns.device == device)
    these &= columns.channel.in_(list(channels))
    rows = tx.execute(sa.select(readings).where(these).order_by(columns.channel)).mappings().all()
    tx.execute(readings.delete().where(these))
    return [
        (Reading(**{name: row[name] for name in Reading.__struct_fields__} | {"status": _words(row["status"])}),
         row["stored_ns"])
        for row in rows
    ]  # fmt: skip


def known(tx: sa.Connection, table: sa.Table, identities: Iterable[bytes]) -> list[bytes]:
    """Those of `identities` that the table has, in a column of that name."""
    asked = list(identities)
    found: list[bytes] = []
    for start in range(0, len(asked), _ASK):
        column = table.c.identity
        found += tx.scalars(sa.select(column).where(column.in_(asked[start : start + _ASK])))
    return found


def latest(tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, dict[str, Latest]]:
    """The newest reading of every channel, by patient and channel; of everybody for None."""
    chosen = sa.true() if patient_ids is None else patients.c.id.in_(patient_ids)
    found: dict[str, dict[str, Latest]] = {}
    for row in tx.execute(_LATEST.where(chosen)):
        newest = Latest(row.channel, row.t_ns, row.value, row.decimals, _words(row.status), row.stored_ns, row.before)
        found.setdefault(row.patient_id, {})[row.channel] = newest
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


def recent(tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> list[Sample]:
    """What the rules want to see of these patients: `needs` as `triage.grid.needs` says.

    Nothing later than `now_ns`. More than was asked for may come where samples share a moment; the window sorts it.
    """
    if not needs or not patient_ids:
        return []
    query = _recent_of(tuple(needs.items()))
    found: list[Sample] = []
    at_once = _VARIABLES // len(needs)  # the query names everybody once for each need
    for start in range(0, len(patient_ids), at_once):
        rows = tx.execute(query, {"patients": list(patient_ids[start : start + at_once]), "now": now_ns})
        found += [Sample(patient, name, t_ns, value, bool(good)) for patient, name, t_ns, value, good in rows]
    return found


@cache
def _recent_of(needs: tuple[tuple[str, Need], ...]) -> sa.CompoundSelect[Any]:
    return sa.union_all(*(_recent(name, need) for name, need in needs))


def _recent(name: str, need: Need) -> sa.Select[Any]:
    """The newest samples of one name, of each patient: from the K-th newest on, a short walk along the key."""
    table, key, value, good = _MEASURED if name in CHANNELS else _HAPPENED
    now = sa.bindparam("now", type_=sa.BigInteger)
    since = now - round(need.window_s * NS) if need.window_s else sa.literal(_BEGINNING, sa.BigInteger)
    inner = table.alias()
    nth = (
        sa.select(inner.c.t_ns)
        .where(inner.c.patient_id == patients.c.id, inner.c[key.name] == name, inner.c.t_ns.between(since, now))
        .order_by(inner.c.t_ns.desc())
        .limit(1)
        .offset(need.samples - 1)
        .correlate(patients)
        .scalar_subquery()
    )
    return (
        sa.select(table.c.patient_id, sa.literal(name), table.c.t_ns, value, good)
        .select_from(patients.join(table, table.c.patient_id == patients.c.id))
        .where(patients.c.id.in_(sa.bindparam("patients", expanding=True)))
        .where(key == name, table.c.t_ns <= now, table.c.t_ns >= sa.func.coalesce(nth, since))
    )


def _latest_query() -> sa.Select[Any]:
    """Two short walks along the key for each patient and channel there is."""
    channel = sa.union_all(*(sa.select(sa.literal(name).label("name")) for name in CHANNELS)).cte("channel")
    newest, old, older = readings.alias("newest"), readings.alias("old"), readings.alias("older")
    newest_t = (
        sa.select(sa.func.max(old.c.t_ns))
        .where(old.c.patient_id == patients.c.id, old.c.channel == channel.c.name)
        .correlate(patients, channel)
        .scalar_subquery()
    )
    before = (
        sa.select(older.c.value)
        .where(older.c.patient_id == newest.c.patient_id, older.c.channel == newest.c.channel)
        .where(older.c.t_ns.between(newest.c.t_ns - _BEFORE_NS[1], newest.c.t_ns - _BEFORE_NS[0]), older.c.good)
        .order_by(older.c.t_ns.desc())
        .limit(1)
        .correlate(newest)
        .scalar_subquery()
    )
    of_it = (newest.c.patient_id == patients.c.id) & (newest.c.channel == channel.c.name) & (newest.c.t_ns == newest_t)
    return sa.select(newest, before.label("before")).select_from(patients.join(channel, sa.true()).join(newest, of_it))


def _new(tx: sa.Connection, table: sa.Table, candidates: Iterable[K]) -> list[K]:
    """Those whose identity the table does not have, each once."""
    by_identity: dict[bytes, K] = {}
    for one in candidates:
        by_identity.setdefault(one.identity, one)
    for identity in known(tx, table, by_identity):
        del by_identity[identity]
    return list(by_identity.values())


def _reading_row(one: Reading, stored_ns: int) -> dict[str, object]:
    row = {name: getattr(one, name) for name in Reading.__struct_fields__}
    return {**row, "status": " ".join(one.status), "good": one.good, "stored_ns": stored_ns}


def _words(status: str) -> tuple[str, ...]:
    return tuple(status.split())


_MEASURED = (readings, readings.c.channel, readings.c.value, readings.c.good)
_HAPPENED = (occurrences, occurrences.c.sample, occurrences.c.sample_value, sa.true())
_LATEST = _latest_query()
