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
    readings = trusted(warm(patient, limit), math.inf)
    if not readings or missing(limit["spo2_floor"], limit["spo2_expected_s"], limit["perfusion_least"]):
        return UNKNOWN
    silent = patient["spo2"][-1].age_ns > 2 * limit["spo2_expected_s"] * NS
    return HIGH if silent and readings[-1].value < limit["spo2_floor"] else CALM


def personal_baseline(patient: Patient, limit: Limits) -> Level:
    """`limit` has the CUSUM of each channel in the direction that does harm: `tests.triage.test_course.plainly`."""
    if missing(limit["baseline_from"], limit["baseline_stale_s"]):
        return UNKNOWN
    fresh = [name for name, readings in patient.items() if trusted(readings, limit["baseline_stale_s"])]
    found = [limit[f"{name}_cusum"] for name in fresh if not missing(limit[f"{name}_cusum"])]
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


def rounded(value: float, step: str = "1") -> Decimal:
    """To whole ones, or to the step given, halves up; a mean is first freed of what binary numbers leave behind."""
    return Decimal(repr(round(value, 6))).quantize(Decimal(step), ROUND_HALF_UP)


def lately(readings: list[Seen], span_s: float) -> list[float]:
    """Every good value of the last so many seconds."""
    return [seen.value for seen in readings if seen.good and seen.age_ns <= span_s * NS]


def stroke_fast(patient: Patient, limit: Limits) -> Level:
    if missing(limit["fast_fresh_s"]):
        return UNKNOWN
    answers = [
        lately(patient[sign], limit["fast_fresh_s"]) for sign in ("face_droop", "arm_weakness", "speech_trouble")
    ]
    if any(answer > 0 for given in answers for answer in given):
        return HIGH
    return CALM if all(answers) else UNKNOWN


def chemo_fever(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    temperatures = [rounded(value, "0.1") for value in lately(patient["body_temp"], limit["chemo_fresh_s"])]
    fever, low, raised = (rounded(limit[f"chemo_{name}"], "0.1") for name in ("fever", "low", "raised"))
    if not temperatures:
        return UNKNOWN
    if any(value >= fever or value < low for value in temperatures):
        return HIGH
    if temperatures[-1] < raised:
        return CALM
    return MEDIUM if any(lately(patient["concern"], limit["chemo_fresh_s"])) else LOW


def ukons(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    newest = [trusted(answers, limit["ukons_fresh_s"]) for answers in patient.values()]
    grades = [answers[-1].value for answers in newest if answers]
    amber = sum(2 <= grade < 3 for grade in grades)
    if amber >= 2 or any(grade >= 3 for grade in grades):
        return HIGH
    if amber:
        return MEDIUM
    return CALM if len(grades) >= limit["ukons_items"] else UNKNOWN


def pro_ctcae(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    answered = 0
    for answers in patient.values():
        told = trusted(answers, limit["pro_fresh_s"])
        if not told:
            continue
        answered += 1
        now = told[-1]
        earlier = [one.value for one in told if 0 < one.age_ns - now.age_ns <= 28 * 86_400 * NS]
        if now.value >= limit["pro_severe"] or (earlier and now.value - min(earlier) >= limit["pro_rise"]):
            return MEDIUM
    return CALM if answered >= limit["pro_items"] else UNKNOWN


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


def blood_pressure(patient: Patient, limit: Limits) -> Level:
    if missing(*limit.values()):
        return UNKNOWN
    found, urgent = [], False
    for name in ("bp_sys", "bp_dia"):
        readings = trusted(patient[name], limit["bp_stale_s"])
        week = [seen.value for seen in close_to_newest(readings, 7 * 86_400)] if readings else []
        urgent |= bool(readings) and rounded(readings[-1].value) >= rounded(limit[f"{name}_urgent"])
        if not week or len(week) < limit["bp_enough"]:
            found.append(UNKNOWN)
        else:
            above = rounded(statistics.fmean(week)) >= rounded(limit[f"{name}_target"])
            found.append(LOW if above else CALM)
    if urgent:
        least = {"chest_pain": 1, "breathlessness": 2, "face_droop": 1, "arm_weakness": 1, "speech_trouble": 1}
        ill = [lately(patient[name], limit["bp_symptom_s"]) for name in least]
        return (
            HIGH
            if any(max(told, default=0) >= need for told, need in zip(ill, least.values(), strict=True))
            else MEDIUM
        )
    return LOW if LOW in found else min(found)


OPINIONS: Mapping[str, Callable[[Patient, Limits], Level | Told]] = {
    opinion.__name__: opinion
    for opinion in (
        spo2_floor, pulse_high, weight_gain, missed_dose, dispenser_trouble, device_silent, silent_after_red, news2,
        mews, qsofa, shock_index, crb65,
        spo2_drop, spirometry, cat_rise, exact_rise, glucose, patient_silent,
        personal_baseline, stroke_fast, chemo_fever, ukons, pro_ctcae, covid_oximetry, blood_pressure,
    )
}  # fmt: skip
