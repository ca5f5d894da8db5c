"""Cases as the page sees them, and what an SBAR is filled in from."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from statistics import median
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.access.filter import sees
from server.access.store import Account
from server.alarms import holds, table
from server.alarms.model import Alarm, State
from server.alarms.timeline import last_ns
from server.alarms.views import brief as alarm_brief
from server.cases.api import CaseView, Draft, Handed, Note
from server.cases.model import Case, Sbar
from server.cases.sbar import Facts, draft
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patient, patients_of
from server.patients.views import brief
from server.readings.api import Channel
from server.readings.store import Latest, latest, series
from server.readings.views import HIGH, LOW, label, news2, values
from server.wishes.person import may_ask
from triage.episode import Episode
from vitals.clock import MS, NS
from vitals.errors import StoreError

DAY_NS = 86_400 * NS
USUAL_DAYS = 14


def drafted(tx: sa.Connection, programmes: Programmes, alarm: Alarm, zone: tzinfo, now_ns: int) -> dict[str, Sbar]:
    """SBAR for this alarm, filled in from what is known now, by language."""
    record = patient(tx, alarm.patient_id)
    if record is None:
        raise StoreError(f"patient {alarm.patient_id!r} is not in the register", "add them to the municipality file")
    newest = latest(tx, [record.id]).get(record.id, {})
    limits = programmes.limits(record.programme, record.limits)
    shown = values(record, newest, limits, programmes, now_ns)
    score = news2([newest], [limits], now_ns)[0]
    programme = programmes.of(record.programme)
    bounds = {name: channel for table_ in (LOW, HIGH) for channel, name in table_.items()}
    facts = Facts(
        alarm=alarm,
        worse_ns=last_ns(tx, alarm.id, "worse"),
        birth_year=record.birth_year,
        conditions=record.conditions,
        programme=programme.title,
        version=programme.version,
        values=tuple(shown),
        news2=score,
        lacks=tuple(label(name) for name in score.lacks) if score else (),
        usual=_usual(tx, record.id, [one.channel for one in shown], now_ns),
        own=frozenset(bounds[name] for name in record.limits if name in bounds),
        doubted=frozenset(msgspec.json.decode(alarm.episode, type=Episode).doubted),
        now_ns=now_ns,
    )
    return draft(facts, zone)


def _usual(tx: sa.Connection, patient_id: str, channels: Iterable[str], now_ns: int) -> dict[str, float]:
    """The median of each channel over two weeks, without the last day, which is what it is compared with."""
    found = {}
    for channel in channels:
        past = series(tx, patient_id, channel, now_ns - USUAL_DAYS * DAY_NS, now_ns - DAY_NS)
        good = [value for value, is_good in zip(past.value, past.good, strict=True) if is_good]
        if good:
            found[channel] = median(good)
    return found


def views(
    tx: sa.Connection, programmes: Programmes, found: Sequence[Case], account: Account, place: str, now_ns: int
) -> list[CaseView]:
    """Cases with the alarm as it is now and the newest values. `place`: where they come from."""
    records = {one.id: one for one in patients_of(tx, {case.patient_id for case in found})} if found else {}
    newest = latest(tx, list(records))
    return [
        _view(tx, programmes, case, records[case.patient_id], newest.get(case.patient_id, {}), account, place, now_ns)
        for case in found
    ]


def handed(
    tx: sa.Connection, programmes: Programmes, account: Account, now_ns: int
) -> tuple[list[Handed], list[Handed]]:
    """The hand-overs that wait for this person, and those that they wait for themselves."""
    to_me: list[Handed] = []
    by_me: list[Handed] = []
    for alarm in table.parked(tx, State.HANDED):
        parked = alarm.parked
        if parked is None:
            continue
        mine, left = parked.is_for(account.id, account.role), parked.by_id == account.id
        if not (mine or left) or not sees(tx, account, alarm.patient_id, now_ns):
            continue
        record = patient(tx, alarm.patient_id)
        if record is not None:
            shown = Handed(alarm=alarm_brief(alarm), patient=brief(record, programmes))
            to_me.extend([shown] * mine)
            by_me.extend([shown] * left)
    return to_me, by_me


def _view(
    tx: sa.Connection, programmes: Programmes, case: Case, record: PatientRecord, newest: Mapping[str, Latest],
    account: Account, place: str, now_ns: int,
) -> CaseView:  # fmt: skip
    alarm = table.get(tx, case.alarm_id)
    assert alarm is not None, "alarms are never deleted"
    limits = programmes.limits(record.programme, record.limits)
    names = may_ask(tx, programmes, record.id) if case.answered_ns is None else []
    return CaseView(
        id=str(case.id),
        alarm=alarm_brief(alarm, case),
        patient=brief(record, programmes),
        place=place,
        sent_by=case.sent_name,
        sent_ms=case.sent_ns // MS,
        to=case.to_name or None,
        to_role=case.to_role,
        state=_state(case),
        mine=case.sent_by == account.id,
        to_me=case.is_for(account.id, account.role),
        language="en" if case.language == "en" else "nb",
        note=_note(case.note),
        draft=as_draft(case.draft),
        opened_ms=_ms(case.opened_ns),
        opened_by=case.opened_by,
        lapsed_ms=_ms(case.lapsed_ns),
        until_ms=_ms(alarm.expires_ns) if holds.is_case(alarm, case.id) else None,
        answer=case.answer,
        answer_text=case.answer_text,
        measure=[label(name) for name in case.measure],
        answered_by=case.answered_by,
        answered_ms=_ms(case.answered_ns),
        latest=values(record, newest, limits, programmes, now_ns),
        may_measure=[Channel(channel=name, label=label(name)) for name in names],
    )


def as_draft(by_language: dict[str, Sbar]) -> Draft:
    return Draft(nb=_note(by_language["nb"]), en=_note(by_language["en"]))


def _note(note: Sbar) -> Note:
    return Note(**msgspec.structs.asdict(note))


def _state(case: Case) -> Literal["sent", "opened", "answered", "read"]:
    if case.read_ns is not None:
        return "read"
    return "answered" if case.answered_ns is not None else "opened" if case.opened_ns is not None else "sent"


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
