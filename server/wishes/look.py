"""After the rules have run: what of it asks the patient to measure again (`triage.plan`) or is told in the home
(`triage.telling`), and what of it is over.

It is asked at every look, in the look's own transaction: a request is stored together with the verdict it comes from,
and a measurement that comes in answers it at once. Only those are looked at more closely of whom a rule says something,
or who are asked something already.
"""

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import sqlalchemy as sa

from server.fleet.store import gateway_table
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord
from server.quick import in_parts
from server.readings.store import Latest, latest
from server.wishes import document, store
from server.wishes.store import Asked
from triage.plan import Changes, Habits, Wish, concerned, findings, plan
from triage.run import Verdicts
from triage.telling import tell
from vitals.alarm import Kind


class Wishing:
    """`zone`: where the patients live, whose nights are left alone."""

    def __init__(self, programmes: Programmes, zone: ZoneInfo) -> None:
        self._programmes = programmes
        self._zone = zone

    def look(self, tx: sa.Connection, people: Sequence[PatientRecord], verdicts: Verdicts, now_ns: int) -> set[str]:
        """Ask, change and end what follows from the verdicts on `people`, who share a programme; returns of whom."""
        if not people:
            return set()
        standing = store.standing(tx, [one.id for one in people])
        sooner = self._programmes.of(people[0].programme).sooner
        rows = set(np.flatnonzero(concerned(verdicts, sooner)).tolist())
        rows |= {row for row, one in enumerate(people) if one.id in standing}
        if not rows:
            return set()
        whom = {row: people[row] for row in sorted(rows)}
        ids = [one.id for one in whom.values()]
        homes, newest, past = _with_a_home(tx, ids), latest(tx, ids), store.past(tx, ids, now_ns)
        changed = set()
        for row, one in whom.items():
            if one.id not in homes and one.id not in standing:
                continue
            asked, before = standing.get(one.id, []), past.get(one.id, [])
            found, habits = findings(verdicts, row, sooner), self._habits(one, newest.get(one.id, {}))
            measured = [each.wish for each in asked if each.wish.why != "tell"]
            told = [each.wish for each in asked if each.wish.why == "tell"]
            reasons, unknown = verdicts.reasons(row, kind=Kind.CLINICAL), verdicts.unknown(row, kind=Kind.CLINICAL)
            for changes in (
                plan(found, habits, measured, before, now_ns, sooner, sooner.day(self._zone)),
                tell(reasons, unknown, told, now_ns, sooner.settle_s),
            ):
                if _write(tx, one.id, asked, changes, now_ns):
                    changed.add(one.id)
        if changed:
            document.compose(tx, self._programmes, changed, now_ns)
        return changed

    def _habits(self, one: PatientRecord, newest: Mapping[str, Latest]) -> Habits:
        programme = self._programmes.of(one.programme)
        limits = self._programmes.limits(one.programme, one.limits)
        every_s = {ask.channel: ask.every_s for ask in programme.ask}
        every_s |= {expect.channel: limits[f"{expect.channel}_expected_s"] for expect in programme.expect}
        return Habits(every_s, {name: value.t_ns for name, value in newest.items()})


def _write(tx: sa.Connection, patient_id: str, asked: Sequence[Asked], changes: Changes, now_ns: int) -> bool:
    """Whether anything that a person sees has changed: that a request begins to settle is not."""
    ids = {_key(one.wish): one.id for one in asked}
    for old, new in changes.moved:
        store.move(tx, ids[_key(old)], new)
    for old, end in changes.ended:
        store.end(tx, ids[_key(old)], end, now_ns)
    store.ask(tx, patient_id, changes.asked)
    seen = any((old.by_ns, old.why) != (new.by_ns, new.why) for old, new in changes.moved)
    return bool(seen or changes.ended or changes.asked)


def _key(wish: Wish) -> str:
    """A patient is asked for a channel once at a time, and told of a rule."""
    return wish.channel or wish.rule


def _with_a_home(tx: sa.Connection, patient_ids: Sequence[str]) -> set[str]:
    """Those of whom there is a gateway that could show it."""
    query = sa.select(gateway_table.c.patient_id).where(gateway_table.c.patient_id.is_not(None))
    return {row[0] for row in in_parts(tx, query, gateway_table.c.patient_id, patient_ids)}
