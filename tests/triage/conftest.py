"""Patients made up for the rules: what a home might send, as samples and limits."""

import math
from collections.abc import Callable
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from triage.catalogue import catalogue
from triage.contract import Rule, Window
from triage.grid import Sample, window
from triage.run import Verdicts, run
from vitals.alarm import Level
from vitals.channels import CHANNELS
from vitals.clock import NS

NOW_NS = 1_795_000_000 * NS
PATIENTS = ("anna", "bjørn", "cecilie", "david", "eva")


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


@pytest.fixture
def verdicts(home, now_ns):
    """A rule's verdict on readings given as (hours ago, value[, good]), by channel or event."""

    def judge(rule: str, limits: dict[str, float] | None = None, **readings: list[tuple]) -> Verdicts:
        samples = [
            Sample("anna", name.replace("__", "."), now_ns - round(hours * 3600 * NS), value, *good)
            for name, told in readings.items()
            for hours, value, *good in told
        ]
        chosen = catalogue()[rule]
        return run(home(("anna",), tuple(samples), {"anna": limits or {}}).window(chosen), [chosen])

    return judge


@pytest.fixture
def says(verdicts):
    """What a rule says: its level and its sentence."""

    def judge(*rule, **readings) -> tuple[Level, str]:
        found = verdicts(*rule, **readings)
        reasons = found.reasons(0, unknown=True)
        return Level(int(found.level[0, 0])), reasons[0].text["en"] if reasons else ""

    return judge


@pytest.fixture
def wishes(verdicts):
    """What a rule wishes to have measured, or answered, now."""
    return lambda *rule, **readings: verdicts(*rule, **readings).wishes(0)


def _homes(rule: Rule) -> st.SearchStrategy[Home]:
    """One seed a home: hundreds of readings drawn one by one by hypothesis would take minutes."""
    return st.integers(0, 2**32).map(lambda seed: _home(rule, Random(seed)))


def _home(rule: Rule, random: Random) -> Home:
    samples: list[Sample] = []
    limits = {}
    for patient in PATIENTS:
        limits[patient] = {name: _limit(rule, name, random) for name in rule.limits if random.random() < 0.5}
        for channel in rule.reads:
            samples += _readings(rule, patient, channel, random)
        for event in rule.events:
            times = [_t_ns(rule, random) for _ in range(random.choice((0, 0, 1, 3)))]
            samples += [Sample(patient, event, t_ns, float(random.randint(0, 2))) for t_ns in times]
    random.shuffle(samples)
    return Home(PATIENTS, tuple(samples), limits)


def _readings(rule: Rule, patient: str, channel: str, random: Random) -> list[Sample]:
    """Readings near one another, as a person's are, often near one of the rule's limits."""
    about = CHANNELS[channel]
    landmarks = [value for value in rule.limits.values() if about.low <= value <= about.high]
    usual = random.choice(landmarks) if landmarks and random.random() < 0.5 else random.uniform(about.low, about.high)
    spread = random.choice((1, 5))
    return [
        Sample(
            patient,
            channel,
            _t_ns(rule, random),
            round(usual + random.uniform(-spread, spread), about.decimals) + 0.0,  # never -0.0
            random.random() < 0.8,
        )
        for _ in range(random.choice((0, 1, 2, 4, 8)))
    ]


def _t_ns(rule: Rule, random: Random) -> int:
    """A time that may matter to the rule: recent, at one of its limits, at its window's edge, beyond it, to come."""
    hour = 3600
    landmarks = {0, hour // 2, hour, 12 * hour, 24 * hour, 36 * hour, 48 * hour, 72 * hour, round(rule.window_s)}
    landmarks |= {round(value) for name, value in rule.limits.items() if name.endswith("_s") and value == value}
    age_s = random.choice(
        (
            random.choice(sorted(landmarks)) + random.choice((-1, 0, 1, 600)),
            random.randint(-600, 3 * hour),
            random.randint(0, 100 * hour),
            random.randint(0, round(rule.window_s * 1.1)),
        )
    )
    return NOW_NS - age_s * NS


def _limit(rule: Rule, name: str, random: Random) -> float:
    low, high = rule.bounds[name]
    likely = (3600.0, 43_200.0, 86_400.0, 2.0, 3.0, 100.0, float(NOW_NS), float(NOW_NS - 86_400 * NS))
    return random.choice([low, high, math.nan, rule.limits[name], *[value for value in likely if low <= value <= high]])
