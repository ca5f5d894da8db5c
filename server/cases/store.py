"""Sending a case, opening, answering and reading it; within the caller's transaction, with the alarm it is about."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from server.access.filter import visible
from server.access.store import Account, people
from server.alarms import deeds, holds, store, table
from server.alarms.api import AlarmState
from server.alarms.chain import say
from server.alarms.model import TAKEN, Alarm, Refused, State, To
from server.alarms.table import alarms
from server.alarms.words import noted
from server.cases import sight, words
from server.cases.model import TAKES, Answer, Case, Sbar
from server.cases.table import cases, many, of_numbers
from server.notify import outbox
from server.patients.programmes import Programmes
from server.patients.store import patients as register
from server.wishes import person as wishes


def send(
    tx: sa.Connection, alarm: Alarm, by: Account, to: To, note: Sbar, language: str, draft: Mapping[str, Sbar],
    now_ns: int,
) -> tuple[Alarm, Case]:  # fmt: skip
    """Escalate the alarm to `to`; raises Refused where a colleague has it, or nobody of them can be reached."""
    holds.send(alarm, by.id, by.name, now_ns, to, 0)  # first: a colleague who has it is named, and nothing is written
    able = sight.may_get(tx, alarm.patient_id, deeds.addressed(tx, to, alarm.patient_id, now_ns), now_ns)
    whom = [one for one in able if one.id != by.id]
    deeds.reach(alarm, whom, to)
    row = {
        "alarm_id": alarm.id, "patient_id": alarm.patient_id, "sent_by": by.id, "sent_name": by.name,
        "sent_ns": now_ns, "to_role": to.role, "to_person": to.person, "to_name": to.name, "language": language,
        "note": msgspec.to_builtins(note), "draft": msgspec.to_builtins(dict(draft)),
    }  # fmt: skip
    number: int = tx.execute(cases.insert().values(row).returning(cases.c.id)).scalar_one()
    sight.give(tx, number, alarm.patient_id, whom, by, now_ns)
    alarm = holds.send(alarm, by.id, by.name, now_ns, to, number)
    outbox.withdraw(tx, alarm.id)
    why = words.sent(by.name, to, number)
    say(tx, alarm, now_ns, "sent", why, by.name)
    store.tell(tx, alarm, whom, f"case{number}", why, now_ns)
    return table.save(tx, alarm), _known(tx, number)


def open_case(tx: sa.Connection, case: Case, by: Account, now_ns: int) -> Case:
    """`by`, whom it is for, has it before them: the first to open it is its read receipt."""
    if case.opened_ns is not None or not case.is_for(by.id, by.role):
        return case
    _set(tx, case, opened_ns=now_ns, opened_by=by.name)
    alarm = _alarm(tx, case)
    say(tx, alarm, now_ns, "opened", words.opened(case.id, by.name), by.name)
    table.save(tx, holds.opened(alarm, case.id, now_ns))
    return _known(tx, case.id)


def answer(
    tx: sa.Connection, programmes: Programmes, case: Case, by: Account, said: Answer, text: str,
    measure: Sequence[str], now_ns: int, expires_s: float,
) -> Case:  # fmt: skip
    """`by` answers; raises Refused when a colleague has answered, when the alarm is closed, or when it is to be taken
    over and somebody else than the sender has it."""
    alarm = _alarm(tx, case)
    state: AlarmState = alarm.state.value
    if case.answered_ns is not None:
        who = case.answered_by
        raise Refused(f"{who} has answered this case", "fetch it to see the answer", who, state)
    if alarm.state is State.CLOSED:
        raise Refused(
            f"{alarm.closed_by or 'The alarm itself'} has closed this alarm", "fetch it to see how it ended",
            alarm.closed_by, state,
        )  # fmt: skip
    if case.opened_ns is None:
        case = open_case(tx, case, by, now_ns)
        alarm = _alarm(tx, case)
    told = words.answered(by.name, said)
    if measure and not wishes.ask(tx, programmes, case.patient_id, measure, alarm.level, by.name, now_ns):
        told = words.joined(told, words.NO_HOME)
    say(tx, alarm, now_ns, "answered", noted(told, text), by.name)
    _set(
        tx, case, answer=said, answer_text=text, measure=list(measure), answered_by=by.name, answered_ns=now_ns,
        opened_ns=case.opened_ns or now_ns, opened_by=case.opened_by or by.name,
    )  # fmt: skip
    if said in TAKES:
        _take(tx, alarm, case, by, now_ns, expires_s)
    elif holds.is_case(alarm, case.id):
        table.save(tx, holds.give_back(alarm, now_ns, expires_s))
    sender = [one for one in people(tx) if one.id == case.sent_by]
    store.tell(tx, alarm, sender, f"case{case.id}.answer", words.answer_is_there(by.name, case.id), now_ns)
    return _known(tx, case.id)


def read(tx: sa.Connection, case: Case, by: Account, now_ns: int) -> Case:
    """The sender, `by`, has read the answer, and need not keep the case in sight; nor need whoever was consulted."""
    if case.answered_ns is not None and case.read_ns is None:
        _set(tx, case, read_ns=now_ns)
        sight.narrow(tx, case, _alarm(tx, case).acknowledged_by, by, now_ns)
    return _known(tx, case.id)


def get(tx: sa.Connection, number: int) -> Case | None:
    """The case of that number."""
    return of_numbers(tx, [number]).get(number)


def of_account(tx: sa.Connection, account: Account, now_ns: int) -> list[Case]:
    """The cases that concern a person now, the oldest first: sent to them or to their role and not answered yet, or
    sent by them and not read yet. A case whose alarm was closed without an answer concerns nobody any more.
    """
    columns = cases.c
    to_me = _to(account)
    waits = columns.answered_ns.is_(None)
    mine = (to_me & waits) | ((columns.sent_by == account.id) & columns.read_ns.is_(None))
    stands = columns.answered_ns.is_not(None) | (alarms.c.state != State.CLOSED)
    query = _seen(account, now_ns).join(alarms, alarms.c.id == columns.alarm_id).where(mine, stands)
    return many(tx, query.order_by(columns.sent_ns, columns.id))


def answered_by(tx: sa.Connection, account: Account, limit: int, now_ns: int) -> list[Case]:
    """What a person has answered last, or others of their role have of what was sent to it; the newest first."""
    columns = cases.c
    query = _seen(account, now_ns).where(_to(account), columns.answered_ns.is_not(None))
    return many(tx, query.order_by(columns.answered_ns.desc(), columns.id.desc()).limit(limit))


def _seen(account: Account, now_ns: int) -> sa.Select[Any]:
    """The cases about patients whom the account sees: where every list of cases begins."""
    return sa.select(cases).join(register, register.c.id == cases.c.patient_id).where(visible(account, now_ns))


def _to(account: Account) -> sa.ColumnElement[bool]:
    """`Case.is_for` as a query."""
    columns = cases.c
    role = columns.to_person.is_(None) & (columns.to_role == account.role)
    return ((columns.to_person == account.id) | role) & (columns.sent_by != account.id)


def _take(tx: sa.Connection, alarm: Alarm, case: Case, by: Account, now_ns: int, expires_s: float) -> None:
    if alarm.state in TAKEN and alarm.acknowledged_by == case.sent_name:
        alarm = holds.take_over(alarm, case.sent_name, by.name, now_ns, expires_s)
        table.save(tx, alarm)
        return
    store.acknowledge(tx, alarm, by.name, now_ns, expires_s)


def _alarm(tx: sa.Connection, case: Case) -> Alarm:
    alarm = table.get(tx, case.alarm_id)
    assert alarm is not None, "alarms are never deleted"
    return alarm


def _known(tx: sa.Connection, number: int) -> Case:
    case = get(tx, number)
    assert case is not None, "it was read a moment ago"
    return case


def _set(tx: sa.Connection, case: Case, **values: object) -> None:
    tx.execute(cases.update().where(cases.c.id == case.id).values(**values))
