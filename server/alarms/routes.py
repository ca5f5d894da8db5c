"""Looking at an alarm and acting on it. Every act is one transaction: the table, the messages, the timeline, the audit.

Writers come one at a time, so of two colleagues who press at once one is first, and the other is told who.
"""

from collections.abc import Callable

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import CARE, Anyone
from server.access.store import Account
from server.alarms import store, table
from server.alarms.model import Alarm
from server.alarms.views import may_act, views
from server.api import Acknowledge, AlarmView, Close, Conflict, Escalate, Explanation
from server.audit.store import write
from server.decisions.explain import explain
from server.house import Here, House, problems
from server.patients.views import brief_of

router = APIRouter(prefix="/api/alarms/{alarm_id}", tags=["alarms"])
_ACTING = {**problems(401, 403, 404, 422), 409: {"model": Conflict}}


@router.get("", operation_id="getAlarm", responses=problems(401, 403, 404, 422))
def get_alarm(alarm_id: str, account: Anyone, here: Here) -> AlarmView:
    """One alarm with its timeline."""
    with here.db.read() as tx:
        alarm = _find(tx, alarm_id, account)
        return _view(here, tx, alarm, account)


@router.get("/explanation", operation_id="explainAlarm", responses=problems(401, 403, 404, 422))
def explain_alarm(alarm_id: str, account: Anyone, here: Here) -> Explanation:
    """Why it is as it is: each decision with its grounds, and the same decision made once more.

    To an administrator it says nothing that was measured."""
    with here.db.read() as tx:
        alarm = _find(tx, alarm_id, account)
        return explain(tx, alarm, readings=account.role in CARE)


@router.post("/acknowledge", operation_id="acknowledgeAlarm", responses=_ACTING)
def acknowledge_alarm(alarm_id: str, said: Acknowledge, account: Anyone, here: Here) -> AlarmView:
    """Take it: the ladder rests until the acknowledgement expires."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.acknowledge(tx, alarm, account.name, now_ns, here.config.acknowledge_expires_s, said.note)

    return _act(here, alarm_id, account, "acknowledge", deed)


@router.post("/escalate", operation_id="escalateAlarm", responses=_ACTING)
def escalate_alarm(alarm_id: str, said: Escalate, account: Anyone, here: Here) -> AlarmView:
    """Climb to the next step now."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.escalate(tx, alarm, account.name, now_ns, said.note)

    return _act(here, alarm_id, account, "escalate", deed)


@router.post("/close", operation_id="closeAlarm", responses=_ACTING)
def close_alarm(alarm_id: str, said: Close, account: Anyone, here: Here) -> AlarmView:
    """End it, with what was done and how it ended. Someone must have acknowledged it first."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.close(tx, alarm, account.name, now_ns, said.action, said.outcome, said.usefulness, said.note)

    return _act(here, alarm_id, account, "close", deed)


def _act(
    here: House, alarm_id: str, account: Account, what: str, deed: Callable[[sa.Connection, Alarm, int], Alarm]
) -> AlarmView:
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        alarm = deed(tx, _find(tx, alarm_id, account), now_ns)
        write(tx, now_ns, account.id, what, alarm.patient_id, f"alarm {alarm.id}")
        view = _view(here, tx, alarm, account)
    here.hub.patient_changed(alarm.patient_id)
    return view


def _find(tx: sa.Connection, alarm_id: str, account: Account) -> Alarm:
    alarm = table.get(tx, int(alarm_id)) if alarm_id.isdecimal() and len(alarm_id) < 19 else None
    if alarm is None:
        raise HTTPException(404, f"there is no alarm {alarm_id!r}; go back to the worklist")
    if not may_act(alarm, account):
        raise HTTPException(403, "clinical alarms are for nurses and doctors; ask one of them")
    return alarm


def _view(here: House, tx: sa.Connection, alarm: Alarm, account: Account) -> AlarmView:
    return views(tx, [alarm], brief_of(tx, here.programmes, alarm.patient_id), account)[0]
