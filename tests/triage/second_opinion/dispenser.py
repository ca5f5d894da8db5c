"""The medicine dispenser."""

import math

from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    KIN,
    LOW,
    MEDIUM,
    PATIENT,
    UNKNOWN,
    Limits,
    Patient,
    Seen,
    Told,
    missing,
)
from vitals.alarm import Level
from vitals.clock import NS


def missed_dose(patient: Patient, limit: Limits) -> Level | Told:
    if missing(limit["dose_kin_s"], limit["dose_nurse_s"]):
        return UNKNOWN
    retrieved = patient["dispenser.retrieved"]

    def standing(name: str) -> list[Seen]:
        return [
            miss
            for miss in patient[name]
            if miss.value == 0 or not any(r.value == miss.value and r.age_ns < miss.age_ns for r in retrieved)
        ]

    if standing("dispenser.missed_critical"):
        return HIGH
    for missed in standing("dispenser.missed")[:1]:
        if missed.age_ns >= limit["dose_nurse_s"] * NS:
            return MEDIUM
        return Told(LOW, KIN if missed.age_ns >= limit["dose_kin_s"] * NS else PATIENT)
    return CALM if any(patient.values()) else UNKNOWN


def dispenser_trouble(patient: Patient, limit: Limits) -> Level:
    if missing(limit["dispenser_fresh_s"]):
        return UNKNOWN

    def age(name: str) -> float:
        return min((seen.age_ns for seen in patient[f"dispenser.{name}"]), default=math.inf)

    moved = min(age("presented"), age("retrieved"))
    if (
        (age("jam") < math.inf and age("jam") <= moved)
        or (age("dispense_fail") < math.inf and age("dispense_fail") <= moved)
        or (age("empty") < math.inf and age("empty") <= age("refill"))
        or age("tamper") <= 86_400 * NS
    ):
        return MEDIUM
    heard = min(seen.age_ns for seen in sum(patient.values(), [Seen(10**30, 0, True)]))
    return CALM if heard <= limit["dispenser_fresh_s"] * NS else UNKNOWN
