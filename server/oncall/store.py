"""Rosters as rows: every version that was ever in force, and what was changed in it for a while.

Nothing here is overwritten: a roster that is saved is a new version from then on, and an override that is taken back
keeps its row with its end. So who was on call at any moment can still be said.

The municipality's file gives each role a roster to begin with. A file that has changed since it was last applied is a
new version like any other; one that has not leaves what was edited on the page alone.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache

import msgspec
import sqlalchemy as sa

from server.access.store import people
from server.access.store import staff as accounts
from server.api import Role
from server.db import Number, metadata
from server.first import Overtaken
from server.municipality import Municipality
from server.oncall.check import check, unlocked
from server.oncall.model import ROLES, Fixed, Kept, Override, Person, Roster
from server.oncall.plan import on, who
from vitals.clock import NS

ROSTER = "roster:"
PERSON = "person:"

versions = sa.Table(
    "roster_versions",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("roster", sa.String, nullable=False),
    sa.Column("in_force_ns", sa.BigInteger, nullable=False),
    sa.Column("saved_by", sa.String, nullable=False, comment="a name; empty: the municipality's file"),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Index("versions_of_roster", "roster", "id"),
)
overrides = sa.Table(
    "roster_overrides",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("roster", sa.String, nullable=False),
    sa.Column("out", sa.String),
    sa.Column("into", sa.String),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("made_by", sa.String, nullable=False),
    sa.Column("why", sa.String, nullable=False),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Column("ended_by", sa.String),
    sa.Index("overrides_of_roster", "roster", "until_ns"),
)


class Version(msgspec.Struct, frozen=True):
    """A roster as it was saved. `saved_by`: a name, empty for the municipality's file."""

    id: int
    in_force_ns: int
    saved_by: str
    roster: Roster


class Change(msgspec.Struct, frozen=True):
    """An override as a row."""

    id: int
    roster: str
    override: Override
    made_by: str
    why: str
    ended_by: str | None


def apply(tx: sa.Connection, municipality: Municipality, now_ns: int = 0, zone: str = "Europe/Oslo") -> None:
    """Make what the file says of each role a version, where it says something new; raises ConfigError."""
    staff = everybody(tx)
    for role in ROLES:
        fixed = tuple(
            Fixed(one.staff, _ns(one.since), _ns(one.until)) for one in municipality.shifts if one.role == role
        )
        roster = Roster(role, role, role, zone, fixed=fixed)
        before = _of_file(tx, role)
        if fixed == (before.fixed if before else ()):
            continue
        check(roster, staff)
        _insert(tx, roster, now_ns, "")


def save(tx: sa.Connection, roster: Roster, seen: int, name: str, now_ns: int) -> Version:
    """Put it in force from now on; raises ConfigError for one that cannot be, Overtaken if `seen` is not the newest."""
    newest = newest_of(tx, roster.id)
    if (newest.id if newest else 0) != seen:
        who_first = (newest.saved_by or None) if newest else None
        raise Overtaken("the roster was saved meanwhile", "look at it as it is now, and change it again", who_first)
    staff = everybody(tx)
    check(roster, staff)
    unlocked(roster.to_come(now_ns), staff, f"roster {roster.name!r}")
    return Version(_insert(tx, roster, now_ns, name), now_ns, name, roster)


def newest_of(tx: sa.Connection, roster_id: str) -> Version | None:
    """The roster as it stands."""
    return next(iter(history(tx, roster_id, 1)), None)


def history(tx: sa.Connection, roster_id: str, most: int = 100) -> list[Version]:
    """The roster's versions, the newest first."""
    query = sa.select(versions).where(versions.c.roster == roster_id).order_by(versions.c.id.desc()).limit(most)
    return [Version(row.id, row.in_force_ns, row.saved_by, _roster(row.body)) for row in tx.execute(query)]


def change(
    tx: sa.Connection, roster_id: str, out: str | None, into: str | None, since_ns: int, until_ns: int, name: str,
    why: str, now_ns: int,
) -> int:  # fmt: skip
    """`into` is on instead of `out` between the two moments, from now on at the earliest."""
    values = {
        "roster": roster_id, "out": out, "into": into, "since_ns": max(since_ns, now_ns), "until_ns": until_ns,
        "made_ns": now_ns, "made_by": name, "why": why,
    }  # fmt: skip
    number: int = tx.execute(overrides.insert().values(values).returning(overrides.c.id)).scalar_one()
    return number


def take_back(tx: sa.Connection, change_id: int, name: str, now_ns: int) -> None:
    """The override ends now, if it has not; what it was until now stays."""
    row = (overrides.c.id == change_id) & overrides.c.ended_ns.is_(None) & (overrides.c.until_ns > now_ns)
    tx.execute(overrides.update().where(row).values(ended_ns=now_ns, ended_by=name))


def changes(tx: sa.Connection, roster_id: str, from_ns: int, to_ns: int) -> list[Change]:
    """What was and will be changed in the roster between two moments, as it was made."""
    columns = overrides.c
    touching = (columns.roster == roster_id) & (columns.until_ns > from_ns) & (columns.since_ns < to_ns)
    return [
        Change(row.id, row.roster, _override(row), row.made_by, row.why, row.ended_by)
        for row in tx.execute(sa.select(overrides).where(touching).order_by(columns.id))
    ]


def kept(tx: sa.Connection, from_ns: int, to_ns: int, roster_id: str | None = None) -> list[Kept]:
    """Every roster (or one) with what it was, is and will be between two moments, by name."""
    columns = overrides.c
    touching = (columns.until_ns > from_ns) & (columns.since_ns < to_ns)
    changed: dict[str, list[Override]] = {}
    for row in tx.execute(sa.select(overrides).where(touching).order_by(columns.id)):
        changed.setdefault(row.roster, []).append(_override(row))
    saved: dict[str, list[tuple[int, Roster]]] = {}
    for row in tx.execute(_in_force(from_ns, to_ns, roster_id)):
        saved.setdefault(row.roster, []).append((row.in_force_ns, _roster(row.body)))
    found = [Kept(tuple(its), tuple(changed.get(name, ()))) for name, its in saved.items()]
    return sorted(found, key=lambda one: (ROLES.index(one.newest.role), one.newest.name, one.newest.id))


def everybody(tx: sa.Connection) -> dict[str, Person]:
    """The staff of today, by user name."""
    return {person.id: person for person in people(tx)}


def names(tx: sa.Connection, ids: Iterable[str]) -> dict[str, str]:
    """What people are called, those who have left among them; a user name that was never anybody's is its own."""
    wanted = sorted(set(ids))
    found = {
        row.id: row.name
        for row in tx.execute(sa.select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(wanted)))
    }
    return {one: found.get(one, one) for one in wanted}


def answering(tx: sa.Connection, now_ns: int, organisation: str | None = None) -> dict[str, tuple[Person, ...]]:
    """Who answers now: for each role, for each roster (`roster:ID`) and for themselves (`person:ID`).

    `organisation`: whose rosters count for a role; None: everybody's.
    """
    return answering_by(people(tx), kept(tx, now_ns, now_ns + 1), now_ns, organisation)


def answering_by(
    staff: list[Person], rosters: list[Kept], t_ns: int, organisation: str | None
) -> dict[str, tuple[Person, ...]]:
    """The same of a moment, of what was fetched before."""
    found: dict[str, tuple[Person, ...]] = {role: who(role, t_ns, staff, rosters, organisation) for role in ROLES}
    for one in rosters:
        names = on(one, t_ns) or ()
        found[ROSTER + one.newest.id] = tuple(person for person in staff if person.id in names)
    return found | {PERSON + person.id: (person,) for person in staff}


def _in_force(from_ns: int, to_ns: int, roster_id: str | None) -> sa.Select[tuple[object, ...]]:
    """The versions that count between two moments: those saved then, and the last one before."""
    columns = versions.c
    before = sa.select(sa.func.max(columns.id)).where(columns.in_force_ns <= from_ns).group_by(columns.roster)
    since = (columns.in_force_ns > from_ns) & (columns.in_force_ns < to_ns)
    query = sa.select(versions).where(columns.id.in_(before) | since).order_by(columns.id)
    return query if roster_id is None else query.where(columns.roster == roster_id)


def _of_file(tx: sa.Connection, role: Role) -> Roster | None:
    """What the file said last of that role."""
    mine = (versions.c.roster == role) & (versions.c.saved_by == "")
    body = tx.scalar(sa.select(versions.c.body).where(mine).order_by(versions.c.id.desc()).limit(1))
    return None if body is None else _roster(body)


def _insert(tx: sa.Connection, roster: Roster, now_ns: int, name: str) -> int:
    values = {"roster": roster.id, "in_force_ns": now_ns, "saved_by": name, "body": msgspec.json.encode(roster)}
    number: int = tx.execute(versions.insert().values(values).returning(versions.c.id)).scalar_one()
    return number


@lru_cache(maxsize=256)
def _roster(body: bytes) -> Roster:
    return msgspec.json.decode(body, type=Roster)


def _override(row: sa.Row[tuple[object, ...]]) -> Override:
    told = row._mapping
    return Override(**{name: told[name] for name in Override.__struct_fields__})


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp()) * NS
