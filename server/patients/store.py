"""People and assignments as rows.

Applying the municipality file adds and corrects; it never deletes, because a reading of last year still belongs to
whoever had the device then. So an assignment that is gone from the file is still in force, and one that would give
the same device to two people at once is refused: a wrong patient is worse than no reading. What somebody gave or ended
on the page (`server.fleet.holders`) is theirs to change, and the file leaves it as it is.
"""

import bisect
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec
import sqlalchemy as sa

from server.access.organisations import organisations
from server.db import metadata
from server.municipality import DEFAULT_ORGANISATION, Assignment, Municipality
from server.quick import Among
from vitals.errors import ConfigError

patients = sa.Table(
    "patients",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("birth_year", sa.Integer, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("programme", sa.Text, nullable=False),
    sa.Column("phone", sa.Text, nullable=False),
    sa.Column("conditions", sa.JSON, nullable=False),
    sa.Column("limits", sa.JSON, nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("learned", sa.JSON, nullable=False, server_default="{}", comment="limits that a clinician confirmed"),
    sa.Column("organisation", sa.Text, nullable=False, server_default=DEFAULT_ORGANISATION),
)

assignments = sa.Table(
    "assignments",
    metadata,
    sa.Column("device", sa.Text, primary_key=True),
    sa.Column("from_ns", sa.BigInteger, primary_key=True),
    sa.Column("to_ns", sa.BigInteger),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("changed_ns", sa.BigInteger, nullable=False),
    sa.Column("user_slot", sa.Integer, comment="which of the device's users the patient is"),
    sa.Column("given_by", sa.Text, comment="who began it on the page; NULL: the municipality file did"),
    sa.Column("ended_by", sa.Text, comment="who ended it on the page; the file does not open it again"),
    sa.Column("why", sa.Text, comment="as they said, the last of it"),
    sa.Index("assignments_of_patient", "patient_id"),
)


ANSWERS = "answers-"
"""How a device begins that answers to questions are readings of (`server.wishes.answers`)."""


class PatientRecord(msgspec.Struct, frozen=True):
    """One person. `limits`: the person's own, over the programme's; those of the file win over those confirmed here.

    `organisation`: whose the person is, by name.
    """

    id: str
    name: str
    birth_year: int
    place: str
    programme: str
    phone: str
    conditions: tuple[str, ...]
    limits: dict[str, float]
    organisation: str


class Whose:
    """Who had which device when: a lookup for the devices that it has been told of."""

    def __init__(self, rows: Iterable[tuple[str, int, int | None, str]] = ()) -> None:
        self._spans: dict[str, list[tuple[int, int | None, str]]] = {}
        self.add(rows)

    def add(self, rows: Iterable[tuple[str, int, int | None, str]]) -> None:
        """`rows`: (device, from_ns, to_ns or None, patient), in any order, all there are of each device."""
        for device, from_ns, to_ns, patient in sorted(rows, key=lambda row: row[:2]):
            self._spans.setdefault(device, []).append((from_ns, to_ns, patient))

    def patient_at(self, device: str, t_ns: int) -> str | None:
        """Whose the device was at `t_ns`: from (inclusive) to (exclusive); None if nobody's."""
        spans = self._spans.get(device, [])
        place = bisect.bisect_right(spans, t_ns, key=lambda span: span[0])
        if not place:
            return None
        _, to_ns, patient = spans[place - 1]
        return patient if to_ns is None or t_ns < to_ns else None

    def patient_throughout(self, device: str, from_ns: int, to_ns: int) -> str | None:
        """Whose it was all the while from one moment to another, both inclusive; None if nobody's or several's."""
        spans = self._spans.get(device, [])
        place = bisect.bisect_right(spans, from_ns, key=lambda span: span[0])
        if not place or (place < len(spans) and spans[place][0] <= to_ns):
            return None
        _, until_ns, patient = spans[place - 1]
        return patient if until_ns is None or to_ns < until_ns else None


def all_patients(tx: sa.Connection) -> list[PatientRecord]:
    """Everybody, by id."""
    return patients_of(tx, None)


def ids(tx: sa.Connection) -> list[str]:
    """Everybody's id."""
    return list(tx.scalars(sa.select(patients.c.id)))


def patient(tx: sa.Connection, patient_id: str) -> PatientRecord | None:
    """One person, or None."""
    return next(iter(patients_of(tx, [patient_id])), None)


def organisation_of(tx: sa.Connection, patient_id: str) -> str | None:
    """The id of the organisation whose the person is; None where there is no such person."""
    found: str | None = tx.scalar(sa.select(patients.c.organisation).where(patients.c.id == patient_id))
    return found


def assigned(tx: sa.Connection, devices: Iterable[str]) -> list[tuple[str, int, int | None, str]]:
    """The assignments of these devices, of all times, as `Whose` takes them."""
    return [tuple(row) for row in _ASSIGNED.rows(tx, devices)]


def whose(tx: sa.Connection, devices: Iterable[str]) -> Whose:
    """The same, to look it up."""
    return Whose(assigned(tx, devices))


def slot_at(tx: sa.Connection, device: str, t_ns: int) -> int | None:
    """Which of the device's own users its patient was at `t_ns`; None where the assignment does not say."""
    columns = assignments.c
    in_force = (columns.from_ns <= t_ns) & (columns.to_ns.is_(None) | (columns.to_ns > t_ns))
    slot: int | None = tx.scalar(sa.select(columns.user_slot).where(columns.device == device, in_force))
    return slot


def patients_of(tx: sa.Connection, patient_ids: Iterable[str] | None) -> list[PatientRecord]:
    """These people (None: everybody), by id."""
    return [_record(row) for row in _PEOPLE.rows(tx, patient_ids)]


def watched_since(tx: sa.Connection, now_ns: int, patient_ids: Collection[str] | None = None) -> dict[str, int]:
    """Since when each patient (of these; None: of all) has had a device still theirs at `now_ns`, and we have known it.

    An assignment of last month that is applied today could not have brought readings here before today.
    """
    return {row[0]: row[1] for row in _WATCHED.rows(tx, patient_ids, now_ns=now_ns)}


def apply(tx: sa.Connection, municipality: Municipality, now_ns: int) -> None:
    """Add and correct people and assignments; raises ConfigError if a device would be two people's at once."""
    for person in municipality.patients:
        values = {
            "name": person.name, "birth_year": person.birth_year, "place": person.place, "phone": person.phone,
            "programme": person.programme, "conditions": list(person.conditions), "limits": person.limits,
            "organisation": municipality.organisation_of(person),
        }  # fmt: skip
        _put(tx, patients, {"id": person.id}, values, now_ns)
    theirs = _said_on_the_page(tx)
    for assignment in municipality.assignments:
        key = {"device": assignment.device, "from_ns": _ns(assignment.since)}
        if key in theirs:
            continue
        until = assignment.until
        values = {"to_ns": None if until is None else _ns(until), "patient_id": assignment.patient}
        _put(tx, assignments, key, values, now_ns)
        # Apart, for it changes nothing about since when the patient's devices are watched.
        these = (assignments.c.device == assignment.device) & (assignments.c.from_ns == key["from_ns"])
        tx.execute(assignments.update().where(these).values(user_slot=assignment.user_slot))
    _refuse_overlaps(tx, municipality.assignments)


def _said_on_the_page(tx: sa.Connection) -> list[dict[str, object]]:
    said = assignments.c.given_by.is_not(None) | assignments.c.ended_by.is_not(None)
    query = sa.select(assignments.c.device, assignments.c.from_ns).where(said)
    return [dict(row) for row in tx.execute(query).mappings()]


def _put(
    tx: sa.Connection, table: sa.Table, key: Mapping[str, object], values: Mapping[str, object], now_ns: int
) -> None:
    """Insert, or update where something differs, so that `changed_ns` says when it really did."""
    where = [table.c[name] == value for name, value in key.items()]
    row = tx.execute(sa.select(table).where(*where)).mappings().one_or_none()
    if row is None:
        tx.execute(table.insert().values(**key, **values, changed_ns=now_ns))
    elif any(row[name] != value for name, value in values.items()):
        tx.execute(table.update().where(*where).values(**values, changed_ns=now_ns))


def _refuse_overlaps(tx: sa.Connection, listed: Iterable[Assignment]) -> None:
    columns = assignments.c
    query = sa.select(columns.device, columns.from_ns, columns.to_ns, columns.patient_id)
    query = query.where(columns.device.in_({one.device for one in listed})).order_by(columns.device, columns.from_ns)
    before: tuple[str, int, int | None, str] | None = None
    for device, from_ns, to_ns, patient_id in tx.execute(query):
        if before and before[0] == device and (before[2] is None or before[2] > from_ns):
            raise ConfigError(
                f"device {device} would belong to {before[3]} and {patient_id} at once (an assignment that was applied "
                "before stays in force after it is removed from the file)",
                "list the earlier assignment with a `to`; one that was given on the equipment page is ended there, so "
                "take the later one out of the file and give it there too",
            )
        before = device, from_ns, to_ns, patient_id


def _record(row: sa.Row[tuple[object, ...]]) -> PatientRecord:
    # By the struct's own names: SQLAlchemy's are a kind of str that msgspec does not take.
    told = row._mapping
    values = {name: told[name] for name in PatientRecord.__struct_fields__}
    values["limits"] = {**told["learned"], **told["limits"]}
    return msgspec.convert(values, PatientRecord, strict=False)


def _ns(moment: datetime) -> int:
    """Whole microseconds, exactly (a float of seconds would round)."""
    return round(moment.timestamp() * 1_000_000) * 1_000


def _watched() -> Among:
    columns, now_ns = assignments.c, sa.bindparam("now_ns", type_=sa.BigInteger)
    in_force = (columns.from_ns <= now_ns) & (columns.to_ns.is_(None) | (columns.to_ns > now_ns))
    known_ns = sa.case((columns.from_ns > columns.changed_ns, columns.from_ns), else_=columns.changed_ns)
    measures = ~columns.device.startswith(ANSWERS)
    query = sa.select(columns.patient_id, sa.func.min(known_ns)).where(in_force, measures).group_by(columns.patient_id)
    return Among(query, columns.patient_id)


_WATCHED = _watched()
_ASSIGNED = Among(sa.select(*(assignments.c[name] for name in ("device", "from_ns", "to_ns", "patient_id"))),
                  assignments.c.device)  # fmt: skip
_OWN = [patients.c[name] for name in (*PatientRecord.__struct_fields__, "learned") if name != "organisation"]
_PEOPLE = Among(
    sa.select(*_OWN, sa.func.coalesce(organisations.c.name, patients.c.organisation).label("organisation"))
    .outerjoin(organisations, organisations.c.id == patients.c.organisation)
    .order_by(patients.c.id),
    patients.c.id,
)
