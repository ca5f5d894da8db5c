"""Heart, weight, pressure and sugar."""

import math
import statistics

from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    LOW,
    MEDIUM,
    PATIENT,
    UNKNOWN,
    Limits,
    Patient,
    Seen,
    Told,
    close_to_newest,
    lately,
    missing,
    rounded,
    trusted,
)
from vitals.alarm import Level
from vitals.clock import NS


def pulse_high(patient: Patient, limit: Limits) -> Level:
    readings = trusted(patient["pulse_rate"], limit["pulse_stale_s"])
    if not readings or missing(limit["pulse_ceiling"], limit["pulse_agree_s"], limit["pulse_urgent"]):
        return UNKNOWN
    above = [s.value for s in close_to_newest(readings, limit["pulse_agree_s"]) if s.value > limit["pulse_ceiling"]]
    urgent = [value for value in above if value >= limit["pulse_urgent"]]
    if len(urgent) >= 2:
        return HIGH
    if len(above) >= 2 or urgent:
        return MEDIUM
    return LOW if above else CALM


def weight_gain(patient: Patient, limit: Limits) -> Level:
    readings = trusted(patient["weight"], limit["weight_stale_s"])
    limits = limit["weight_gain_kg"], limit["weight_stale_s"], limit["symptom_from"], limit["symptom_stale_s"]
    if not readings or missing(*limits):
        return UNKNOWN
    readings = each_once(close_to_newest(readings, 72 * 3600), 6 * 3600)
    if len(readings) < 3 or readings[0].age_ns - readings[-1].age_ns < 24 * 3600 * NS:
        return UNKNOWN
    gain = round(readings[-1].value - statistics.median(seen.value for seen in readings[:-1]), 3)
    if gain <= limit["weight_gain_kg"]:
        return CALM
    answers = [trusted(patient[name], limit["symptom_stale_s"]) for name in ("breathlessness", "swelling")]
    yes = [told[-1].value >= limit["symptom_from"] for told in answers if told]
    if any(yes):
        return HIGH
    much = gain > round(1.5 * limit["weight_gain_kg"], 3)
    return Level((HIGH if much else MEDIUM) - (len(yes) == 2))


def each_once(readings: list[Seen], gap_s: float) -> list[Seen]:
    """Those that no other follows so closely, counted back from the newest."""
    kept: list[Seen] = []
    for seen in reversed(readings):
        if not kept or seen.age_ns - kept[-1].age_ns >= gap_s * NS:
            kept.append(seen)
    return kept[::-1]


def blood_pressure(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    found, urgent, reached = [], False, False
    for name in ("bp_sys", "bp_dia"):
        of_the_day = lately(patient[name], limit["bp_symptom_s"])
        reached |= any(rounded(value) >= rounded(limit[f"{name}_urgent"]) for value in of_the_day)
        readings = trusted(patient[name], limit["bp_stale_s"])
        week = [seen.value for seen in close_to_newest(readings, 7 * 86_400)] if readings else []
        urgent |= bool(readings) and rounded(readings[-1].value) >= rounded(limit[f"{name}_urgent"])
        if not week or len(week) < limit["bp_enough"]:
            found.append(UNKNOWN)
        else:
            above = rounded(statistics.fmean(week)) >= rounded(limit[f"{name}_target"])
            found.append(LOW if above else CALM)
    least = {"chest_pain": 1, "breathlessness": 2, "face_droop": 1, "arm_weakness": 1, "speech_trouble": 1}
    ill = [lately(patient[name], limit["bp_symptom_s"]) for name in least]
    if (urgent or reached) and any(
        max(told, default=0) >= need for told, need in zip(ill, least.values(), strict=True)
    ):
        return HIGH
    if urgent:
        return MEDIUM
    return LOW if LOW in found else min(found)


GLUCOSE_LIMITS = (
    "glucose_urgent", "glucose_low", "glucose_high", "ketone_high", "ketone_urgent", "glucose_stale_s",
    "ketone_stale_s",
)  # fmt: skip


def low_for_s(readings: list[Seen], below: float) -> float | None:
    """From the first of the unbroken run of lows, none further than 3 h from the next, to the newest reading."""
    run: list[Seen] = []
    for seen in reversed(readings):
        if seen.value >= below or (run and seen.age_ns - run[-1].age_ns > 3 * 3600 * NS):
            break
        run.append(seen)
    return (run[-1].age_ns - run[0].age_ns) / NS if run else None


def glucose(patient: Patient, limit: Limits) -> Level | Told:
    if missing(*(limit[name] for name in GLUCOSE_LIMITS)):
        return UNKNOWN
    readings = trusted(patient["glucose"], limit["glucose_stale_s"])
    ketones = trusted(patient["ketone"], limit["ketone_stale_s"])
    ketone = ketones[-1].value if ketones else -math.inf
    if ketone >= limit["ketone_urgent"]:
        return HIGH
    if not readings:
        return UNKNOWN
    newest = readings[-1]
    low_s, urgent_s = low_for_s(readings, limit["glucose_low"]), low_for_s(readings, limit["glucose_urgent"])
    if urgent_s is not None and urgent_s >= 15 * 60:
        return HIGH
    high = newest.value > limit["glucose_high"]
    if (low_s is not None and low_s > 120 * 60) or (high and ketone >= limit["ketone_high"]):
        return MEDIUM
    if urgent_s is not None:
        return MEDIUM if newest.age_ns > 1800 * NS else Told(MEDIUM, PATIENT)
    return Told(LOW, PATIENT) if low_s is not None or high else CALM
