"""Alarms as the page sees them."""

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from server.access.door import CARE
from server.access.store import Account
from server.alarms import table, timeline
from server.alarms.api import AlarmBrief, AlarmDeed, AlarmView, Parked, ReasonView, TimelineEntry
from server.alarms.model import PRIORITY, TAKEN, Alarm, State
from server.api import PatientBrief, Text
from server.cases.model import Case
from server.cases.table import of_numbers
from server.escalation.model import next_role
from triage.episode import Episode
from vitals.alarm import Reason
from vitals.clock import MS

CLOSED_SHOWN = 10


def brief(alarm: Alarm, case: Case | None = None) -> AlarmBrief:
    """One alarm in a row of the worklist. `case`: the one that it was escalated as, for its read receipt."""
    return AlarmBrief(**_brief(alarm, case))


def cases_of(tx: sa.Connection, alarms: Iterable[Alarm]) -> dict[int, Case]:
    """The cases that these alarms wait for, by the alarm's number."""
    waiting = {alarm.id: alarm.parked.case for alarm in alarms if alarm.parked and alarm.parked.case is not None}
    found = of_numbers(tx, list(waiting.values())) if waiting else {}
    return {alarm: found[number] for alarm, number in waiting.items() if number in found}


def views(tx: sa.Connection, alarms: Iterable[Alarm], patient: PatientBrief, account: Account) -> list[AlarmView]:
    """Alarms of one patient in full, with what `account` may do about each."""
    alarms = list(alarms)
    entries = timeline.entries(tx, [alarm.id for alarm in alarms])
    waiting = cases_of(tx, alarms)
    return [
        AlarmView(
            **_brief(alarm, waiting.get(alarm.id)),
            patient=patient,
            timeline=[
                TimelineEntry(
                    t_ms=row.t_ns // MS, what=row.what, who=row.who, text=Text(nb=row.nb, en=row.en), event=row.event
                )
                for row in entries[alarm.id]
            ],
            actions=_actions(alarm, account),
            action=alarm.action,
            outcome=alarm.outcome,
            usefulness=alarm.usefulness,
            note=alarm.note or None,
        )
        for alarm in alarms
    ]


def may_act(alarm: Alarm, account: Account) -> bool:
    """Nurses and doctors act on every alarm, administrators on technical ones."""
    return account.role in CARE or alarm.kind == "technical"


def of_patient(tx: sa.Connection, patient: PatientBrief, account: Account) -> list[AlarmView]:
    """The patient's open alarms, then the latest closed ones."""
    return views(tx, table.of_patient(tx, patient.id, ("clinical", "technical"), CLOSED_SHOWN), patient, account)


_OFTEN: dict[State, tuple[AlarmDeed, ...]] = {
    State.RAISED: ("acknowledge", "snooze", "escalate"),
    State.NOTIFIED: ("acknowledge", "snooze", "escalate"),
    State.ACKNOWLEDGED: ("assess", "close", "snooze", "hand_over", "escalate"),
    State.ASSESSED: ("assess", "close", "snooze", "hand_over", "escalate"),
    State.SNOOZED: ("acknowledge", "escalate"),
    State.HANDED: ("acknowledge", "escalate"),
    State.SENT: ("acknowledge", "escalate"),
    State.CLOSED: ("reopen",),
}
_OWN = frozenset({"assess", "snooze", "hand_over"})
"""Of an alarm that somebody has: theirs alone."""


def _actions(alarm: Alarm, account: Account) -> list[AlarmDeed]:
    """What the table allows this person now; what time forbids by the moment it is done is refused then."""
    if not may_act(alarm, account):
        return []
    mine = alarm.acknowledged_by == account.name
    found = [deed for deed in _OFTEN[alarm.state] if mine or alarm.state not in TAKEN or deed not in _OWN]
    return [*found, "undo"] if mine and alarm.before is not None else found


def _brief(alarm: Alarm, case: Case | None) -> dict[str, Any]:
    next_ns = alarm.climb.next_step_ns
    doubted = msgspec.json.decode(alarm.episode, type=Episode).doubted
    taken = alarm.state in TAKEN
    return {
        "id": str(alarm.id),
        "kind": alarm.kind,
        "priority": alarm.priority,
        "state": alarm.state.value,
        "raised_ms": alarm.raised_ns // MS,
        "settled": alarm.settled,
        "reasons": [_reason(reason, reason.rule in doubted) for reason in alarm.reasons],
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged_ms": _ms(alarm.acknowledged_ns),
        "acknowledge_expires_ms": _ms(alarm.expires_ns) if taken else None,
        "undo_until_ms": _ms(alarm.before.until_ns) if alarm.before else None,
        "cause": alarm.cause,
        "parked": _parked(alarm, case),
        "told": list(alarm.told),
        "next_step_ms": _ms(next_ns),
        "next_step_to": next_role(alarm.climb),
    }


def _parked(alarm: Alarm, case: Case | None) -> Parked | None:
    parked, until_ns = alarm.parked, alarm.expires_ns
    if parked is None or until_ns is None:
        return None
    to = parked.to
    return Parked(
        by=parked.by, since_ms=parked.since_ns // MS, until_ms=until_ns // MS, why=parked.why,
        to=(to.name or None) if to else None, to_role=to.role if to else None, to_person=to.person if to else None,
        case=None if parked.case is None else str(parked.case), opened_ms=_ms(case.opened_ns) if case else None,
        opened_by=case.opened_by if case else None,
    )  # fmt: skip


def _reason(reason: Reason, doubted: bool) -> ReasonView:
    return ReasonView(
        rule=reason.rule, version=reason.version, priority=PRIORITY[reason.level],
        text=Text(nb=reason.text["nb"], en=reason.text["en"]), because=reason.because, t_ms=reason.t_ns // MS,
        doubted=doubted,
    )  # fmt: skip


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
