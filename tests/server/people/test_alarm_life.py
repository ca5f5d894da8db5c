"""Whatever happens in whatever order, no alarm is lost: a machine tries.

The machine hears findings, acts as staff, lets time pass and loses its phones, and after every step looks at the
whole database.
"""

import contextlib
import tempfile
from pathlib import Path
from typing import get_args

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from server.access.store import Account
from server.alarms import deeds, store, table, timeline
from server.alarms.model import HELD, PARKED, TAKEN, Refused, State, To
from server.cases import store as cases
from server.cases.model import Answer, Sbar
from server.cases.table import cases as cases_table
from server.cases.table import many
from vitals.alarm import Kind, Level
from vitals.clock import NS

LEVELS = st.sampled_from([Level.LOW, Level.MEDIUM, Level.HIGH])
KINDS = st.sampled_from([Kind.CLINICAL, Kind.TECHNICAL])
IDS = {"Kari Olsen": "kari", "Per Hansen": "per", "Ingrid Dahl": "ingrid"}
NAMES = st.sampled_from(sorted(IDS))
TO = st.sampled_from(
    [To("nurse"), To("doctor"), To("nurse", "per", "Per Hansen"), To("doctor", "ingrid", "Ingrid Dahl")]
)


def machine_for(words):
    class Life(RuleBasedStateMachine):
        @initialize()
        def ward_opens(self):
            self.folder = tempfile.TemporaryDirectory()
            self.ward = words.Ward(Path(self.folder.name))
            self.written: list[tuple[object, ...]] = []
            self.levels: dict[int, Level] = {}
            self.over: set[int] = set()
            self.reopened: set[int] = set()

        @rule(level=LEVELS, kind=KINDS, name=st.sampled_from(["spo2_floor", "news2"]))
        def finding(self, level, kind, name):
            self.ward.hear(words.reason(level, name, self.ward.now_ns), kind=kind)

        @rule(kind=KINDS)
        def nothing_found(self, kind):
            self.ward.hear(kind=kind)

        @rule(minutes=st.sampled_from([0.5, 5, 10, 61, 600]))
        def time_passes(self, minutes):
            self.ward.later(minutes=minutes)

        @rule(name=NAMES, kind=KINDS)
        def acknowledge(self, name, kind):
            self.act(kind, lambda tx, alarm: store.acknowledge(tx, alarm, name, self.ward.now_ns, 3600))

        @rule(name=NAMES, kind=KINDS)
        def escalate(self, name, kind):
            self.act(kind, lambda tx, alarm: store.escalate(tx, alarm, name, self.ward.now_ns))

        @rule(name=NAMES, kind=KINDS)
        def close(self, name, kind):
            self.act(
                kind,
                lambda tx, alarm: store.close(tx, alarm, name, self.ward.now_ns, "no_action", "false_alarm", 1),
            )

        @rule(name=NAMES, kind=KINDS)
        def undo(self, name, kind):
            self.act(kind, lambda tx, alarm: deeds.undo(tx, alarm, name, self.ward.now_ns))

        @rule(name=NAMES, kind=KINDS)
        def assess(self, name, kind):
            self.act(kind, lambda tx, alarm: deeds.assess(tx, alarm, name, self.ward.now_ns, 3600, "expected"))

        @rule(name=NAMES, kind=KINDS, minutes=st.sampled_from([1, 60, 480]))
        def snooze(self, name, kind, minutes):
            self.act(
                kind, lambda tx, alarm: deeds.snooze(tx, alarm, IDS[name], name, self.ward.now_ns, minutes * 60, "why")
            )

        @rule(name=NAMES, kind=KINDS, to=TO)
        def hand_over(self, name, kind, to):
            self.act(kind, lambda tx, alarm: deeds.hand_over(tx, alarm, IDS[name], name, self.ward.now_ns, to))

        @rule(name=NAMES, kind=KINDS, to=TO)
        def send(self, name, kind, to):
            note = Sbar("s", "b", "a", "r")
            by = Account(IDS[name], name, "nurse", "")
            self.act(
                kind, lambda tx, alarm: cases.send(tx, alarm, by, to, note, "nb", {"nb": note}, self.ward.now_ns)[0]
            )

        @rule(name=NAMES, number=st.integers(1, 4))
        def open_case(self, name, number):
            with self.ward.db.write() as tx:
                case = cases.get(tx, number)
                if case is not None:
                    cases.open_case(tx, case, Account(IDS[name], name, case.to_role, ""), self.ward.now_ns)

        @rule(name=NAMES, number=st.integers(1, 4), said=st.sampled_from(get_args(Answer)))
        def answer_case(self, name, number, said):
            by = Account(IDS[name], name, "doctor", "")
            with self.ward.db.write() as tx:
                case = cases.get(tx, number)
                if case is not None:
                    with contextlib.suppress(Refused), tx.begin_nested():
                        cases.answer(tx, self.ward.programmes, case, by, said, "so", (), self.ward.now_ns, 3600)

        @rule(name=NAMES, kind=KINDS)
        def reopen(self, name, kind):
            with self.ward.db.write() as tx:
                alarm = table.last_closed(tx, "solveig", kind.value)
                if alarm is not None:
                    with contextlib.suppress(Refused):
                        deeds.reopen(tx, alarm, name, self.ward.now_ns, 3600, "why")
                        self.reopened.add(alarm.id)

        @rule(there=st.sets(st.integers(0, 3)))
        def staff_changes(self, there):
            self.ward.staffed(tuple(words.staff[index] for index in there))

        def act(self, kind, deed):
            with self.ward.db.write() as tx:
                alarm = table.open_of(tx, "solveig", kind.value)
                if alarm is not None:
                    with contextlib.suppress(Refused):
                        deed(tx, alarm)

        @invariant()
        def nothing_is_lost(self):
            if not hasattr(self, "ward"):
                return
            with self.ward.db.read() as tx:
                numbers = list(tx.scalars(sa.select(table.alarms.c.id)))
                alarms = [table.get(tx, number) for number in numbers]
                sent = many(tx, sa.select(cases_table))
                written = [
                    tuple(row) for row in tx.execute(sa.select(timeline.timeline).order_by(timeline.timeline.c.id))
                ]
            is_open = [one for one in alarms if one.state is not State.CLOSED]
            assert len({one.kind for one in is_open}) == len(is_open), "two open alarms of one kind"
            for one in is_open:
                if one.state in HELD:
                    assert one.holder, "held by nobody"
                    assert one.expires_ns is not None, "held for ever"
                    assert one.expires_ns <= self.ward.now_ns + 8 * 3600 * NS, "held for longer than anybody may"
                    assert one.climb.next_step_ns is None
                else:
                    assert one.climb.next_step_ns is not None, "open, held by nobody, and the ladder rests"
                    assert one.expires_ns is None
                assert (one.acknowledged_by is not None) == (one.state in TAKEN)
                assert (one.parked is not None) == (one.state in PARKED)
                assert one.due_ns is not None
                over_by_itself = one.kind == "technical" and one.settled and one.state not in TAKEN
                assert not over_by_itself or one.state in (State.HANDED, State.SENT), "settled, and waits for nobody"
            over = {one.id for one in alarms if one.state is State.CLOSED}
            assert self.over - over <= self.reopened, "something else than opening it again led out of closed"
            self.over, self.reopened = over, set()
            for one in alarms:
                assert one.level >= self.levels.get(one.id, Level.LOW), "a priority was lowered"
                self.levels[one.id] = one.level
                if one.state is State.CLOSED and one.kind == "clinical":
                    assert one.closed_by, "a clinical alarm closed itself"
                    assert one.action, "closed without saying what was done"
                if one.state is State.CLOSED:
                    assert one.due_ns is None
                    assert one.parked is None
            for case in sent:
                assert case.answered_ns is None or case.opened_ns is not None, "answered by who had not read it"
            assert written[: len(self.written)] == self.written, "the timeline was rewritten"
            self.written = written

        def teardown(self):
            if hasattr(self, "ward"):
                self.ward.db.close()
                self.folder.cleanup()

    return Life


def test_no_alarm_is_ever_lost(words):
    run_state_machine_as_test(
        machine_for(words),
        settings=settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
        ),
    )
