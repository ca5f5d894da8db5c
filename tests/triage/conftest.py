"""Patients made up for the rules: what a home might send, as samples and limits."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from triage.contract import Rule, Window
from triage.grid import Sample, window
from vitals.channels import CHANNELS
from vitals.clock import NS

NOW_NS = 1_795_000_000 * NS
PATIENTS = ("anna", "bjørn", "cecilie")


class Home(NamedTuple):
    """Everything that is known of some patients at `now_ns`."""

    patients: tuple[str, ...]
    samples: tuple[Sample, ...]
    limits: dict[str, dict[str, float]]
    now_ns: int = NOW_NS

    def window(self, *rules: Rule) -> Window:
        return window(self.now_ns, self.patients, self.samples, rules, self.limits)


@pytest.fixture(scope="session")
def now_ns() -> int:
    return NOW_NS


@pytest.fixture(scope="session")
def home() -> type[Home]:
    """To make up a home by hand."""
    return Home


@pytest.fixture(scope="session")
def homes() -> Callable[[Rule], st.SearchStrategy[Home]]:
    """To have hypothesis make up homes that a rule has something to say about."""
    return _homes


@st.composite
def _homes(draw: st.DrawFn, rule: Rule) -> Home:
    samples: list[Sample] = []
    limits = {}
    for patient in PATIENTS:
        limits[patient] = draw(st.fixed_dictionaries({}, optional={name: _limit(rule, name) for name in rule.limits}))
        for channel in rule.reads:
            samples += draw(_readings(rule, patient, channel))
        for event in rule.events:
            made = st.builds(Sample, st.just(patient), st.just(event), _t_ns(rule), st.integers(0, 2).map(float))
            samples += draw(st.lists(made, max_size=3))
    return Home(PATIENTS, tuple(draw(st.permutations(samples))), limits)


@st.composite
def _readings(draw: st.DrawFn, rule: Rule, patient: str, channel: str) -> list[Sample]:
    """Readings near one another, as a person's are, often near one of the rule's limits."""
    about = CHANNELS[channel]
    landmarks = [value for value in rule.limits.values() if about.low <= value <= about.high]
    usual = draw(st.sampled_from(landmarks) if landmarks and draw(st.booleans()) else st.floats(about.low, about.high))
    value = st.integers(-5 * 10**about.decimals, 5 * 10**about.decimals).map(
        lambda step: round(usual + step * about.resolution, about.decimals)
    )
    good = st.sampled_from((True, True, True, False))
    return draw(st.lists(st.builds(Sample, st.just(patient), st.just(channel), _t_ns(rule), value, good), max_size=6))


def _t_ns(rule: Rule) -> st.SearchStrategy[int]:
    """Times that matter to the rule: recent ones, those at its limits, those at and beyond its window, the future."""
    hour = 3600
    landmarks = {0, hour // 2, hour, 12 * hour, 24 * hour, 36 * hour, 48 * hour, 72 * hour, round(rule.window_s)}
    landmarks |= {round(value) for name, value in rule.limits.items() if name.endswith("_s") and value == value}
    near = st.builds(lambda mark, off: mark + off, st.sampled_from(sorted(landmarks)), st.sampled_from((-1, 0, 1, 600)))
    age_s = st.one_of(near, st.integers(-600, 100 * hour), st.integers(0, round(rule.window_s * 1.1)))
    return age_s.map(lambda seconds: NOW_NS - seconds * NS)


def _limit(rule: Rule, name: str) -> st.SearchStrategy[float]:
    low, high = rule.bounds[name]
    values = [low, high, float("nan"), rule.limits[name]]
    values += [value for value in (3600.0, 43_200.0, 86_400.0, 2.0, 100.0, float(NOW_NS)) if low <= value <= high]
    values += [float(NOW_NS - 86_400 * NS)] if high > NOW_NS else []
    return st.sampled_from(values)
