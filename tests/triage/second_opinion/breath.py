"""Lungs: saturation, spirometry, and what is answered and measured in a diary of COPD or at home with COVID."""

import math
import statistics
from collections.abc import Iterable
from decimal import Decimal

from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    LOW,
    MEDIUM,
    UNKNOWN,
    Limits,
    Patient,
    Seen,
    close_to_newest,
    missing,
    rounded,
    trusted,
)
from vitals.alarm import Level
from vitals.clock import NS


def warm(patient: Patient, limit: Limits) -> list[Seen]:
    """The saturations that no weak perfusion of the same moment speaks against."""
    cold = {seen.age_ns for seen in patient["perfusion_index"] if seen.value < limit["perfusion_least"]}
    return [seen for seen in patient["spo2"] if seen.age_ns not in cold]


def spo2_floor(patient: Patient, limit: Limits) -> Level:
    readings = trusted(warm(patient, limit), limit["spo2_stale_s"])
    limits = limit["spo2_floor"], limit["spo2_agree_s"], limit["spo2_alone"], limit["perfusion_least"]
    if not readings or missing(*limits, limit["spo2_stale_s"]):
        return UNKNOWN
    below = [s.value for s in close_to_newest(readings, limit["spo2_agree_s"]) if s.value < limit["spo2_floor"]]
    if len(below) >= 2 or any(value <= limit["spo2_floor"] - limit["spo2_alone"] for value in below):
        return HIGH
    return MEDIUM if below else CALM


def spo2_drop(patient: Patient, limit: Limits) -> Level:
    """`limit` has what is usual by the course as `spo2_median`: `tests.triage.state.reference` or `usually`."""
    patient = {name: readings[-32:] for name, readings in patient.items()}
    readings = trusted(warm(patient, limit), limit["spo2_stale_s"])
    limits = limit["spo2_drop"], limit["spo2_agree_s"], limit["perfusion_least"], limit["spo2_stale_s"]
    if not readings or missing(*limits):
        return UNKNOWN
    usual = limit["spo2_usual"]
    if missing(usual):
        usual = limit["spo2_median"]
    if missing(usual):
        return UNKNOWN
    recent = close_to_newest(readings, limit["spo2_agree_s"])
    low = [s for s in recent if round(usual - s.value, 3) >= limit["spo2_drop"]]
    return MEDIUM if len(low) >= 2 else LOW if low else CALM


def usually(readings: Iterable[tuple[int, float]]) -> float:
    """The median of what was usual a day before the newest reading (time, value): one in six hours, sixteen at most."""
    last = {t_ns // (6 * 3600 * NS): (t_ns, value) for t_ns, value in sorted(readings)}
    course = sorted(last.values())[-16:]
    newest_ns = course[-1][0] if course else 0
    earlier = [value for t_ns, value in course if 86_400 * NS <= newest_ns - t_ns <= 30 * 86_400 * NS]
    return statistics.median(earlier) if len(earlier) >= 4 else math.nan


def spirometry(patient: Patient, limit: Limits) -> Level:
    if missing(limit["spirometry_sds"], limit["spirometry_stale_s"]):
        return UNKNOWN
    found = []
    for name in ("fev1", "fvc"):
        blows = trusted(patient[name], limit["spirometry_stale_s"])
        if not blows:
            continue
        newest = blows[-1]
        week = [s.value for s in close_to_newest(blows, 7 * 86_400) if s.age_ns - newest.age_ns > 6 * 3600 * NS]
        if len(week) >= 4:
            usual = statistics.fmean(week)
            sd = max(statistics.stdev(week), 0.03 * usual)
            found.append(MEDIUM if newest.value < usual - limit["spirometry_sds"] * sd else CALM)
    return max(found, default=UNKNOWN)


def cat_rise(patient: Patient, limit: Limits) -> Level:
    told = trusted(patient["cat_score"], limit["cat_stale_s"])
    if not told or missing(limit["cat_rise"], limit["cat_stale_s"]):
        return UNKNOWN
    usual = limit["cat_usual"]
    if missing(usual):
        earlier = [s.value for s in told if 0 < s.age_ns - told[-1].age_ns <= 91 * 86_400 * NS]
        if not earlier:
            return CALM
        usual = statistics.median(earlier)
    rise = told[-1].value - usual
    return MEDIUM if rise >= 2 * limit["cat_rise"] else LOW if rise >= limit["cat_rise"] else CALM


def exact_rise(patient: Patient, limit: Limits) -> Level:
    diary = trusted(patient["exact_score"], limit["exact_stale_s"])
    if not diary or missing(limit["exact_two_days"], limit["exact_three_days"], limit["exact_stale_s"]):
        return UNKNOWN
    day_ns = 86_400 * NS
    days = [(s.age_ns - diary[-1].age_ns, s.value) for s in diary]
    usual = limit["exact_usual"]
    if missing(usual):
        week = [value for before, value in days if 2.5 * day_ns < before <= 9.5 * day_ns]
        if len(week) < 4:
            return UNKNOWN
        usual = statistics.fmean(week)
    lowest = []
    for day in range(3):
        entries = [value for before, value in days if (day - 0.5) * day_ns < before <= (day + 0.5) * day_ns]
        lowest.append(round(min(entries) - usual, 3) if entries else -math.inf)
    two_days = min(lowest[:2]) >= limit["exact_two_days"]
    return MEDIUM if two_days or min(lowest) >= limit["exact_three_days"] else CALM


def covid_oximetry(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    told = {name: trusted(readings, limit["covid_fresh_s"]) for name, readings in patient.items()}
    found = [CALM if all(told.values()) else UNKNOWN]
    if told["spo2"]:
        close = [rounded(seen.value) for seen in close_to_newest(told["spo2"], limit["covid_agree_s"])]
        low = [value for value in close if value < rounded(limit["covid_home"])]
        red = [value for value in low if value <= rounded(limit["covid_red"])]
        found.append({0: UNKNOWN, 1: LOW}.get(len(low), MEDIUM))
        found.append({0: UNKNOWN, 1: MEDIUM}.get(len(red), HIGH))
    for name, step, amber, red_from in (
        ("pulse_rate", "1", "100", "111"),
        ("body_temp", "0.1", "38.1", "39.1"),
        ("resp_rate", "1", "22", "25"),
    ):
        if told[name]:
            value = rounded(told[name][-1].value, step)
            found.append(HIGH if value >= Decimal(red_from) else MEDIUM if value >= Decimal(amber) else UNKNOWN)
    return max(found)
