"""What the on-call page and the server say to each other. People are named by user name where they are chosen."""

from datetime import date
from typing import Literal

from pydantic import Field

from server.api import Role, Shape, Written

Clock = Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="a time on the wall, 22:00")
UserName = Field(min_length=1, max_length=64)
Moment = Field(ge=0, le=2**43, description="milliseconds since 1970")
Perhaps = Field(default=None, ge=0, le=2**43, description="milliseconds since 1970")


class StaffBrief(Shape):
    """`reachable`: the ladder has a way to them. `locked`: their account is, so they can answer nothing."""

    id: str
    name: str
    role: Role
    reachable: bool
    locked: bool


class OrganisationBrief(Shape):
    id: str
    name: str


class StretchView(Shape):
    """The same people are on all the while; user names. `kept` False: no roster was, so everybody with the role is."""

    from_ms: int
    to_ms: int
    staff: list[str]
    kept: bool


class GapView(Shape):
    """Nobody who can answer is told then. `mute`: names of those who are on and cannot be reached; `locked`: of those
    who can, and whose account is locked."""

    from_ms: int
    to_ms: int
    mute: list[str]
    locked: list[str]


class PatternShape(Shape):
    """Shifts that come again (server/oncall/model.py)."""

    name: str = Field(min_length=1, max_length=60)
    people: list[str] = Field(max_length=100)
    first: date
    begins: str = Clock
    ends: str = Clock
    days: int = Field(ge=0, le=28)
    weekdays: list[int] = Field(max_length=7)
    turn: Literal["shift", "week"]
    last: date | None


class FixedShape(Shape):
    """One shift by itself; null is open-ended."""

    staff: str = UserName
    from_ms: int | None = Perhaps
    to_ms: int | None = Perhaps


class ChangeView(Shape):
    """An override. `out`, `into`: user names."""

    id: str
    out: str | None
    into: str | None
    from_ms: int
    to_ms: int
    made_by: str
    why: str
    ended_by: str | None


class SwapView(Shape):
    """Who asks whom to take which shift, and for which. User names."""

    id: str
    asked_by: str
    asked_of: str
    from_ms: int
    to_ms: int
    back_from_ms: int | None
    back_to_ms: int | None
    note: str
    state: Literal["asked", "accepted", "declined", "withdrawn"]


class RosterView(Shape):
    """One roster: who is on now and next, the weeks ahead, and the plan. `version` goes back when it is saved."""

    id: str
    name: str
    role: Role
    organisation: str
    zone: str
    version: int
    saved_by: str
    saved_ms: int
    kept: bool
    now: list[str]
    until_ms: int | None
    next: StretchView | None
    stretches: list[StretchView]
    gaps: list[GapView]
    changes: list[ChangeView]
    swaps: list[SwapView]
    patterns: list[PatternShape]
    fixed: list[FixedShape]
    may_change: bool
    """Whether you may put somebody else on."""
    may_keep: bool
    """Whether you may save it."""


class Answers(Shape):
    """Who answers for a role now. `rostered` False: nobody keeps a roster for it, so everybody who has it does.

    `locked`: those of `names` whose account is locked.
    """

    role: Role
    names: list[str]
    locked: list[str]
    rostered: bool


class OnCall(Shape):
    """`people`: the staff, those who have left but are on a roster not among them (`called` knows their names).

    `organisations`: whose rosters you may keep, none where there is only one.
    """

    now_ms: int
    from_ms: int
    to_ms: int
    roles: list[Answers]
    rosters: list[RosterView]
    people: list[StaffBrief]
    called: dict[str, str]
    organisations: list[OrganisationBrief]
    shared: bool
    """Whether you may keep rosters of nobody in particular."""


class WhoThen(Shape):
    """Who was, is or will be on at a moment. `kept` False: no roster was, so everybody with the role."""

    roster: str
    name: str
    role: Role
    kept: bool
    people: list[StaffBrief]


class RosterSave(Shape):
    """A roster as it is to be from now on. `version`: the one that was changed, 0 for a new one."""

    version: int = Field(ge=0, lt=2**63)
    name: str = Field(min_length=1, max_length=60)
    role: Role
    organisation: str = Field(default="", max_length=64)
    patterns: list[PatternShape] = Field(max_length=50)
    fixed: list[FixedShape] = Field(default_factory=list, max_length=500)


class RosterVersion(Shape):
    """A roster as it was saved. `saved_by` is empty for the municipality's file."""

    version: int
    saved_by: str
    saved_ms: int
    name: str
    patterns: list[PatternShape]
    fixed: list[FixedShape]


class OverrideNew(Shape):
    """`into` instead of `out`; `out` null: beside whoever is on; `into` null: nobody instead."""

    out: str | None = Field(default=None, max_length=64)
    into: str | None = Field(default=None, max_length=64)
    from_ms: int = Moment
    to_ms: int = Moment
    why: Written = Field(min_length=3, max_length=200)


class SwapNew(Shape):
    """Your shift, whom you ask to take it, and which of theirs you take for it, if any."""

    asked_of: str = UserName
    from_ms: int = Moment
    to_ms: int = Moment
    back_from_ms: int | None = Perhaps
    back_to_ms: int | None = Perhaps
    note: str = Field(default="", max_length=200)


class SwapAnswer(Shape):
    answer: Literal["accepted", "declined", "withdrawn"]
