"""What the page of reports and the server say to each other."""

from pydantic import Field

from server.api import Shape, Text, Written


class Spread(Shape):
    """How long something took, in seconds, of `n` times: half took at most `median_s`, nine in ten at most `p90_s`."""

    n: int
    median_s: float | None
    p90_s: float | None


class Burden(Shape):
    """What alarms there were in so many days of watching somebody. `per_100_days`: clinical ones."""

    days: float
    clinical: int
    technical: int
    per_100_days: float | None


class PatientBurden(Burden):
    patient: str
    name: str


class Speed(Shape):
    """How fast people were, by priority of the alarm as it ended."""

    kind: str
    priority: str
    alarms: int
    acknowledge: Spread
    close: Spread


class RuleUse(Shape):
    """Of the closed alarms in which a rule spoke: how useful people found them (1 to 5), and how many were false."""

    rule: str
    title: Text
    alarms: int
    judged: int
    usefulness: float | None
    false_alarms: int


class MissedView(Shape):
    """A deterioration that no alarm told of. `undone_…`: who took the mark back, and why."""

    id: str
    patient: str
    name: str
    t_ms: int
    note: str
    marked_by: str
    marked_ms: int
    undone_by: str | None
    undone_why: str | None


class Report(Shape):
    """The alarms that were raised between two moments, and what became of them until now.

    `escalated`: how often a person asked for more. `climbed`: alarms in which nobody acted at the first telling.
    `visits_avoided`: alarms that ended with an outpatient visit spared. `patients`, `missed_list`: for carers only.
    """

    from_ms: int
    to_ms: int
    burden: Burden
    acknowledge: Spread
    close: Spread
    speed: list[Speed]
    escalated: int
    climbed: int
    unanswered: int
    visits_avoided: int
    missed: int
    rules: list[RuleUse]
    patients: list[PatientBurden]
    missed_list: list[MissedView]


class MissedNew(Shape):
    """When the patient got worse without an alarm, and why you think so."""

    t_ms: int = Field(ge=0, le=2**43)
    note: Written = Field(min_length=3, max_length=1000)


class MissedUndo(Shape):
    why: Written = Field(min_length=3, max_length=500)
