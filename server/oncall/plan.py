"""A roster laid out in time, purely: the shifts between two moments, who is on at one, and where nobody is."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from server.api import Role
from server.oncall.model import Kept, Pattern, Person, Roster, swapped
from vitals.clock import NS

_DAY = timedelta(days=1)


class Duty(msgspec.Struct, frozen=True):
    """`staff` has a shift from `since_ns` (inclusive) to `until_ns` (exclusive); None is open-ended."""

    staff: str
    since_ns: int | None
    until_ns: int | None
    pattern: str = ""

    def covers(self, t_ns: int) -> bool:
        return (self.since_ns is None or self.since_ns <= t_ns) and (self.until_ns is None or t_ns < self.until_ns)


class Stretch(msgspec.Struct, frozen=True):
    """The same people (user names) are on all the while. `kept` False: no roster was, so everybody with the role is."""

    since_ns: int
    until_ns: int
    staff: tuple[str, ...]
    kept: bool = True


class Gap(msgspec.Struct, frozen=True):
    """Nobody who can answer is told then. `mute`, `locked`: names of those who are on and cannot be reached, and of
    those who can and whose account is locked."""

    since_ns: int
    until_ns: int
    mute: tuple[str, ...] = ()
    locked: tuple[str, ...] = ()


@lru_cache(maxsize=16)
def zone(name: str) -> ZoneInfo:
    """The time zone of that name."""
    return ZoneInfo(name)


def moment(day: date, at: time, where: ZoneInfo) -> int:
    """Nanoseconds of a time on the wall: the first of two, and an hour later where there is none."""
    return int(datetime.combine(day, at, where).timestamp()) * NS


def local_day(t_ns: int, where: ZoneInfo) -> date:
    """Which day it is there."""
    return datetime.fromtimestamp(t_ns // NS, UTC).astimezone(where).date()


def duties(roster: Roster, from_ns: int, to_ns: int) -> list[Duty]:
    """Every shift of the plan that touches the time from `from_ns` to `to_ns`, as they begin."""
    found = [Duty(one.staff, one.since_ns, one.until_ns) for one in roster.fixed]
    for pattern in roster.patterns:
        found += _shifts(pattern, zone(roster.zone), from_ns, to_ns)
    touching = [
        one
        for one in found
        if (one.until_ns is None or one.until_ns > from_ns) and (one.since_ns is None or one.since_ns < to_ns)
    ]
    return sorted(touching, key=lambda one: (one.since_ns or 0, one.staff))


def on(kept: Kept, t_ns: int) -> tuple[str, ...] | None:
    """The user names of those who are on at `t_ns`; None where no roster was kept then."""
    roster = kept.at(t_ns)
    if roster is None or not roster.kept:
        return None
    ids = [one.staff for one in duties(roster, t_ns, t_ns + 1) if one.covers(t_ns)]
    return swapped(ids, kept.overrides, t_ns)


def stretches(kept: Kept, from_ns: int, to_ns: int) -> list[Stretch]:
    """The time from `from_ns` to `to_ns`, cut wherever who is on changes."""
    found: list[Stretch] = []
    cuts = _cuts(kept, from_ns, to_ns)
    for since_ns, until_ns in itertools.pairwise(cuts):
        staff = on(kept, since_ns)
        last = found[-1] if found else None
        if last and (last.staff, last.kept) == (staff or (), staff is not None):
            found[-1] = msgspec.structs.replace(last, until_ns=until_ns)
        else:
            found.append(Stretch(since_ns, until_ns, staff or (), staff is not None))
    return found


def gaps(kept: Kept, people: Mapping[str, Person], from_ns: int, to_ns: int) -> list[Gap]:
    """Where nobody on this roster can answer. `people`: the staff of today; who has left answers nothing."""
    found: list[Gap] = []
    for one in stretches(kept, from_ns, to_ns):
        there = [people[name] for name in one.staff if name in people]
        if not one.kept or any(person.answers for person in there):
            continue
        mute = tuple(person.name for person in there if not person.reached_by)
        locked = tuple(person.name for person in there if person.reached_by)
        gap = Gap(one.since_ns, one.until_ns, mute, locked)
        if found and found[-1] == msgspec.structs.replace(gap, since_ns=found[-1].since_ns, until_ns=one.since_ns):
            found[-1] = msgspec.structs.replace(found[-1], until_ns=one.until_ns)
        else:
            found.append(gap)
    return found


def kept_for(role: Role, t_ns: int, rosters: Iterable[Kept], organisation: str | None) -> list[Kept]:
    """The rosters of a role that are gone by at `t_ns`: those of nobody in particular, and the organisation's (None:
    everybody's)."""
    return [
        one
        for one in rosters
        if (plan := one.at(t_ns)) is not None
        and plan.kept
        and plan.role == role
        and (organisation is None or plan.organisation in ("", organisation))
    ]


def who(
    role: Role, t_ns: int, people: Iterable[Person], rosters: Iterable[Kept], organisation: str | None = None
) -> tuple[Person, ...]:
    """Who answers for `role` at `t_ns`, by name; empty when its rosters have a hole there."""
    answers = [on(one, t_ns) for one in kept_for(role, t_ns, rosters, organisation)]
    rostered = [ids for ids in answers if ids is not None]
    names = {name for ids in rostered for name in ids}
    chosen = [p for p in people if (p.id in names if rostered else p.role == role)]
    return tuple(sorted(chosen, key=lambda p: p.name))


def _shifts(pattern: Pattern, where: ZoneInfo, from_ns: int, to_ns: int) -> Iterator[Duty]:
    day = max(pattern.first, local_day(from_ns, where) - (pattern.days + 1) * _DAY)
    end = local_day(to_ns, where)
    while day <= end:
        if pattern.begins_on(day):
            since_ns = moment(day, pattern.begins, where)
            until_ns = moment(day + pattern.days * _DAY, pattern.ends, where)
            if since_ns < until_ns:  # not one that lies in the hour that the clock skips
                yield Duty(pattern.whose(day), since_ns, until_ns, pattern.name)
        day += _DAY


def _cuts(kept: Kept, from_ns: int, to_ns: int) -> list[int]:
    """Wherever something begins or ends between the two, and the two."""
    cuts = {since_ns for since_ns, _ in kept.versions}
    for _, roster in kept.versions:
        for one in duties(roster, from_ns, to_ns):
            cuts |= {one.since_ns or from_ns, one.until_ns or to_ns}
    for change in kept.overrides:
        cuts |= {change.from_ns, change.to_ns}
    return sorted({from_ns, to_ns} | {t_ns for t_ns in cuts if from_ns < t_ns < to_ns})
