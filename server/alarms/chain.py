"""What is said of an alarm on its timeline, with its codes in VKP's chain of events.

0 raised         raised, worse, reopened
1 handling       told, snoozed, handed over, escalated, opened, answered, taken back: somebody is at it
3 acknowledged   a named person has it
6 cause          assessed
7 action         closed, by a person or by itself
"""

import sqlalchemy as sa

from server.alarms import timeline
from server.alarms.model import Alarm
from server.alarms.timeline import Coded
from vitals.vkp import ALERT_OF_RULE, NOT_TRIAGED, SEVERITY, TRIAGE, EventChain

_EVENT = {
    **dict.fromkeys(("raised", "worse", "reopened"), EventChain.RAISED),
    **dict.fromkeys(
        ("told", "snoozed", "handed_over", "sent", "opened", "answered", "escalated", "expired", "undone", "disturbed"),
        EventChain.HANDLING,
    ),
    "acknowledged": EventChain.ACKNOWLEDGED,
    "assessed": EventChain.CAUSE,
    "closed": EventChain.ACTION,
}


def say(tx: sa.Connection, alarm: Alarm, t_ns: int, what: str, text: dict[str, str], who: str | None = None) -> None:
    """Append to the timeline of `alarm`, coded as it stands."""
    timeline.add(tx, alarm.id, t_ns, what, text, who, code(alarm, what))


def code(alarm: Alarm, what: str) -> Coded | None:
    """The codes of an entry; None where the chain has nothing of it."""
    event = _EVENT.get(what)
    if event is None:
        return None
    alerts = (ALERT_OF_RULE[reason.rule] for reason in alarm.reasons if reason.rule in ALERT_OF_RULE)
    triage = NOT_TRIAGED if alarm.kind == "technical" else TRIAGE[alarm.level]
    return Coded(int(event), triage, SEVERITY[alarm.level], next(alerts, None))
