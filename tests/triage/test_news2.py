"""NEWS2 against the chart of the Royal College of Physicians (2017), typed here as ranges, value by value."""

import math
from itertools import pairwise

import numpy as np
import pytest

from triage.catalogue import catalogue
from triage.grid import Sample
from triage.run import run
from triage.scores.news2 import PARAMETERS, bands, points
from vitals.alarm import Level, Reason
from vitals.clock import NS

NEWS2 = catalogue()["news2"]

WELL = {
    "resp_rate": 16.0, "spo2": 97.0, "oxygen_flow": 0.0, "bp_sys": 128.0, "pulse_rate": 72.0, "consciousness": 0.0,
    "body_temp": 36.8,
}  # fmt: skip

CHART = {
    "resp_rate": {3: [(2, 8), (25, 80)], 1: [(9, 11)], 0: [(12, 20)], 2: [(21, 24)]},
    "bp_sys": {3: [(40, 90), (220, 300)], 2: [(91, 100)], 1: [(101, 110)], 0: [(111, 219)]},
    "pulse_rate": {3: [(20, 40), (131, 300)], 1: [(41, 50), (91, 110)], 0: [(51, 90)], 2: [(111, 130)]},
    "consciousness": {0: [(0, 0)], 3: [(1, 4)]},
    "body_temp": {
        3: [(25.0, 35.0)],
        1: [(35.1, 36.0), (38.1, 39.0)],
        0: [(36.1, 38.0)],
        2: [(39.1, 45.0)],
    },
}
SPO2 = {
    (1, "air"): {3: [(40, 91)], 2: [(92, 93)], 1: [(94, 95)], 0: [(96, 100)]},
    (1, "oxygen"): {3: [(40, 91)], 2: [(92, 93)], 1: [(94, 95)], 0: [(96, 100)]},
    (2, "air"): {3: [(40, 83)], 2: [(84, 85)], 1: [(86, 87)], 0: [(88, 92), (93, 100)]},
    (2, "oxygen"): {3: [(40, 83), (97, 100)], 2: [(84, 85), (95, 96)], 1: [(86, 87), (93, 94)], 0: [(88, 92)]},
}


def scored(scale: float = 1.0, **values: object) -> dict[str, np.ndarray]:
    """Points for a well person but for `values`, each a number or a list of them."""
    count = max(np.size(value) for value in values.values())
    full = {name: np.resize(np.asarray(value, float), count) for name, value in {**WELL, **values}.items()}
    return points(full, np.full(count, scale))


def check(chart: dict[int, list[tuple[float, float]]], step: float, score) -> None:
    """Every value of every band has its points, and the bands touch."""
    for expected, ranges in chart.items():
        for low, high in ranges:
            values = np.round(np.arange(low, high + step / 2, step), 1)
            assert score(values).tolist() == [expected] * len(values), (low, high)
    ends = sorted(one for ranges in chart.values() for one in ranges)
    assert all(round(after[0] - before[1], 1) == step for before, after in pairwise(ends))


@pytest.mark.parametrize("name", sorted(CHART))
def test_every_value_of_the_chart(name):
    check(CHART[name], 0.1 if name == "body_temp" else 1, lambda values: scored(**{name: values})[name])


@pytest.mark.parametrize(("scale", "gas"), sorted(SPO2))
def test_every_spo2_on_both_scales_on_air_and_on_oxygen(scale, gas):
    flow = 2.0 if gas == "oxygen" else 0.0
    check(SPO2[scale, gas], 1, lambda values: scored(scale, spo2=values, oxygen_flow=flow)["spo2"])


def test_93_and_more_on_air_on_scale_2_is_nothing_to_be_punished_for():
    assert scored(2, spo2=[93, 96, 100], oxygen_flow=0)["spo2"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", [*sorted(CHART), "spo2"])
def test_the_bands_beside_a_curve_are_those_of_the_chart(name):
    chart = {**CHART, "spo2": SPO2[1, "air"]}[name]
    typed = sorted((low, given) for given, ranges in chart.items() for low, _ in ranges)
    shown = bands(name, 1)
    if name == "consciousness":
        assert shown == (), "it is no number on a curve"
        return
    assert [given for _, given in shown] == [given for _, given in typed]
    assert [start for start, _ in shown[1:]] == [low for low, _ in typed[1:]], "the lowest begins where a channel does"


def test_on_scale_2_the_points_of_93_and_more_hang_on_the_oxygen():
    assert bands("spo2", 2) == ((0, 3), (84, 2), (86, 1), (88, 0), (93, None))


@pytest.mark.parametrize(("name", "scale"), [("weight", 1), ("oxygen_flow", 1), ("spo2", 3), ("pulse_rate", math.nan)])
def test_what_the_chart_does_not_know_has_no_bands(name, scale):
    assert bands(name, scale) == ()


def test_oxygen_itself_is_two_points():
    assert scored(oxygen_flow=[0, 0.5, 2])["oxygen_flow"].tolist() == [0, 2, 2]


def test_values_are_rounded_half_up_before_they_are_scored():
    assert scored(body_temp=[35.04, 35.05, 38.04, 38.05, 39.05])["body_temp"].tolist() == [3, 1, 0, 1, 2]
    assert scored(spo2=[91.4, 91.5, 95.5])["spo2"].tolist() == [3, 2, 0]


def test_beyond_the_chart_the_last_band_goes_on():
    assert scored(resp_rate=[0, 500])["resp_rate"].tolist() == [3, 3]


def test_what_is_missing_has_no_points():
    for name in PARAMETERS:
        assert math.isnan(scored(**{name: math.nan})[name][0])


@pytest.fixture
def judged(home, now_ns):
    """The level and the reason for one patient with these values, measured an hour ago."""

    def judge(limits: dict[str, float] | None = None, age_h: float = 1, **values: float) -> tuple[Level, Reason | None]:
        samples = tuple(
            Sample("anna", name, now_ns - round(age_h * 3600 * NS), value) for name, value in values.items()
        )
        verdicts = run(home(("anna",), samples, {"anna": limits or {}}).window(NEWS2), [NEWS2])
        found = verdicts.reasons(0, unknown=True)
        return Level(int(verdicts.level[0, 0])), found[0] if found else None

    return judge


def without(*names: str, **values: float) -> dict[str, float]:
    return {name: value for name, value in {**WELL, **values}.items() if name not in names}


def test_a_well_person_is_calm(judged):
    assert judged(**WELL) == (Level.CALM, None)


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({"pulse_rate": 95.0}, Level.CALM),  # 1 point
        ({"pulse_rate": 115.0, "resp_rate": 22.0}, Level.CALM),  # 4
        ({"pulse_rate": 115.0, "resp_rate": 22.0, "body_temp": 38.5}, Level.MEDIUM),  # 5
        ({"consciousness": 1.0}, Level.MEDIUM),  # a single 3
        ({"pulse_rate": 115.0, "resp_rate": 22.0, "oxygen_flow": 2.0}, Level.MEDIUM),  # 6
        ({"pulse_rate": 115.0, "resp_rate": 22.0, "oxygen_flow": 2.0, "body_temp": 38.5}, Level.HIGH),  # 7
    ],
)
def test_the_response_follows_the_total(judged, values, level):
    assert judged(**{**WELL, **values})[0] == level


def test_a_few_points_are_low_only_where_that_is_asked_for(judged):
    assert judged({"news2_low": 1}, **{**WELL, "pulse_rate": 95.0})[0] == Level.LOW


def test_a_partial_score_says_at_least_and_what_it_lacks(judged):
    values = without("consciousness", "body_temp", pulse_rate=115.0, resp_rate=22.0, spo2=95.0)
    level, reason = judged(**values)
    assert level == Level.MEDIUM
    assert reason.text["en"] == (
        "NEWS2 at least 5; measure hourly, urgent review within 60 min; not measured: consciousness, temperature"
    )
    assert reason.text["nb"] == (
        "NEWS2 minst 5; mål hver time, lege vurderer innen 60 min; ikke målt: bevissthet, temperatur"
    )
    assert (reason.because["total"], reason.because["lacks"]) == (5, 2)
    assert reason.because["consciousness_points"] is None
    assert reason.because["pulse_rate_points"] == 2


def test_a_complete_score_does_not_say_at_least(judged):
    _, reason = judged(**{**WELL, "consciousness": 2.0})
    assert reason.text["en"] == "NEWS2 3, 3 points for one parameter; measure hourly, the nurse informs the team"


def test_an_incomplete_score_that_alarms_nobody_is_unknown_not_calm(judged):
    level, reason = judged(**without("consciousness"))
    assert level == Level.UNKNOWN
    assert reason.text["en"] == "NEWS2 at least 0; not measured: consciousness"


def test_nothing_measured_has_no_total(judged):
    level, reason = judged()
    assert level == Level.UNKNOWN
    assert reason.because["total"] is None


def test_yesterdays_value_is_missing(judged):
    assert judged(age_h=24, **WELL)[0] == Level.CALM
    assert judged(age_h=24.001, **WELL)[0] == Level.UNKNOWN


def test_on_scale_2_a_high_spo2_waits_for_the_word_on_oxygen(judged):
    level, reason = judged({"spo2_scale": 2}, **without("oxygen_flow"))
    assert level == Level.UNKNOWN
    assert reason.because["lacks"] == 2
    assert reason.text["en"] == (
        "NEWS2 at least 0; SpO₂ cannot be scored before oxygen and scale are known; not measured: oxygen"
    )
    assert judged({"spo2_scale": 2}, **without("oxygen_flow", spo2=83.0))[0] == Level.MEDIUM


def test_a_value_the_device_doubted_is_not_scored(home, now_ns):
    samples = [Sample("anna", name, now_ns - NS, value, name != "pulse_rate") for name, value in WELL.items()]
    verdicts = run(home(("anna",), tuple(samples), {}).window(NEWS2), [NEWS2])
    assert verdicts.reasons(0, unknown=True)[0].text["en"] == "NEWS2 at least 0; not measured: pulse"
