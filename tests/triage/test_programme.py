"""Programmes as clinicians write them, and what is said to one who slips."""

import math
from pathlib import Path

import pytest

from triage.catalogue import bounds
from triage.grid import Sample, window
from triage.programme import GIVEN, Programme, limits_for, parse
from triage.run import Verdicts, run
from vitals.alarm import Kind, Level
from vitals.clock import NS
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


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_every_limit_of_a_shipped_programme_can_be_a_persons_within_its_bounds(path):
    programme = parse(path.read_text(encoding="utf-8"), path.name)
    usual, refused = limits_for(programme, {}), []
    for name, (low, high) in bounds(programme.rules_of()).items():
        if name in GIVEN:
            continue
        for value in (low, high):
            try:
                assert limits_for(programme, {name: value}) == usual | {name: value}
            except ConfigError as error:
                refused.append(str(error))
        for value in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf), math.nan):
            with pytest.raises(ConfigError, match=f"{name} = .* is not plausible"):
                limits_for(programme, {name: value})
    assert all(" is above " in said for said in refused), "nothing but another band is in the way"


def test_the_programmes_of_the_wards_are_shipped():
    assert {path.stem for path in PROGRAMMES} == {
        "chemotherapy", "copd", "covid", "diabetes", "frail-elderly", "general", "heart-failure", "hypertension",
        "stroke-rehabilitation",
    }  # fmt: skip


def test_as_many_answers_make_calm_as_are_asked():
    (chemotherapy,) = [path for path in PROGRAMMES if path.stem == "chemotherapy"]
    programme = parse(chemotherapy.read_text(encoding="utf-8"), chemotherapy.name)
    for items, prefix in (("ukons_items", "ukons_"), ("pro_items", "pro_")):
        asked = [ask.channel for ask in programme.ask if ask.channel.startswith(prefix)]
        assert programme.limits[items] == len(asked)


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
        ('version = "3"', "", "missing required field `version`"),
        ('version = "3"', 'version = " "', "version is empty: give the programme a version"),
        ('name = "heart"', 'name = ""', "name is empty"),
        ('["weight_gain", "device_silent"]', "[]", "no rule watches over anybody"),
        ('["weight_gain",', '["weight_gain", "weight_gain",', "'weight_gain' stands twice in rules"),
        ("every_s = 86400 }]", "every_s = 9 }, { channel = 'weight', every_s = 8 }]", r"twice in \[\[expect\]\]"),
        ("limits = {", "limits = { weight_expected_s = 3600,", r"every 86400 s in \[\[expect\]\] and every 3600 s"),
        ("expect =", 'ask = [{channel = "weight", every_s = 86400}]\nexpect =', "no question is worded for 'weight'"),
        (
            "expect =",
            'ask = [{channel = "exact_score", every_s = 86400}]\nexpect =',
            "'exact_score': did you mean 'cat_",
        ),
        ("expect =", 'ask = [{channel = "pain", every_s = 60}]\nexpect =', "'pain' asked every 60 s is not plausible"),
        ("weight_gain_kg = 1.5", "gateway_silent = 0", "gateway_silent is for nobody to set: take it out"),
        ("weight_gain_kg = 1.5", "silence_times = 1.2", "silence_times = 1.2 is not plausible: set it from 1.5"),
    ],
)
def test_a_slip_is_named_with_the_file_and_the_mend(before, after, said):
    assert before in HEART
    with pytest.raises(ConfigError, match=rf"heart\.toml.*{said}"):
        parse(HEART.replace(before, after), "heart.toml")


BANDS = """
name = "bands"
version = "1"
rules = ["pulse_high", "glucose", "missed_dose"]
title = { nb = "Bånd", en = "Bands" }
"""


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (
            "pulse_ceiling = 140",
            r"pulse_ceiling = 140 is above pulse_urgent = 131: .*'pulse_high' needs pulse_ceiling <=",
        ),
        ("pulse_urgent = 100", r"pulse_ceiling = 120 is above pulse_urgent = 100"),
        ("glucose_low = 2.5", r"glucose_urgent = 2\.9974 is above glucose_low = 2\.5"),
        ("glucose_high = 3.0", r"glucose_low = 3\.88552 is above glucose_high = 3"),
        ("ketone_high = 3.1", r"ketone_high = 3\.1 is above ketone_urgent = 3"),
        ("dose_nurse_s = 900", r"dose_kin_s = 1800 is above dose_nurse_s = 900"),
    ],
)
def test_bands_that_are_the_wrong_way_round_are_refused_for_all_and_for_one(limits, said):
    with pytest.raises(ConfigError, match=f"bands.toml: {said}"):
        parse(f"{BANDS}limits = {{ {limits} }}", "bands.toml")
    name, value = limits.split(" = ")
    with pytest.raises(ConfigError, match=f"limits of a patient in 'bands': {said}"):
        limits_for(parse(BANDS, "bands.toml"), {name: float(value)})


def test_bands_may_touch_and_move_together():
    bands = parse(f"{BANDS}limits = {{ pulse_ceiling = 131 }}", "bands.toml")
    assert limits_for(bands, {"pulse_ceiling": 140.0, "pulse_urgent": 150.0})["pulse_urgent"] == 150


def test_what_is_silent_altogether_is_told_by_one_rule():
    assert limits_for(parse(HEART, "heart.toml"), {})["silence_shared"] == 0
    both = HEART.replace('"device_silent"', '"device_silent", "patient_silent"')
    assert limits_for(parse(both, "heart.toml"), {})["silence_shared"] == 1


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_written():
    heart = parse(HEART, "heart.toml")
    turned = "# a comment\n" + "\n".join(reversed(HEART.strip().splitlines()))
    assert parse(turned, "heart.toml").digest == heart.digest
    assert parse(HEART.replace("1.5", "1.6"), "heart.toml").digest != heart.digest
    assert parse(HEART.replace("86400", "86400.0"), "heart.toml").digest == heart.digest
    assert len(heart.digest) == 16


ACTION = """
[[action]]
priority = "high"
source = "RCP 2017"
do = { nb = "Ring nå.", en = "Ring now." }
steps.nb = ["Spør."]
steps.en = ["Ask."]
"""


def test_what_to_do_is_said_with_its_steps_in_both_languages():
    first, second = parse(HEART + ACTION + ACTION + 'rule = "weight_gain"\n', "heart.toml").action
    assert (first.priority, first.rule, first.do["nb"], first.steps["en"]) == ("high", "", "Ring nå.", ("Ask.",))
    assert second.rule == "weight_gain"
    assert parse(HEART, "heart.toml").action == ()


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('priority = "high"', 'priority = "urgent"', "urgent"),
        ('source = "RCP 2017"', 'source = " "', r"\[\[action\]\] high has no source"),
        ('source = "RCP 2017"', 'source = "x"\nrule = "weight_gian"', "high weight_gian: no rule .* 'weight_gain'"),
        (', en = "Ring now."', "", r"\[\[action\]\] high: do has no 'en'"),
        ('steps.en = ["Ask."]', 'steps.en = ["Ask.", "Ask again."]', "not the same steps in each language"),
        ('steps.nb = ["Spør."]', "", "not the same steps in each language"),
    ],
)  # fmt: skip
def test_what_to_do_that_somebody_could_not_follow_is_refused(before, after, said):
    assert before in ACTION
    with pytest.raises(ConfigError, match=said):
        parse(HEART + ACTION.replace(before, after), "heart.toml")


def test_two_things_to_do_about_one_alarm_are_refused():
    with pytest.raises(ConfigError, match=r"'high' stands twice in \[\[action\]\]"):
        parse(HEART + ACTION + ACTION, "heart.toml")


TELLS_A_NURSE = ("high", "medium")
"""Of what somebody is called for; a low finding is looked at when there is time."""


def without_something_to_do(programme: Programme) -> list[str]:
    """Each clinical rule and priority of which the page would have to say that nothing is written down."""
    said = {(one.priority, one.rule) for one in programme.action}
    return [
        f"{priority} {one.name}"
        for one in programme.rules_of()
        for priority in TELLS_A_NURSE
        if one.kind is Kind.CLINICAL and not said & {(priority, one.name), (priority, "")}
    ]


@pytest.mark.parametrize("path", PROGRAMMES, ids=lambda path: path.stem)
def test_every_red_or_yellow_finding_of_a_shipped_programme_has_something_to_do(path):
    programme = parse(path.read_text(encoding="utf-8"), path.name)
    assert without_something_to_do(programme) == []
    assert all("(check)" in one.source for one in programme.action), "a clinician has confirmed none of them"
    assert all(one.steps for one in programme.action)
    own = {one.rule for one in programme.action if one.rule}
    assert own <= {one.name for one in programme.rules_of() if one.kind is Kind.CLINICAL}, "shown beside no other alarm"


def test_what_has_nothing_to_do_is_found_out():
    assert without_something_to_do(parse(HEART, "heart.toml")) == ["high weight_gain", "medium weight_gain"]
    assert without_something_to_do(parse(HEART + ACTION, "heart.toml")) == ["medium weight_gain"]
    own = ACTION.replace('"high"', '"medium"') + 'rule = "weight_gain"\n'
    assert without_something_to_do(parse(HEART + ACTION + own, "heart.toml")) == []


def shipped(name: str) -> Programme:
    (path,) = [path for path in PROGRAMMES if path.stem == name]
    return parse(path.read_text(encoding="utf-8"), path.name)


def judged(programme: Programme, **told: float) -> Verdicts:
    """What the programme's rules say of somebody who told this an hour ago."""
    now_ns = 1_795_000_000 * NS
    samples = [Sample("anna", name, now_ns - 3600 * NS, value) for name, value in told.items()]
    rules = programme.rules_of()
    return run(window(now_ns, ("anna",), samples, rules, {"anna": limits_for(programme, {})}), rules)


@pytest.mark.parametrize("sign", ["face_droop", "arm_weakness", "speech_trouble"])
def test_a_sign_of_a_stroke_is_an_emergency_at_a_good_pressure_too(sign):
    programme = shipped("hypertension")
    assert sign in [one.channel for one in programme.ask], "it is asked for, whatever the pressure"
    (reason,) = judged(programme, bp_sys=128, bp_dia=78, **{sign: 1}).reasons(0, kind=Kind.CLINICAL)
    assert (reason.rule, reason.level) == ("stroke_fast", Level.HIGH)
    assert reason.text["nb"].startswith("Nye tegn på hjerneslag, ring 113")
    no = dict.fromkeys(("face_droop", "arm_weakness", "speech_trouble"), 0.0)
    assert judged(programme, bp_sys=128, bp_dia=78, **no).reasons(0, kind=Kind.CLINICAL) == []


def test_the_research_score_is_switched_on_by_name_and_says_what_it_is():
    text = (PROGRAMMES[0].parent / "frail-elderly.toml").read_text(encoding="utf-8")
    for before, after in (('    "news2",', '    "news2", "deterioration",'), ('"frail-elderly"', '"frail-study"')):
        assert before in text
        text = text.replace(before, after)
    study = parse(text, "frail-study.toml")
    ill = {"resp_rate": 24, "spo2": 93, "bp_sys": 100, "pulse_rate": 118, "body_temp": 38.6, "oxygen_flow": 0}
    found = {one.rule: one for one in judged(study, **ill).reasons(0, kind=Kind.CLINICAL)}
    assert found["deterioration"].level <= Level.MEDIUM
    assert found["deterioration"].text["nb"].startswith("Kun til forskning: ")
    assert found["deterioration"].text["en"].startswith("Research only: ")
    assert "deterioration" not in {one.rule for one in judged(shipped("frail-elderly"), **ill).reasons(0)}
    assert without_something_to_do(study) == []


def test_no_shipped_programme_has_the_research_score():
    assert [path.stem for path in PROGRAMMES if "deterioration" in shipped(path.stem).rules] == []
