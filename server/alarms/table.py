"""Alarms as rows. One open alarm a patient and kind: the database itself refuses a second."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from server.alarms.api import AlarmKind
from server.alarms.model import HELD, Alarm, State
from server.db import Number, metadata
from server.quick import Among

_OPEN = sa.text("state != 'closed'")

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.String, nullable=False),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("raised_ns", sa.BigInteger, nullable=False),
    sa.Column("due_ns", sa.BigInteger),
    sa.Column("settled", sa.Boolean, nullable=False),
    sa.Column("acknowledged_by", sa.String),
    sa.Column("acknowledged_ns", sa.BigInteger),
    sa.Column("expires_ns", sa.BigInteger),
    sa.Column("parked", sa.LargeBinary),
    sa.Column("before", sa.LargeBinary),
    sa.Column("cause", sa.String),
    sa.Column("closed_by", sa.String),
    sa.Column("closed_ns", sa.BigInteger),
    sa.Column("action", sa.String),
    sa.Column("outcome", sa.String),
    sa.Column("usefulness", sa.Integer),
    sa.Column("note", sa.String),
    sa.Column("quiet_until_ns", sa.BigInteger),
    sa.Column("climb", sa.LargeBinary, nullable=False),
    sa.Column("reasons", sa.LargeBinary, nullable=False),
    sa.Column("told", sa.LargeBinary, nullable=False),
    sa.Column("episode", sa.LargeBinary, nullable=False),
    sa.Index("one_open_alarm", "patient_id", "kind", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    sa.Index("alarms_due", "due_ns"),
    sa.Index("alarms_of_patient", "patient_id", "raised_ns"),
)

_JSON = ("climb", "reasons", "told", "parked", "before")


def insert(tx: sa.Connection, alarm: Alarm) -> Alarm:
    """Store a new alarm; returns it with its number."""
    row = _row(alarm)
    del row["id"]
    number = tx.execute(alarms.insert().values(row).returning(alarms.c.id)).scalar_one()
    return msgspec.structs.replace(alarm, id=number)


def save(tx: sa.Connection, alarm: Alarm) -> Alarm:
    """Store a changed alarm."""
    tx.execute(alarms.update().where(alarms.c.id == alarm.id).values(_row(alarm)))
    return alarm


def get(tx: sa.Connection, alarm_id: int) -> Alarm | None:
    """The alarm of that number."""
    return _one(tx, alarms.c.id == alarm_id)


def open_of(tx: sa.Connection, patient_id: str, kind: AlarmKind) -> Alarm | None:
    """The open alarm of that patient and kind."""
    return _one(tx, _is_open(), alarms.c.patient_id == patient_id, alarms.c.kind == kind)


def standing(tx: sa.Connection, patient_id: str, kind: AlarmKind, now_ns: int) -> Alarm | None:
    """The alarm that speaks for that patient and kind: the open one, else the last closed one that is still quiet."""
    quiet = alarms.c.patient_id == patient_id, alarms.c.kind == kind, alarms.c.quiet_until_ns > now_ns
    return open_of(tx, patient_id, kind) or _one(tx, *quiet)


def due(tx: sa.Connection, now_ns: int) -> list[int]:
    """The numbers of the alarms that the clock changes now, worst first, then oldest."""
    order = alarms.c.level.desc(), alarms.c.raised_ns, alarms.c.id
    return list(tx.scalars(sa.select(alarms.c.id).where(_is_open(), alarms.c.due_ns <= now_ns).order_by(*order)))


def set_quiet_back(tx: sa.Connection, by_ns: int, now_ns: int) -> None:
    """Our clock was set back by so much and shows `now_ns`: whatever is quiet is so for no longer than it would be."""
    until = alarms.c.quiet_until_ns
    earlier = sa.case((until > now_ns + by_ns, until - by_ns), else_=now_ns)
    tx.execute(alarms.update().where(until > now_ns).values(quiet_until_ns=earlier))


def last_closed(tx: sa.Connection, patient_id: str, kind: AlarmKind) -> Alarm | None:
    """The alarm of that patient and kind that was closed last."""
    mine = alarms.c.patient_id == patient_id, alarms.c.kind == kind
    query = sa.select(alarms).where(~_is_open(), *mine)
    return next(iter(_many(tx, query.order_by(alarms.c.closed_ns.desc(), alarms.c.id.desc()).limit(1))), None)


def all_open(tx: sa.Connection, patient_ids: Sequence[str] | None = None) -> list[Alarm]:
    """Every open alarm, or those of some patients."""
    return _read(_STANDING.rows(tx, patient_ids))


def of_patient(tx: sa.Connection, patient_id: str, kinds: Iterable[AlarmKind], closed: int) -> list[Alarm]:
    """The patient's open alarms, then the latest `closed` closed ones."""
    mine = sa.select(alarms).where(alarms.c.patient_id == patient_id, alarms.c.kind.in_(list(kinds)))
    over = mine.where(alarms.c.state == State.CLOSED).order_by(alarms.c.closed_ns.desc(), alarms.c.id.desc())
    return _many(tx, mine.where(_is_open()).order_by(alarms.c.level.desc(), alarms.c.id)) + _many(
        tx, over.limit(closed)
    )


def every(tx: sa.Connection, patient_id: str | None = None) -> list[Alarm]:
    """All alarms there ever were (of one patient), oldest first."""
    query = sa.select(alarms).order_by(alarms.c.id)
    return _many(tx, query if patient_id is None else query.where(alarms.c.patient_id == patient_id))


def between(tx: sa.Connection, from_ns: int, to_ns: int) -> list[Alarm]:
    """Those that were raised or closed between two moments, oldest first."""
    raised = (alarms.c.raised_ns >= from_ns) & (alarms.c.raised_ns < to_ns)
    closed = (alarms.c.closed_ns >= from_ns) & (alarms.c.closed_ns < to_ns)
    return _many(tx, sa.select(alarms).where(raised | closed).order_by(alarms.c.raised_ns, alarms.c.id))


def open_count(tx: sa.Connection) -> int:
    """How many alarms are open."""
    return tx.scalar(sa.select(sa.func.count()).select_from(alarms).where(_is_open())) or 0


def open_by_kind(tx: sa.Connection) -> dict[tuple[str, int], int]:
    """How many alarms are open, by kind and level."""
    columns = alarms.c.kind, alarms.c.level
    query = sa.select(*columns, sa.func.count()).where(_is_open()).group_by(*columns)
    return {(kind, level): count for kind, level, count in tx.execute(query)}


def parked(tx: sa.Connection, *states: State) -> list[Alarm]:
    """The alarms in these states, the oldest first."""
    return _many(tx, sa.select(alarms).where(alarms.c.state.in_(states)).order_by(alarms.c.raised_ns, alarms.c.id))


def oldest_unacknowledged(tx: sa.Connection) -> dict[str, int]:
    """When the oldest open alarm that nobody has was raised, by kind; a kind without one is left out."""
    query = sa.select(alarms.c.kind, sa.func.min(alarms.c.raised_ns)).where(_is_open())
    rows = tx.execute(query.where(alarms.c.state.not_in(HELD)).group_by(alarms.c.kind))
    return {kind: raised_ns for kind, raised_ns in rows}  # noqa: C416  # a Row is no pair to the type checker


def _is_open() -> sa.ColumnElement[bool]:
    return alarms.c.state != State.CLOSED


def _one(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> Alarm | None:
    found = _many(tx, sa.select(alarms).where(*where).order_by(alarms.c.id.desc()).limit(1))
    return found[0] if found else None


def _many(tx: sa.Connection, query: sa.Select[Any]) -> list[Alarm]:
    return _read(tx.execute(query))


def _read(rows: Iterable[sa.Row[Any]]) -> list[Alarm]:
    return [_alarm(row._mapping) for row in rows]


def _row(alarm: Alarm) -> dict[str, Any]:
    row = msgspec.structs.asdict(alarm)
    for name in _JSON:
        row[name] = None if row[name] is None else msgspec.json.encode(row[name])
    row.update(level=int(alarm.level), state=alarm.state.value, due_ns=alarm.due_ns)
    return row


def _alarm(row: sa.RowMapping) -> Alarm:
    tree = {name: row[name] for name in Alarm.__struct_fields__}
    for name in _JSON:
        tree[name] = None if tree[name] is None else msgspec.json.decode(tree[name])
    return msgspec.convert(tree, Alarm)


_STANDING = Among(sa.select(alarms).where(_OPEN).order_by(alarms.c.id), alarms.c.patient_id)
"""In the words of the index of open alarms, so that a patient's closed ones are not gone through."""
