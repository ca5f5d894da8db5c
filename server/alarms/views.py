"""Alarms as the page sees them."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from server.access.door import CARE
from server.access.store import Account
from server.alarms import table, timeline
from server.alarms.model import PRIORITY, Alarm, State
from server.api import AlarmBrief, AlarmView, PatientBrief, ReasonView, Text, TimelineEntry
from server.escalation.model import next_role
from triage.episode import Episode
from vitals.alarm import Reason
from vitals.clock import MS

CLOSED_SHOWN = 10


def brief(alarm: Alarm) -> AlarmBrief:
    """One alarm in a row of the worklist."""
    return AlarmBrief(**_brief(alarm))


def views(tx: sa.Connection, alarms: Iterable[Alarm], patient: PatientBrief, account: Account) -> list[AlarmView]:
    """Alarms of one patient in full, with what `account` may do about each."""
    alarms = list(alarms)
    entries = timeline.entries(tx, [alarm.id for alarm in alarms])
    return [
        AlarmView(
            **_brief(alarm),
            patient=patient,
            timeline=[
                TimelineEntry(t_ms=row.t_ns // MS, what=row.what, who=row.who, text=Text(nb=row.nb, en=row.en))
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


def _actions(alarm: Alarm, account: Account) -> list[Literal["acknowledge", "escalate", "close"]]:
    if alarm.state is State.CLOSED or not may_act(alarm, account):
        return []
    return ["escalate", "close"] if alarm.state is State.ACKNOWLEDGED else ["acknowledge", "escalate"]


def _brief(alarm: Alarm) -> dict[str, Any]:
    next_ns = alarm.climb.next_step_ns
    doubted = msgspec.json.decode(alarm.episode, type=Episode).doubted
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
        "acknowledge_expires_ms": _ms(alarm.expires_ns),
        "told": list(alarm.told),
        "next_step_ms": _ms(next_ns),
        "next_step_to": next_role(alarm.climb),
    }


def _reason(reason: Reason, doubted: bool) -> ReasonView:
    return ReasonView(
        rule=reason.rule, version=reason.version, priority=PRIORITY[reason.level],
        text=Text(nb=reason.text["nb"], en=reason.text["en"]), because=reason.because, t_ms=reason.t_ns // MS,
        doubted=doubted,
    )  # fmt: skip


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
