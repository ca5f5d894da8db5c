"""What the research score looks at, by hand, and what it must never do."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.catalogue import catalogue
from triage.contract import Window
from triage.grid import Sample, window
from triage.run import run
from triage.study.features import NAMES, cusum, features
from vitals.alarm import Level
from vitals.channels import CHANNELS
from vitals.clock import NS

NOW_NS = 1_795_000_000 * NS
RULE = catalogue()["deterioration"]


def seen(**readings: list[tuple[float, float]]) -> Window:
    """One patient: by channel (hours ago, value)."""
    samples = [
        Sample("anna", channel, NOW_NS - round(ago_h * 3600) * NS, value)
        for channel, told in readings.items()
        for ago_h, value in told
    ]
    return window(NOW_NS, ["anna"], samples, [RULE], {})


def test_by_hand():
    """Pulse 102 now, one spread above the usual 85, after 85 a day before: e⁻¹ of a reading that says usual."""
    found = {name: float(value[0]) for name, value in features(seen(pulse_rate=[(24, 85), (0, 102)])).items()}
    assert found["pulse_rate_high"] == 1
    assert found["pulse_rate_low"] == 0
    assert found["pulse_rate_points"] == pytest.approx(1 / (2 + math.exp(-1)))
    assert found["pulse_rate_rise"] == 1
    assert found["pulse_rate_fall"] == 0
    assert math.isnan(found["spo2_high"])
    assert tuple(found) == NAMES


def test_a_rise_is_against_what_is_usual_for_this_person():
    """Ten readings of 110 weigh more than a population: 112 is high, but for her hardly a rise."""
    hers = features(seen(pulse_rate=[(hour, 110) for hour in range(1, 11)] + [(0, 112)]))
    another = features(seen(pulse_rate=[(1, 80), (0, 112)]))
    assert hers["pulse_rate_high"][0] == another["pulse_rate_high"][0]
    assert hers["pulse_rate_rise"][0] < another["pulse_rate_rise"][0] / 2
    assert hers["pulse_rate_points"][0] > another["pulse_rate_points"][0]


def test_what_is_older_than_a_day_is_missing():
    assert features(seen(spo2=[(24, 90)]))["spo2_points"][0] == 3 / 2
    assert math.isnan(features(seen(spo2=[(24.01, 90)]))["spo2_points"][0])
    assert math.isnan(features(seen(oxygen_flow=[(25, 2)]))["oxygen_flow_points"][0])


def test_the_cusum_adds_up_harm_and_lets_it_go():
    """Two spreads above the usual 85 in three readings, less the half that is let pass: 4½; then usual again."""
    high = [(4, 119), (3, 119), (2, 119)]
    assert cusum(seen(pulse_rate=high))[0] == pytest.approx(4.5)
    assert cusum(seen(pulse_rate=[*high, (1, 85)]))[0] == pytest.approx(4.0)
    assert cusum(seen(pulse_rate=[(9, 20), *high]))[0] == pytest.approx(4.5)
    assert cusum(seen(pulse_rate=[(2, 60)]))[0] == 0
    assert cusum(seen(body_temp=[(1, 36.9 - 1.4)]))[0] == pytest.approx(1.5)
    assert math.isnan(cusum(seen(pulse_rate=[(30, 119)]))[0])


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_the_cusum_is_the_recursion_of_its_definition(seed):
    random = np.random.default_rng(seed)
    told = random.normal(85, 30, random.integers(1, 30)).clip(20, 300)
    slow = 0.0
    for value in told:
        slow = max(0, slow + (value - 85) / 17 - 0.5)
    hours = [(len(told) - place, float(value)) for place, value in enumerate(told)]
    found = cusum(seen(pulse_rate=[(hour / 2, value) for hour, value in hours]))[0]
    assert found == pytest.approx(slow, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_whatever_is_measured_no_feature_is_below_0(seed):
    random = np.random.default_rng(seed)
    told = {
        channel: [(float(random.uniform(0, 60)), float(random.uniform(CHANNELS[channel].low, CHANNELS[channel].high)))
                  for _ in range(random.integers(0, 6))]
        for channel in RULE.reads
    }  # fmt: skip
    for value in features(seen(**told)).values():
        assert not (value < 0).any()


def says(**readings: list[tuple[float, float]]) -> tuple[Level, dict[str, str]]:
    verdicts = run(seen(**readings), [RULE])
    (reason, *_) = [*verdicts.reasons(0, unknown=True), None]
    return Level(int(verdicts.level[0, 0])), {} if reason is None else dict(reason.text)


def test_a_person_as_usual_is_calm_and_one_who_goes_downhill_is_named_with_what_it_comes_of():
    usual = {"resp_rate": [(1, 18.0)], "spo2": [(1, 97.0)], "bp_sys": [(1, 124.0)], "pulse_rate": [(1, 85.0)]}
    assert says(**usual) == (Level.CALM, {})
    hot = usual | {"pulse_rate": [(20, 84), (1, 140)], "body_temp": [(20, 37.0), (1, 39.4)]}
    level, text = says(**hot)
    assert level == Level.MEDIUM
    assert text["en"].startswith("Research only: score of deterioration ")
    assert text["en"].endswith("mostly from pulse, temperature")
    assert text["nb"].startswith("Kun til forskning: ")
    assert text["nb"].endswith("mest fra puls, temperatur")


def test_two_vital_signs_are_too_few():
    level, text = says(pulse_rate=[(1, 160.0)], body_temp=[(1, 40.0)])
    assert level == Level.UNKNOWN
    assert "cannot be judged" in text["en"]


def test_it_is_in_no_programme_that_is_shipped():
    programmes = list((Path(__file__).parents[3] / "configs" / "programmes").glob("*.toml"))
    assert programmes
    assert not any("deterioration" in path.read_text("utf-8") for path in programmes)
