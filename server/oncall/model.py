"""Who answers, purely: rosters, what was changed in them, and a moment in; people out.

A roster is a plan made of patterns: a shift begins on these days of the week at this time of the clock and ends at
that one, and these people take turns. Times are those on the wall where the roster is kept, so a night from 23 to 07
is seven hours in the spring and nine in the autumn, and nobody has to remember that. A time that the clock skips is an
hour later, one that it shows twice is the first; the shift that ends and the one that begins agree: no hole opens.

What was planned is not what was: a roster that is saved holds from then on, an override from when it was made until it
was taken back. So every moment has one answer for good once it is past (`at`), and a moment ahead has the plan's.

A role is answered by everyone on the rosters that are kept for it, the organisation's own and those that are
everybody's, and where none is kept, by everybody who has it: a small municipality needs no roster.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

import msgspec

from server.api import Role
from vitals.clock import NS

ROLES: tuple[Role, ...] = ("nurse", "doctor", "specialist", "administrator")

EVERY_DAY = (0, 1, 2, 3, 4, 5, 6)


class Way(msgspec.Struct, frozen=True):
    """A way to reach a person, used `after_s` seconds after they are told. `id` None: the municipality's telephone."""

    channel: str
    address: str
    after_s: float = 0.0
    id: int | None = None


class Person(msgspec.Struct, frozen=True):
    """Someone of the staff. `ways`: their own, in their order; without any, it is the `phone` of the municipality.

    `locked`: they cannot sign in, and what their telephone answers is a stranger's.
    """

    id: str
    name: str
    role: Role
    phone: str = ""
    ways: tuple[Way, ...] = ()
    locked: bool = False

    @property
    def answers(self) -> bool:
        """Whether they can be told and can then do something about it."""
        return bool(self.reached_by) and not self.locked

    @property
    def reached_by(self) -> tuple[Way, ...]:
        """How the ladder reaches them; empty: it cannot."""
        return self.ways or ((Way("sms", self.phone),) if self.phone else ())


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Shifts that come again. `people` (user names) take turns in this order, the first from the day `first`.

    A shift begins on each of `weekdays` (0 is Monday) at `begins` and ends `days` days later at `ends`; the last one
    begins on `last` (None: it goes on). `turn`: whether the next person comes with every shift or every week.
    """

    name: str
    people: tuple[str, ...]
    first: date
    begins: time
    ends: time
    days: int = 0
    weekdays: tuple[int, ...] = EVERY_DAY
    turn: Literal["shift", "week"] = "week"
    last: date | None = None

    def whose(self, day: date) -> str:
        """Who has the shift that begins on that day."""
        weeks, rest = divmod((day - self.first).days, 7)
        if self.turn == "week":
            return self.people[weeks % len(self.people)]
        begun = sum((self.first.weekday() + n) % 7 in self.weekdays for n in range(rest))
        return self.people[(weeks * len(self.weekdays) + begun) % len(self.people)]

    def begins_on(self, day: date) -> bool:
        """Whether a shift begins that day."""
        return day.weekday() in self.weekdays and self.first <= day and (self.last is None or day <= self.last)


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One shift by itself, from (inclusive) to (exclusive); None is open-ended."""

    staff: str
    since_ns: int | None = None
    until_ns: int | None = None


class Roster(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A plan of who answers for `role`. `zone`: whose clock its times are of. Without shifts it is not kept."""

    id: str
    name: str
    role: Role
    zone: str
    organisation: str = ""
    patterns: tuple[Pattern, ...] = ()
    fixed: tuple[Fixed, ...] = ()

    @property
    def named(self) -> frozenset[str]:
        """The user names of all who are on it at some time."""
        return frozenset(name for one in self.patterns for name in one.people) | {one.staff for one in self.fixed}

    def to_come(self, t_ns: int) -> frozenset[str]:
        """The user names of all who are on it at `t_ns` or later; whose last shift ended the day before may be too."""
        day = datetime.fromtimestamp(t_ns // NS, UTC).date()
        patterns = [one for one in self.patterns if one.last is None or one.last + timedelta(one.days + 1) >= day]
        fixed = [one.staff for one in self.fixed if one.until_ns is None or one.until_ns > t_ns]
        return frozenset(name for one in patterns for name in one.people) | frozenset(fixed)

    @property
    def kept(self) -> bool:
        """Whether anybody goes by it."""
        return bool(self.patterns or self.fixed)


class Override(msgspec.Struct, frozen=True):
    """`into` (None: nobody) is on instead of `out` (None: beside whoever is).

    It holds from `since_ns` or from when it was made, whichever is later, until `until_ns` or when it was taken back.
    """

    out: str | None
    into: str | None
    since_ns: int
    until_ns: int
    made_ns: int
    ended_ns: int | None = None

    @property
    def from_ns(self) -> int:
        return max(self.since_ns, self.made_ns)

    @property
    def to_ns(self) -> int:
        return self.until_ns if self.ended_ns is None else min(self.until_ns, self.ended_ns)


class Kept(msgspec.Struct, frozen=True):
    """One roster with all that it has been. `versions`: since when it was what, the oldest first; overrides as made."""

    versions: tuple[tuple[int, Roster], ...]
    overrides: tuple[Override, ...] = ()

    @property
    def newest(self) -> Roster:
        return self.versions[-1][1]

    def at(self, t_ns: int) -> Roster | None:
        """The plan that was, is or will be in force at `t_ns`; None before there was one."""
        return next((roster for since_ns, roster in reversed(self.versions) if since_ns <= t_ns), None)


def swapped(ids: Iterable[str], overrides: Sequence[Override], t_ns: int) -> tuple[str, ...]:
    """These people with what the overrides change at `t_ns`, by user name."""
    on: set[str | None] = set(ids)
    for one in overrides:
        if one.from_ns <= t_ns < one.to_ns and (one.out is None or one.out in on):
            on -= {one.out}
            on |= {one.into}
    return tuple(sorted(name for name in on if name is not None))
