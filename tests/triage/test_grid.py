"""Readings as they came, and the arrays they become."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.contract import NEVER, Finding, Rule, Window, levels, rule
from triage.grid import Need, Sample, needs, window
from vitals.clock import NS
from vitals.errors import ConfigError

NOW = 1_000_000 * NS


def a_rule(name: str = "made_up", **declared: object) -> Rule:
    def judge(w: Window) -> Finding:
        return Finding(levels(w.patients), {})

    judge.__name__ = name
    return rule(version="1", text={}, **declared)(judge)


TWO = a_rule(reads=("spo2",), samples=2, window_s=100)


def test_the_newest_come_last_and_what_is_not_there_is_nan():
    samples = [Sample("anna", "spo2", NOW - age * NS, value) for age, value in ((3, 93), (1, 91), (2, 92))]
    made = window(NOW, ["anna", "bjørn"], samples, [TWO], {})
    assert made.channel["spo2"].value[0].tolist() == [92, 91]
    assert made.channel["spo2"].t_ns[0].tolist() == [NOW - 2 * NS, NOW - NS]
    assert np.isnan(made.channel["spo2"].value[1]).all()
    assert (made.channel["spo2"].t_ns[1] == NEVER).all()
    assert not made.quality["spo2"][1].any()


def test_padding_is_in_front():
    made = window(NOW, ["anna"], [Sample("anna", "spo2", NOW, 91)], [TWO], {})
    assert np.isnan(made.channel["spo2"].value[0, 0])
    assert made.channel["spo2"].value[0, 1] == 91


def test_too_old_and_not_yet_are_left_out_to_the_nanosecond():
    edge = NOW - 100 * NS
    samples = [Sample("anna", "spo2", t_ns, 90) for t_ns in (edge - 1, edge, NOW, NOW + 1)]
    assert window(NOW, ["anna"], samples, [TWO], {}).channel["spo2"].t_ns.tolist() == [[edge, NOW]]


def test_what_nobody_asked_for_is_passed_over():
    samples = [
        Sample("nobody", "spo2", NOW, 90),
        Sample("anna", "weight", NOW, 80),
        Sample("anna", "spo2", NOW, math.nan),
    ]
    made = window(NOW, ["anna"], samples, [TWO], {})
    assert set(made.channel) == {"spo2"}
    assert np.isnan(made.channel["spo2"].value).all()


def test_two_samples_of_one_moment_stand_in_the_same_order_however_they_came():
    doubted, trusted = Sample("anna", "spo2", NOW, 90, False), Sample("anna", "spo2", NOW, 90, True)
    for samples in ([doubted, trusted], [trusted, doubted]):
        assert window(NOW, ["anna"], samples, [TWO], {}).quality["spo2"].tolist() == [[False, True]]


def test_an_implausible_value_is_kept_and_doubted():
    made = window(NOW, ["anna"], [Sample("anna", "spo2", NOW - NS, 127), Sample("anna", "spo2", NOW, 97)], [TWO], {})
    assert made.channel["spo2"].value.tolist() == [[127, 97]]
    assert made.quality["spo2"].tolist() == [[False, True]]


def test_events_come_by_themselves():
    watch = a_rule(events=("dispenser.missed",), samples=1)
    made = window(NOW, ["anna"], [Sample("anna", "dispenser.missed", NOW, 7)], [watch], {})
    assert made.event["dispenser.missed"].value.tolist() == [[7]]
    assert not made.channel


def test_rules_share_the_most_that_any_of_them_asks_for():
    other, endless = a_rule(reads=("spo2",), samples=9, window_s=50), a_rule(reads=("weight",), window_s=0)
    brief = a_rule(reads=("weight",), samples=3, window_s=10)
    assert needs([TWO, other, endless, brief]) == {"spo2": Need(100, 9), "weight": Need(0, 3)}


def test_a_limit_is_the_patients_own_or_the_default():
    limited = a_rule(limits={"floor": 90.0, "expected_s": math.nan})
    made = window(NOW, ["anna", "bjørn"], [], [limited], {"bjørn": {"floor": 86.0, "other": 1.0}})
    assert made.limit["floor"].tolist() == [90, 86]
    assert np.isnan(made.limit["expected_s"]).all()
    assert set(made.limit) == {"floor", "expected_s"}


def test_two_defaults_for_one_limit_are_refused():
    with pytest.raises(ConfigError, match="floor"):
        window(NOW, [], [], [a_rule(limits={"floor": 90.0}), a_rule("other", limits={"floor": 88.0})], {})


def test_a_patient_has_one_row():
    with pytest.raises(ValueError, match="twice"):
        window(NOW, ["anna", "anna"], [], [TWO], {})


def test_nothing_in_a_window_can_be_written_to():
    made = window(NOW, ["anna"], [], [a_rule(reads=("spo2",), events=("dispenser.jam",), limits={"floor": 1.0})], {})
    for array in (
        made.channel["spo2"].value,
        made.event["dispenser.jam"].t_ns,
        made.limit["floor"],
        made.quality["spo2"],
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


samples_strategy = st.lists(
    st.builds(
        Sample,
        st.sampled_from(["anna", "bjørn", "nobody"]),
        st.sampled_from(["spo2", "weight", "dispenser.jam"]),
        st.integers(-2, 12).map(lambda age: NOW - age * NS),
        st.integers(40, 60).map(float),
        st.booleans(),
    ),
    max_size=30,
)


@given(samples_strategy, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_what_plain_python_gives(samples, random):
    rules = [a_rule(reads=("spo2", "weight"), events=("dispenser.jam",), samples=3, window_s=10)]
    random.shuffle(samples)
    made = window(NOW, ["anna", "bjørn"], samples, rules, {})
    for row, patient in enumerate(["anna", "bjørn"]):
        for name, series in {**made.channel, **made.event}.items():
            seen = sorted(
                (s.t_ns, s.value, s.good)
                for s in samples
                if (s.patient, s.channel) == (patient, name) and 0 <= NOW - s.t_ns <= 10 * NS
            )[-3:]
            there = series.t_ns[row] != NEVER
            assert there.tolist() == [False] * (3 - len(seen)) + [True] * len(seen)
            assert series.t_ns[row][there].tolist() == [t_ns for t_ns, _, _ in seen]
            assert series.value[row][there].tolist() == [value for _, value, _ in seen]
            if name in made.quality:
                assert made.quality[name][row].tolist() == [False] * (3 - len(seen)) + [good for _, _, good in seen]
