"""The clock's turn: whatever is due is loaded, climbed, stored and queued in one transaction.

Of thousands that are due at once some are climbed in each transaction, the worst first: what was queued goes out while
the rest climb, and readings are taken in between.

Nothing sleeps and nothing is kept in memory between two turns, so a server that was away does on its return what is
due: each alarm once, the worst first, then the one that has waited longest.

Each alarm has a savepoint of its own: one that cannot climb is named and keeps no other from climbing.

The clock itself may be set back (`server.escalation.setback` finds out). What is due by the old clock would then wait
until the new one has caught up, and nobody would be told meanwhile. So it is brought forward by as much: rather one
told too early than an alarm that stands still.
"""

import logging
from collections.abc import Collection
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from server.alarms import store, table
from server.alarms.model import HELD, Alarm
from server.db import troubled
from server.notify import outbox

log = logging.getLogger(__name__)


class Climbed(NamedTuple):
    """Whose alarms changed, and the numbers of those that could not, with the kind of error. `more`: some are left."""

    patients: list[str]
    failed: dict[int, str]
    more: bool


def set_back(tx: sa.Connection, by_ns: int, now_ns: int) -> None:
    """Our clock was set back by so much and shows `now_ns`: whatever is still to be due is due so much earlier, though
    not before now; and so is the end of the quiet after an alarm that was closed. Nothing is undone any more: how an
    alarm was before somebody acknowledged it is in moments of the old clock."""
    for alarm in table.all_open(tx):
        if alarm.due_ns is None or alarm.due_ns <= now_ns:
            continue
        due_ns = max(alarm.due_ns - by_ns, now_ns)
        if alarm.state in HELD:
            table.save(tx, msgspec.structs.replace(alarm, expires_ns=due_ns, before=None))
        else:
            climb = msgspec.structs.replace(alarm.climb, next_step_ns=due_ns)
            table.save(tx, msgspec.structs.replace(alarm, climb=climb))
    table.set_quiet_back(tx, by_ns, now_ns)
    outbox.set_back(tx, by_ns, now_ns)


def climb_due(tx: sa.Connection, now_ns: int, most: int | None = None, but: Collection[int] = ()) -> Climbed:
    """Let every due acknowledgement, snooze, hand-over and case expire, and every due ladder climb.

    No more than `most` of them (None: all), and none of the alarms `but`.
    """
    patients: dict[str, None] = {}
    failed: dict[int, str] = {}
    due = [number for number in table.due(tx, now_ns) if number not in but]
    for number in due[:most]:
        try:
            with tx.begin_nested():
                alarm = table.get(tx, number)
                if alarm is not None:
                    _turn(tx, alarm, now_ns)
                    patients[alarm.patient_id] = None
        except Exception as error:
            if troubled(error):
                raise
            log.exception("alarm %d cannot climb; the others do, and the next tick tries it again", number)
            failed[number] = type(error).__name__
    return Climbed(list(patients), failed, most is not None and len(due) > most)


def _turn(tx: sa.Connection, alarm: Alarm, now_ns: int) -> None:
    if alarm.state in HELD:
        store.expire(tx, alarm, now_ns)
    else:
        table.save(tx, store.advance(tx, alarm, now_ns))
