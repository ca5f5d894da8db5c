"""Organisations, and who has what to do with which patient.

A municipality, a GP practice, a hospital, a response centre. The first of the municipality file keeps the system: what
belongs to no patient (a gateway in a drawer, readings that could not be filed) is its administrators'. Staff and
patients belong to one organisation each; what else binds them is a *relation*: of an organisation or a person with a
patient, for a purpose, from one moment to another. A relation is never deleted; it is ended.

What the file changes leaves its line in the audit, like what somebody does on the page. An organisation that leaves the
file is closed: its relations end, and it is kept by name.

Whatever changes who may see whom counts `changes` up in the same transaction, so that what others remember of it
(`server.access.scopes`) is known to be old the moment it is committed.
"""

from datetime import datetime
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.audit.store import Said, write_all
from server.db import Number, metadata, upsert
from server.municipality import Municipality, Relation
from server.quick import Quick
from vitals.clock import NS

Purpose = Literal["treatment", "consultation", "response"]
"""Why somebody who is not the patient's own has to do with them; `response`: to answer its alarms."""

FILE = "municipality.toml"
"""Who made the relations that the file lists, and what else it says of people."""
CLOSED = -1
"""The place of an organisation that the file lists no longer."""

organisations = sa.Table(
    "organisations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("place", sa.Integer, nullable=False, comment="0: the one that keeps the system"),
)

relations = sa.Table(
    "relations",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("organisation", sa.Text, sa.ForeignKey("organisations.id")),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id")),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger),
    sa.Column("made_by", sa.Text, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("ended_by", sa.Text),
    sa.Index("relations_of_patient", "patient_id"),
    sa.Index("relations_of_organisation", "organisation"),
    sa.Index("relations_of_staff", "staff"),
)

changes = sa.Table(
    "access_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.BigInteger, nullable=False),
)
_ALONE = 1
_CHANGES = Quick(sa.select(changes.c.n))


class Organisation(msgspec.Struct, frozen=True):
    """`keeps`: it keeps the system."""

    id: str
    name: str
    kind: str
    keeps: bool


class RelationRow(msgspec.Struct, frozen=True):
    """One relation; `organisation` or `staff` is None. Times are the server's clock."""

    id: int
    patient_id: str
    organisation: str | None
    staff: str | None
    purpose: str
    from_ns: int
    until_ns: int | None
    made_by: str
    made_ns: int
    ended_by: str | None


def apply(tx: sa.Connection, municipality: Municipality, now_ns: int) -> None:
    """Add, correct and close organisations as the file says; nothing is deleted. The staff and patients come after."""
    places = {row.id: row.place for row in tx.execute(sa.select(organisations))}
    said: list[Said] = []
    for place, one in enumerate(municipality.all_organisations):
        upsert(tx, organisations, {"id": one.id}, {"name": one.name, "kind": one.kind, "place": place})
        if places.pop(one.id, CLOSED) == CLOSED:
            said.append(Said(now_ns, FILE, "open organisation", detail=one.id))
    closed = sorted(one for one, place in places.items() if place != CLOSED)
    tx.execute(organisations.update().where(organisations.c.id.in_(closed)).values(place=CLOSED))
    write_all(tx, said + [Said(now_ns, FILE, "close organisation", detail=one) for one in closed])
    _end(tx, relations.c.organisation.in_(closed), now_ns)
    changed(tx)


def apply_relations(tx: sa.Connection, municipality: Municipality, now_ns: int) -> None:
    """Make the relations of the file what it says; one that is gone from it ends now."""
    ours = tx.execute(sa.select(relations).where(relations.c.made_by == FILE)).all()
    before = {(row.patient_id, row.organisation, row.staff, row.purpose, row.from_ns): row for row in ours}
    said: list[Said] = []
    for one in municipality.relations:
        key = (one.patient, one.organisation, one.staff, one.purpose, _ns(one.since) or 0)
        row, until_ns = before.pop(key, None), _ns(one.until)
        if row is None:
            said.append(_said(now_ns, "add relation", _insert(tx, one, until_ns, now_ns)))
        elif row.until_ns != until_ns:
            tx.execute(relations.update().where(relations.c.id == row.id).values(until_ns=until_ns, ended_by=None))
            said.append(_said(now_ns, "change relation", RelationRow(*row)))
    write_all(tx, said)
    _end(tx, relations.c.id.in_([row.id for row in before.values()]), now_ns)
    changed(tx)


def relate(
    tx: sa.Connection,
    patient_id: str,
    *,
    organisation: str | None = None,
    staff: str | None = None,
    purpose: Purpose,
    from_ns: int,
    until_ns: int | None,
    made_by: str,
) -> int:
    """Let an organisation or a person have to do with a patient; returns the relation's number.

    For a case that is sent to somebody: `until_ns` None, and `end` when it is done.
    """
    number: int = tx.execute(
        relations.insert()
        .values(
            patient_id=patient_id, organisation=organisation, staff=staff, purpose=purpose, from_ns=from_ns,
            until_ns=until_ns, made_by=made_by, made_ns=from_ns,
        )
        .returning(relations.c.id)
    ).scalar_one()  # fmt: skip
    changed(tx)
    return number


def end(tx: sa.Connection, number: int, now_ns: int, ended_by: str) -> RelationRow | None:
    """End that relation now; None if there is none that lasts."""
    row = tx.execute(
        relations.update()
        .where(relations.c.id == number, _lasts(now_ns))
        .values(until_ns=now_ns, ended_by=ended_by)
        .returning(relations)
    ).first()
    changed(tx)
    return None if row is None else RelationRow(*row)


def told(row: RelationRow) -> str:
    """The relation, for the audit."""
    whom = f"organisation {row.organisation}" if row.organisation else f"person {row.staff}"
    return f"relation {row.id}: {whom}, {row.purpose}"


def relation(tx: sa.Connection, number: int) -> RelationRow | None:
    """That relation, or None."""
    row = tx.execute(sa.select(relations).where(relations.c.id == number)).first()
    return None if row is None else RelationRow(*row)


def lasting(tx: sa.Connection, now_ns: int) -> list[RelationRow]:
    """Every relation that has not ended, by patient."""
    query = sa.select(relations).where(_lasts(now_ns)).order_by(relations.c.patient_id, relations.c.id)
    return [RelationRow(*row) for row in tx.execute(query)]


def all_organisations(tx: sa.Connection) -> list[Organisation]:
    """Every organisation that is not closed, the one that keeps the system first."""
    there = sa.select(organisations).where(organisations.c.place != CLOSED)
    rows = tx.execute(there.order_by(organisations.c.place, organisations.c.id))
    return [Organisation(row.id, row.name, row.kind, row.place == 0) for row in rows]


def changed(tx: sa.Connection) -> None:
    """Who may see whom has changed, with this transaction."""
    if not tx.execute(changes.update().values(n=changes.c.n + 1)).rowcount:
        tx.execute(changes.insert().values(id=_ALONE, n=1))


def change_count(tx: sa.Connection) -> int:
    """How often that was."""
    found = _CHANGES.rows(tx)
    return int(found[0][0]) if found else 0


def _insert(tx: sa.Connection, one: Relation, until_ns: int | None, now_ns: int) -> RelationRow:
    row = tx.execute(
        relations.insert()
        .values(
            patient_id=one.patient, organisation=one.organisation, staff=one.staff, purpose=one.purpose,
            from_ns=_ns(one.since) or 0, until_ns=until_ns, made_by=FILE, made_ns=now_ns,
        )
        .returning(relations)
    ).one()  # fmt: skip
    return RelationRow(*row)


def _end(tx: sa.Connection, which: sa.ColumnElement[bool], now_ns: int) -> None:
    """End these, because the file says so."""
    rows = tx.execute(
        relations.update().where(which, _lasts(now_ns)).values(until_ns=now_ns, ended_by=FILE).returning(relations)
    ).all()
    write_all(tx, [_said(now_ns, "end relation", RelationRow(*row)) for row in rows])


def _lasts(now_ns: int) -> sa.ColumnElement[bool]:
    return relations.c.until_ns.is_(None) | (relations.c.until_ns > now_ns)


def _said(now_ns: int, what: str, row: RelationRow) -> Said:
    return Said(now_ns, FILE, what, row.patient_id, told(row))


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp()) * NS
