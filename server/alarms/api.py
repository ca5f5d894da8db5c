"""What the page and the server say to each other about alarms."""

from typing import Literal

from pydantic import Field

from server.api import PatientBrief, Priority, Role, Shape, Text

AlarmKind = Literal["clinical", "technical"]
AlarmState = Literal["raised", "notified", "acknowledged", "assessed", "snoozed", "handed_over", "escalated", "closed"]
Cause = Literal["deterioration", "expected", "medication", "measurement", "equipment", "other"]
AlarmDeed = Literal["acknowledge", "undo", "assess", "snooze", "hand_over", "escalate", "close", "reopen"]


class ReasonView(Shape):
    """Why: the rule, its version, its numbers and its sentence. `doubted`: somebody has said that a reading it saw is
    invalid, and the rule has said nothing since."""

    rule: str
    version: str
    priority: Priority
    text: Text
    because: dict[str, float | None]
    t_ms: int
    doubted: bool


class Parked(Shape):
    """Set aside by a person: snoozed (`to` None), handed over, or escalated as a `case`, until a time.

    `to_person` None: whoever answers for `to_role`. `opened_ms`, `opened_by`: the case's read receipt.
    """

    by: str
    since_ms: int
    until_ms: int
    why: str
    to: str | None
    to_role: Role | None
    to_person: str | None
    case: str | None
    opened_ms: int | None
    opened_by: str | None


class AlarmBrief(Shape):
    """One alarm: one episode of one kind for one patient; its reasons are stacked, newest first."""

    id: str
    kind: AlarmKind
    priority: Priority
    state: AlarmState
    raised_ms: int
    settled: bool
    """The rules no longer find it; a clinical alarm still waits for a person."""
    reasons: list[ReasonView]
    acknowledged_by: str | None
    acknowledged_ms: int | None
    acknowledge_expires_ms: int | None
    undo_until_ms: int | None
    """Until when whoever acknowledged it may take that back."""
    cause: Cause | None
    """What an assessment found it to come from."""
    parked: Parked | None
    told: list[str]
    """Names of those who have been told so far, in order."""
    next_step_ms: int | None
    """When the ladder climbs on if nobody acts."""
    next_step_to: str | None


class TimelineEntry(Shape):
    """`what`: taken, stored, raised, reason, told, delivered, undelivered, acknowledged, expired, escalated, closed…

    `event`: its code in VKP's chain of events, where it is one."""

    t_ms: int
    what: str
    who: str | None
    text: Text
    event: int | None


class AlarmView(AlarmBrief):
    patient: PatientBrief
    timeline: list[TimelineEntry]
    actions: list[AlarmDeed]
    """What the person who asks may do to it now."""
    action: str | None
    outcome: str | None
    usefulness: int | None
    note: str | None


class Seen(Shape):
    """A rule that had spoken, and how gravely."""

    rule: str
    priority: Priority


class Acting(Shape):
    """`seen`: the state that was decided on; if a colleague was first, nothing is changed. `seen_reasons`: what the
    rules had said then; if one has said more since, nothing is changed either."""

    seen: AlarmState | None = None
    seen_reasons: list[Seen] | None = Field(default=None, max_length=1000)


class Acknowledge(Acting):
    note: str = Field(default="", max_length=2000)


class Escalate(Acting):
    """Climb to the next step now."""

    note: str = Field(default="", max_length=2000)


class Close(Acting):
    action: Literal[
        "phoned_patient", "home_visit", "medication_changed", "measured_again", "escalated", "emergency_called",
        "device_mended", "no_action",
    ]  # fmt: skip
    outcome: Literal[
        "resolved_at_home", "visited", "sent_to_gp", "admitted", "visit_avoided", "false_alarm", "technical_fixed"
    ]
    usefulness: int = Field(ge=1, le=5)
    """1 (it wasted my time) to 5 (it helped the patient)."""
    note: str = Field(default="", max_length=2000)


class Conflict(Shape):
    """A colleague was first. Comes with status 409. `t_ms`: when that was, where it is all that there is to be told.
    `found`: nobody was first, but this was found since."""

    detail: str
    who: str | None
    state: AlarmState
    t_ms: int | None = None
    found: list[Text] = Field(default=[])
