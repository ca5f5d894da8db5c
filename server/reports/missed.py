"""Deteriorations that no alarm told of, marked by a person afterwards.

A mark says when it was and why somebody thinks so. It is taken back with a reason, never erased.
"""

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata
from server.patients.store import patients

missed = sa.Table(
    "missed",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.String, nullable=False),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("marked_by", sa.String, nullable=False),
    sa.Column("marked_ns", sa.BigInteger, nullable=False),
    sa.Column("undone_by", sa.String),
    sa.Column("undone_ns", sa.BigInteger),
    sa.Column("undone_why", sa.String),
    sa.Index("missed_at", "t_ns"),
)


class Missed(msgspec.Struct, frozen=True):
    """`t_ns`: when the patient got worse. `marked_by`, `undone_by`: names."""

    id: int
    patient_id: str
    t_ns: int
    note: str
    marked_by: str
    marked_ns: int
    undone_by: str | None = None
    undone_ns: int | None = None
    undone_why: str | None = None


def mark(tx: sa.Connection, patient_id: str, t_ns: int, note: str, name: str, now_ns: int) -> Missed:
    """`name` says that it was missed."""
    values = {"patient_id": patient_id, "t_ns": t_ns, "note": note, "marked_by": name, "marked_ns": now_ns}
    number = tx.execute(missed.insert().values(values).returning(missed.c.id)).scalar_one()
    return Missed(number, patient_id, t_ns, note, name, now_ns)


def undo(tx: sa.Connection, one: Missed, name: str, why: str, now_ns: int) -> Missed:
    """`name` takes it back."""
    values = {"undone_by": name, "undone_ns": now_ns, "undone_why": why}
    tx.execute(missed.update().where(missed.c.id == one.id, missed.c.undone_ns.is_(None)).values(**values))
    return msgspec.structs.replace(one, **values)


def get(tx: sa.Connection, missed_id: int) -> Missed | None:
    """The mark of that number."""
    found = _many(tx, missed.c.id == missed_id)
    return found[0] if found else None


def of_patient(tx: sa.Connection, patient_id: str) -> list[Missed]:
    """Every mark on the patient, the newest first, those taken back among them."""
    return _many(tx, missed.c.patient_id == patient_id)


def between(tx: sa.Connection, from_ns: int, to_ns: int, seen: sa.ColumnElement[bool]) -> list[Missed]:
    """The marks that stand, of deteriorations between two moments, on the patients of that condition."""
    theirs = missed.c.patient_id.in_(sa.select(patients.c.id).where(seen))
    return _many(tx, missed.c.t_ns >= from_ns, missed.c.t_ns < to_ns, missed.c.undone_ns.is_(None), theirs)


def _many(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Missed]:
    rows = tx.execute(sa.select(missed).where(*where).order_by(missed.c.t_ns.desc(), missed.c.id.desc()))
    return [Missed(**{name: row._mapping[name] for name in Missed.__struct_fields__}) for row in rows]
