"""Looking at an alarm and acting on it. Every act is one transaction: the table, the messages, the timeline, the audit.

Writers come one at a time, so of two colleagues who press at once one is first, and the other is told who.
"""

from collections.abc import Callable
from typing import Literal

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException

from server.access.door import CARE, Anyone
from server.access.filter import seers
from server.access.store import Account, people
from server.alarms import deeds, store, table
from server.alarms.api import Acknowledge, Acting, AlarmView, Close, Conflict, Escalate
from server.alarms.model import Alarm, To, as_seen
from server.alarms.views import may_act, views
from server.audit.store import write
from server.cases.api import Addressed, Assess, HandOver, Recipients, Reopen, RoleNow, Snooze, Someone, Undo
from server.cases.sight import may_get
from server.decisions.api import Explanation
from server.decisions.explain import explain
from server.house import Here, House, problems
from server.oncall.model import ROLES
from server.patients.views import brief_of

router = APIRouter(prefix="/api/alarms/{alarm_id}", tags=["alarms"])
ACTING = {**problems(401, 403, 404, 422), 409: {"model": Conflict}}


@router.get("", operation_id="getAlarm", responses=problems(401, 403, 404, 422))
def get_alarm(alarm_id: str, account: Anyone, here: Here) -> AlarmView:
    """One alarm with its timeline."""
    with here.db.read() as tx:
        alarm = find(tx, alarm_id, account)
        return _view(here, tx, alarm, account)


@router.get("/explanation", operation_id="explainAlarm", responses=problems(401, 403, 404, 422))
def explain_alarm(alarm_id: str, account: Anyone, here: Here) -> Explanation:
    """Why it is as it is: each decision with its grounds, and the same decision made once more.

    To an administrator it says nothing that was measured."""
    with here.db.read() as tx:
        alarm = find(tx, alarm_id, account)
        return explain(tx, alarm, readings=account.role in CARE)


@router.post("/acknowledge", operation_id="acknowledgeAlarm", responses=ACTING)
def acknowledge_alarm(alarm_id: str, said: Acknowledge, account: Anyone, here: Here) -> AlarmView:
    """Take it: the ladder rests until the acknowledgement expires."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.acknowledge(tx, alarm, account.name, now_ns, here.config.acknowledge_expires_s, said.note)

    return act(here, alarm_id, account, "acknowledge", said, deed)


@router.post("/escalate", operation_id="escalateAlarm", responses=ACTING)
def escalate_alarm(alarm_id: str, said: Escalate, account: Anyone, here: Here) -> AlarmView:
    """Climb to the next step now."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.escalate(tx, alarm, account.name, now_ns, said.note)

    return act(here, alarm_id, account, "escalate", said, deed)


@router.post("/close", operation_id="closeAlarm", responses=ACTING)
def close_alarm(alarm_id: str, said: Close, account: Anyone, here: Here) -> AlarmView:
    """End it, with what was done and how it ended. Someone must have acknowledged it first."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return store.close(tx, alarm, account.name, now_ns, said.action, said.outcome, said.usefulness, said.note)

    return act(here, alarm_id, account, "close", said, deed)


@router.post("/undo", operation_id="undoAcknowledge", responses=ACTING)
def undo_acknowledge(alarm_id: str, said: Undo, account: Anyone, here: Here) -> AlarmView:
    """Take one's own acknowledgement back: the ladder goes on as if it had not been."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return deeds.undo(tx, alarm, account.name, now_ns)

    return act(here, alarm_id, account, "undo acknowledge", said, deed)


@router.post("/assess", operation_id="assessAlarm", responses=ACTING)
def assess_alarm(alarm_id: str, said: Assess, account: Anyone, here: Here) -> AlarmView:
    """Say what it comes from; by whoever has it."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        expires_s = here.config.acknowledge_expires_s
        return deeds.assess(tx, alarm, account.name, now_ns, expires_s, said.cause, said.note)

    return act(here, alarm_id, account, "assess", said, deed)


@router.post("/snooze", operation_id="snoozeAlarm", responses=ACTING)
def snooze_alarm(alarm_id: str, said: Snooze, account: Anyone, here: Here) -> AlarmView:
    """Inactivate it for a time and a reason. It always ends, and what is worse or new ends it at once."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return deeds.snooze(tx, alarm, account.id, account.name, now_ns, said.minutes * 60.0, said.why)

    return act(here, alarm_id, account, "snooze", said, deed)


@router.post("/hand-over", operation_id="handOverAlarm", responses=ACTING)
def hand_over_alarm(alarm_id: str, said: HandOver, account: Anyone, here: Here) -> AlarmView:
    """Leave it with a colleague or a role. It stays in sight until it is taken; if it is not, the ladder climbs on."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return deeds.hand_over(tx, alarm, account.id, account.name, now_ns, to_of(tx, said), said.note)

    return act(here, alarm_id, account, "hand over", said, deed)


@router.post("/reopen", operation_id="reopenAlarm", responses=ACTING)
def reopen_alarm(alarm_id: str, said: Reopen, account: Anyone, here: Here) -> AlarmView:
    """It was closed too early: whoever opens it again within a day has it."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        return deeds.reopen(tx, alarm, account.name, now_ns, here.config.acknowledge_expires_s, said.why)

    return act(here, alarm_id, account, "reopen", said, deed)


@router.get("/recipients", operation_id="getRecipients", responses=problems(401, 403, 404, 422))
def get_recipients(alarm_id: str, account: Anyone, here: Here, by: Literal["hand_over", "case"] = "case") -> Recipients:
    """Whom it can be left with: who answers for each role now, and everybody who may act on it and see the patient.

    By a case, specialists as well: it lets them see the patient.
    """
    now_ns = here.clock.now_ns()
    with here.db.read() as tx:
        alarm = find(tx, alarm_id, account)
        staff = [one for one in people(tx) if one.id != account.id]
        if by == "case":
            able = {one.id for one in may_get(tx, alarm.patient_id, staff, now_ns)}
        else:
            able = set(seers(tx, alarm.patient_id, now_ns))
        fits = [role for role in ROLES if role in CARE or (alarm.kind == "technical" and by == "hand_over")]
        on_call = {role: deeds.on_call(tx, role, alarm.patient_id, now_ns) for role in fits}
    return Recipients(
        roles=[
            RoleNow(role=role, names=[one.name for one in whom], reachable=any(one.reached_by for one in whom))
            for role, answer in on_call.items()
            for whom in [[one for one in answer if one.id in able]]
        ],
        people=[
            Someone(id=one.id, name=one.name, role=one.role, reachable=bool(one.reached_by))
            for one in staff
            if one.role in fits and one.id in able
        ],
    )


def act(
    here: House, alarm_id: str, account: Account, what: str, said: Acting,
    deed: Callable[[sa.Connection, Alarm, int], Alarm],
) -> AlarmView:  # fmt: skip
    """Do a deed to an alarm as it is seen by the one who does it; a colleague who was first is named."""
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        reasons = None if said.seen_reasons is None else {(one.rule, one.priority) for one in said.seen_reasons}
        alarm = as_seen(find(tx, alarm_id, account), said.seen, reasons)
        alarm = deed(tx, alarm, now_ns)
        write(tx, now_ns, account.id, what, alarm.patient_id, f"alarm {alarm.id}")
        view = _view(here, tx, alarm, account)
    here.hub.patient_changed(alarm.patient_id)
    return view


def to_of(tx: sa.Connection, said: Addressed) -> To:
    """For whom it is; raises a 422 for somebody who is not of the staff."""
    if said.role is not None:
        return To(said.role)
    found = next((one for one in people(tx) if one.id == said.person), None)
    if found is None:
        raise HTTPException(422, f"person: nobody of the staff is called {said.person!r}; choose of the recipients")
    return To(found.role, found.id, found.name)


def find(tx: sa.Connection, alarm_id: str, account: Account) -> Alarm:
    """The alarm, or a 404 or 403 that says what to do."""
    alarm = table.get(tx, int(alarm_id)) if alarm_id.isdecimal() and len(alarm_id) < 19 else None
    if alarm is None:
        raise HTTPException(404, f"there is no alarm {alarm_id!r}; go back to the worklist")
    if not may_act(alarm, account):
        raise HTTPException(403, "clinical alarms are for nurses and doctors; ask one of them")
    return alarm


def _view(here: House, tx: sa.Connection, alarm: Alarm, account: Account) -> AlarmView:
    return views(tx, [alarm], brief_of(tx, here.programmes, alarm.patient_id), account)[0]
