"""The life of an alarm: one table says what may follow what, and pure functions say what changes.

                        ┌──────────────────── expire, escalate ────────────────────┐
                        ▼                                                          │
    raised ──tell──▶ notified ──acknowledge──▶ acknowledged ──assess──▶ assessed ──┤
      ▲                 │  ▲                     │   ▲  └─────────┬────────┘       │
      │ worsen          │  └── undo, if it was ──┘   │ acknowledge│ close          │
      │                 ▼                            │ give back  ▼                │
      └── (any) ◀─ snoozed, handed over, escalated ──┴──────── closed ── reopen ─▶ acknowledged

Raised: nobody has been told yet (nobody can be reached). Notified: told, and the ladder climbs. Acknowledged: a named
person has it until the acknowledgement expires; the ladder rests. Assessed: the same, and that person has said what it
comes from. Closed: with a coded action, outcome and usefulness.

Three states are between people (`server.alarms.holds`): snoozed, handed over to a colleague or a role, escalated to a
doctor or specialist as a case. In each it is `parked` by a named person, the ladder rests, and it ends at a time.

*No state without an owner or a timer.* Whoever has it (HELD) has it until `expires_ns`; then nobody has, and the next
step of the ladder is due. Where nobody has it, the ladder's next step has a time. Only a closed alarm waits for
nothing, and only `reopen` leads out of it.

A clinical alarm is closed by a person who acknowledged it first, never by itself. A technical alarm that nobody has
acknowledged closes itself when the rules no longer find it (`settle`): a device that came back needs no nurse, and the
timeline says that it settled by itself. The priority of an alarm only rises; a worse finding breaks an acknowledgement
of the milder one, because it was given for something else.

Closing is a judgement on what was known then. The same finding goes on being true for a while after a nurse has acted
on it, so for QUIET_S it does not open a second alarm; a worse one, or a rule that was not among the reasons, does.

Nor does what comes late and was measured before what the alarm arose from, if it says the same: it is written on the
alarm that was closed. What is measured after that is news, however late it comes.
"""

from collections.abc import Collection, Sequence
from enum import StrEnum

import msgspec

from server.alarms.api import AlarmKind, AlarmState
from server.api import Priority, Role
from server.escalation.model import Climb, rest, resume
from server.readings.model import is_late
from vitals.alarm import Level, Reason
from vitals.clock import NS
from vitals.errors import HjemvaktError


class State(StrEnum):
    RAISED = "raised"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    ASSESSED = "assessed"
    SNOOZED = "snoozed"
    HANDED = "handed_over"
    SENT = "escalated"
    CLOSED = "closed"


class Deed(StrEnum):
    """What can happen to an alarm."""

    TELL = "tell"
    ACKNOWLEDGE = "acknowledge"
    RENEW = "renew"
    UNDO = "undo"
    ASSESS = "assess"
    SNOOZE = "snooze"
    DISTURB = "disturb"
    HAND_OVER = "hand over"
    SEND = "send on"
    GIVE_BACK = "give back"
    TAKE_OVER = "take over"
    EXPIRE = "expire"
    ESCALATE = "escalate"
    WORSEN = "worsen"
    SETTLE = "settle"
    CLOSE = "close"
    REOPEN = "reopen"


AFTER: dict[tuple[State, Deed], State | None] = {
    (State.RAISED, Deed.TELL): State.NOTIFIED,
    (State.RAISED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.RAISED, Deed.SNOOZE): State.SNOOZED,
    (State.RAISED, Deed.SEND): State.SENT,
    (State.RAISED, Deed.ESCALATE): State.RAISED,
    (State.RAISED, Deed.WORSEN): State.RAISED,
    (State.RAISED, Deed.SETTLE): State.CLOSED,
    (State.NOTIFIED, Deed.TELL): State.NOTIFIED,
    (State.NOTIFIED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.NOTIFIED, Deed.SNOOZE): State.SNOOZED,
    (State.NOTIFIED, Deed.SEND): State.SENT,
    (State.NOTIFIED, Deed.ESCALATE): State.NOTIFIED,
    (State.NOTIFIED, Deed.WORSEN): State.RAISED,
    (State.NOTIFIED, Deed.SETTLE): State.CLOSED,
    (State.ACKNOWLEDGED, Deed.RENEW): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Deed.UNDO): None,
    (State.ACKNOWLEDGED, Deed.ASSESS): State.ASSESSED,
    (State.ACKNOWLEDGED, Deed.SNOOZE): State.SNOOZED,
    (State.ACKNOWLEDGED, Deed.HAND_OVER): State.HANDED,
    (State.ACKNOWLEDGED, Deed.SEND): State.SENT,
    (State.ACKNOWLEDGED, Deed.TAKE_OVER): State.ACKNOWLEDGED,
    (State.ACKNOWLEDGED, Deed.EXPIRE): State.NOTIFIED,
    (State.ACKNOWLEDGED, Deed.ESCALATE): State.NOTIFIED,
    (State.ACKNOWLEDGED, Deed.WORSEN): State.RAISED,
    (State.ACKNOWLEDGED, Deed.CLOSE): State.CLOSED,
    (State.ASSESSED, Deed.RENEW): State.ASSESSED,
    (State.ASSESSED, Deed.ASSESS): State.ASSESSED,
    (State.ASSESSED, Deed.SNOOZE): State.SNOOZED,
    (State.ASSESSED, Deed.HAND_OVER): State.HANDED,
    (State.ASSESSED, Deed.SEND): State.SENT,
    (State.ASSESSED, Deed.TAKE_OVER): State.ACKNOWLEDGED,
    (State.ASSESSED, Deed.EXPIRE): State.NOTIFIED,
    (State.ASSESSED, Deed.ESCALATE): State.NOTIFIED,
    (State.ASSESSED, Deed.WORSEN): State.RAISED,
    (State.ASSESSED, Deed.CLOSE): State.CLOSED,
    (State.SNOOZED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.SNOOZED, Deed.SEND): State.SENT,
    (State.SNOOZED, Deed.DISTURB): State.NOTIFIED,
    (State.SNOOZED, Deed.EXPIRE): State.NOTIFIED,
    (State.SNOOZED, Deed.ESCALATE): State.NOTIFIED,
    (State.SNOOZED, Deed.WORSEN): State.RAISED,
    (State.SNOOZED, Deed.SETTLE): State.CLOSED,
    (State.HANDED, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.HANDED, Deed.SEND): State.SENT,
    (State.HANDED, Deed.EXPIRE): State.NOTIFIED,
    (State.HANDED, Deed.ESCALATE): State.NOTIFIED,
    (State.HANDED, Deed.WORSEN): State.RAISED,
    (State.SENT, Deed.ACKNOWLEDGE): State.ACKNOWLEDGED,
    (State.SENT, Deed.GIVE_BACK): State.ACKNOWLEDGED,
    (State.SENT, Deed.EXPIRE): State.NOTIFIED,
    (State.SENT, Deed.ESCALATE): State.NOTIFIED,
    (State.SENT, Deed.WORSEN): State.RAISED,
    (State.CLOSED, Deed.REOPEN): State.ACKNOWLEDGED,
}
"""What is not here is refused. None: back to where it was before."""

TAKEN = frozenset({State.ACKNOWLEDGED, State.ASSESSED})
"""A named person has it."""
PARKED = frozenset({State.SNOOZED, State.HANDED, State.SENT})
"""It lies with somebody, who set it aside, or with whom it was left."""
HELD = TAKEN | PARKED
"""The ladder rests, until `expires_ns`."""

PRIORITY: dict[Level, Priority] = {Level.HIGH: "high", Level.MEDIUM: "medium", Level.LOW: "low"}

QUIET_S: dict[Level, float] = {Level.HIGH: 3600.0, Level.MEDIUM: 4 * 3600.0, Level.LOW: 8 * 3600.0}
"""How long a closed alarm speaks for a finding that goes on, by its level (check: a clinician's choice)."""

UNDO_S = 120.0
"""So long after acknowledging may one's own hand be taken back (check: long enough to see the mistake)."""


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


class To(msgspec.Struct, frozen=True):
    """For whom something is: a `person` by id, or (None) whoever answers for the role. `name`: as people say it."""

    role: Role
    person: str | None = None
    name: str = ""


class Parked(msgspec.Struct, frozen=True):
    """Set aside until `Alarm.expires_ns`, by the person `by_id` called `by`.

    `why` is what they wrote. `to` None: snoozed. `case`: the number of the case that it was escalated as.
    """

    by_id: str
    by: str
    since_ns: int
    why: str = ""
    to: To | None = None
    case: int | None = None

    def is_for(self, person: str, role: Role) -> bool:
        """Whether it was left with that person, or by somebody else with their role."""
        if self.to is None or person == self.by_id:
            return False
        return self.to.person == person if self.to.person is not None else self.to.role == role


class Before(msgspec.Struct, frozen=True):
    """How it was when somebody acknowledged it, who may take that back until `until_ns`."""

    state: State
    climb: Climb
    until_ns: int
    expires_ns: int | None = None
    parked: Parked | None = None


class Alarm(msgspec.Struct, frozen=True):
    """One alarm. `reasons` newest first; `told` are names in order; `episode` is triage's own memory of it.

    `acknowledged_by` and `closed_by` are names of people: what the page shows and what history keeps. `cause` is what
    an assessment found it to come from.
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
    parked: Parked | None = None
    before: Before | None = None
    cause: str | None = None
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
        return self.expires_ns if self.state in HELD else self.climb.next_step_ns

    @property
    def holder(self) -> str | None:
        """The name of the person who did last what makes it stand as it does."""
        if self.state is State.CLOSED:
            return self.closed_by
        return self.parked.by if self.parked else self.acknowledged_by


class Refused(HjemvaktError):
    """The table does not allow it: what to say, who was first (`at_ns`: and when), and how the alarm stands.

    `found`: what was found since whoever decides looked.
    """

    def __init__(
        self, text: str, mend: str, who: str | None, state: AlarmState, at_ns: int | None = None,
        found: Sequence[Reason] = (),
    ) -> None:  # fmt: skip
        super().__init__(text, mend)
        self.who = who
        self.state = state
        self.at_ns = at_ns
        self.found = found


def after(alarm: Alarm, deed: Deed) -> State:
    """The state that `deed` leads to; raises Refused, naming the colleague who was first."""
    if (alarm.state, deed) not in AFTER:
        raise refusal(alarm, deed)
    state = AFTER[alarm.state, deed]
    if state is not None:
        return state
    return alarm.before.state if alarm.before else State.NOTIFIED


def acknowledge(alarm: Alarm, name: str, now_ns: int, expires_s: float) -> Alarm:
    """`name` has it for `expires_s`; once more by the same person, it is theirs for as long again."""
    mine = alarm.state in TAKEN and alarm.acknowledged_by == name
    state = after(alarm, Deed.RENEW if mine else Deed.ACKNOWLEDGE)
    was = Before(alarm.state, alarm.climb, now_ns + round(UNDO_S * NS), alarm.expires_ns, alarm.parked)
    return msgspec.structs.replace(
        alarm,
        state=state,
        acknowledged_by=name,
        acknowledged_ns=now_ns,
        expires_ns=now_ns + round(expires_s * NS),
        climb=rest(alarm.climb),
        parked=None,
        before=alarm.before if mine else was,
    )


def release(alarm: Alarm, deed: Deed, now_ns: int) -> Alarm:
    """By EXPIRE, ESCALATE or DISTURB nobody has it any more, and the next step is due now."""
    return msgspec.structs.replace(unheld(alarm, after(alarm, deed)), climb=resume(alarm.climb, now_ns))


def worsen(alarm: Alarm, level: Level, climb: Climb) -> Alarm:
    """The finding is worse than the alarm was: a new ladder, from its foot, and nobody has it."""
    return msgspec.structs.replace(unheld(alarm, after(alarm, Deed.WORSEN)), level=level, climb=climb)


def settle(alarm: Alarm, now_ns: int) -> Alarm:
    """A technical alarm ends by itself."""
    return msgspec.structs.replace(unheld(alarm, after(alarm, Deed.SETTLE)), climb=rest(alarm.climb), closed_ns=now_ns)


def close(alarm: Alarm, name: str, now_ns: int, action: str, outcome: str, usefulness: int, note: str) -> Alarm:
    """A person ends it. If the rules still find it, it stays quiet for a while (see the module)."""
    quiet_ns = None if alarm.settled else now_ns + round(QUIET_S[alarm.level] * NS)
    return msgspec.structs.replace(
        alarm, state=after(alarm, Deed.CLOSE), expires_ns=None, before=None, climb=rest(alarm.climb), closed_by=name,
        closed_ns=now_ns, action=action, outcome=outcome, usefulness=usefulness, note=note, quiet_until_ns=quiet_ns,
    )  # fmt: skip


def closes_itself(alarm: Alarm) -> bool:
    """Whether a settled alarm of this kind and state needs nobody."""
    return alarm.settled and alarm.kind == "technical" and (alarm.state, Deed.SETTLE) in AFTER


def unheld(alarm: Alarm, state: State) -> Alarm:
    """The same in a state in which nobody has it."""
    return msgspec.structs.replace(
        alarm, state=state, acknowledged_by=None, acknowledged_ns=None, expires_ns=None, parked=None, before=None
    )


def as_seen(
    alarm: Alarm, seen: AlarmState | None, said: Collection[tuple[str, Priority]] | None = None
) -> Alarm:  # fmt: skip
    """The alarm, if it still stands as whoever decides has seen it (None: they do not say); raises Refused if not.

    `said`: the rules that had spoken then, and how gravely. Who closes it while a rule says something new would else
    end what nobody has seen.
    """
    state: AlarmState = alarm.state.value
    again = "look at it again, then decide"
    if seen is not None and seen != state:
        who = alarm.holder
        changed = f"{who or 'time or a rule'} has changed this alarm since you looked: it is {state}"
        raise Refused(changed, again, who, state)
    found = [one for one in alarm.reasons if said is not None and (one.rule, PRIORITY[one.level]) not in said]
    if found:
        news = "; ".join(one.text["en"] for one in found)
        raise Refused(f"more was found since you looked: {news}", again, None, state, found=found)
    return alarm


def refusal(alarm: Alarm, deed: Deed) -> Refused:
    """Why `deed` cannot be done to it now: who was first, or what has to come first."""
    state: AlarmState = alarm.state.value
    who = alarm.holder
    if alarm.state is State.CLOSED:
        return Refused(f"{who or 'The alarm'} has closed this alarm", "fetch it to see how it ended", who, state)
    if deed is Deed.CLOSE and alarm.state not in PARKED:
        return Refused("nobody has acknowledged this alarm", "acknowledge it first, then close it", None, state)
    if who is None:
        first = "acknowledge it first, or fetch it to see what happened"
        return Refused(f"an alarm that is {alarm.state} cannot {deed}: nobody has it", first, None, state)
    speak = f"speak with {who}, or let {who} finish"
    if deed in (Deed.ACKNOWLEDGE, Deed.UNDO) and alarm.state in TAKEN:
        return Refused(f"{who} acknowledged this alarm first", speak, who, state)
    return Refused(f"{who} has {_DID[alarm.state]}", f"{speak}; whoever acknowledges it has it", who, state)


_DID = {
    State.ACKNOWLEDGED: "acknowledged this alarm",
    State.ASSESSED: "assessed this alarm",
    State.SNOOZED: "snoozed this alarm",
    State.HANDED: "handed this alarm over",
    State.SENT: "escalated this alarm",
}
