"""What the page of programmes and the server say to each other."""

from pydantic import Field

from server.alarms.api import AlarmKind
from server.api import Priority, Shape, Text, Written
from server.patients.api import ActionView
from server.programmes.trial import State

_TEXT = Field(min_length=1, max_length=50_000)
_REASON = Field(min_length=3, max_length=500)


class RuleLine(Shape):
    name: str
    version: str
    title: Text
    kind: AlarmKind


class LimitLine(Shape):
    """`value`: null where nobody has set one. `own`: the programme says so, and not the rule's default."""

    name: str
    value: float | None
    low: float
    high: float
    own: bool


class TimedLine(Shape):
    """A measurement or a question, every so many seconds."""

    channel: str
    label: Text
    every_s: float


class VersionView(Shape):
    """A version, whole. `text`: the TOML as it was written; null where it was kept before texts were."""

    version: str
    digest: str
    title: Text
    rules: list[RuleLine]
    limits: list[LimitLine]
    expect: list[TimedLine]
    ask: list[TimedLine]
    actions: list[ActionView]
    startup_days: float
    first_run_ms: int | None
    text: str | None


class InForceView(Shape):
    """What became in force, and when. `put_by`: a name, empty for the file."""

    id: int
    version: str
    digest: str
    since_ms: int
    put_by: str
    reason: str


class ProgrammeLine(Shape):
    """A programme in the list: what is in force, how much it says, and how many follow it."""

    name: str
    title: Text
    version: str
    since_ms: int
    put_by: str
    rules: int
    limits: int
    expect: int
    ask: int
    actions: int
    patients: int


class ProgrammePage(Shape):
    """One programme. `seen` goes back when another version is put in force; versions and history newest first."""

    name: str
    seen: int
    digest: str
    patients: int
    versions: list[VersionView]
    history: list[InForceView]
    may_put: bool


class ProgrammeText(Shape):
    """A programme's TOML, as it might come in force."""

    text: str = _TEXT


class Checked(Shape):
    """It could be put in force. `limits_dropped`: of so many patients a confirmed limit would be taken off."""

    version: VersionView
    limits_dropped: int


class PutInForce(Shape):
    """`text`: a new version; or `digest`: one there has been. `seen`: the row of what was in force then."""

    seen: int = Field(ge=0, lt=2**63)
    reason: Written = _REASON
    text: str | None = Field(default=None, min_length=1, max_length=50_000)
    digest: str | None = Field(default=None, min_length=16, max_length=16)


class WhatIfNew(Shape):
    """`text` or `digest`, as for `PutInForce`: tried on the last so many days."""

    programme: str = Field(min_length=1, max_length=64)
    days: int = Field(ge=1, le=90)
    text: str | None = Field(default=None, min_length=1, max_length=50_000)
    digest: str | None = Field(default=None, min_length=16, max_length=16)


class WhatIfSide(Shape):
    version: str
    alarms: int
    per_100_patient_days: float | None
    touched: int
    by_level: dict[str, int]
    by_rule: dict[str, int]


class WhatIfAlarm(Shape):
    """An alarm that would come or go. `rule`: its title; `patient`: a name."""

    patient_id: str
    patient: str
    kind: AlarmKind
    priority: Priority
    rule: Text
    opened_ms: int
    hours: float


class WhatIfOutcome(Shape):
    """`come`, `go`: the first of them, of `comes` and `goes`. Of those that stay, some come to another level."""

    patients: int
    patient_days: float
    before: WhatIfSide
    after: WhatIfSide
    comes: int
    goes: int
    stay: int
    higher: int
    lower: int
    come: list[WhatIfAlarm]
    go: list[WhatIfAlarm]


class WhatIf(Shape):
    """The what-if that was begun last. `done` of `of` looks; `of` is 0 until that is known."""

    number: int
    programme: str
    version: str
    digest: str
    against: str
    days: int
    by: str
    started_ms: int
    state: State
    done: int
    of: int
    problem: str
    outcome: WhatIfOutcome | None
