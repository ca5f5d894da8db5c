"""People, relations and broken glass as the page sees them."""

from collections.abc import Iterable

import sqlalchemy as sa

from server.access import notice, sessions, steps, store
from server.access.api import GlassView, OrganisationView, PatientName, PersonView, RelationView
from server.access.glass import Broken
from server.access.organisations import Organisation, RelationRow
from server.access.store import Member, staff
from server.patients.store import patients
from vitals.clock import MS


def organisation_view(one: Organisation) -> OrganisationView:
    return OrganisationView.model_validate({"id": one.id, "name": one.name, "kind": one.kind, "keeps": one.keeps})


def people_views(tx: sa.Connection, organisation: str | None, wall_ns: int) -> list[PersonView]:
    """The staff of an organisation (None: of all)."""
    two = steps.everybody_with(tx)
    table = sessions.sessions
    counts = sa.select(table.c.staff, sa.func.count()).where(~sessions.over(wall_ns)).group_by(table.c.staff)
    signed_in = {row[0]: row[1] for row in tx.execute(counts)}
    return [_person(one, one.id in two, signed_in.get(one.id, 0)) for one in store.members(tx, organisation)]


def names(tx: sa.Connection, seen: sa.ColumnElement[bool]) -> list[PatientName]:
    """The patients of that condition, by name."""
    columns = patients.c.id, patients.c.name, patients.c.birth_year, patients.c.organisation
    return [
        PatientName(id=row[0], name=row[1], birth_year=row[2], organisation=row[3])
        for row in tx.execute(sa.select(*columns).where(seen).order_by(patients.c.name, patients.c.id))
    ]


def relation_views(tx: sa.Connection, found: Iterable[RelationRow]) -> list[RelationView]:
    """These relations."""
    found = list(found)
    known = {one.id: one for one in names(tx, patients.c.id.in_({one.patient_id for one in found}))}
    return [
        RelationView.model_validate(
            {
                "id": str(one.id), "patient": known[one.patient_id], "organisation": one.organisation,
                "staff": one.staff, "purpose": one.purpose, "from_ms": one.from_ns // MS,
                "until_ms": None if one.until_ns is None else one.until_ns // MS, "made_by": one.made_by,
            }
        )
        for one in found
    ]  # fmt: skip


def glass_views(tx: sa.Connection, found: Iterable[Broken]) -> list[GlassView]:
    """These, with the names of who did it and about whom."""
    found = list(found)
    known = {one.id: one for one in names(tx, patients.c.id.in_({one.patient_id for one in found}))}
    who = {row.id: row for row in tx.execute(sa.select(staff).where(staff.c.id.in_({one.staff for one in found})))}
    told = notice.told(tx, found)
    return [
        GlassView.model_validate(
            {
                "id": str(one.id), "patient": known[one.patient_id], "by": who[one.staff].name,
                "by_role": who[one.staff].role, "by_organisation": who[one.staff].organisation, "reason": one.reason,
                "from_ms": one.from_ns // MS, "until_ms": one.until_ns // MS, "reviewed_by": one.reviewed_by,
                "reviewed_ms": None if one.reviewed_ns is None else one.reviewed_ns // MS, "verdict": one.verdict,
                "note": one.note, "told": [each._asdict() for each in told[one.id]],
            }
        )
        for one in found
    ]  # fmt: skip


def _person(one: Member, two_steps: bool, signed_in: int) -> PersonView:
    return PersonView(
        id=one.id, name=one.name, role=one.role, organisation=one.organisation, phone=one.phone,
        password=one.has_password, provider=one.has_subject, second_step=two_steps,
        locked_ms=None if one.locked_ns is None else one.locked_ns // MS, sessions=signed_in,
    )  # fmt: skip
