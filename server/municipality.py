"""`municipality.toml`: the people and things a server serves, what the file may say, and clear words when it says
something else.

Patients, gateways, who has which device since when, staff, shifts. It holds no secret in clear: staff passwords are
argon2 hashes, gateway passwords PBKDF2 hashes in mosquitto's own form. It is applied at each start; what it no longer
names is kept (health records are corrected, not erased).
"""

import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from server.config import text_of
from vitals.errors import ConfigError
from vitals.settings import parse

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_GATEWAY = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Organisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first one listed keeps the system: what belongs to no patient is its administrators'."""

    id: str
    name: str
    kind: Literal["municipality", "gp", "hospital", "response"] = "municipality"


class Patient(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`programme` names a file of the programmes folder; `limits` override its limits for this person.

    `organisation`: whose patient it is; the first one's where it is left out.
    """

    id: str
    name: str
    birth_year: int
    place: str
    programme: str
    phone: str = ""
    conditions: tuple[str, ...] = ()
    limits: dict[str, float] = {}
    organisation: str | None = None


class Gateway(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`password_hash` in mosquitto's form `$7$iterations$salt$hash` (`hjemvakt server password` makes one).

    Without one it comes in with a certificate or not at all.
    """

    id: str
    place: str
    password_hash: str | None = None
    patient: str | None = None
    """Whose home it stands in: for the findings of silence only, never for whose reading it is."""


class Assignment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Whose the device's readings are, from (inclusive) to (exclusive); no `to`: until further notice.

    `user_slot`: which of a shared device's own users the patient is; what it took for another user is held and asked
    about. None where the device has no users, or says nothing of them.
    """

    device: str
    patient: str
    since: datetime
    until: datetime | None = None
    user_slot: Annotated[int, Meta(ge=0, le=254)] | None = None


class Staff(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`id` is the user name. `phone` is where the ladder's messages go.

    `organisation`: where they work; the first one where it is left out. `subject`: what the provider of identities
    calls them (`[oidc]`); whoever has one need not have a password. Without either nobody comes in under the name.
    """

    id: str
    name: str
    role: Literal["nurse", "doctor", "specialist", "administrator"]
    password_hash: str = ""
    phone: str = ""
    organisation: str | None = None
    subject: str | None = None


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """Who answers for a role between two moments; without them, always."""

    role: Literal["nurse", "doctor"]
    staff: str
    since: datetime | None = None
    until: datetime | None = None


class Relation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from", "until": "to"}):
    """An organisation or a person that has to do with another one's patient, for a purpose, between two moments."""

    patient: str
    purpose: Literal["treatment", "consultation", "response"]
    organisation: str | None = None
    staff: str | None = None
    since: datetime | None = None
    until: datetime | None = None


DEFAULT_ORGANISATION = "municipality"
"""The only one of a file that lists none."""


class Municipality(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`municipality.toml`."""

    name: str
    organisations: tuple[Organisation, ...] = ()
    relations: tuple[Relation, ...] = ()
    patients: tuple[Patient, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    assignments: tuple[Assignment, ...] = ()
    staff: tuple[Staff, ...] = ()
    shifts: tuple[Shift, ...] = ()

    @property
    def all_organisations(self) -> tuple[Organisation, ...]:
        """Those listed, or the municipality itself."""
        return self.organisations or (Organisation(DEFAULT_ORGANISATION, self.name),)

    def organisation_of(self, one: Patient | Staff) -> str:
        """The id of the organisation that somebody belongs to."""
        return one.organisation or self.all_organisations[0].id


def load_municipality(path: Path) -> Municipality:
    """Read and check `municipality.toml`; raises ConfigError."""
    town = parse(text_of(path), Municipality, str(path))
    patients = _unique(path, "patient", [p.id for p in town.patients])
    staff = _unique(path, "staff member", [s.id for s in town.staff])
    _told_apart(path, [s.name for s in town.staff])
    gateways = _unique(path, "gateway", [g.id for g in town.gateways])
    _well_named(path, "patient", patients, _ID, "letters, digits, . _ and -")
    _well_named(path, "staff member", staff, _ID, "letters, digits, . _ and -")
    _well_named(path, "gateway", gateways, _GATEWAY, "small letters, digits and -, as on the gateway itself")
    for member in town.staff:
        if not member.password_hash.startswith("$argon2") and (member.password_hash or member.subject is None):
            raise ConfigError(
                f"{path}: the password_hash of {member.id} is no argon2 hash",
                "make one with `hjemvakt server password`, or leave it out and give a subject of the [oidc] provider",
            )
    _check_organisations(path, town, patients, staff)
    for gateway in town.gateways:
        if gateway.patient is not None:
            _known(path, f"gateway {gateway.id}", "patient", gateway.patient, patients)
    for assignment in town.assignments:
        _known(path, f"assignment of {assignment.device}", "patient", assignment.patient, patients)
        _span(path, f"assignment of {assignment.device}", assignment.since, assignment.until)
    for shift in town.shifts:
        _known(path, f"shift of {shift.role}", "staff member", shift.staff, staff)
        _span(path, f"shift of {shift.staff}", shift.since, shift.until)
    _overlap_free(path, town.assignments)
    return town


def _check_organisations(path: Path, town: Municipality, patients: frozenset[str], staff: frozenset[str]) -> None:
    known = _unique(path, "organisation", [one.id for one in town.all_organisations])
    _well_named(path, "organisation", known, _ID, "letters, digits, . _ and -")
    for what, people in (("patient", town.patients), ("staff member", town.staff)):
        for one in people:
            if one.organisation is not None:
                _known(path, f"{what} {one.id}", "organisation", one.organisation, known)
    _unique(path, "staff member's subject", [one.subject for one in town.staff if one.subject is not None])
    for relation in town.relations:
        who = f"relation with {relation.patient}"
        if (relation.organisation is None) == (relation.staff is None):
            raise ConfigError(f"{path}: a {who} names not just one of organisation and staff", "name one of the two")
        _known(path, who, "patient", relation.patient, patients)
        if relation.organisation is not None:
            _known(path, who, "organisation", relation.organisation, known)
        if relation.staff is not None:
            _known(path, who, "staff member", relation.staff, staff)
        _span(path, who, relation.since, relation.until)


def _unique(path: Path, what: str, ids: list[str]) -> frozenset[str]:
    twice = {one for one, times in Counter(ids).items() if times > 1}
    if twice:
        raise ConfigError(f"{path}: two {what}s have the id {min(twice)!r}", "give each its own")
    return frozenset(ids)


def _told_apart(path: Path, names: list[str]) -> None:
    """By name people see who has an alarm, and by name it is theirs."""
    twice = [one for one, times in Counter(" ".join(name.split()).casefold() for name in names).items() if times > 1]
    if twice:
        called = next(name for name in names if " ".join(name.split()).casefold() == twice[0])
        raise ConfigError(
            f"{path}: two staff members are called {called!r}",
            "tell them apart, by a second name or where they work: what one of them has taken would be the other's too",
        )


def _known(path: Path, who: str, what: str, name: str, names: frozenset[str]) -> None:
    if name not in names:
        raise ConfigError(f"{path}: {who} names the {what} {name!r}, which is not listed", "add or correct it")


def _well_named(path: Path, what: str, ids: frozenset[str], form: re.Pattern[str], mend: str) -> None:
    """An id stands in addresses, topics and logs."""
    for one in sorted(ids):
        if not form.fullmatch(one):
            raise ConfigError(f"{path}: a {what} cannot be called {one!r}", f"use {mend}")


def _span(path: Path, what: str, since: datetime | None, until: datetime | None) -> None:
    if any(moment is not None and moment.tzinfo is None for moment in (since, until)):
        raise ConfigError(f"{path}: {what} has a time without a zone", "end it with Z or +02:00")
    if since is not None and until is not None and until <= since:
        raise ConfigError(f"{path}: {what} ends before it begins ({since} to {until})", "correct `from` or `to`")


def _overlap_free(path: Path, assignments: tuple[Assignment, ...]) -> None:
    """One device has one patient at a time: anything else could file a reading under the wrong person."""
    by_device: dict[str, list[Assignment]] = {}
    for assignment in sorted(assignments, key=lambda a: a.since):
        before = by_device.setdefault(assignment.device, [])
        if before and (before[-1].until is None or before[-1].until > assignment.since):
            raise ConfigError(
                f"{path}: device {assignment.device} belongs to {before[-1].patient} and {assignment.patient} at once",
                "end the first assignment (`to`) before the second begins",
            )
        before.append(assignment)
