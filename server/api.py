"""What the staff page and the server say to each other: the shapes of every answer and command.

The page's TypeScript types are generated from these through OpenAPI, so a changed field breaks the page's build and
not a nurse's evening. Times are `…_ms`, milliseconds since 1970 in the server's clock. Sentences come in both
languages (`nb`, `en`); the page picks one.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Role = Literal["nurse", "doctor", "specialist", "administrator"]
Priority = Literal["high", "medium", "low"]
AlarmKind = Literal["clinical", "technical"]
AlarmState = Literal["raised", "notified", "acknowledged", "assessed", "snoozed", "handed_over", "escalated", "closed"]
Cause = Literal["deterioration", "expected", "medication", "measurement", "equipment", "other"]
AlarmDeed = Literal["acknowledge", "undo", "assess", "snooze", "hand_over", "escalate", "close", "reopen"]


class Shape(BaseModel):
    """Unknown fields are refused; NaN and infinity too."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Text(Shape):
    """A sentence in each language."""

    nb: str
    en: str


class About(Shape):
    """Who answers, and what time it is there. `speed` above 1 is simulated time, and the page says so.

    `certificates`: hubs come in with certificates here, and can be claimed. `provider`: what the provider of identities
    is called by which one may sign in; null: there is none.
    """

    version: str
    certificates: bool
    provider: str | None
    demo: bool
    now_ms: int
    speed: float


class SignIn(Shape):
    username: str = Field(min_length=1, max_length=64)
    password: str = Field(min_length=1, max_length=256)
    code: str | None = Field(default=None, max_length=16)


class User(Shape):
    id: str
    name: str
    role: Role


class Value(Shape):
    """The newest reading of a channel. `stale`: older than the plan allows, so it must not be read as current.

    `late`: it came long after it was measured.
    """

    channel: str
    label: Text
    value: float
    decimals: int
    unit: str
    t_ms: int
    arrived_ms: int
    late: bool
    stale: bool
    status: list[str]
    low: float | None
    high: float | None
    """That patient's limits, where they have any."""
    trend: float | None
    """Change against about a day before, in the unit; None where there is nothing to compare with."""


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


class PatientBrief(Shape):
    """`organisation`: whose the patient is, by name."""

    id: str
    name: str
    birth_year: int
    place: str
    programme: Text
    organisation: str


class News2(Shape):
    """NEWS2 as far as it can be known. `lacks` names the missing channels; a partial score is never shown as whole."""

    total: int
    lacks: list[str]
    single_red: bool


class HeldValue(Shape):
    """One value with its moment: of a measurement that is held, or beside another."""

    channel: str
    label: Text
    value: float
    decimals: int
    unit: str
    t_ms: int


class Question(Shape):
    """Whose are these readings? They are kept, but nobody's until somebody answers.

    `because` weight: far from what the patient weighs (`usual_kg`, as of `since_ms`; `limit_kg` is how far it may be).
    slot: the device took them for another of its users (`slot`). `version` goes back with the answer. `home`: what
    became of the message to the patient's own phone, None where there was none.
    """

    id: str
    version: int
    because: Literal["weight", "slot"]
    device: str
    values: list[HeldValue]
    slot: int | None
    usual_kg: float | None
    limit_kg: float | None
    since_ms: int | None
    asked_ms: int
    said: Literal["hers", "not_hers", "unknown"] | None
    said_ms: int | None
    said_by: str | None
    said_from: Literal["staff", "home"] | None
    home: Literal["queued", "sent", "failed", "withdrawn"] | None
    home_unknown_ms: int | None
    """When somebody at home said that they do not know."""


class Answer(Shape):
    """`hers` files what is held under the patient; the others keep it, and it is never filed."""

    said: Literal["hers", "not_hers", "unknown"]
    version: int


class Answered(Shape):
    """Somebody was first, or more was measured since. Comes with status 409."""

    detail: str
    who: str | None


class WishView(Shape):
    """What a home is asked: to measure sooner, again at once, because a person `asked`, or (`tell`) what it is told
    of itself.

    asked: not known to be shown there yet. `from_ms` to `by_ms`: when it is wanted. `text`: the finding that asks.
    """

    id: str
    why: Literal["sooner", "again", "tell", "asked"]
    channel: str | None
    label: Text | None
    priority: Priority
    text: Text
    state: Literal["asked", "delivered", "answered", "withdrawn", "expired"]
    asked_ms: int
    from_ms: int
    by_ms: int
    delivered_ms: int | None
    ended_ms: int | None


class WorklistRow(Shape):
    """One patient. Sorted by `priority`, then `waiting_since_ms`; patients without an open alarm come last, those with
    an open question before the others."""

    patient: PatientBrief
    priority: Priority | None
    waiting_since_ms: int | None
    clinical: AlarmBrief | None
    technical: AlarmBrief | None
    latest: list[Value]
    news2: News2 | None
    last_reading_ms: int | None
    gateway_online: bool | None
    questions: list[Question]
    """The open ones, the longest waiting first."""
    wishes: list[WishView]
    """What the home is asked now, the most pressing first."""
    reviewed_ms: int | None
    """When somebody last said that they had gone through the patient; `reviewed_by`: their name."""
    reviewed_by: str | None


class Worklist(Shape):
    version: int
    now_ms: int
    rows: list[WorklistRow]


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


class DeviceView(Shape):
    """`link`: never, idle, connected, lost."""

    id: str
    driver: str
    gateway: str
    link: str
    last_seen_ms: int | None
    battery: float | None
    faults: int
    orders: list[str]
    """The kinds of order that it takes."""


class Channel(Shape):
    channel: str
    label: Text


class StartupView(Shape):
    """The patient is new: until `ends_ms` the programme's limits hold, and their own are learned."""

    started_ms: int
    ends_ms: int


class ProposalView(Shape):
    """A limit that would suit the patient, learned from their own readings. It holds once a clinician has decided so.

    `usual`: the limit that held when it was proposed. `set_to`: what it was decided to be.
    """

    id: str
    limit: str
    label: Text
    side: Text
    unit: str
    decimals: int
    value: float
    usual: float
    median: float
    readings: int
    days: int
    made_ms: int
    state: Literal["open", "confirmed", "changed", "declined", "withdrawn"]
    set_to: float | None
    decided_by: str | None
    decided_ms: int | None
    note: str


class Decide(Shape):
    """`seen`: the state that was decided on; if a colleague was first, nothing is changed. `change` needs a `value`."""

    decision: Literal["confirm", "change", "decline"]
    seen: Literal["open", "confirmed", "changed", "declined"] = "open"
    value: float | None = None
    note: str = Field(default="", max_length=500)


class ActionView(Shape):
    """What the programme says is to be done about an alarm of this priority, or (`rule`) about what that rule finds."""

    priority: Priority
    rule: str | None
    do: Text
    steps: list[Text]
    source: str


class PlanView(Shape):
    """The programme that the patient follows now, and what it says is to be done."""

    programme: str
    version: str
    actions: list[ActionView]


class PatientPage(Shape):
    patient: PatientBrief
    phone: str
    conditions: list[str]
    limits: dict[str, float | None]
    latest: list[Value]
    emptied: list[Channel]
    """Of which nothing counts that was measured: somebody has said of all of it that it is wrong."""
    news2: News2 | None
    gateway: str | None
    gateway_online: bool | None
    devices: list[DeviceView]
    alarms: list[AlarmView]
    """Open ones first, then the latest closed."""
    questions: list[Question]
    """Open ones first, then the latest answered."""
    unjudged: HeldValue | None
    """A first weight of these days: it was filed, for there was nothing to hold it against."""
    wishes: list[WishView]
    """What the home is asked now, and the latest that is over, the newest first."""
    startup: StartupView | None
    proposals: list[ProposalView]
    """The newest first."""
    plan: PlanView


class Band(Shape):
    """From `start` up to where the next one starts a reading has so many points of NEWS2; None: that hangs on more."""

    start: float
    points: int | None


class Readings(Shape):
    """One channel, columns of equal length, oldest first. `good` is False where the device doubted the sample.

    `bands`: NEWS2's, upwards; empty where the patient's programme does not score, or NEWS2 does not know the channel.
    """

    channel: str
    label: Text
    unit: str
    decimals: int
    low: float | None
    high: float | None
    bands: list[Band]
    t_ms: list[int]
    value: list[float]
    good: list[bool]


Wrong = Literal["wrong_person", "device_error", "measured_wrongly", "other"]


class Invalid(Shape):
    """Why a reading does not count, and who said so. `correction`: what to name to undo it."""

    correction: str
    reason: Wrong
    note: str
    who: str
    t_ms: int


class Measured(Shape):
    """One reading of a channel. `id`: what to name to say that it is wrong. `late`: it came long after it was measured.

    `also`: what the same device measured at the same moment, and what of it counts or does not as this one.
    """

    id: str
    value: float
    decimals: int
    t_ms: int
    arrived_ms: int
    late: bool
    device: str
    status: list[str]
    also: list[HeldValue]
    invalid: Invalid | None


class LatestReadings(Shape):
    """The newest readings of a channel, the newest first, those that do not count among them."""

    channel: str
    label: Text
    unit: str
    readings: list[Measured]


class Invalidate(Shape):
    """Why a reading is wrong. `alone`: only this one value, and not all that the device measured at that moment.

    `other` wants a note.
    """

    reading: str = Field(pattern=r"^-?[0-9]{1,19}\.[0-9a-f]{32}$")
    alone: bool = False
    reason: Wrong
    note: str = Field(default="", max_length=500)


class Reinstate(Shape):
    """Why what was said to be wrong counts again after all."""

    correction: str = Field(pattern="^[0-9]{1,18}$")
    why: str = Field(min_length=3, max_length=500)


class CorrectionView(Shape):
    """Readings that were said to be wrong. `undone_…`: who has taken it back since, and why."""

    id: str
    device: str
    readings: list[HeldValue]
    reason: Wrong
    note: str
    who: str
    t_ms: int
    undone_by: str | None
    undone_ms: int | None
    undone_why: str | None


class DispenserEvent(Shape):
    """`kind` without its prefix: due, presented, retrieved, missed, …"""

    t_ms: int
    kind: str
    dose_id: int
    data: dict[str, float | int | str]


OrderKind = Literal["dispense", "lock", "unlock", "test", "schedule"]


class OrderNew(Shape):
    """An order to a device. `id`: 16 hexadecimal digits drawn at random; the same id twice is one order.

    `compartment`, and if it helps `dose_id`, to dispense; `doses` (see vitals/schedule.py; times in UTC) to schedule.
    """

    id: str = Field(pattern="^[0-9a-f]{16}$")
    device: str = Field(min_length=1, max_length=64)
    kind: OrderKind
    compartment: int | None = Field(default=None, ge=1, le=254)
    dose_id: int | None = Field(default=None, ge=1, le=65_535)
    doses: str | None = Field(default=None, min_length=1, max_length=2000)
    why: str = Field(min_length=3, max_length=500)
    """For the audit log."""


class OrderLook(Shape):
    """What a person found who looked, of an order that nobody knows the end of."""

    found: Literal["done", "not_done", "unclear"]
    note: str = Field(default="", max_length=2000)


class OrderView(Shape):
    """An order and how far it has come. Times of steps that have not been are None.

    `said` is the device's own reason, in English. `unknown` and `disputed` (it was said that it
    was not done, and then that it was): look at the dispenser, or call the patient.
    """

    id: str
    device: str
    kind: OrderKind
    data: dict[str, int | str]
    why: str
    ordered_by: str
    issued_ms: int
    expires_ms: int
    state: Literal["ordered", "received", "sent", "done", "refused", "expired", "unknown", "disputed", "looked_at"]
    received_ms: int | None
    sent_ms: int | None
    ended_ms: int | None
    said: str | None
    looked_by: str | None
    looked_ms: int | None
    found: Literal["done", "not_done", "unclear"] | None
    note: str | None


class Acting(Shape):
    """`seen`: the state that was decided on; if a colleague was first, nothing is changed."""

    seen: AlarmState | None = None


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
    """A colleague was first. Comes with status 409. `t_ms`: when that was, where it is all that there is to be told."""

    detail: str
    who: str | None
    state: AlarmState
    t_ms: int | None = None


class PhoneMessage(Shape):
    """What a phone would show. Only in a demo, or for an administrator. `alarm_id` None: it is about no alarm."""

    id: int
    t_ms: int
    to: str
    role: Role | Literal["patient"]
    channel: str
    text: str
    alarm_id: str | None


class GatewayDevice(Shape):
    """A device that a gateway is to read, in the words of its own file (configs/gateway.toml)."""

    id: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
    driver: str = Field(min_length=1, max_length=64)
    address: str | None = Field(default=None, pattern="^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$")
    port: str | None = Field(default=None, min_length=1, max_length=200)
    baud: int | None = Field(default=None, ge=1, le=4_000_000)
    bits: Literal[5, 6, 7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Literal[1, 2] | None = None


class GatewaySettings(Shape):
    """What may be set of a gateway from here. None: as its own file says."""

    devices: list[GatewayDevice] | None = Field(default=None, max_length=100)
    heartbeat_s: float | None = Field(default=None, ge=1, le=3600)
    limits: dict[str, float] = Field(default_factory=dict, max_length=100)
    """For its own triage while we are away, by name."""


class GatewayConfigChange(Shape):
    """`version`: the one that was changed, 0 for none. If a colleague was first, nothing is changed."""

    version: int = Field(ge=0)
    settings: GatewaySettings


class GatewayConfig(Shape):
    """What a gateway is wanted to be, and how far that has come. `version` 0: nothing is wanted, its file says all.

    waiting: it has not said that it runs it. refused: it says why not, in English; what ran before runs on.
    """

    gateway: str
    version: int
    state: Literal["none", "waiting", "applied", "refused"]
    refused: str | None
    runs_version: int
    settings: GatewaySettings
    changed_by: str | None
    changed_ms: int | None


class GatewayView(Shape):
    """`config`: how far the configuration from here has come; None where it has none."""

    id: str
    place: str
    online: bool
    last_heard_ms: int | None
    queued: int | None
    software: str | None
    strangers: list[str]
    notes: list[str]
    devices: list[DeviceView]
    config: Literal["waiting", "applied", "refused"] | None
    config_refused: str | None
    certificate_ends_ms: int | None
    """Of the newest one that counts; by the wall's clock."""
    revoked: bool
    """Nothing of it is believed until it is claimed anew."""


class ClaimCode(Shape):
    """What a technician types on a hub, good once and for so many hours."""

    code: str
    hours: int


class Revocation(Shape):
    """Why a gateway is not believed any more; for the audit log."""

    reason: str = Field(min_length=3, max_length=500)


class Revoked(Shape):
    """How many certificates ended with it."""

    certificates: int


class QuarantineRow(Shape):
    """Something that could not be filed, kept with its bytes."""

    id: int
    t_ms: int
    gateway: str
    device: str | None
    reason: str
    text: str
    size: int
    data_hex: str


class Health(Shape):
    """For a monitor: `ok`, or what is wrong. What cannot be counted, because the database is away, is null."""

    status: Literal["ok", "degraded"]
    problems: list[str]
    broker: str
    stored: int | None
    quarantined: int | None
    open_alarms: int | None
    tick_age_s: float
    outbox_late_s: float | None = None
    """For how long the message about an alarm that has waited longest should have been sent; 0: none is late."""
