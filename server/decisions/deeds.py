"""What people did to a patient's alarms, to be done again at the same moment in a replay."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from server.alarms import deeds as people
from server.alarms import holds, store, table
from server.alarms.model import PARKED, Alarm, Refused
from server.alarms.timeline import timeline
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


def _of_alarm(tx: sa.Connection, alarm: Alarm) -> list[Deed]:
    columns = timeline.c
    query = sa.select(columns.t_ns, columns.what, columns.who).where(
        columns.alarm_id == alarm.id, columns.what.in_(_DOES), columns.who.is_not(None)
    )
    return [Deed(row.t_ns, True, _again(alarm, *row)) for row in tx.execute(query.order_by(columns.id))]


def _again(was: Alarm, t_ns: int, what: str, who: str) -> Callable[[sa.Connection, Programme], None]:
    def do(tx: sa.Connection, _: Programme) -> None:
        alarm = table.open_of(tx, was.patient_id, was.kind)
        if what == "reopened":
            alarm = alarm or table.last_closed(tx, was.patient_id, was.kind)
        if alarm is not None:
            with suppress(Refused):  # the replay went another way, and says so
                _DOES[what](tx, alarm, was, t_ns, who)

    return do


def _close(tx: sa.Connection, alarm: Alarm, was: Alarm, t_ns: int, who: str) -> Alarm:
    return store.close(tx, alarm, who, t_ns, was.action or "", was.outcome or "", was.usefulness or 0, was.note or "")


def _set_aside(tx: sa.Connection, alarm: Alarm, was: Alarm, t_ns: int, who: str) -> Alarm:
    """Snoozed, handed over or sent on: for whom and for how long matters to nobody here, for its end is a deed too."""
    return table.save(tx, holds.snooze(alarm, "", who, t_ns, holds.SNOOZE_MOST_S, "replay"))


def _given_back(tx: sa.Connection, alarm: Alarm, was: Alarm, t_ns: int, who: str) -> Alarm:
    """After an answer somebody has it, unless nobody waited for it."""
    return store.acknowledge(tx, alarm, who, t_ns, _LASTS_S) if alarm.state in PARKED else alarm


_DOES: dict[str, Callable[[sa.Connection, Alarm, Alarm, int, str], Alarm]] = {
    "acknowledged": lambda tx, alarm, was, t_ns, who: store.acknowledge(tx, alarm, who, t_ns, _LASTS_S),
    "escalated": lambda tx, alarm, was, t_ns, who: store.escalate(tx, alarm, who, t_ns),
    "expired": lambda tx, alarm, was, t_ns, who: store.expire(tx, alarm, t_ns),
    "undone": lambda tx, alarm, was, t_ns, who: people.undo(tx, alarm, who, t_ns),
    "assessed": lambda tx, alarm, was, t_ns, who: people.assess(tx, alarm, who, t_ns, _LASTS_S, was.cause or "other"),
    "snoozed": _set_aside,
    "handed_over": _set_aside,
    "sent": _set_aside,
    "answered": _given_back,
    "reopened": lambda tx, alarm, was, t_ns, who: people.reopen(tx, alarm, who, t_ns, _LASTS_S, ""),
    "closed": _close,
}
