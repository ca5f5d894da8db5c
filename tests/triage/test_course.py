"""The course of a channel: against a slow plain second reading of its own words, and in stories."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.triage.state.reference import Reference
from triage import course
from triage.contract import NEVER, Finding, Track, Window, levels, rule
from triage.course import USUAL
from triage.grid import Need, Sample, needs, window
from triage.run import run
from vitals.channels import CHANNELS
from vitals.clock import NS

NOW_NS = 1_795_000_000 * NS
HOUR_NS = 3600 * NS
DAY_NS = 24 * HOUR_NS
FIELDS = ("count", "mean", "sd", "median", "rise", "fall", "slope", "value")


def tracking(*channels: str):
    """A rule that does nothing but see the course of these channels."""

    @rule(version="1", reads=channels, tracks=channels, window_s=3600, text={"nb": "", "en": ""})
    def sees(w: Window) -> Finding:
        return Finding(levels(w.patients), {name: w.track[name].mean for name in channels})

    return sees


def seen(
    samples: list[Sample], channel: str = "spo2", now_ns: int = NOW_NS, people: tuple[str, ...] = ("eva",)
) -> Track:
    return window(now_ns, people, samples, [tracking(channel)], {}).track[channel]


def invented(channel: str, random: Random, patient: str = "eva") -> list[Sample]:
    about = CHANNELS[channel]
    usual = random.uniform(about.low, about.high)
    reach = random.choice((HOUR_NS, 2 * DAY_NS, 20 * DAY_NS, 70 * DAY_NS))
    return [
        Sample(
            patient, channel, NOW_NS - random.randint(-HOUR_NS, reach),
            round(usual + random.uniform(-5, 5), about.decimals), random.random() < 0.9,
        )
        for _ in range(random.choice((0, 1, 2, 3, 6, 20, 60)))
    ]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(USUAL)), st.integers(0, 2**32))
def test_it_is_what_its_words_say(channel: str, seed: int) -> None:
    samples = invented(channel, Random(seed))
    told = Reference()
    told.samples["eva"] = samples
    found, expected = seen(samples, channel), told.course("eva", channel, NOW_NS)
    for name in FIELDS:
        assert getattr(found, name)[0] == pytest.approx(getattr(expected, name), rel=2e-5, abs=2e-5, nan_ok=True), name


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(USUAL)), st.integers(0, 2**32))
def test_it_is_the_same_for_any_order_of_arrival_and_alone_as_among_others(channel: str, seed: int) -> None:
    random, people = Random(seed), ("eva", "per", "ida")
    samples = [one for patient in people for one in invented(channel, random, patient)]
    together = seen(samples, channel, people=people)
    random.shuffle(samples)
    for row, patient in enumerate(people):
        alone = seen(samples, channel, people=(patient,))
        assert [repr(column[row]) for column in vars(together).values()] == [
            repr(column[0]) for column in vars(alone).values()
        ]


def daily(*values: float, channel: str = "spo2", **how: bool) -> list[Sample]:
    """One a day, the last now."""
    return [
        Sample("eva", channel, NOW_NS - (len(values) - 1 - n) * DAY_NS, value, **how) for n, value in enumerate(values)
    ]


def test_the_mean_is_of_what_came_before_the_newest():
    found = seen(daily(*[90.0] * 12, 80.0))
    assert (found.value[0], found.count[0]) == (80, 13)
    assert 90 < found.mean[0] < 91.5, "the population's 96 still counts a little"
    assert (found.value[0] - found.mean[0]) / found.sd[0] < -4


def test_what_is_usual_has_nothing_of_the_newest_readings_own_day():
    ill = [Sample("eva", "spo2", NOW_NS - n * 6 * HOUR_NS, 88.0) for n in range(4)]
    days = [Sample("eva", "spo2", NOW_NS - n * DAY_NS, 95.0 + n % 2) for n in range(1, 5)]
    assert seen([*days, *ill]).median[0] == 95.5
    assert math.isnan(seen([*days[1:], *ill]).median[0]), "three are too few"


def test_a_slow_fall_adds_up_although_no_day_differs_much_from_the_last():
    stays, falls = seen(daily(*[93.0, 94.0] * 8)), seen(daily(*np.linspace(95, 90, 16).round(1)))
    assert stays.fall[0] < 2 < 5 < falls.fall[0]
    assert falls.slope[0] == pytest.approx(-1 / 3, abs=0.02)
    assert math.isnan(falls.rise[0]), "a saturation that rises does no harm"


def test_a_burst_is_one_reading():
    burst = [Sample("eva", "spo2", NOW_NS - n * NS, 85.0) for n in range(1, 60)]
    one = seen([*daily(*[95.0] * 6)[:-1], *burst])
    assert one.count[0] == 6
    assert one.mean[0] > 94.9


def test_doubted_and_implausible_readings_teach_nothing():
    usual = daily(95.0, 95.0, 94.0)
    wrong = [Sample("eva", "spo2", NOW_NS - NS, 60.0, good=False), Sample("eva", "spo2", NOW_NS - NS, 20.0)]
    assert repr(seen(usual)) == repr(seen(usual + wrong))


def test_a_person_is_their_own_norm_where_people_differ():
    first = seen(daily(112.0, channel="weight"), "weight")
    assert math.isnan(first.mean[0])
    assert math.isnan(first.sd[0])
    assert seen(daily(112.0, 112.4, channel="weight"), "weight").mean[0] == pytest.approx(112.0)


def test_what_is_long_ago_is_no_course():
    old = [one._replace(t_ns=one.t_ns - course.REACH_NS) for one in daily(*[95.0] * 6)]
    assert seen(old).count[0] == 6
    later = seen(old, now_ns=NOW_NS + 1)
    assert (later.count[0], later.t_ns[0]) == (0, NEVER)
    assert all(math.isnan(getattr(later, name)[0]) for name in FIELDS if name != "count")


def test_nobody_and_nothing():
    assert seen([], people=()).count.shape == (0,)
    assert {column.dtype.name for column in vars(seen(daily(95.0))).values()} == {"float64", "int64"}
    assert seen([]).count.tolist() == [0]


def test_a_rule_sees_the_courses_it_declared_and_only_those():
    first, second = tracking("spo2"), tracking("spo2", "weight")
    assert needs([first])["spo2"] == Need(3600, 1, True)
    assert needs([first, second])["weight"].course
    told = window(NOW_NS, ("eva",), daily(*[95.0] * 6), [first, second], {})
    assert set(told.track) == {"spo2", "weight"}
    assert run(told, [first]).because[0]["spo2"][0] == pytest.approx(95.16, abs=0.1)
    with pytest.raises(ValueError, match="name these channels in reads"):
        rule(version="1", reads=("spo2",), tracks=("weight",), text={})


def test_every_tracked_channel_is_a_channel_with_sensible_numbers():
    for name, usual in USUAL.items():
        assert CHANNELS[name].plausible(usual.mean)
        assert 0 < usual.sd_least < usual.sd
        assert usual.tau_days > 0
        assert usual.rise or usual.fall
