"""The clock's turn: everything that is due is loaded, climbed, stored and queued in one transaction.

Nothing sleeps and nothing is kept in memory between two turns, so a server that was away does on its return what is
due: each alarm once, the worst first, then the one that has waited longest.
"""

import sqlalchemy as sa

from server.alarms import store, table
from server.alarms.model import State


def climb_due(tx: sa.Connection, now_ns: int) -> list[str]:
    """Let every due acknowledgement expire and every due ladder climb; returns the patients it concerned."""
    patients: dict[str, None] = {}
    for alarm in table.due(tx, now_ns):
        if alarm.state is State.ACKNOWLEDGED:
            store.expire(tx, alarm, now_ns)
        else:
            table.save(tx, store.advance(tx, alarm, now_ns))
        patients[alarm.patient_id] = None
    return list(patients)
