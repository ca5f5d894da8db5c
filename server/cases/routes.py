"""Escalating an alarm to somebody, and what whoever receives the case does with it.

Every act is one transaction, like those on an alarm: of two who answer at once one is first, and the other is told who.
"""

from collections.abc import Callable
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Path

from server.access.door import Carer
from server.access.store import Account
from server.alarms.api import AlarmView, Conflict
from server.alarms.model import Alarm
from server.alarms.routes import ACTING, act, find, to_of
from server.audit.store import write
from server.cases import store
from server.cases.api import Cases, CaseView, Draft, Reply, SendOn
from server.cases.model import Case, Sbar
from server.cases.views import as_draft, drafted, handed, views
from server.config import zone_of
from server.house import Here, House, Seen, problems
from server.wishes.person import may_ask

router = APIRouter(prefix="/api", tags=["cases"])

ANSWERED_SHOWN = 20
Number = Annotated[str, Path(pattern="^[0-9]{1,18}$")]
_ON_CASE = {**problems(401, 403, 404, 422), 409: {"model": Conflict}}


@router.get("/alarms/{alarm_id}/sbar", operation_id="draftSbar", responses=problems(401, 403, 404, 422))
def draft_sbar(alarm_id: str, account: Carer, here: Here) -> Draft:
    """SBAR for an alarm, filled in from data, to be edited before it is sent."""
    with here.db.read() as tx:
        alarm = find(tx, alarm_id, account)
        return as_draft(_draft(here, tx, alarm, here.clock.now_ns()))


@router.post("/alarms/{alarm_id}/send", operation_id="sendAlarm", responses=ACTING)
def send_alarm(alarm_id: str, said: SendOn, account: Carer, here: Here) -> AlarmView:
    """Escalate it to somebody as a case, with an SBAR note. The sender keeps it in sight until the answer is read."""

    def deed(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
        note = Sbar(**said.note.model_dump())
        drawn = _draft(here, tx, alarm, now_ns)
        return store.send(tx, alarm, account, to_of(tx, said), note, said.language, drawn, now_ns)[0]

    return act(here, alarm_id, account, "send", said, deed)


@router.get("/cases", operation_id="getCases", responses=problems(401, 403))
def get_cases(account: Carer, here: Here, looks: Seen) -> Cases:
    """The cases that wait for whoever asks, those that they have sent on, and the latest that were answered."""
    now_ns = here.clock.now_ns()
    with here.db.read() as tx:
        found = store.of_account(tx, account, now_ns)
        to_me = [one for one in found if one.is_for(account.id, account.role) and one.answered_ns is None]
        sent = [one for one in found if one.sent_by == account.id and one not in to_me]
        over = store.answered_by(tx, account, ANSWERED_SHOWN, now_ns)
        waiting, left = handed(tx, here.programmes, account, now_ns)
        page = Cases(
            to_me=_views(here, tx, to_me, account, now_ns),
            handed_to_me=waiting,
            sent=_views(here, tx, sent, account, now_ns),
            handed=left,
            answered=_views(here, tx, over, account, now_ns),
        )
    shown = [one.patient.id for one in (*page.to_me, *page.sent, *page.answered)]
    for patient_id in dict.fromkeys([*shown, *(one.patient.id for one in (*page.handed_to_me, *page.handed))]):
        looks.saw(now_ns, account.id, "cases", patient_id)
    return page


@router.get("/cases/{case_id}", operation_id="getCase", responses=problems(401, 403, 404, 422))
def get_case(case_id: Number, account: Carer, here: Here) -> CaseView:
    """One case, with the alarm and the values as they are now."""
    now_ns = here.clock.now_ns()
    with here.db.read() as tx:
        case = _find(tx, case_id, account)
        return _views(here, tx, [case], account, now_ns)[0]


@router.post("/cases/{case_id}/open", operation_id="openCase", responses=_ON_CASE)
def open_case(case_id: Number, account: Carer, here: Here) -> CaseView:
    """It lies open before whoever it is for: the read receipt. By others, and once more, it changes nothing."""

    def deed(tx: sa.Connection, case: Case, now_ns: int) -> Case:
        return store.open_case(tx, case, account, now_ns)

    return _act(here, case_id, account, "open case", deed)


@router.post("/cases/{case_id}/answer", operation_id="answerCase", responses=_ON_CASE)
def answer_case(case_id: Number, said: Reply, account: Carer, here: Here) -> CaseView:
    """Advise, take over, admit, ask the home for measurements, or return it; once."""

    def deed(tx: sa.Connection, case: Case, now_ns: int) -> Case:
        if not case.is_for(account.id, account.role):
            raise HTTPException(403, "this case was sent to somebody else; ask them")
        known = may_ask(tx, here.programmes, case.patient_id)
        if strange := [name for name in said.measure if name not in known]:
            raise HTTPException(422, f"measure: {strange[0]!r} cannot be asked for; choose of {', '.join(known)}")
        expires_s = here.config.acknowledge_expires_s
        return store.answer(tx, here.programmes, case, account, said.answer, said.text, said.measure, now_ns, expires_s)

    return _act(here, case_id, account, f"answer case: {said.answer}", deed)


@router.post("/cases/{case_id}/read", operation_id="readCase", responses=_ON_CASE)
def read_case(case_id: Number, account: Carer, here: Here) -> CaseView:
    """The sender has read the answer."""

    def deed(tx: sa.Connection, case: Case, now_ns: int) -> Case:
        if case.sent_by != account.id:
            raise HTTPException(403, "this case was sent by somebody else; ask them: it stays in their sight")
        return store.read(tx, case, account, now_ns)

    return _act(here, case_id, account, "read case", deed)


def _act(
    here: House, case_id: str, account: Account, what: str, deed: Callable[[sa.Connection, Case, int], Case]
) -> CaseView:
    with here.db.write() as tx:
        now_ns = here.clock.now_ns()
        case = deed(tx, _find(tx, case_id, account), now_ns)
        write(tx, now_ns, account.id, what, case.patient_id, f"case {case.id}")
        view = _views(here, tx, [case], account, now_ns)[0]
    here.hub.patient_changed(case.patient_id)  # not before it is committed: the rows are built by another thread
    return view


def _find(tx: sa.Connection, case_id: str, account: Account) -> Case:
    case = store.get(tx, int(case_id))
    if case is None:
        raise HTTPException(404, f"there is no case {case_id!r}; go back to the cases")
    if case.sent_by != account.id and not case.is_for(account.id, account.role):
        raise HTTPException(403, "this case is between others; ask them")
    return case


def _views(here: House, tx: sa.Connection, found: list[Case], account: Account, now_ns: int) -> list[CaseView]:
    return views(tx, here.programmes, found, account, here.config.name, now_ns)


def _draft(here: House, tx: sa.Connection, alarm: Alarm, now_ns: int) -> dict[str, Sbar]:
    return drafted(tx, here.programmes, alarm, zone_of(here.config.time_zone, "server.toml"), now_ns)
