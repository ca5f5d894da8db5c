"""Who and what is silent."""

import math

from tests.triage.second_opinion.breath import warm
from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    KIN,
    LOW,
    MEDIUM,
    NURSE,
    PATIENT,
    UNKNOWN,
    Limits,
    Patient,
    Told,
    missing,
    trusted,
)
from vitals.alarm import Level
from vitals.clock import NS

INSTRUMENTS = {"pulse_rate": "spo2", "fev1": "peak_flow", "consciousness": "oxygen_flow"}


def silences(patient: Patient, limit: Limits) -> dict[str, tuple[float, float]] | None:
    """Of each expected channel how long it has been silent, and how often it is expected; None: nobody can say."""
    if limit["gateway_silent"] != 0 or missing(limit["silence_times"]):
        return None
    found = {}
    for name, readings in patient.items():
        expected_s = limit[f"{name}_expected_s"]
        if not missing(expected_s):
            ages_s = [seen.age_ns / NS for seen in readings[-1:]] + [limit["watched_s"]]
            known_s = [age_s for age_s in ages_s if not missing(age_s)]
            found[name] = min(known_s, default=math.nan), expected_s
    return found


def how_late(silent_s: float, expected_s: float, limit: Limits) -> Told:
    if silent_s > limit["silence_times"] * expected_s:
        return Told(MEDIUM, NURSE)
    return Told(LOW if silent_s > 1.5 * expected_s else CALM, KIN if silent_s > 2 * expected_s else PATIENT)


def all_late(found: dict[str, tuple[float, float]]) -> bool:
    two = len({INSTRUMENTS.get(name, name) for name in found}) >= 2
    return two and all(silent_s > 1.5 * expected_s for silent_s, expected_s in found.values())


def device_silent(patient: Patient, limit: Limits) -> Level | Told:
    found = silences(patient, limit)
    if not found or (limit["silence_shared"] != 0 and all_late(found)):
        return UNKNOWN
    worst = max(how_late(*each, limit) for each in found.values())
    return UNKNOWN if worst.level == CALM and any(missing(silent_s) for silent_s, _ in found.values()) else worst


def patient_silent(patient: Patient, limit: Limits) -> Level | Told:
    found = silences(patient, limit)
    if not found or len({INSTRUMENTS.get(name, name) for name in found}) < 2:
        return UNKNOWN
    if any(missing(silent_s) for silent_s, _ in found.values()):
        return UNKNOWN
    return max(how_late(*each, limit) for each in found.values()) if all_late(found) else CALM


def silent_after_red(patient: Patient, limit: Limits) -> Level:
    readings = trusted(warm(patient, limit), 30 * 86_400)
    if not readings or missing(limit["spo2_floor"], limit["spo2_expected_s"], limit["perfusion_least"]):
        return UNKNOWN
    silent = patient["spo2"][-1].age_ns > 2 * limit["spo2_expected_s"] * NS
    return HIGH if silent and readings[-1].value < limit["spo2_floor"] else CALM
