"""The acute rules, value by value at their boundaries, and as a nurse would tell of them."""

import pytest

from vitals.alarm import Level
from vitals.channels import PRO_CTCAE, UKONS

CALM, LOW, MEDIUM, HIGH, UNKNOWN = Level.CALM, Level.LOW, Level.MEDIUM, Level.HIGH, Level.UNKNOWN


# Fever in chemotherapy


@pytest.mark.parametrize(
    ("temperature", "level"),
    [
        (35.9, HIGH), (35.94, HIGH), (35.95, CALM), (36.0, CALM), (37.4, CALM), (37.44, CALM), (37.45, LOW),
        (37.5, LOW), (37.9, LOW), (37.94, LOW), (37.95, HIGH), (38.0, HIGH), (40.0, HIGH),
    ],
)  # fmt: skip
def test_fever_once_is_an_emergency_and_so_is_a_cold_patient(says, temperature, level):
    assert says("chemo_fever", body_temp=[(1, temperature)], concern=[(1, 0)])[0] == level


def test_a_raised_temperature_with_a_concern_is_a_call(says, wishes):
    assert says("chemo_fever", body_temp=[(1, 37.6)], concern=[(2, 1)]) == (
        MEDIUM,
        "Temperature during chemotherapy: raised 37.6 °C, and worried or unwell: call",
    )
    assert says("chemo_fever", body_temp=[(1, 37.4)], concern=[(2, 1)])[0] == CALM
    assert wishes("chemo_fever", body_temp=[(1, 37.6)]) == {"concern"}
    assert wishes("chemo_fever", body_temp=[(1, 37.6)], concern=[(1, 0)]) == set()


def test_a_fever_that_a_tablet_took_down_was_a_fever(says):
    level, sentence = says("chemo_fever", body_temp=[(20, 38.4), (1, 36.8)])
    assert level == HIGH
    assert sentence == "Temperature during chemotherapy: fever 38.4 °C (limit 38.0), an emergency"
    assert says("chemo_fever", body_temp=[(25, 38.4), (1, 36.8)])[0] == CALM


def test_a_fever_counts_for_a_day_though_the_temperature_is_taken_by_the_hour_from_then_on(says):
    """As it is asked for: a red finding wants the next one within the hour (`triage.plan`)."""
    by_the_hour = [(hours, 37.2) for hours in range(23)]
    assert says("chemo_fever", body_temp=[(23.5, 38.4), *by_the_hour])[0] == HIGH
    assert says("chemo_fever", body_temp=[(24.5, 38.4), *by_the_hour])[0] == CALM


def test_a_doubted_fever_is_no_finding_and_yesterdays_temperature_says_nothing(says):
    assert says("chemo_fever", body_temp=[(2, 36.8), (1, 39.0, False)])[0] == CALM
    assert says("chemo_fever", body_temp=[(25, 36.8)])[0] == UNKNOWN


# Signs of a stroke


@pytest.mark.parametrize("sign", ["face_droop", "arm_weakness", "speech_trouble"])
def test_any_sign_of_a_stroke_is_an_emergency_whatever_else_was_not_answered(says, sign):
    assert says("stroke_fast", **{sign: [(1, 1)]})[0] == HIGH


def test_a_sign_that_has_passed_still_counts_for_a_day(says):
    no = {"face_droop": [(1, 0)], "speech_trouble": [(1, 0)]}
    assert says("stroke_fast", arm_weakness=[(20, 1), (1, 0)], **no) == (
        HIGH, "New signs of a stroke, call an ambulance: weak arm, first told 20.0 hours ago",
    )  # fmt: skip
    assert says("stroke_fast", arm_weakness=[(25, 1), (1, 0)], **no)[0] == CALM


def test_a_sign_counts_for_a_day_though_it_is_asked_for_by_the_hour_from_then_on(says):
    no = {sign: [(hours / 2, 0) for hours in range(47)] for sign in ("face_droop", "arm_weakness", "speech_trouble")}
    told = no | {"face_droop": [(23.6, 1), *no["face_droop"]]}
    assert says("stroke_fast", **no)[0] == CALM
    level, sentence = says("stroke_fast", **told)
    assert level == HIGH
    assert sentence == "New signs of a stroke, call an ambulance: drooping face, first told 23.6 hours ago"


def test_a_stroke_is_ruled_out_only_by_three_answers(says):
    assert says("stroke_fast", face_droop=[(1, 0)], speech_trouble=[(1, 0)]) == (
        UNKNOWN, "Signs of a stroke cannot be ruled out: the arm not answered",
    )  # fmt: skip


# UKONS


def all_of(items, grade=0, **other):
    return {name: [(1, grade)] for name in items} | {name: [(1, value)] for name, value in other.items()}


def test_ukons_counts_its_colours(says):
    assert says("ukons", **all_of(UKONS, 1))[0] == CALM
    assert says("ukons", **all_of(UKONS, 1, ukons_nausea=2)) == (
        MEDIUM, "UKONS: to be reviewed within 24 hours: nausea amber",
    )  # fmt: skip
    assert says("ukons", **all_of(UKONS, 0, ukons_nausea=2, ukons_rash=2)) == (
        HIGH, "UKONS: to be assessed face to face: nausea amber, rash amber",
    )  # fmt: skip
    assert says("ukons", **all_of(UKONS, 0, ukons_bleeding=3))[0] == HIGH


def test_what_was_not_answered_is_never_green(says):
    asked = UKONS[1:]
    assert says("ukons", **all_of(asked)) == (UNKNOWN, "UKONS cannot be judged: 1 questions not answered")
    assert says("ukons", {"ukons_items": len(asked)}, **all_of(asked))[0] == CALM
    level, sentence = says("ukons", ukons_pain=[(1, 3)])
    assert level == HIGH
    assert sentence == "UKONS: to be assessed face to face (20 not answered): pain red"


# PRO-CTCAE


def test_a_severe_side_effect_and_one_that_has_risen_call_a_nurse(says):
    assert says("pro_ctcae", **all_of(PRO_CTCAE, 2))[0] == CALM
    assert says("pro_ctcae", **all_of(PRO_CTCAE, 0, pro_pain=3)) == (MEDIUM, "Side effects (PRO-CTCAE 0–4): pain 3")
    assert says("pro_ctcae", pro_cough=[(170, 0), (1, 2)]) == (
        MEDIUM,
        "Side effects (PRO-CTCAE 0–4): cough 2 up from 0",
    )
    assert says("pro_ctcae", pro_cough=[(170, 1), (1, 2)])[0] == UNKNOWN, "the others were not answered"


def test_a_slow_worsening_is_seen_too_and_one_of_last_quarter_is_not(says):
    assert says("pro_ctcae", pro_cough=[(336, 0), (168, 1), (1, 2)])[0] == MEDIUM
    others = all_of(PRO_CTCAE)
    assert says("pro_ctcae", **(others | {"pro_cough": [(29 * 24 + 1, 0), (1, 2)]}))[0] == CALM


# COVID at home

WELL = {"spo2": [(1, 97)], "pulse_rate": [(1, 80)], "body_temp": [(1, 36.8)], "resp_rate": [(1, 16)]}


@pytest.mark.parametrize(
    ("channel", "value", "level"),
    [
        ("spo2", 95, CALM), ("spo2", 94.5, CALM), ("spo2", 94.4, LOW), ("spo2", 93, LOW), ("spo2", 92.5, LOW),
        ("spo2", 92.4, MEDIUM), ("spo2", 92, MEDIUM), ("spo2", 70, MEDIUM),
        ("pulse_rate", 99, CALM), ("pulse_rate", 99.5, MEDIUM), ("pulse_rate", 100, MEDIUM),
        ("pulse_rate", 110, MEDIUM), ("pulse_rate", 110.5, HIGH), ("pulse_rate", 111, HIGH),
        ("body_temp", 38.0, CALM), ("body_temp", 38.05, MEDIUM), ("body_temp", 39.0, MEDIUM),
        ("body_temp", 39.05, HIGH),
        ("resp_rate", 21, CALM), ("resp_rate", 22, MEDIUM), ("resp_rate", 24, MEDIUM), ("resp_rate", 25, HIGH),
    ],
)  # fmt: skip
def test_the_nhs_table_at_every_boundary(says, channel, value, level):
    assert says("covid_oximetry", **(WELL | {channel: [(1, value)]}))[0] == level


def test_a_low_saturation_is_measured_again_and_then_acted_on(says, wishes):
    once = WELL | {"spo2": [(1, 92)]}
    assert says("covid_oximetry", **once) == (MEDIUM, "COVID: SpO₂ 92 %, a single reading, measure again")
    assert wishes("covid_oximetry", **once) == {"spo2"}
    twice = WELL | {"spo2": [(1, 92), (0.9, 91)]}
    assert says("covid_oximetry", **twice) == (HIGH, "COVID: SpO₂ 91 %")
    assert wishes("covid_oximetry", **twice) == set()
    assert says("covid_oximetry", **(WELL | {"spo2": [(1, 94), (0.9, 93)]}))[0] == MEDIUM
    assert says("covid_oximetry", **(WELL | {"spo2": [(3, 94), (0.9, 93)]}))[0] == LOW


def test_what_covid_patients_did_not_measure_makes_them_not_calm(says):
    assert says("covid_oximetry", spo2=[(1, 97)], pulse_rate=[(1, 80)], body_temp=[(1, 36.8)]) == (
        UNKNOWN, "COVID cannot be judged; not measured: respiratory rate",
    )  # fmt: skip
    assert says("covid_oximetry", spo2=[(13, 90)])[0] == UNKNOWN


# Blood pressure


def pressures(*pairs):
    """Readings a day apart, the newest an hour ago."""
    ages = [1 + 24 * day for day in range(len(pairs))][::-1]
    return {
        "bp_sys": [(age, sys) for age, (sys, _) in zip(ages, pairs, strict=True)],
        "bp_dia": [(age, dia) for age, (_, dia) in zip(ages, pairs, strict=True)],
    }


@pytest.mark.parametrize(
    ("sys", "dia", "level"),
    [
        (134, 84, CALM), (134.4, 84.4, CALM), (134.5, 84, LOW), (135, 84, LOW), (134, 84.5, LOW), (134, 85, LOW),
        (179, 119, LOW), (179.5, 80, MEDIUM), (180, 80, MEDIUM), (130, 120, MEDIUM),
    ],
)  # fmt: skip
def test_the_target_is_of_a_mean_and_far_too_high_is_far_too_high(says, sys, dia, level):
    assert says("blood_pressure", **pressures(*[(sys, dia)] * 3))[0] == level


def test_one_high_reading_among_good_ones_is_not_above_the_target(says):
    assert says("blood_pressure", **pressures((120, 75), (122, 76), (150, 80)))[0] == CALM
    level, sentence = says("blood_pressure", **pressures((140, 75), (138, 76), (130, 80)))
    assert (level, sentence) == (LOW, "Blood pressure 130/80 mmHg; mean 136/77 above the target 135/85")
    assert says("blood_pressure", **pressures((120, 75), (122, 76)))[0] == UNKNOWN, "two readings make no mean"


def test_far_too_high_with_a_symptom_is_an_emergency_and_without_an_answer_a_question(says, wishes):
    high = pressures((185, 100))
    assert says("blood_pressure", chest_pain=[(2, 1)], **high) == (
        HIGH, "Blood pressure 185/100 mmHg, very high, an emergency: chest pain",
    )  # fmt: skip
    assert says("blood_pressure", chest_pain=[(2, 0)], breathlessness=[(2, 1)], **high)[0] == MEDIUM
    assert says("blood_pressure", breathlessness=[(2, 2)], **high)[0] == HIGH
    assert wishes("blood_pressure", chest_pain=[(2, 0)], breathlessness=[(2, 1)], **high) == {
        "face_droop", "arm_weakness", "speech_trouble",
    }  # fmt: skip
    assert says("blood_pressure", chest_pain=[(2, 1)], **pressures(*[(120, 75)] * 3))[0] == CALM


def test_a_symptom_told_once_the_pressure_has_come_down_is_an_emergency_all_the_same(says, wishes):
    """It was asked for because of the pressure before, and the patient measured again before answering."""
    after = {"bp_sys": [(2, 190), (1, 170)], "bp_dia": [(2, 100), (1, 95)]}
    assert says("blood_pressure", face_droop=[(0.5, 1)], **after) == (
        HIGH, "Blood pressure 170/95 mmHg, an emergency: drooping face",
    )  # fmt: skip
    assert says("blood_pressure", face_droop=[(0.5, 0)], **after)[0] == UNKNOWN
    assert wishes("blood_pressure", **after) == set()
    long_ago = {"bp_sys": [(26, 190), (1, 170)], "bp_dia": [(26, 100), (1, 95)]}
    assert says("blood_pressure", face_droop=[(0.5, 1)], **long_ago)[0] == UNKNOWN


def test_a_diastolic_that_never_came_is_not_calm(says):
    assert says("blood_pressure", bp_sys=[(49, 120), (25, 121), (1, 122)])[0] == UNKNOWN
    assert says("blood_pressure", bp_sys=[(1, 190)])[0] == MEDIUM
