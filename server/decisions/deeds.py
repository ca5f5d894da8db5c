"""What people did to a patient's alarms, to be done again at the same moment in a replay.

What the timeline says of a deed is that it was done, when and by whom. Of what else was said with it, only what decides
what may follow is asked for: as which case an alarm was sent on, and how that case was answered.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from server.alarms import deeds as people
from server.alarms import holds, store, table
from server.alarms.model import TAKEN, Alarm, Refused, To
from server.alarms.timeline import timeline
from server.cases.model import TAKES, Case
from server.cases.table import cases, many
from server.corrections import store as corrections
from server.corrections.store import Correction
from server.corrections.words import invalidated, reinstated
from triage.programme import Programme

_LASTS_S = 3600.0
"""How long an acknowledgement lasts is of no matter here: that it ran out is a deed of its own."""


@dataclass(frozen=True)
class Deed:
    """`do(tx, programme)` does it. `after`: it comes after a look at the same moment, and not before."""

    t_ns: int
    after: bool
    do: Callable[[sa.Connection, Programme], None]


def deeds(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int, *, by_people: bool) -> list[Deed]:
    """Those between two moments, both inclusive, in their order: corrections, and unless not `by_people` the rest."""
    found = _corrections(tx, patient_id)
    if by_people:
        for alarm in table.every(tx, patient_id):
            found += _of_alarm(tx, alarm)
    return sorted((one for one in found if from_ns <= one.t_ns <= to_ns), key=lambda one: (one.t_ns, one.after))


def _corrections(tx: sa.Connection, patient_id: str) -> list[Deed]:
    found = []
    for one in corrections.of_patient(tx, patient_id):
        found.append(Deed(one.said_ns, False, _correct(one, one.said_ns, "invalidated", one.said_by)))
        if one.undone_ns is not None:
            found.append(Deed(one.undone_ns, False, _correct(one, one.undone_ns, "reinstated", one.undone_by or "")))
    return found


def _correct(
    one: Correction, t_ns: int, what: store.Corrected, name: str
) -> Callable[[sa.Connection, Programme], None]:
    def do(tx: sa.Connection, programme: Programme) -> None:
        text = invalidated(one) if what == "invalidated" else reinstated(one)
        readings = [reading for reading, _ in one.readings]
        store.correct(tx, one.patient_id, programme.rules_of(), readings, t_ns, what, text, name)

    return do


@dataclass(frozen=True)
class _Was:
    """The alarm as it is now, and the cases that it was ever sent on as."""

    alarm: Alarm
    cases: Sequence[Case]


def _of_alarm(tx: sa.Connection, alarm: Alarm) -> list[Deed]:
    columns = timeline.c
    query = sa.select(columns.t_ns, columns.what, columns.who).where(
        columns.alarm_id == alarm.id, columns.what.in_(_DOES), columns.who.is_not(None)
    )
    was = _Was(alarm, many(tx, sa.select(cases).where(cases.c.alarm_id == alarm.id)))
    return [Deed(row.t_ns, True, _again(was, *row)) for row in tx.execute(query.order_by(columns.id))]


def _again(was: _Was, t_ns: int, what: str, who: str) -> Callable[[sa.Connection, Programme], None]:
    def do(tx: sa.Connection, _: Programme) -> None:
        alarm = table.open_of(tx, was.alarm.patient_id, was.alarm.kind)
        if what == "reopened":
            alarm = alarm or _raised_with(tx, was.alarm)
        if alarm is not None:
            with suppress(Refused):  # the replay went another way, and says so
                _DOES[what](tx, alarm, was, t_ns, who)

    return do


def _raised_with(tx: sa.Connection, was: Alarm) -> Alarm | None:
    """The replay's own alarm that was raised when that one was: a younger one may have been closed since."""
    its = (was.kind, was.raised_ns)
    return next((one for one in table.every(tx, was.patient_id) if (one.kind, one.raised_ns) == its), None)


def _close(tx: sa.Connection, alarm: Alarm, was: _Was, t_ns: int, who: str) -> Alarm:
    """With what it was closed with is of no matter here, and gone where it was opened again."""
    return store.close(tx, alarm, who, t_ns, "no_action", "resolved_at_home", 0)


def _hand_over(tx: sa.Connection, alarm: Alarm, was: _Was, t_ns: int, who: str) -> Alarm:
    """Nobody is there to be told in a replay, so to whom is of no matter."""
    return table.save(tx, holds.hand_over(alarm, "", who, t_ns, To("nurse"), ""))


def _send(tx: sa.Connection, alarm: Alarm, was: _Was, t_ns: int, who: str) -> Alarm:
    case = next(one for one in was.cases if one.sent_ns == t_ns)
    return table.save(tx, holds.send(alarm, case.sent_by, who, t_ns, To(case.to_role), case.id))


def _answer(tx: sa.Connection, alarm: Alarm, was: _Was, t_ns: int, who: str) -> Alarm:
    """The sender has it again. Who answered and took it over has acknowledged it, which is a deed of its own, unless
    they took it out of the sender's own hands."""
    case = next(one for one in was.cases if one.answered_ns == t_ns)
    if case.answer not in TAKES:
        return table.save(tx, holds.give_back(alarm, t_ns, _LASTS_S)) if holds.is_case(alarm, case.id) else alarm
    if alarm.state in TAKEN and alarm.acknowledged_by == case.sent_name:
        return table.save(tx, holds.take_over(alarm, case.sent_name, who, t_ns, _LASTS_S))
    return alarm


_DOES: dict[str, Callable[[sa.Connection, Alarm, _Was, int, str], Alarm]] = {
    "acknowledged": lambda tx, alarm, was, t_ns, who: store.acknowledge(tx, alarm, who, t_ns, _LASTS_S),
    "escalated": lambda tx, alarm, was, t_ns, who: store.escalate(tx, alarm, who, t_ns),
    "expired": lambda tx, alarm, was, t_ns, who: store.expire(tx, alarm, t_ns),
    "undone": lambda tx, alarm, was, t_ns, who: people.undo(tx, alarm, who, t_ns),
    "assessed": lambda tx, alarm, was, t_ns, who: people.assess(tx, alarm, who, t_ns, _LASTS_S, "other"),
    "snoozed": lambda tx, alarm, was, t_ns, who: people.snooze(tx, alarm, "", who, t_ns, holds.SNOOZE_MOST_S, "replay"),
    "handed_over": _hand_over,
    "sent": _send,
    "answered": _answer,
    "reopened": lambda tx, alarm, was, t_ns, who: people.reopen(tx, alarm, who, t_ns, _LASTS_S, ""),
    "closed": _close,
}
