"""Each rule once more, in slow plain Python on one patient, written from its words and with nothing of `triage` in it.

`tests.triage.test_second_opinion` asks both about invented patients, `tests.swarm` about what a server has stored.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from vitals.alarm import Level
from vitals.clock import NS

UNKNOWN, CALM, LOW, MEDIUM, HIGH = Level.UNKNOWN, Level.CALM, Level.LOW, Level.MEDIUM, Level.HIGH


class Seen(NamedTuple):
    """One reading: how old it is in nanoseconds, its value, and whether it is to be trusted."""

    age_ns: int
    value: float
    good: bool


Patient = Mapping[str, list[Seen]]
Limits = Mapping[str, float]


def missing(*numbers: float) -> bool:
    return any(math.isnan(number) for number in numbers)


def trusted(readings: list[Seen], fresh_s: float) -> list[Seen]:
    """The good ones, newest last; none at all if the newest of them is older than `fresh_s`."""
    readings = [seen for seen in readings if seen.good]
    return readings if readings and readings[-1].age_ns <= fresh_s * NS else []


def close_to_newest(readings: list[Seen], span_s: float) -> list[Seen]:
    return [seen for seen in readings if seen.age_ns - readings[-1].age_ns <= span_s * NS]


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
    if not readings or missing(limit["weight_gain_kg"]):
        return UNKNOWN
    readings = close_to_newest(readings, 72 * 3600)
    if len(readings) < 3 or readings[0].age_ns - readings[-1].age_ns < 24 * 3600 * NS:
        return UNKNOWN
    gain = round(readings[-1].value - statistics.median(seen.value for seen in readings[:-1]), 3)
    if gain > round(1.5 * limit["weight_gain_kg"], 3):
        return HIGH
    return MEDIUM if gain > limit["weight_gain_kg"] else CALM


def missed_dose(patient: Patient, limit: Limits) -> Level:
    retrieved = patient["dispenser.retrieved"]

    def standing(name: str) -> list[Seen]:
        return [
            miss
            for miss in patient[name]
            if miss.value == 0 or not any(r.value == miss.value and r.age_ns < miss.age_ns for r in retrieved)
        ]

    if standing("dispenser.missed_critical"):
        return HIGH
    if standing("dispenser.missed"):
        return MEDIUM
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


def device_silent(patient: Patient, limit: Limits) -> Level:
    if limit["gateway_silent"] != 0 or missing(limit["silence_times"]):
        return UNKNOWN
    found = []
    for name, readings in patient.items():
        expected_s = limit[f"{name}_expected_s"]
        if missing(expected_s):
            continue
        ages_s = [seen.age_ns / NS for seen in readings[-1:]] + [limit["watched_s"]]
        silent_s = min((age_s for age_s in ages_s if not missing(age_s)), default=math.nan)
        if missing(silent_s):
            found.append(UNKNOWN)
        elif silent_s > limit["silence_times"] * expected_s:
            found.append(MEDIUM)
        else:
            found.append(LOW if silent_s > 1.5 * expected_s else CALM)
    worst = max(found, default=UNKNOWN)
    return UNKNOWN if worst == CALM and UNKNOWN in found else worst


def silent_after_red(patient: Patient, limit: Limits) -> Level:
    readings = trusted(patient["spo2"], math.inf)
    if not readings or missing(limit["spo2_floor"], limit["spo2_expected_s"]):
        return UNKNOWN
    silent = patient["spo2"][-1].age_ns > 2 * limit["spo2_expected_s"] * NS
    return HIGH if silent and readings[-1].value < limit["spo2_floor"] else CALM


# Each column of RCP 2017, chart 1, as (lowest, highest, points), typed from the chart.
RCP = {
    "resp_rate": [(0, 8, 3), (9, 11, 1), (12, 20, 0), (21, 24, 2), (25, 999, 3)],
    "spo2 scale 1": [(0, 91, 3), (92, 93, 2), (94, 95, 1), (96, 100, 0)],
    "spo2 scale 2 on air": [(0, 83, 3), (84, 85, 2), (86, 87, 1), (88, 100, 0)],
    "spo2 scale 2 on oxygen": [
        (0, 83, 3),
        (84, 85, 2),
        (86, 87, 1),
        (88, 92, 0),
        (93, 94, 1),
        (95, 96, 2),
        (97, 100, 3),
    ],
    "bp_sys": [(0, 90, 3), (91, 100, 2), (101, 110, 1), (111, 219, 0), (220, 999, 3)],
    "pulse_rate": [(0, 40, 3), (41, 50, 1), (51, 90, 0), (91, 110, 1), (111, 130, 2), (131, 999, 3)],
    "consciousness": [(0, 0, 0), (1, 4, 3)],
    "body_temp": [(0, 35.0, 3), (35.1, 36.0, 1), (36.1, 38.0, 0), (38.1, 39.0, 1), (39.1, 99, 2)],
}


def rcp(column: str, value: float) -> int:
    """The points of one column of the chart."""
    step = Decimal("0.1") if column == "body_temp" else Decimal(1)
    rounded = float(Decimal(repr(value)).quantize(step, ROUND_HALF_UP))
    (given_points,) = [points for low, high, points in RCP[column] if low <= rounded <= high]
    return given_points


def rcp_spo2(value: float, oxygen: float, scale: float) -> int | None:
    if scale == 1:
        return rcp("spo2 scale 1", value)
    air, on_oxygen = rcp("spo2 scale 2 on air", value), rcp("spo2 scale 2 on oxygen", value)
    if missing(oxygen):
        return air if air == on_oxygen else None
    return on_oxygen if oxygen > 0 else air


def news2(patient: Patient, limit: Limits) -> Level:
    if missing(limit["spo2_scale"], limit["news2_fresh_s"], limit["news2_low"]):
        return UNKNOWN
    fresh = {name: trusted(readings, limit["news2_fresh_s"]) for name, readings in patient.items()}
    value = {name: readings[-1].value if readings else math.nan for name, readings in fresh.items()}
    points: dict[str, int | None] = {
        name: None if missing(number) else rcp(name, number)
        for name, number in value.items()
        if name not in ("spo2", "oxygen_flow")
    }
    oxygen = value["oxygen_flow"]
    points["oxygen"] = None if missing(oxygen) else 2 if oxygen > 0 else 0
    points["spo2"] = None if missing(value["spo2"]) else rcp_spo2(value["spo2"], oxygen, limit["spo2_scale"])
    total = sum(given_points or 0 for given_points in points.values())
    if total >= 7:
        return HIGH
    if total >= 5 or 3 in points.values():
        return MEDIUM
    if total and limit["news2_low"] == 1:
        return LOW
    return UNKNOWN if None in points.values() else CALM


OPINIONS: Mapping[str, Callable[[Patient, Limits], Level]] = {
    opinion.__name__: opinion
    for opinion in (
        spo2_floor, pulse_high, weight_gain, missed_dose, dispenser_trouble, device_silent, silent_after_red, news2,
    )
}  # fmt: skip
