"""Each rule once more, in slow plain Python on one patient, written from its words and with nothing of `triage` in it.

`tests.triage.test_second_opinion` asks both about invented patients, `tests.swarm` about what a server has stored.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from vitals.alarm import Audience, Level
from vitals.clock import NS

PATIENT, KIN, NURSE = Audience.PATIENT, Audience.KIN, Audience.NURSE
GLUCOSE_LIMITS = (
    "glucose_urgent", "glucose_low", "glucose_high", "ketone_high", "ketone_urgent", "glucose_stale_s",
    "ketone_stale_s",
)  # fmt: skip
UNKNOWN, CALM, LOW, MEDIUM, HIGH = Level.UNKNOWN, Level.CALM, Level.LOW, Level.MEDIUM, Level.HIGH


class Seen(NamedTuple):
    """One reading: how old it is in nanoseconds, its value, and whether it is to be trusted."""

    age_ns: int
    value: float
    good: bool


Patient = Mapping[str, list[Seen]]
Limits = Mapping[str, float]


class Told(NamedTuple):
    """A verdict that is not for a nurse."""

    level: Level
    audience: Audience


def verdict(opinion: Level | Told) -> Told:
    """An opinion in full. A level alone is for a nurse."""
    return opinion if isinstance(opinion, Told) else Told(opinion, NURSE)


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


def spo2_drop(patient: Patient, limit: Limits) -> Level:
    readings = trusted(warm(patient, limit), limit["spo2_stale_s"])
    limits = limit["spo2_drop"], limit["spo2_agree_s"], limit["perfusion_least"], limit["spo2_stale_s"]
    if not readings or missing(*limits):
        return UNKNOWN
    usual = limit["spo2_usual"]
    if missing(usual):
        newest = readings[-1].age_ns
        earlier = [s.value for s in readings if 86_400 * NS < s.age_ns - newest <= 14 * 86_400 * NS]
        if len(earlier) < 4:
            return UNKNOWN
        usual = statistics.median(earlier)
    recent = close_to_newest(readings, limit["spo2_agree_s"])
    low = [s for s in recent if round(usual - s.value, 3) >= limit["spo2_drop"]]
    return MEDIUM if len(low) >= 2 else LOW if low else CALM


def spirometry(patient: Patient, limit: Limits) -> Level:
    if missing(limit["spirometry_sds"], limit["spirometry_stale_s"]):
        return UNKNOWN
    found = []
    for name in ("fev1", "fvc"):
        blows = trusted(patient[name], limit["spirometry_stale_s"])
        if not blows:
            continue
        newest = blows[-1]
        week = [s.value for s in close_to_newest(blows, 7 * 86_400) if s.age_ns != newest.age_ns]
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
    readings = close_to_newest(readings, 72 * 3600)
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
    readings = trusted(patient["spo2"], math.inf)
    if not readings or missing(limit["spo2_floor"], limit["spo2_expected_s"]):
        return UNKNOWN
    silent = patient["spo2"][-1].age_ns > 2 * limit["spo2_expected_s"] * NS
    return HIGH if silent and readings[-1].value < limit["spo2_floor"] else CALM


# Of triage/course.py: mean, worth, sd, least sd, days, whether a rise does harm; a fall does of all of them.
USUAL = {
    "spo2": (96.0, 1.0, 1.5, 0.8, 7.0, False),
    "pulse_rate": (75.0, 1.0, 7.0, 3.0, 7.0, True),
    "resp_rate": (16.0, 4.0, 2.0, 1.0, 7.0, True),
    "bp_sys": (130.0, 1.0, 10.0, 5.0, 14.0, True),
    "body_temp": (36.7, 4.0, 0.3, 0.15, 7.0, True),
}


def cusum(name: str, readings: list[Seen], now_ns: float) -> float:
    """How far the readings, the last good one of every 4 hours, have gone in the direction that does harm."""
    mean0, worth, sd0, least, days, rising = USUAL[name]
    course = list({(now_ns - s.age_ns) // (4 * 3600 * NS): s for s in readings if s.good}.values())
    course = [s for s in course if s.age_ns - course[-1].age_ns <= 30 * 86_400 * NS][-32:]
    rise = fall = 0.0
    for index, newest in enumerate(course):
        earlier = [(math.exp((newest.age_ns - s.age_ns) / (86_400 * NS * days)), s.value) for s in course[:index]]
        total = sum(weight for weight, _ in earlier)
        mean = (worth * mean0 + sum(weight * value for weight, value in earlier)) / (worth + total)
        spread = 4 * sd0**2 + sum(weight * (value - mean) ** 2 for weight, value in earlier)
        z = max(-4.0, min(4.0, (newest.value - mean) / max(math.sqrt(spread / (4 + total)), least)))
        if index >= 4:
            rise, fall = max(0.0, rise + z - 0.5), max(0.0, fall - z - 0.5)
    return max(rise, fall) if rising else fall


def personal_baseline(patient: Patient, limit: Limits) -> Level:
    if missing(limit["baseline_from"], limit["baseline_stale_s"]):
        return UNKNOWN
    found = []
    for name in USUAL:
        good = trusted(patient[name], limit["baseline_stale_s"])
        within = [s for s in good if s.age_ns - good[-1].age_ns <= 30 * 86_400 * NS]
        if len({(limit["now_ns"] - s.age_ns) // (4 * 3600 * NS) for s in within}) >= 5:
            found.append(cusum(name, good, limit["now_ns"]))
    away = [one for one in found if one >= limit["baseline_from"]]
    if len(away) >= 2 or any(one >= 2 * limit["baseline_from"] for one in away):
        return MEDIUM
    return LOW if away else CALM if found else UNKNOWN


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


OPINIONS: Mapping[str, Callable[[Patient, Limits], Level | Told]] = {
    opinion.__name__: opinion
    for opinion in (
        spo2_floor, pulse_high, weight_gain, missed_dose, dispenser_trouble, device_silent, silent_after_red, news2,
        spo2_drop, spirometry, cat_rise, exact_rise, glucose, patient_silent,
        personal_baseline,
    )
}  # fmt: skip
