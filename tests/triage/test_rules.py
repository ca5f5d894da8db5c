"""The rules as a nurse would tell of them."""

import numpy as np
import pytest

from triage.catalogue import catalogue
from triage.contract import NEVER
from triage.rules.silence import gateway_silent
from vitals.alarm import Audience, Kind, Level
from vitals.clock import NS

HOUR = 3600 * NS


@pytest.fixture
def tells(verdicts):
    """What a rule says, and to whom."""

    def judge(*rule, **readings) -> tuple[Level, Audience]:
        found = verdicts(*rule, **readings)
        return Level(int(found.level[0, 0])), Audience(int(found.tells[0, 0]))

    return judge


def test_two_low_readings_are_red(says):
    assert says("spo2_floor", spo2=[(1.2, 89), (1, 88)]) == (Level.HIGH, "SpO₂ 88 %, limit 90 % (2 readings below it)")


def test_one_reading_just_below_asks_for_another(says):
    said = says("spo2_floor", spo2=[(9, 96), (1, 89)])
    assert said == (Level.MEDIUM, "SpO₂ 89 %, limit 90 %; a single reading, measure again")
    assert says("spo2_floor", spo2=[(1.2, 88), (1, 95)])[0] == Level.MEDIUM, "a recovery wants confirming"
    assert says("spo2_floor", spo2=[(2, 88), (1, 95)])[0] == Level.CALM


def test_one_reading_far_below_is_red_at_once(says):
    assert says("spo2_floor", spo2=[(1, 87)])[0] == Level.HIGH


def test_a_low_burst_that_was_delayed_is_red_though_a_good_reading_came_with_it(says):
    assert says("spo2_floor", spo2=[(1.3, 89), (1.2, 89), (1, 95)])[0] == Level.HIGH


def test_a_reading_the_probe_doubted_does_not_count(says):
    assert says("spo2_floor", spo2=[(2, 96), (1, 70, False)])[0] == Level.CALM
    assert says("spo2_floor", spo2=[(1, 70, False)])[0] == Level.UNKNOWN


def test_a_cold_finger_does_not_count_and_is_asked_for_again(says, wishes):
    cold = {"spo2": [(2, 96), (1, 70)], "perfusion_index": [(2, 1.4), (1, 0.2)]}
    assert says("spo2_floor", **cold)[0] == Level.CALM
    assert wishes("spo2_floor", **cold) == {"spo2"}
    assert says("spo2_floor", {"perfusion_least": 0.1}, **cold)[0] == Level.HIGH


def test_a_single_low_reading_is_wished_for_again_until_one_answers(wishes):
    assert wishes("spo2_floor", spo2=[(1, 89)]) == {"spo2"}
    assert wishes("spo2_floor", spo2=[(1, 70, False)]) == {"spo2"}
    assert wishes("spo2_floor", spo2=[(1.2, 89), (1, 88)]) == set()
    assert wishes("spo2_floor", spo2=[(2, 89), (1, 95)]) == set()
    assert wishes("pulse_high", pulse_rate=[(1, 125)]) == {"pulse_rate"}


def test_a_programme_may_want_two_readings_however_low_the_first(says):
    assert says("spo2_floor", {"spo2_alone": 60.0}, spo2=[(1, 70)])[0] == Level.MEDIUM
    assert says("spo2_floor", {"spo2_alone": 60.0}, spo2=[(1.1, 71), (1, 70)])[0] == Level.HIGH


def test_a_patient_used_to_88_is_calm_at_89(says):
    assert says("spo2_floor", {"spo2_floor": 86.0}, spo2=[(1.2, 89), (1, 88)])[0] == Level.CALM


def test_yesterdays_saturation_says_nothing_of_today(says):
    assert says("spo2_floor", spo2=[(25, 85)])[0] == Level.UNKNOWN


def test_a_high_pulse_takes_two_readings(says):
    assert says("pulse_high", pulse_rate=[(1, 120)])[0] == Level.CALM
    assert says("pulse_high", pulse_rate=[(1, 121)])[0] == Level.LOW
    assert says("pulse_high", pulse_rate=[(1.1, 121), (1, 135)])[0] == Level.MEDIUM
    assert says("pulse_high", pulse_rate=[(1.1, 131), (1, 135)])[0] == Level.HIGH
    assert says("pulse_high", {"pulse_ceiling": 140.0}, pulse_rate=[(1.1, 131), (1, 135)])[0] == Level.CALM


def test_more_than_two_kilos_above_the_three_day_median(says):
    days = [(72, 80.4), (48, 80.5), (24, 80.3)]
    assert says("weight_gain", weight=[*days, (0, 82.4)])[0] == Level.CALM
    level, sentence = says("weight_gain", weight=[*days, (0, 82.5)])
    assert level == Level.MEDIUM
    assert sentence == "Weight up 2.1 kg in three days, to 82.5 kg from 80.4 kg (median); limit 2 kg"
    assert says("weight_gain", weight=[*days, (0, 83.5)])[0] == Level.HIGH


def test_symptoms_decide_what_a_gain_means(says, wishes):
    gain = [(72, 80.4), (48, 80.5), (24, 80.3), (0, 82.5)]
    well, breathless = {"breathlessness": [(2, 0)], "swelling": [(2, 1)]}, {"breathlessness": [(2, 2)]}
    assert wishes("weight_gain", weight=gain) == {"breathlessness", "swelling"}
    assert wishes("weight_gain", weight=gain, **well) == set()
    assert wishes("weight_gain", weight=gain[:-1], **breathless) == set(), "no gain, no question"
    level, sentence = says("weight_gain", weight=gain, **breathless)
    assert level == Level.HIGH
    assert sentence.endswith("limit 2 kg; breathlessness or swollen legs")
    level, sentence = says("weight_gain", weight=gain, **well)
    assert level == Level.LOW
    assert sentence.endswith("limit 2 kg; neither breathlessness nor swollen legs")
    assert says("weight_gain", weight=[*gain[:-1], (0, 84)], **well)[0] == Level.MEDIUM
    assert says("weight_gain", weight=gain, breathlessness=[(25, 4)])[0] == Level.MEDIUM, "that was yesterday"


def test_one_odd_low_weighing_does_not_make_a_gain(says):
    assert says("weight_gain", weight=[(72, 80.4), (48, 77.0), (24, 80.3), (0, 81.0)])[0] == Level.CALM


def test_stepping_on_the_scale_again_in_disbelief_does_not_weigh_the_gain_away(says):
    days = [(72, 80.4), (48, 80.5), (24, 80.3)]
    again = [(minutes / 60, 83.5) for minutes in range(1, 9)]
    once = says("weight_gain", weight=[*days, (0, 83.6)])
    assert once[0] == Level.HIGH
    assert says("weight_gain", weight=[*days, *again, (0, 83.6)]) == once
    yesterday = [(24 + minutes / 60, 83.5) for minutes in range(9)]
    assert says("weight_gain", weight=[*days[:2], (36, 80.4), *yesterday, (0, 83.6)])[0] == Level.HIGH
    assert says("weight_gain", weight=[(24, 80), *again])[0] == Level.UNKNOWN, "two days, however often"


def test_too_few_or_too_close_weighings_say_nothing(says):
    assert says("weight_gain", weight=[(48, 80), (0, 84)])[0] == Level.UNKNOWN
    assert says("weight_gain", weight=[(3, 80), (2, 80), (0, 84)])[0] == Level.UNKNOWN
    assert says("weight_gain", weight=[(97, 80), (73, 80), (49, 84)])[0] == Level.UNKNOWN, "the newest is two days old"


def test_a_missed_dose_and_a_time_critical_one(says):
    assert says("missed_dose", dispenser__missed=[(3, 7)])[0] == Level.MEDIUM
    level, sentence = says("missed_dose", dispenser__missed=[(3, 7)], dispenser__missed_critical=[(5, 8)])
    assert level == Level.HIGH
    assert sentence == "Doses left in the dispenser in the last 24 h: 2, time-critical: 1; the last 3 h ago"
    _, sentence = says("missed_dose", dispenser__missed=[(0.5, 7)])
    assert sentence == "Doses left in the dispenser in the last 24 h: 1; the last 30 min ago"


def test_a_missed_dose_is_the_patients_then_the_next_of_kins_then_a_nurses(tells):
    assert tells("missed_dose", dispenser__missed=[(0.4, 7)]) == (Level.LOW, Audience.PATIENT)
    assert tells("missed_dose", dispenser__missed=[(0.5, 7)]) == (Level.LOW, Audience.KIN)
    assert tells("missed_dose", dispenser__missed=[(2, 7)]) == (Level.MEDIUM, Audience.NURSE)
    assert tells("missed_dose", dispenser__missed_critical=[(0, 7)]) == (Level.HIGH, Audience.NURSE)
    waits = {"dose_kin_s": 3600.0, "dose_nurse_s": 4 * 3600.0}
    assert tells("missed_dose", waits, dispenser__missed=[(2, 7)]) == (Level.LOW, Audience.KIN)


def test_a_dose_that_was_retrieved_late_is_missed_no_more(says):
    assert says("missed_dose", dispenser__missed=[(3, 7)], dispenser__retrieved=[(2, 7)])[0] == Level.CALM
    assert says("missed_dose", dispenser__missed=[(3, 7)], dispenser__retrieved=[(2, 8)])[0] == Level.MEDIUM
    assert says("missed_dose", dispenser__missed=[(3, 7)], dispenser__retrieved=[(4, 7)])[0] == Level.MEDIUM
    assert says("missed_dose", dispenser__missed=[(3, 7)], dispenser__retrieved=[(3, 7)])[0] == Level.MEDIUM
    assert says("missed_dose", dispenser__missed=[(3, 0)], dispenser__retrieved=[(2, 0)])[0] == Level.MEDIUM


def test_a_jam_lasts_until_a_dose_comes_out(says):
    assert says("dispenser_trouble", dispenser__jam=[(5, 0)]) == (Level.MEDIUM, "Medicine dispenser: jammed 5 h ago")
    assert says("dispenser_trouble", dispenser__jam=[(5, 0)], dispenser__presented=[(4, 7)])[0] == Level.CALM
    assert says("dispenser_trouble", dispenser__jam=[(5, 0)], dispenser__refill=[(4, 7)])[0] == Level.MEDIUM
    assert says("dispenser_trouble", dispenser__jam=[(5, 0)], dispenser__presented=[(5, 7)])[0] == Level.MEDIUM
    assert says("dispenser_trouble", dispenser__empty=[(5, 0)], dispenser__refill=[(4, 0)])[0] == Level.CALM


def test_trouble_with_a_thing_is_technical():
    kinds = {name: rule.kind for name, rule in catalogue().items()}
    assert {name for name, kind in kinds.items() if kind is Kind.TECHNICAL} == {"dispenser_trouble", "device_silent"}


DAILY = {"weight_expected_s": 86_400.0}


def test_a_device_gets_half_an_interval_of_grace(says):
    assert says("device_silent", DAILY, weight=[(36, 80)])[0] == Level.CALM
    assert says("device_silent", DAILY, weight=[(37, 80)])[0] == Level.LOW
    level, sentence = says("device_silent", DAILY, weight=[(49, 80)])
    assert level == Level.MEDIUM
    assert sentence == "Readings overdue: Weight nothing for 49 h (expected every 24 h)"


def test_a_late_reading_is_the_patients_then_the_next_of_kins_then_a_nurses(tells):
    daily = DAILY | {"silence_times": 3.0}
    assert tells("device_silent", daily, weight=[(37, 80)]) == (Level.LOW, Audience.PATIENT)
    assert tells("device_silent", daily, weight=[(49, 80)]) == (Level.LOW, Audience.KIN)
    assert tells("device_silent", daily, weight=[(73, 80)]) == (Level.MEDIUM, Audience.NURSE)


def test_a_silent_patient_is_one_finding_and_not_one_for_each_device(says, tells):
    both = DAILY | {"bp_sys_expected_s": 86_400.0, "silence_shared": 1.0}
    mine = DAILY | {"bp_sys_expected_s": 86_400.0}
    silent = {"weight": [(49, 80)], "bp_sys": [(60, 130)]}
    assert says("patient_silent", mine, **silent) == (
        Level.MEDIUM,
        "Nothing comes from any device, and the gateway is well: Systolic pressure nothing for 60 h (expected every "
        "24 h), Weight nothing for 49 h (expected every 24 h)",
    )
    assert says("device_silent", both, **silent) == (
        Level.UNKNOWN,
        "Whether a device is silent cannot be judged: no readings come at all",
    )
    assert says("device_silent", mine, **silent)[0] == Level.MEDIUM, "a programme without the other rule"
    assert tells("patient_silent", mine, weight=[(37, 80)], bp_sys=[(37, 130)]) == (Level.LOW, Audience.PATIENT)


def test_a_dead_device_is_no_silent_patient(says):
    both = DAILY | {"bp_sys_expected_s": 86_400.0, "silence_shared": 1.0}
    mine = DAILY | {"bp_sys_expected_s": 86_400.0}
    dead = {"weight": [(60, 80)], "bp_sys": [(2, 130)]}
    assert says("patient_silent", mine, **dead)[0] == Level.CALM
    assert says("device_silent", both, **dead)[0] == Level.MEDIUM


def test_one_instrument_alone_cannot_be_told_from_its_patient(says):
    oximeter = {"spo2_expected_s": 86_400.0, "pulse_rate_expected_s": 86_400.0}
    silent = {"spo2": [(60, 96)], "pulse_rate": [(60, 70)]}
    level, sentence = says("patient_silent", oximeter, **silent)
    assert level == Level.UNKNOWN
    assert sentence == "Whether the patient is silent cannot be judged: fewer than two devices are expected"
    assert says("device_silent", oximeter | {"silence_shared": 1.0}, **silent)[0] == Level.MEDIUM


def test_a_silent_gateway_is_no_silent_patient(says):
    mine = DAILY | {"bp_sys_expected_s": 86_400.0, "gateway_silent": 1.0}
    assert says("patient_silent", mine, weight=[(60, 80)], bp_sys=[(60, 130)])[0] == Level.UNKNOWN


def test_a_reading_the_device_doubts_is_a_sign_of_life_all_the_same(says):
    assert says("device_silent", DAILY, weight=[(1, 80, False)])[0] == Level.CALM


def test_a_patient_never_heard_of_is_silent_since_enrolment(says, now_ns):
    assert says("device_silent", DAILY)[0] == Level.UNKNOWN
    assert says("device_silent", DAILY | {"watched_since_ns": float(now_ns - 10 * HOUR)})[0] == Level.CALM
    assert says("device_silent", DAILY | {"watched_since_ns": float(now_ns - 50 * HOUR)})[0] == Level.MEDIUM


def test_what_came_before_enrolment_is_not_held_against_a_patient(says, now_ns):
    limits = DAILY | {"watched_since_ns": float(now_ns - 10 * HOUR)}
    assert says("device_silent", limits, weight=[(400, 80)])[0] == Level.CALM


def test_a_silent_gateway_explains_its_silent_devices(says):
    level, sentence = says("device_silent", DAILY | {"gateway_silent": 1.0}, weight=[(60, 80)])
    assert level == Level.UNKNOWN
    assert sentence == "Whether a device is silent cannot be judged: the home's gateway is silent itself"


def test_but_not_a_patient_whose_last_saturation_was_red(says):
    limits = {"spo2_expected_s": 6 * 3600.0, "gateway_silent": 1.0}
    assert says("silent_after_red", limits, spo2=[(13, 85)])[0] == Level.HIGH
    assert says("silent_after_red", limits, spo2=[(12, 85)])[0] == Level.CALM
    assert says("silent_after_red", limits, spo2=[(13, 93)])[0] == Level.CALM


def test_whoever_falls_silent_after_a_red_reading_and_a_finger_out_of_the_clip_is_looked_for(says):
    slipping = [(13 - seconds / 3600, 62, False) for seconds in range(1, 60)]
    level, sentence = says("silent_after_red", {"spo2_expected_s": 6 * 3600.0}, spo2=[(13, 85), *slipping])
    assert level == Level.HIGH
    assert sentence == "Silent after a red reading: last SpO₂ 85 % (limit 90 %), then nothing for 13 h"
    assert says("silent_after_red", {"spo2_expected_s": 6 * 3600.0}, spo2=[(13, 93), *slipping])[0] == Level.CALM


def test_a_reading_of_a_cold_finger_was_not_red(says):
    cold = {"spo2": [(20, 96), (13, 70)], "perfusion_index": [(13, 0.1)]}
    assert says("silent_after_red", {"spo2_expected_s": 6 * 3600.0}, **cold)[0] == Level.CALM
    cold["spo2"][0] = (20, 85)
    assert says("silent_after_red", {"spo2_expected_s": 6 * 3600.0}, **cold)[0] == Level.HIGH, "what came before was"


def test_gateways_are_judged_by_their_heartbeats(now_ns):
    heard = np.array([now_ns - 60 * NS, now_ns - 901 * NS, NEVER, now_ns + NS, now_ns], dtype=np.int64)
    limit_s = np.array([900.0, 900, 900, 900, np.nan])
    assert gateway_silent(now_ns, heard, limit_s).tolist() == [
        Level.CALM, Level.MEDIUM, Level.UNKNOWN, Level.CALM, Level.UNKNOWN,
    ]  # fmt: skip


USUALLY_96 = [(24 * day, 96 + day % 2) for day in range(2, 8)]


def test_a_patient_who_is_usually_at_96_is_ill_at_92(says, wishes):
    level, sentence = says("spo2_drop", spo2=[*USUALLY_96, (1.2, 92), (1, 92)])
    assert (level, sentence) == (Level.MEDIUM, "SpO₂ 92 %, usually 96.5 % (told from 4 lower) (2 readings)")
    assert says("spo2_drop", spo2=[*USUALLY_96, (1, 92)])[0] == Level.LOW
    assert wishes("spo2_drop", spo2=[*USUALLY_96, (1, 92)]) == {"spo2"}
    assert says("spo2_drop", spo2=[*USUALLY_96, (1, 93)])[0] == Level.CALM
    assert says("spo2_drop", {"spo2_usual": 90.0}, spo2=[*USUALLY_96, (1.2, 88), (1, 87)])[0] == Level.CALM


def test_a_finger_that_slips_out_of_the_clip_does_not_hide_what_was_measured_before(says):
    """A device that tells every second doubts more in a minute than a rule looks at."""
    slipping = [(1 - seconds / 3600, 62, False) for seconds in range(1, 60)]
    assert says("spo2_drop", spo2=[*USUALLY_96, (1, 90), *slipping])[0] == Level.LOW
    assert says("spo2_drop", spo2=[*USUALLY_96, *slipping])[0] == Level.UNKNOWN, "what is usual is not of today"


def test_a_stream_of_seconds_does_not_wash_away_what_is_usual(says):
    second = 1 / 3600
    days = [(hour - n * second, 96) for hour in range(30, 102, 6) for n in range(120)]  # a clip worn day and night
    assert says("spo2_drop", spo2=[*days, *((n * second, 91) for n in range(120))])[0] == Level.MEDIUM
    assert says("spo2_drop", spo2=[*days, *((n * second, 95) for n in range(120))])[0] == Level.CALM


def test_what_is_usual_takes_four_readings_of_other_days(says):
    level, sentence = says("spo2_drop", spo2=[(72, 97), (60, 97), (48, 97), (1, 80)])
    assert (level, sentence) == (
        Level.UNKNOWN,
        "SpO₂ below what is usual: cannot be judged, what is usual is not known yet",
    )


def test_a_breath_below_the_persons_own_week(says):
    week = [(24 * day, 1.9 + day % 2 / 10) for day in range(1, 7)]
    assert says("spirometry", fev1=[*week, (1, 1.9)])[0] == Level.CALM
    assert says("spirometry", fev1=[*week, (1, 1.8)]) == (
        Level.MEDIUM,
        "Spirometry: FEV1 1.8 L, the week's limit 1.85 L",
    )
    assert says("spirometry", fev1=[*week[:3], (1, 1.0)])[0] == Level.UNKNOWN


def test_the_breaths_of_one_session_do_not_excuse_each_other(says):
    week = [(24 * day, 2.0) for day in range(1, 7)]
    assert says("spirometry", fev1=[*week, (1, 1.5)])[0] == Level.MEDIUM
    session = [(1.02, 1.5), (1.01, 1.5), (1, 1.5)]
    assert says("spirometry", fev1=[*week, *session])[0] == Level.MEDIUM, "three breaths, as one should"
    assert says("spirometry", fev1=[(30, 2.0), *session, (0.9, 1.5)])[0] == Level.UNKNOWN, "a session is no week"


def test_equal_breaths_do_not_make_the_next_one_abnormal(says):
    assert says("spirometry", fvc=[(24 * day, 3.0) for day in range(1, 7)] + [(1, 2.9)])[0] == Level.CALM


def test_two_points_more_in_the_cat_matter(says):
    assert says("cat_rise", cat_score=[(600, 14), (300, 15), (1, 16)])[0] == Level.CALM
    level, sentence = says("cat_rise", cat_score=[(600, 14), (300, 15), (1, 17)])
    assert (level, sentence) == (Level.LOW, "CAT 17 points, +2.5 from the usual 14.5; limit +2")
    assert says("cat_rise", cat_score=[(300, 15), (1, 19)])[0] == Level.MEDIUM
    assert says("cat_rise", cat_score=[(1, 30)])[0] == Level.CALM, "a first one is where one begins"


def test_a_diary_that_is_up_for_days(says):
    usual = [(24 * day, 40) for day in range(3, 9)]
    assert says("exact_rise", exact_score=[*usual, (48, 40), (24, 40), (1, 60)])[0] == Level.CALM, "one bad day"
    level, sentence = says("exact_rise", exact_score=[*usual, (49, 40), (25, 52), (1, 55)])
    assert (level, sentence) == (Level.MEDIUM, "EXACT 55 points, usually 40: at least +12 for two days")
    level, sentence = says("exact_rise", exact_score=[*usual, (49, 49), (25, 50), (1, 50)])
    assert (level, sentence) == (Level.MEDIUM, "EXACT 50 points, usually 40: at least +9 for three days")
    assert says("exact_rise", exact_score=[*usual, (49, 49), (1, 50)])[0] == Level.CALM, "a day is missing"


def test_a_low_glucose_is_the_patients_and_a_lasting_one_the_nurses(says, tells, wishes):
    assert tells("glucose", glucose=[(0.1, 3.8)]) == (Level.LOW, Audience.PATIENT)
    assert tells("glucose", glucose=[(0.1, 3.9)])[0] == Level.CALM
    assert wishes("glucose", glucose=[(0.1, 3.8)]) == {"glucose"}
    assert tells("glucose", glucose=[(0.1, 2.9)]) == (Level.MEDIUM, Audience.PATIENT)
    assert tells("glucose", glucose=[(0.6, 2.9)]) == (Level.MEDIUM, Audience.NURSE), "nobody measured again"
    assert tells("glucose", glucose=[(0.4, 2.9), (0.15, 2.8)]) == (Level.HIGH, Audience.NURSE)
    assert tells("glucose", glucose=[(0.4, 2.9), (0.3, 3.1), (0.15, 2.8)]) == (Level.MEDIUM, Audience.PATIENT)
    level, sentence = says("glucose", glucose=[(2.2, 3.7), (1.2, 3.6), (0.1, 3.8)])
    assert (level, sentence) == (
        Level.MEDIUM,
        "Glucose 3.8 mmol/L, below 3.9 for 126 min; measure again in 15 minutes",
    )
    assert tells("glucose", glucose=[(10, 3.7), (0.1, 3.8)])[1] == Audience.PATIENT, "two lows, not one long one"


def test_seventy_and_fifty_four_and_two_hundred_and_fifty_are_what_the_consensus_says(tells):
    for mg_dl, said in ((54, Level.LOW), (53.9, Level.MEDIUM), (70, Level.CALM), (69.9, Level.LOW), (250, Level.CALM)):
        assert tells("glucose", glucose=[(0.1, mg_dl / 18.0156)])[0] == said, mg_dl


def test_a_high_glucose_wants_ketones_and_ketones_want_a_nurse(says, tells, wishes):
    assert tells("glucose", glucose=[(0.1, 14.2)]) == (Level.LOW, Audience.PATIENT)
    assert wishes("glucose", glucose=[(0.1, 14.2)]) == {"ketone"}
    assert tells("glucose", glucose=[(0.1, 14.2)], ketone=[(0.1, 1.4)]) == (Level.LOW, Audience.PATIENT)
    assert tells("glucose", glucose=[(0.1, 14.2)], ketone=[(0.1, 1.5)]) == (Level.MEDIUM, Audience.NURSE)
    assert tells("glucose", glucose=[(0.1, 14.2)], ketone=[(0.1, 3.0)]) == (Level.HIGH, Audience.NURSE)
    assert says("glucose", ketone=[(0.1, 3.2)]) == (Level.HIGH, "Glucose not measured; ketones 3.2 mmol/L")
    assert tells("glucose", glucose=[(0.1, 7)], ketone=[(0.1, 2.0)])[0] == Level.CALM


def daily(*values: float) -> list[tuple[float, float]]:
    """One a day, the last an hour ago."""
    return [(24 * (len(values) - 1 - day) + 1, value) for day, value in enumerate(values)]


def test_a_pulse_that_leaves_what_is_usual_and_stays_away(says):
    usual = [62, 64, 63, 61, 63, 62, 64, 63]
    assert says("personal_baseline", pulse_rate=daily(*usual, 62))[0] == Level.CALM
    assert says("personal_baseline", pulse_rate=daily(*usual, 95))[0] == Level.CALM, "one slip is not a trend"
    level, sentence = says("personal_baseline", pulse_rate=daily(*usual, 88, 90))
    assert level == Level.LOW
    assert sentence.startswith("Away from what is usual for this person: Pulse 90 (usually 6")
    both = {"pulse_rate": daily(*usual, 88, 90), "spo2": daily(*[97] * 8, 92, 92)}
    assert says("personal_baseline", **both)[0] == Level.MEDIUM
    assert says("personal_baseline", pulse_rate=daily(62, 88, 90, 91))[0] == Level.UNKNOWN
