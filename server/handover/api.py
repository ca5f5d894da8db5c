"""What the hand-over page and the server say to each other."""

from pydantic import Field

from server.alarms.api import AlarmKind
from server.api import PatientBrief, Priority, Shape, Text


class HandoverAlarm(Shape):
    """An alarm in a line. `state` is a word of its life, `owner` who has it. `aside`: how it was put off or sent on."""

    id: str
    patient: PatientBrief
    kind: AlarmKind
    priority: Priority
    state: str
    owner: str | None
    why: Text | None
    raised_ms: int
    closed_ms: int | None
    closed_by: str | None
    action: str | None
    outcome: str | None
    note: str | None
    aside: Text | None


class HandoverDeed(Shape):
    """What a person did to an alarm."""

    t_ms: int
    alarm: str
    patient: str
    what: str
    who: str
    text: Text


class NoteView(Shape):
    """Signed by `name`. `patient`: whom it is about."""

    id: str
    t_ms: int
    name: str
    patient: PatientBrief | None
    text: str


class NoteNew(Shape):
    """Signed with your name when it is sent, and not changed after that."""

    text: str = Field(min_length=1, max_length=4000)
    patient: str | None = Field(default=None, max_length=64)


class Team(Shape):
    """Who is on between two moments, by name."""

    from_ms: int
    to_ms: int
    names: list[str]


class HandoverRoster(Shape):
    id: str
    name: str


class Handover(Shape):
    """One shift. `rostered` False: no roster is kept, so it is the eight hours before that moment.

    `open`: the alarms that are open now, whosever shift it is. `raised`, `closed`, `deeds`, `notes`: within the shift.
    """

    roster: str
    name: str
    rostered: bool
    now_ms: int
    shift: Team
    before: Team | None
    after: Team | None
    rosters: list[HandoverRoster]
    open: list[HandoverAlarm]
    raised: list[HandoverAlarm]
    closed: list[HandoverAlarm]
    deeds: list[HandoverDeed]
    notes: list[NoteView]
