"""What the page of ladders and the server say to each other."""

from datetime import date
from typing import Literal

from pydantic import Field

from server.alarms.api import AlarmKind
from server.api import Priority, Shape, Text
from server.oncall.api import OrganisationBrief

_WALL = r"^([01]\d|2[0-3]):[0-5]\d$"


class StepShape(Shape):
    """`tell`: a role, `roster:ID` or `person:ID`; `name`: what the latter two are called. The last has no wait."""

    tell: str = Field(min_length=1, max_length=80)
    wait_s: float | None = Field(default=None, gt=0, le=7 * 86_400)
    name: str = Field(default="", max_length=200)


class LadderShape(Shape):
    """`programme`, `organisation`, `hours`: null for every one. The most specific ladder that fits an alarm wins."""

    name: str = Field(min_length=1, max_length=80)
    kind: AlarmKind
    priority: Priority
    programme: str | None = Field(default=None, max_length=64)
    organisation: str | None = Field(default=None, max_length=64)
    hours: Literal["office", "night"] | None = None
    language: Literal["nb", "en"] = "nb"
    repeat_s: float = Field(gt=0, le=7 * 86_400)
    steps: list[StepShape] = Field(min_length=1, max_length=20)


class OfficeShape(Shape):
    """When it is office hours; 0 is Monday."""

    weekdays: list[int] = Field(max_length=7)
    begins: str = Field(pattern=_WALL)
    ends: str = Field(pattern=_WALL)
    closed: list[date] = Field(max_length=500)


class Target(Shape):
    """Whom a step may tell."""

    tell: str
    name: str


class ProgrammeBrief(Shape):
    id: str
    title: Text


class LadderBook(Shape):
    """Every ladder that is in force. `version` goes back when they are saved; `saved_by` is empty for the file."""

    version: int
    saved_by: str
    saved_ms: int
    note: str
    ladders: list[LadderShape]
    office: OfficeShape


class Ladders(LadderBook):
    """With what can be chosen, and whether you may save them. `organisations`: none where there is only one."""

    targets: list[Target]
    programmes: list[ProgrammeBrief]
    organisations: list[OrganisationBrief]
    may_save: bool


class LaddersSave(Shape):
    """The ladders as they are to be for alarms that open from now on. `version`: the one that was changed."""

    version: int = Field(ge=0, lt=2**63)
    ladders: list[LadderShape] = Field(min_length=1, max_length=200)
    office: OfficeShape
    note: str = Field(default="", max_length=500)


class PreviewAsk(Shape):
    """An alarm that might open. `draft`: ladders to try instead of those in force."""

    kind: AlarmKind
    priority: Priority
    programme: str | None = Field(default=None, max_length=64)
    organisation: str | None = Field(default=None, max_length=64)
    t_ms: int = Field(ge=0, le=2**43)
    draft: LaddersSave | None = None


class PreviewTold(Shape):
    """What would happen at one moment: `told` are the names of whom; nobody: `skipped`, in the same breath."""

    t_ms: int
    after_s: float
    round: int
    step: int
    tell: str
    name: str
    told: list[str]
    unreachable: list[str]
    last_resort: bool


class Preview(Shape):
    """Which ladder it would be, and who would be told when if nobody acted: two rounds of it."""

    ladder: str
    hours: Literal["office", "night"]
    repeat_s: float
    told: list[PreviewTold]
