"""The life of an alarm: one table says what may follow what, and pure functions say what changes.

    raised ──tell──▶ notified ──acknowledge──▶ acknowledged ──close──▶ closed
      ▲                 ▲  └─────────── expire ◀──────┘ │
      └── worsen (from any open state)  └── escalate ◀──┘

Raised: nobody has been told yet (nobody can be reached). Notified: told, and the ladder climbs. Acknowledged: a named
person has it until the acknowledgement expires; the ladder rests. Closed: with a coded action, outcome and usefulness.

A clinical alarm is closed by a person who acknowledged it first, never by itself. A technical alarm that nobody has
acknowledged closes itself when the rules no longer find it (`settle`): a device that came back needs no nurse, and the
timeline says that it settled by itself. The priority of an alarm only rises; a worse finding breaks an acknowledgement
of the milder one, because it was given for something else.

Closing is a judgement on what was known then. The same finding goes on being true for a while after a nurse has acted
on it, so for QUIET_S it does not open a second alarm; a worse one, or a rule that was not among the reasons, does.

Nor does what comes late and was measured before what the alarm arose from, if it says the same: it is written on the
alarm that was closed. What is measured after that is news, however late it comes.
"""

from enum import StrEnum

import msgspec

from server.api import AlarmKind, AlarmState, Priority
from server.escalation.model import Climb, rest, resume
from server.readings.model import is_late
from vitals.alarm import Level, Reason
from vitals.clock import NS
from vitals.errors import HjemvaktError


class State(StrEnum):
    RAISED = "raised"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Deed(StrEnum):
    """What can happen to an alarm."""

    TELL = "tell"
    ACKNOWLEDGE = "acknowledge"
    RENEW = "renew"
    EXPIRE = "expire"
    ESCALATE = "escalate"
    WORSEN = "worsen"
    SETTLE = "settle"
    CLOSE = "close"


AFTER: dict[tuple[State, Deed], State] = {
    (State.RAISED, Deed.TELL): State.NOTIFIED,
    (State.RAISED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.RAISED, Deed.ESCALATE): State.RAISED,
    (State.RAISED, Deed.WORSEN): State.RAISED,
    (State.RAISED, Deed.SETTLE): State.CLOSED,
    (State.NOTIFIED, Deed.TELL): State.NOTIFIED,
    (State.NOTIFIED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.NOTIFIED, Deed.ESCALATE): State.NOTIFIED,
    (State.NOTIFIED, Deed.WORSEN): State.RAISED,
    (State.NOTIFIED, Deed.SETTLE): State.CLOSED,
    (State.ACKNOWLEDGED, Deed.RENEW): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Deed.EXPIRE): State.NOTIFIED,
    (State.ACKNOWLEDGED, Deed.ESCALATE): State.NOTIFIED,
    (State.ACKNOWLEDGED, Deed.WORSEN): State.RAISED,
    (State.ACKNOWLEDGED, Deed.CLOSE): State.CLOSED,
}

PRIORITY: dict[Level, Priority] = {Level.HIGH: "high", Level.MEDIUM: "medium", Level.LOW: "low"}

QUIET_S: dict[Level, float] = {Level.HIGH: 3600.0, Level.MEDIUM: 4 * 3600.0, Level.LOW: 8 * 3600.0}
"""How long a closed alarm speaks for a finding that goes on, by its level (check: a clinician's choice)."""


class Trigger(msgspec.Struct, frozen=True):
    """The reading that led to a verdict, with the three times it passed."""

    device: str
    channel: str
    taken_ns: int
    received_ns: int
    stored_ns: int

    @property
    def late(self) -> bool:
        """Whether it came long after it was measured."""
        return is_late(self.taken_ns, self.stored_ns)


class Alarm(msgspec.Struct, frozen=True):
    """One alarm. `reasons` newest first; `told` are names in order; `episode` is triage's own memory of it.

    `acknowledged_by` and `closed_by` are names of people: what the page shows and what history keeps.
    """

    id: int
    patient_id: str
    kind: AlarmKind
    level: Level
    state: State
    raised_ns: int
    climb: Climb
    reasons: tuple[Reason, ...]
    episode: bytes
    settled: bool = False
    told: tuple[str, ...] = ()
    acknowledged_by: str | None = None
    acknowledged_ns: int | None = None
    expires_ns: int | None = None
    closed_by: str | None = None
    closed_ns: int | None = None
    action: str | None = None
    outcome: str | None = None
    usefulness: int | None = None
    note: str | None = None
    quiet_until_ns: int | None = None

    @property
    def priority(self) -> Priority:
        return PRIORITY[self.level]

    @property
    def due_ns(self) -> int | None:
        """When the clock itself will change this alarm."""
        return self.expires_ns if self.state is State.ACKNOWLEDGED else self.climb.next_step_ns


class Refused(HjemvaktError):
    """The table does not allow it: what to say, who was first, and how the alarm stands."""

    def __init__(self, text: str, mend: str, who: str | None, state: AlarmState) -> None:
        super().__init__(text, mend)
        self.who = who
        self.state = state


def after(alarm: Alarm, deed: Deed) -> State:
    """The state that `deed` leads to; raises Refused, naming the colleague who was first."""
    state = AFTER.get((alarm.state, deed))
    if state is None:
        raise _refusal(alarm, deed)
    return state


def acknowledge(alarm: Alarm, name: str, now_ns: int, expires_s: float) -> Alarm:
    """`name` has it for `expires_s`; once more by the same person, it is theirs for as long again."""
    mine = alarm.state is State.ACKNOWLEDGED and alarm.acknowledged_by == name
    return msgspec.structs.replace(
        alarm,
        state=after(alarm, Deed.RENEW if mine else Deed.ACKNOWLEDGE),
        acknowledged_by=name,
        acknowledged_ns=now_ns,
        expires_ns=now_ns + round(expires_s * NS),
        climb=rest(alarm.climb),
    )


def release(alarm: Alarm, deed: Deed, now_ns: int) -> Alarm:
    """By EXPIRE or ESCALATE nobody has it any more, and the next step is due now."""
    return msgspec.structs.replace(_unheld(alarm, after(alarm, deed)), climb=resume(alarm.climb, now_ns))


def worsen(alarm: Alarm, level: Level, climb: Climb) -> Alarm:
    """The finding is worse than the alarm was: a new ladder, from its foot, and nobody has it."""
    return msgspec.structs.replace(_unheld(alarm, after(alarm, Deed.WORSEN)), level=level, climb=climb)


def settle(alarm: Alarm, now_ns: int) -> Alarm:
    """A technical alarm ends by itself."""
    return msgspec.structs.replace(_unheld(alarm, after(alarm, Deed.SETTLE)), climb=rest(alarm.climb), closed_ns=now_ns)


def close(alarm: Alarm, name: str, now_ns: int, action: str, outcome: str, usefulness: int, note: str) -> Alarm:
    """A person ends it. If the rules still find it, it stays quiet for a while (see the module)."""
    quiet_ns = None if alarm.settled else now_ns + round(QUIET_S[alarm.level] * NS)
    return msgspec.structs.replace(
        alarm, state=after(alarm, Deed.CLOSE), expires_ns=None, climb=rest(alarm.climb), closed_by=name,
        closed_ns=now_ns, action=action, outcome=outcome, usefulness=usefulness, note=note, quiet_until_ns=quiet_ns,
    )  # fmt: skip


def closes_itself(alarm: Alarm) -> bool:
    """Whether a settled alarm of this kind and state needs nobody."""
    return alarm.settled and alarm.kind == "technical" and (alarm.state, Deed.SETTLE) in AFTER


def _unheld(alarm: Alarm, state: State) -> Alarm:
    return msgspec.structs.replace(alarm, state=state, acknowledged_by=None, acknowledged_ns=None, expires_ns=None)


def _refusal(alarm: Alarm, deed: Deed) -> Refused:
    state: AlarmState = alarm.state.value
    if alarm.state is State.CLOSED:
        who = alarm.closed_by
        return Refused(f"{who or 'The alarm'} has closed this alarm", "fetch it to see how it ended", who, state)
    who = alarm.acknowledged_by
    if deed is Deed.ACKNOWLEDGE:
        return Refused(f"{who} acknowledged this alarm first", f"speak with {who}, or let {who} finish", who, state)
    if deed is Deed.CLOSE:
        return Refused("nobody has acknowledged this alarm", "acknowledge it first, then close it", None, state)
    return Refused(f"an alarm that is {alarm.state} cannot {deed}", "fetch it and try again", who, state)
