"""The figures of the reports against a plain second opinion: everything fetched, counted by hand."""

import random
import statistics
from datetime import datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from server.alarms import deeds, table, timeline
from server.municipality import Assignment, Municipality
from server.patients import store as patients
from server.reports.figures import DAY_NS, took, watched_days
from server.reports.store import count
from tests.server.people.conftest import PATIENTS
from vitals.alarm import Kind, Level
from vitals.clock import NS

SPANS = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda two: (min(two), max(two))), max_size=8)


@given(spans=SPANS, window=st.tuples(st.integers(0, 400), st.integers(0, 400)))
def test_days_that_several_devices_cover_count_once(spans, window):
    from_ns, to_ns = min(window), max(window)
    slow = sum(any(since <= t < until for since, until in spans) for t in range(from_ns, to_ns))
    assert watched_days(spans, from_ns, to_ns) == pytest.approx(slow / DAY_NS)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_a_median_and_nine_in_ten_are_what_they_are_elsewhere(lasted):
    import numpy as np

    began = np.arange(len(lasted), dtype=np.int64) * NS
    found = took(began, began + np.asarray(lasted, np.int64) * NS)
    assert found.median_s == pytest.approx(statistics.median(lasted))
    if len(lasted) > 1:
        assert found.p90_s == pytest.approx(statistics.quantiles(lasted, n=10, method="inclusive")[-1])


def live_through(ward, seed):
    """A few days in which alarms come, are taken, sent on and closed, or not."""
    draw = random.Random(seed)
    since = datetime.fromisoformat("2026-11-01T00:00+00:00")
    town = Municipality(
        "Saltdal", patients=PATIENTS,
        assignments=(Assignment("oxi", "solveig", since), Assignment("scale", "solveig", since),
                     Assignment("scale-2", "arne", datetime.fromisoformat("2026-11-21T12:00+00:00"))),
    )  # fmt: skip
    with ward.db.write() as tx:
        patients.apply(tx, town, ward.now_ns)
    for _ in range(12):
        ward.hear(draw.choice(list(Level)[1:]), patient=draw.choice(("solveig", "arne")), kind=draw.choice(list(Kind)))
        ward.later(minutes=draw.choice((1, 7, 50)))
        if ward.count() and ward.alarm().state.value in ("raised", "notified"):
            if draw.random() < 0.3:
                ward.escalate("Kari Olsen")
            if draw.random() < 0.7:
                ward.acknowledge("Kari Olsen")
                ward.later(minutes=draw.choice((2, 20)))
                if ward.alarm().state.value == "acknowledged" and draw.random() < 0.8:
                    ward.close("Kari Olsen")
        ward.later(hours=draw.choice((2, 9)))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_figure_is_what_counting_by_hand_finds(ward, seed):
    live_through(ward, seed)
    from_ns, to_ns = ward.now_ns - 3 * DAY_NS, ward.now_ns - DAY_NS // 2
    with ward.db.read() as tx:
        counted = count(tx, from_ns, to_ns, ward.now_ns, sa.true())
        every = [one for one in table.every(tx) if from_ns <= one.raised_ns < to_ns]
        entries = timeline.entries(tx, [one.id for one in every])
    assert every, "the story has alarms"
    acknowledged, closed, climbed, escalated, unanswered = [], [], 0, 0, 0
    for one in every:
        said = entries[one.id]
        first = next((row.t_ns for row in said if row.what == "acknowledged"), None)
        acted = min((row.t_ns for row in said if row.what in ("acknowledged", "escalated")), default=to_ns * 2)
        if first is not None:
            acknowledged.append((first - one.raised_ns) / NS)
        if one.closed_by:
            closed.append((one.closed_ns - one.raised_ns) / NS)
        climbed += len({row.t_ns for row in said if row.what == "told" and row.t_ns < acted}) > 1
        escalated += sum(row.what == "escalated" for row in said)
        unanswered += one.state.value in ("raised", "notified")
    assert (counted.climbed, counted.escalated, counted.unanswered) == (climbed, escalated, unanswered)
    for found, truth in ((counted.acknowledge, acknowledged), (counted.close, closed)):
        assert found.n == len(truth)
        assert found.median_s == (pytest.approx(statistics.median(truth)) if truth else None)
    kinds = {name: [one.kind for one in every if one.patient_id == name] for name in ("solveig", "arne")}
    assert counted.by_patient == {
        name: (its.count("clinical"), its.count("technical")) for name, its in kinds.items() if its
    }
    noon = int(datetime.fromisoformat("2026-11-21T12:00+00:00").timestamp()) * NS
    truth_days = {"solveig": 2.5, "arne": (to_ns - max(from_ns, noon)) / DAY_NS}
    assert counted.days == {name: pytest.approx(days) for name, days in truth_days.items() if days > 0}
    days, clinical, technical, per_100 = counted.burden()
    assert clinical + technical == len(every)
    assert per_100 == pytest.approx(100 * clinical / days)
    marks = [one.usefulness for one in every if one.usefulness is not None]
    [rule] = counted.rules
    assert (rule.rule, rule.alarms, rule.judged) == ("spo2_floor", len(every), len(marks))
    assert rule.usefulness == (pytest.approx(statistics.mean(marks)) if marks else None)
    assert sum(one.alarms for one in counted.paced) == len(every)


def counted(ward):
    with ward.db.read() as tx:
        return count(tx, ward.now_ns - DAY_NS, ward.now_ns + 1, ward.now_ns, sa.true())


def test_an_acknowledgement_that_was_taken_back_answered_nothing(ward):
    """By mistake, on the wrong row: everything is as if it had not been."""
    ward.hear(Level.HIGH)
    ward.clock.advance(seconds=20)
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(seconds=40)
    ward.does(deeds.undo, "Kari Olsen", ward.now_ns)
    assert (counted(ward).acknowledge.n, counted(ward).unanswered) == (0, 1)
    ward.clock.advance(minutes=9)
    ward.acknowledge("Per Hansen")
    found = counted(ward)
    assert (found.acknowledge.median_s, found.unanswered) == (600.0, 0), "and not the twenty seconds of the mistake"


def test_whoever_let_it_run_out_has_it_no_longer(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen", expires_s=600.0)
    assert counted(ward).unanswered == 0
    ward.later(minutes=11)
    assert counted(ward).unanswered == 1, "it is open, and nobody has it"


def test_what_lies_with_somebody_is_not_taken_by_nobody(ward):
    ward.hear(Level.MEDIUM)
    ward.does(deeds.snooze, "kari", "Kari Olsen", ward.now_ns, 3600.0, "she sleeps")
    assert counted(ward).unanswered == 0


@pytest.mark.parametrize("answer", ["acknowledge", "escalate", None])
def test_what_was_answered_at_the_first_telling_did_not_climb_though_it_was_told_again(ward, answer):
    ward.hear(Level.MEDIUM)
    ward.clock.advance(minutes=1)
    if answer:
        getattr(ward, answer)("Kari Olsen")
    ward.clock.advance(minutes=1)
    ward.hear(Level.HIGH)
    assert len(ward.phones()) > 1, "it got worse, and was told again"
    assert counted(ward).climbed == (answer is None)
