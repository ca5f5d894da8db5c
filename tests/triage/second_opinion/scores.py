"""The scores, from charts that were typed anew."""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from tests.triage.second_opinion.plain import (
    CALM,
    HIGH,
    LOW,
    MEDIUM,
    UNKNOWN,
    Limits,
    Patient,
    missing,
    trusted,
)
from vitals.alarm import Level
from vitals.clock import NS

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


CHARTS = {
    "mews": {
        "resp_rate": [(0, 8, 2), (9, 14, 0), (15, 20, 1), (21, 29, 2), (30, 999, 3)],
        "pulse_rate": [(0, 40, 2), (41, 50, 1), (51, 100, 0), (101, 110, 1), (111, 129, 2), (130, 999, 3)],
        "bp_sys": [(0, 70, 3), (71, 80, 2), (81, 100, 1), (101, 199, 0), (200, 999, 2)],
        "body_temp": [(0, 34.9, 2), (35.0, 38.4, 0), (38.5, 99, 2)],
        "consciousness": [(0, 0, 0), (1, 2, 1), (3, 3, 2), (4, 4, 3)],
    },
    "qsofa": {
        "resp_rate": [(0, 21, 0), (22, 999, 1)],
        "bp_sys": [(0, 100, 1), (101, 999, 0)],
        "consciousness": [(0, 0, 0), (1, 4, 1)],
    },
}


def charted(chart: Mapping[str, list[tuple[float, float, int]]], patient: Patient, fresh_s: float) -> list[int | None]:
    """The points of each column, None where there is nothing fresh."""
    given_points: list[int | None] = []
    for name, bands in chart.items():
        readings = trusted(patient[name], fresh_s)
        if not readings:
            given_points.append(None)
            continue
        step = Decimal("0.1") if name == "body_temp" else Decimal(1)
        value = float(Decimal(repr(readings[-1].value)).quantize(step, ROUND_HALF_UP))
        given_points.append(next(points for low, high, points in bands if low <= value <= high))
    return given_points


def mews(patient: Patient, limit: Limits) -> Level:
    if missing(limit["mews_medium"], limit["mews_high"], limit["mews_fresh_s"]):
        return UNKNOWN
    given_points = charted(CHARTS["mews"], patient, limit["mews_fresh_s"])
    known = [points for points in given_points if points is not None]
    if known and sum(known) >= limit["mews_high"]:
        return HIGH
    if known and sum(known) >= limit["mews_medium"]:
        return MEDIUM
    return UNKNOWN if None in given_points else CALM


def qsofa(patient: Patient, limit: Limits) -> Level:
    if missing(limit["qsofa_high"], limit["qsofa_fresh_s"]):
        return UNKNOWN
    given_points = charted(CHARTS["qsofa"], patient, limit["qsofa_fresh_s"])
    known = [points for points in given_points if points is not None]
    if known and sum(known) >= limit["qsofa_high"]:
        return HIGH
    return UNKNOWN if None in given_points else CALM


def shock_index(patient: Patient, limit: Limits) -> Level:
    if missing(limit["shock_raised"], limit["shock_high"], limit["shock_apart_s"], limit["shock_stale_s"]):
        return UNKNOWN
    pulse = trusted(patient["pulse_rate"], limit["shock_stale_s"])
    pressure = trusted(patient["bp_sys"], limit["shock_stale_s"])
    if not pulse or not pressure or abs(pulse[-1].age_ns - pressure[-1].age_ns) > limit["shock_apart_s"] * NS:
        return UNKNOWN
    if pressure[-1].value <= 0:
        return UNKNOWN
    ratio = pulse[-1].value / pressure[-1].value
    return HIGH if ratio >= limit["shock_high"] else MEDIUM if ratio >= limit["shock_raised"] else CALM


def crb65(patient: Patient, limit: Limits) -> Level:
    if missing(limit["age_years"], limit["crb65_fresh_s"]):
        return UNKNOWN
    value = {}
    for name, readings in patient.items():
        fresh = trusted(readings, limit["crb65_fresh_s"])
        value[name] = float(Decimal(repr(fresh[-1].value)).quantize(Decimal(1), ROUND_HALF_UP)) if fresh else math.nan
    systolic, diastolic = value["bp_sys"], value["bp_dia"]
    signs: list[bool | None] = [
        None if missing(value["consciousness"]) else value["consciousness"] > 0,
        None if missing(value["resp_rate"]) else value["resp_rate"] >= 30,
        True if systolic < 90 or diastolic <= 60 else None if missing(systolic, diastolic) else False,
        limit["age_years"] >= 65,
    ]
    met = signs.count(True)
    return HIGH if met >= 3 else MEDIUM if met else UNKNOWN if None in signs else CALM
