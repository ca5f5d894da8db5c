"""Whatever happens in whatever order, no alarm is lost: a machine tries.

The machine hears findings, acts as staff, lets time pass and loses its phones, and after every step looks at the
whole database.
"""

import contextlib
import tempfile
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from server.alarms import store, table, timeline
from server.alarms.model import Refused, State
from vitals.alarm import Kind, Level

LEVELS = st.sampled_from([Level.LOW, Level.MEDIUM, Level.HIGH])
KINDS = st.sampled_from([Kind.CLINICAL, Kind.TECHNICAL])
NAMES = st.sampled_from(["Kari Olsen", "Per Hansen", "Ingrid Dahl"])


def machine_for(words):
    class Life(RuleBasedStateMachine):
        @initialize()
        def ward_opens(self):
            self.folder = tempfile.TemporaryDirectory()
            self.ward = words.Ward(Path(self.folder.name))
            self.written: list[tuple[object, ...]] = []
            self.levels: dict[int, Level] = {}

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
                written = [
                    tuple(row) for row in tx.execute(sa.select(timeline.timeline).order_by(timeline.timeline.c.id))
                ]
            is_open = [one for one in alarms if one.state is not State.CLOSED]
            assert len({one.kind for one in is_open}) == len(is_open), "two open alarms of one kind"
            for one in is_open:
                if one.state is State.ACKNOWLEDGED:
                    assert one.acknowledged_by, "acknowledged by nobody"
                    assert one.expires_ns is not None, "acknowledged for ever"
                    assert one.climb.next_step_ns is None
                else:
                    assert one.climb.next_step_ns is not None, "open, held by nobody, and the ladder rests"
                    assert one.acknowledged_by is None
                    assert one.expires_ns is None
                assert one.due_ns is not None
            for one in alarms:
                assert one.level >= self.levels.get(one.id, Level.LOW), "a priority was lowered"
                self.levels[one.id] = one.level
                if one.state is State.CLOSED and one.kind == "clinical":
                    assert one.closed_by, "a clinical alarm closed itself"
                    assert one.action, "closed without saying what was done"
                if one.state is State.CLOSED:
                    assert one.due_ns is None
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
