"""Rosters as the page sees them, and as it sends them."""

from collections.abc import Mapping
from datetime import time

import sqlalchemy as sa

from server.access.organisations import all_organisations
from server.access.store import Account
from server.api import Role
from server.oncall import store, swaps
from server.oncall.api import (
    Answers,
    ChangeView,
    FixedShape,
    GapView,
    OnCall,
    OrganisationBrief,
    PatternShape,
    RosterSave,
    RosterVersion,
    RosterView,
    StaffBrief,
    StretchView,
    SwapView,
    WhoThen,
)
from server.oncall.model import ROLES, Fixed, Kept, Pattern, Person, Roster
from server.oncall.plan import Gap, Stretch, gaps, kept_for, on, stretches, who
from server.oncall.store import Change, Version
from server.oncall.swaps import Swap
from vitals.clock import MS, NS

NEXT_NS = 28 * 86_400 * NS
"""How far ahead the next shift is looked for."""


def oncall(tx: sa.Connection, account: Account, keeps: bool, now_ns: int, from_ns: int, to_ns: int) -> OnCall:
    """Everything of the on-call page. `keeps`: the account is of the organisation that keeps the system."""
    staff = store.everybody(tx)
    ahead_ns = max(to_ns, now_ns + NEXT_NS)
    rosters = [one for one in store.kept(tx, min(from_ns, now_ns), ahead_ns) if yours(account, keeps, one.newest)]
    seen = [_roster(tx, one, staff, account, keeps, now_ns, from_ns, to_ns) for one in rosters]
    return OnCall(
        now_ms=now_ns // MS, from_ms=from_ns // MS, to_ms=to_ns // MS, rosters=seen,
        roles=[_answers(role, list(staff.values()), rosters, account.organisation, now_ns) for role in ROLES],
        people=[brief(one) for one in staff.values()], called=store.names(tx, _mentioned(seen)),
        organisations=[one for one in organisations(tx) if may_keep(account, keeps, one.id)],
        shared=may_keep(account, keeps, ""),
    )  # fmt: skip


def organisations(tx: sa.Connection) -> list[OrganisationBrief]:
    """Those there are to choose between; none where there is only one."""
    found = [OrganisationBrief(id=one.id, name=one.name) for one in all_organisations(tx)]
    return found if len(found) > 1 else []


def brief(person: Person) -> StaffBrief:
    """Someone of the staff."""
    return StaffBrief(
        id=person.id, name=person.name, role=person.role, reachable=bool(person.reached_by), locked=person.locked
    )


def then(rosters: list[Kept], staff: Mapping[str, Person], t_ns: int) -> list[WhoThen]:
    """Who was, is or will be on at `t_ns`, roster by roster."""
    found = []
    for one in rosters:
        roster, ids = one.at(t_ns), on(one, t_ns)
        if roster is None:
            continue
        people = [
            person
            for person in staff.values()
            if (ids is None and person.role == roster.role) or person.id in (ids or ())
        ]
        found.append(
            WhoThen(
                roster=roster.id, name=roster.name, role=roster.role, kept=ids is not None,
                people=[brief(person) for person in sorted(people, key=lambda p: p.name)],
            )
        )  # fmt: skip
    return found


def version(one: Version) -> RosterVersion:
    """A version in the roster's history."""
    return RosterVersion(
        version=one.id, saved_by=one.saved_by, saved_ms=one.in_force_ns // MS, name=one.roster.name,
        patterns=[_pattern(each) for each in one.roster.patterns], fixed=[_fixed(each) for each in one.roster.fixed],
    )  # fmt: skip


def sent(roster_id: str, zone: str, said: RosterSave) -> Roster:
    """What the page sent, as a roster."""
    patterns = tuple(
        Pattern(
            each.name, tuple(each.people), each.first, time.fromisoformat(each.begins), time.fromisoformat(each.ends),
            each.days, tuple(sorted(each.weekdays)), each.turn, each.last,
        )
        for each in said.patterns
    )  # fmt: skip
    fixed = tuple(Fixed(each.staff, _ns(each.from_ms), _ns(each.to_ms)) for each in said.fixed)
    return Roster(roster_id, said.name.strip(), said.role, zone, said.organisation.strip(), patterns, fixed)


def yours(account: Account, keeps: bool, roster: Roster) -> bool:
    """Whether it is shown: a roster of one's own organisation or of nobody in particular, or one that they may keep."""
    return roster.organisation in ("", account.organisation) or may_keep(account, keeps, roster.organisation)


def may_keep(account: Account, keeps: bool, organisation: str) -> bool:
    """An administrator of the organisation whose roster it is; what is nobody's in particular, those who keep all."""
    return account.role == "administrator" and (keeps or organisation == account.organisation)


def may_change(account: Account, keeps: bool, roster: Roster) -> bool:
    """For a while: whoever may keep it, and whoever is on it themselves."""
    on_it = {name for each in roster.patterns for name in each.people} | {each.staff for each in roster.fixed}
    return may_keep(account, keeps, roster.organisation) or account.id in on_it


def swap(one: Swap) -> SwapView:
    """One swap."""
    return SwapView(
        id=str(one.id), asked_by=one.asked_by, asked_of=one.asked_of, from_ms=one.since_ns // MS,
        to_ms=one.until_ns // MS, back_from_ms=_ms(one.back_since_ns), back_to_ms=_ms(one.back_until_ns),
        note=one.note, state=one.state,
    )  # fmt: skip


def _roster(
    tx: sa.Connection, kept: Kept, staff: Mapping[str, Person], account: Account, keeps: bool, now_ns: int,
    from_ns: int, to_ns: int,
) -> RosterView:  # fmt: skip
    newest = store.newest_of(tx, kept.newest.id)
    assert newest is not None, "what is kept was saved"
    roster = newest.roster
    ahead = stretches(kept, now_ns, now_ns + NEXT_NS)
    return RosterView(
        id=roster.id, name=roster.name, role=roster.role, organisation=roster.organisation, zone=roster.zone,
        version=newest.id, saved_by=newest.saved_by, saved_ms=newest.in_force_ns // MS, kept=roster.kept,
        now=list(on(kept, now_ns) or ()), until_ms=ahead[0].until_ns // MS if len(ahead) > 1 else None,
        next=_stretch(ahead[1]) if len(ahead) > 1 else None,
        stretches=[_stretch(one) for one in stretches(kept, from_ns, to_ns)],
        gaps=[_gap(one) for one in gaps(kept, staff, max(from_ns, now_ns), to_ns)] if to_ns > now_ns else [],
        changes=[_change(one) for one in store.changes(tx, roster.id, from_ns, to_ns)],
        swaps=[swap(one) for one in swaps.of_roster(tx, roster.id, now_ns)],
        patterns=[_pattern(each) for each in roster.patterns], fixed=[_fixed(each) for each in roster.fixed],
        may_change=may_change(account, keeps, roster), may_keep=may_keep(account, keeps, roster.organisation),
    )  # fmt: skip


def _answers(role: Role, staff: list[Person], rosters: list[Kept], organisation: str, now_ns: int) -> Answers:
    answering = who(role, now_ns, staff, rosters, organisation)
    return Answers(
        role=role, names=[person.name for person in answering], locked=[one.name for one in answering if one.locked],
        rostered=bool(kept_for(role, now_ns, rosters, organisation)),
    )  # fmt: skip


def _mentioned(rosters: list[RosterView]) -> set[str]:
    """Every user name that the page shows."""
    names: set[str] = set()
    for one in rosters:
        names |= {name for each in one.stretches for name in each.staff} | set(one.now)
        names |= set(one.next.staff) if one.next else set()
        names |= {name for change in one.changes for name in (change.out, change.into) if name}
        names |= {name for each in one.swaps for name in (each.asked_by, each.asked_of)}
        names |= {name for each in one.patterns for name in each.people} | {each.staff for each in one.fixed}
    return names


def _stretch(one: Stretch) -> StretchView:
    return StretchView(from_ms=one.since_ns // MS, to_ms=one.until_ns // MS, staff=list(one.staff), kept=one.kept)


def _gap(one: Gap) -> GapView:
    return GapView(from_ms=one.since_ns // MS, to_ms=one.until_ns // MS, mute=list(one.mute), locked=list(one.locked))


def _change(one: Change) -> ChangeView:
    override = one.override
    return ChangeView(
        id=str(one.id), out=override.out, into=override.into, from_ms=override.from_ns // MS,
        to_ms=override.to_ns // MS, made_by=one.made_by, why=one.why, ended_by=one.ended_by,
    )  # fmt: skip


def _pattern(one: Pattern) -> PatternShape:
    return PatternShape(
        name=one.name, people=list(one.people), first=one.first, begins=f"{one.begins:%H:%M}", ends=f"{one.ends:%H:%M}",
        days=one.days, weekdays=list(one.weekdays), turn=one.turn, last=one.last,
    )  # fmt: skip


def _fixed(one: Fixed) -> FixedShape:
    return FixedShape(staff=one.staff, from_ms=_ms(one.since_ns), to_ms=_ms(one.until_ns))


def _ns(t_ms: int | None) -> int | None:
    return None if t_ms is None else t_ms * MS


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
