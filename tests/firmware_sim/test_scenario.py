"""Scenarios: what is refused and how it is said, and that each of ours tells the story it promises."""

from pathlib import Path
from statistics import median

import pytest

from firmware_sim import scenario as stories
from firmware_sim.body import HOUR_NS, Body, Truth
from firmware_sim.scenario import Scenario
from vitals.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "configs" / "scenarios"
PROMISED = {
    "stable", "copd-exacerbation", "heart-failure-weight-gain", "missed-dose", "falls-silent", "silent-after-red",
    "sepsis",
}  # fmt: skip
START_NS = 1_795_300_000_000_000_000
SEEDS = range(20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 'x'\n[baselin]\nspo2 = 90", "did you mean 'baseline'?"),
        ("title = 'x'\n[baseline]\nsp02 = 90", "did you mean 'spo2'?"),
        ("[baseline]\nspo2 = 90", "title"),
        ("title = 'x'\n[[phases]]\nat_h = 1\nover_h = 0", "phases"),
        ("title = 'x'\n[habits.oximeter]\nevery_min = -5", "habits.oximeter.every_min"),
        ("title = 'x'\n[habits.scale]\nat_hours = [24]", "habits.scale.at_hours"),
        ("title = 'x'\n[[phases]]\nat_h = 0\nover_h = 1\nspo2 = -70", "spo2 comes to 26.5 %"),
        ("title = 'x'\n[[doses]]\ndose_id = 1\nat_h = 1\n[[doses]]\ndose_id = 1\nat_h = 2", "dose_id 1 stands in two"),
        ("title = ", "is not TOML"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        stories.read(text, "story.toml")
    assert "story.toml" in str(refused.value)
    assert said in str(refused.value)


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        stories.load(tmp_path / "none.toml")


def test_all_that_is_promised_is_there() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == PROMISED


def told(name: str) -> Scenario:
    return stories.load(FOLDER / f"{name}.toml")


def truths(name: str, hours: list[float]) -> list[list[Truth]]:
    """[seed][hour] of a scenario."""
    scenario = told(name)
    return [
        [Body(seed, scenario, START_NS).truth(START_NS + round(hour * HOUR_NS)) for hour in hours] for seed in SEEDS
    ]


def test_stable_stays_calm_all_day() -> None:
    for day in truths("stable", [hour / 2 for hour in range(48)]):
        assert all(93 <= truth.spo2 <= 98 for truth in day)
        assert all(58 <= truth.pulse_rate <= 88 for truth in day)


def test_copd_exacerbation_falls_to_85_and_the_pulse_rises() -> None:
    for early, late in truths("copd-exacerbation", [0.5, 3.0]):
        assert 91 <= early.spo2 <= 95
        assert 83 <= late.spo2 <= 87
        assert late.pulse_rate - early.pulse_rate > 30


def test_heart_failure_crosses_two_kilograms_over_the_three_day_median() -> None:
    scenario = told("heart-failure-weight-gain")
    assert scenario.habits.scale.history_days >= 3
    for seed in SEEDS:
        body = Body(seed, scenario, START_NS)

        def weight(hour: float, body: Body = body) -> float:
            return body.truth(START_NS + round(hour * HOUR_NS)).weight

        known = [weight(-72 + 12 * n) for n in range(6)]
        assert 0.8 < weight(-0.5) - weight(-48) < 1.8
        crossed = []
        for hour in (0.0, 0.75, 1.5, 2.25, 3.0):
            known.append(weight(hour))
            if weight(hour) - median(known) > 2:
                crossed.append(hour)
        assert crossed[0] in (1.5, 2.25)
        assert crossed[-1] == 3.0


def test_missed_dose_has_a_taken_dose_and_then_two_that_are_not() -> None:
    scenario = told("missed-dose")
    until_h = scenario.habits.dispenser.until_h
    assert until_h is not None
    assert [dose.at_h < until_h for dose in scenario.doses] == [True, False, False]
    assert any(dose.time_critical and dose.at_h + dose.window_min / 60 < 2 for dose in scenario.doses)


def test_falls_silent_on_a_quiet_day() -> None:
    silent_h = told("falls-silent").silent_from_h.oximeter
    assert silent_h is not None
    for before, at_silence in truths("falls-silent", [0.0, silent_h]):
        assert before.spo2 > 90
        assert at_silence.spo2 > 90


def test_silent_after_red_shows_a_red_reading_first() -> None:
    silent_h = told("silent-after-red").silent_from_h.oximeter
    assert silent_h is not None
    for before, at_silence in truths("silent-after-red", [0.4, silent_h]):
        assert before.spo2 > 90
        assert at_silence.spo2 < 88


def test_sepsis_raises_fever_pulse_and_breathing_together() -> None:
    for early, late in truths("sepsis", [0.2, 2.8]):
        assert late.body_temp > 38.3
        assert late.pulse_rate > early.pulse_rate + 30
        assert late.resp_rate > early.resp_rate + 7
        assert late.bp_sys < early.bp_sys - 20
