"""Why an alarm is as it is, as the page and the command line are told."""

from typing import Literal

from server.alarms.api import AlarmKind
from server.api import Priority, Shape, Text


class SeenReading(Shape):
    """A reading or an event that a rule looked at, as it stood then.

    `counts`: it still does, nobody has said since that it is wrong or somebody else's. `good`: the device trusts it.
    `late`: it came long after it was measured.
    """

    channel: str
    label: Text
    device: str
    value: float
    decimals: int
    unit: str
    t_ms: int
    stored_ms: int
    good: bool
    late: bool
    counts: bool


class AppliedLimit(Shape):
    """A limit as it was. `personal`: the patient's own, over the programme's."""

    name: str
    value: float
    personal: bool


class RuleFinding(Shape):
    """What a rule said, and what it says when it is asked once more with what was known then.

    `same`: the level and every number are equal to the last bit. None where it cannot be asked: `why` says why not.
    `now_version`, `again`: where the two differ, which version was asked, and what it says (None: nothing).
    """

    rule: str
    version: str
    priority: Priority
    text: Text
    because: dict[str, float | None]
    source: str | None
    same: bool | None
    why: Text | None
    now_version: str | None
    again: Text | None
    readings: list[SeenReading]


class DecisionView(Shape):
    """A verdict that opened an alarm, raised it, was stacked on it, or came late to it when it was closed.

    `position`: how far the server's journal was. `same`: of all its findings that can be asked again; None for none.
    """

    t_ms: int
    t_ns: str
    what: Literal["opened", "raised", "stacked", "late"]
    position: int
    programme: str
    version: str
    digest: str
    limits: list[AppliedLimit]
    findings: list[RuleFinding]
    same: bool | None


class Explanation(Shape):
    """Why an alarm is as it is: each decision about it. `lacks`: why there is none, or not all of it."""

    alarm: str
    patient: str
    kind: AlarmKind
    decisions: list[DecisionView]
    lacks: Text | None
