"""Whom a case can be sent to, and who sees a patient because one was sent to them.

A case is for who cares: an administrator could not open it, and the alarm would lie with them until its time is out.

A nurse or a doctor is sent cases about patients whom they see by their own right (`server.access.filter`), and a case
gives them no more. A hospital's specialist has no patients: each to whom a case is sent gets a relation with that
patient and no other. It lasts until the case's sender has read the answer, or until the alarm is closed; whoever took
the patient over, or has the alarm, sees them for as long as the alarm is open.

A case to the role is for the specialists who answer for it when it is sent. Who comes on call after that does not see
it; if nobody answers, the ladder climbs.
"""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from server.access import organisations
from server.access.door import CARE
from server.access.filter import seers
from server.access.store import Account, account, people
from server.alarms import table
from server.alarms.api import AlarmState
from server.alarms.model import Refused, State
from server.api import Role
from server.audit.store import write
from server.cases.model import TAKES, Case
from server.cases.table import cases, many, of_numbers
from server.oncall.model import Person

CONSULTED: frozenset[Role] = frozenset({"specialist"})
"""Who is asked about patients that are not theirs."""


def may_get(tx: sa.Connection, patient_id: str, whom: Iterable[Person], now_ns: int) -> list[Person]:
    """Those of them to whom a case about that patient can be sent."""
    see = seers(tx, patient_id, now_ns)
    carers = [one for one in whom if one.role in CARE]
    return [one for one in carers if one.id in see or (one.role in CONSULTED and account(tx, one.id) is not None)]


def give(tx: sa.Connection, number: int, patient_id: str, whom: Iterable[Person], by: Account, now_ns: int) -> None:
    """From now on those who are consulted see the patient, for that case."""
    made = []
    for one in whom:
        if one.role not in CONSULTED:
            continue
        relation = organisations.relate(
            tx, patient_id, staff=one.id, purpose="consultation", from_ns=now_ns, until_ns=None, made_by=by.name
        )
        write(tx, now_ns, by.id, "relate", patient_id, f"relation {relation}: person {one.id}, case {number}")
        made.append(relation)
    tx.execute(cases.update().where(cases.c.id == number).values(relations=made))


def narrow(tx: sa.Connection, case: Case, holder: str | None, by: Account, now_ns: int) -> None:
    """The case is over: only whoever took the patient over, or has the alarm (`holder`), goes on seeing them."""
    kept = {holder, case.answered_by if case.answer in TAKES else None}
    names = {one.id: one.name for one in people(tx)}
    _end(tx, [case], now_ns, by.name, {one for one, name in names.items() if name in kept})


def closed(tx: sa.Connection, alarm_id: int, now_ns: int, by: str) -> None:
    """The alarm is closed: nobody sees the patient for its sake any more."""
    about = sa.select(cases).where(cases.c.alarm_id == alarm_id)
    _end(tx, many(tx, about), now_ns, by)


def over(tx: sa.Connection, number: int, account: Account) -> Refused | None:
    """Who ended that case and when, for one to whom it was given and who comes too late with an answer.

    None to everybody else: to whom it was never given, and from whom the patient was taken for another reason.
    """
    case = of_numbers(tx, [number]).get(number)
    if case is None or not any(_was_given(tx, one, account) for one in case.relations):
        return None
    alarm = table.get(tx, case.alarm_id)
    assert alarm is not None, "alarms are never deleted"
    state: AlarmState = alarm.state.value
    if case.answered_ns is not None:
        who, mend = case.answered_by, "the case is over; there is nothing to do"
        return Refused(f"{who} has answered this case", mend, who, state, case.answered_ns)
    if alarm.state is State.CLOSED:
        who, mend = alarm.closed_by, "the case is over; speak with them if they should know what you would have said"
        return Refused(f"{who or 'The alarm itself'} has closed this alarm", mend, who, state, alarm.closed_ns)
    return None


def _was_given(tx: sa.Connection, number: int, account: Account) -> bool:
    row = organisations.relation(tx, number)
    return row is not None and row.staff == account.id


def _end(tx: sa.Connection, of: Iterable[Case], now_ns: int, by: str, but: Collection[str] = ()) -> None:
    for case in of:
        for number in case.relations:
            row = organisations.relation(tx, number)
            if row is None or row.staff in but or organisations.end(tx, number, now_ns, by) is None:
                continue
            told = f"{organisations.told(row)}, case {case.id}"
            write(tx, now_ns, _user(tx, by), "end relation", row.patient_id, told)


def _user(tx: sa.Connection, name: str) -> str:
    """The user name of who is called so, for the audit; the name itself where nobody or more than one is."""
    found = [one.id for one in people(tx) if one.name == name]
    return found[0] if len(found) == 1 else name
