"""Programmes as clinicians write them, and what is said to one who slips."""

from pathlib import Path

import pytest

from triage.programme import limits_for, parse
from vitals.errors import ConfigError

PROGRAMMES = sorted((Path(__file__).parents[2] / "configs" / "programmes").glob("*.toml"))

HEART = """
name = "heart"
version = "3"
rules = ["weight_gain", "device_silent"]
limits = { weight_gain_kg = 1.5 }
title = { nb = "Hjerte", en = "Heart" }
expect = [{ channel = "weight", every_s = 86400 }]
"""


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_a_shipped_programme_is_whole(path):
    programme = parse(path.read_text(encoding="utf-8"), path.name)
    assert programme.name == path.stem
    assert programme.expect
    limits = limits_for(programme, {})
    for expect in programme.expect:
        assert limits[f"{expect.channel}_expected_s"] == expect.every_s


def test_heart_failure_copd_and_general_are_shipped():
    assert {"heart-failure", "copd", "general"} <= {path.stem for path in PROGRAMMES}


def test_a_patients_own_limit_wins_over_the_programme_and_that_over_the_default():
    heart = parse(HEART, "heart.toml")
    limits = limits_for(heart, {"weight_stale_s": 3600.0})
    assert limits["weight_gain_kg"] == 1.5
    assert limits["weight_stale_s"] == 3600.0
    assert limits["weight_expected_s"] == 86_400
    assert limits["silence_times"] == 2.0
    assert limits_for(heart, {"weight_gain_kg": 3.0})["weight_gain_kg"] == 3.0


def test_a_limit_that_nobody_has_set_is_not_there():
    assert "spo2_expected_s" not in limits_for(parse(HEART, "heart.toml"), {})


@pytest.mark.parametrize("value", [0.1, 500, float("nan"), float("inf"), -2])
def test_an_implausible_personal_limit_is_refused(value):
    with pytest.raises(ConfigError, match=r"weight_gain_kg .* is not plausible: set it from 0\.5 to 10"):
        limits_for(parse(HEART, "heart.toml"), {"weight_gain_kg": value})


def test_a_personal_limit_of_another_programme_is_refused():
    with pytest.raises(ConfigError, match="no rule of the programme has a limit 'spo2_floor'"):
        limits_for(parse(HEART, "heart.toml"), {"spo2_floor": 86.0})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('"weight_gain"', '"wieght_gain"', "unknown rule 'wieght_gain': did you mean 'weight_gain'"),
        ("weight_gain_kg =", "weight_gain_kilo =", "'weight_gain_kilo': did you mean 'weight_gain_kg'"),
        ("weight_gain_kg = 1.5", "weight_gain_kg = 150", "weight_gain_kg = 150.0 is not plausible"),
        ('channel = "weight"', 'channel = "wight"', "unknown channel 'wight' in .*: did you mean 'weight'"),
        (', "device_silent"', "", "no rule of the programme would notice its absence: .*device_silent"),
        ("every_s = 86400", "every_s = 1", "weight_expected_s = 1.0 is not plausible"),
        ("version =", "verison =", "unknown key 'verison': did you mean 'version'"),
        ('nb = "Hjerte", ', "", "has no 'nb'"),
    ],
)
def test_a_slip_is_named_with_the_file_and_the_mend(before, after, said):
    assert before in HEART
    with pytest.raises(ConfigError, match=rf"heart\.toml.*{said}"):
        parse(HEART.replace(before, after), "heart.toml")
