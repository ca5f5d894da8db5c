"""The clock's turn: everything that is due is loaded, climbed, stored and queued in one transaction.

Nothing sleeps and nothing is kept in memory between two turns, so a server that was away does on its return what is
due: each alarm once, the worst first, then the one that has waited longest.

Each alarm has a savepoint of its own: one that cannot climb is named and keeps no other from climbing.
"""

import logging
from typing import NamedTuple

import sqlalchemy as sa

from server.alarms import store, table
from server.alarms.model import HELD, Alarm
from server.db import troubled

log = logging.getLogger(__name__)


class Climbed(NamedTuple):
    """Whose alarms changed, and the numbers of those that could not, with the kind of error."""

    patients: list[str]
    failed: dict[int, str]


def climb_due(tx: sa.Connection, now_ns: int) -> Climbed:
    """Let every due acknowledgement, snooze, hand-over and case expire, and every due ladder climb."""
    patients: dict[str, None] = {}
    failed: dict[int, str] = {}
    for number in table.due(tx, now_ns):
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
    return Climbed(list(patients), failed)


def _turn(tx: sa.Connection, alarm: Alarm, now_ns: int) -> None:
    if alarm.state in HELD:
        store.expire(tx, alarm, now_ns)
    else:
        table.save(tx, store.advance(tx, alarm, now_ns))
