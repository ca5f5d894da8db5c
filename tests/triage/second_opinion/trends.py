"""Who is leaving what is usual for them."""

import math
import tomllib
from functools import cache
from pathlib import Path

from tests.triage.second_opinion.plain import CALM, LOW, MEDIUM, UNKNOWN, Limits, Patient, missing, trusted
from tests.triage.second_opinion.scores import rcp
from vitals.alarm import Level
from vitals.clock import NS


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


SCORE = Path(__file__).parents[3] / "triage" / "study" / "deterioration.toml"
COURSE = {
    "resp_rate": (18.5, 5.0), "spo2": (97.5, 2.5), "bp_sys": (124.0, 22.0), "pulse_rate": (85.0, 17.0),
    "body_temp": (36.9, 0.7),
}  # fmt: skip
"""The usual value of each vital sign, and its spread."""


@cache
def coefficients() -> dict[str, float]:
    return {name: one["coefficient"] for name, one in tomllib.loads(SCORE.read_text("utf-8"))["features"].items()}


def deterioration(patient: Patient, limit: Limits) -> Level:
    if missing(limit["deterioration_noted"], limit["deterioration_urgent"]) or limit["spo2_scale"] != 1:
        return UNKNOWN
    score, known = 0.0, 0
    for name, (middle, spread) in COURSE.items():
        readings = trusted(patient[name], 24 * 3600)
        if not readings:
            continue
        known += 1
        # Newest first; a reading a day older than the newest weighs a third.
        weighed = [
            (math.exp(-(seen.age_ns - readings[-1].age_ns) / (86_400 * NS)), seen.value) for seen in reversed(readings)
        ]
        now = (readings[-1].value - middle) / spread
        column = "spo2 scale 1" if name == "spo2" else name
        points = sum(weight * rcp(column, value) for weight, value in weighed) / (sum(w for w, _ in weighed) + 1)
        earlier = weighed[1:]
        own = sum(weight * (value - middle) / spread for weight, value in earlier) / (sum(w for w, _ in earlier) + 4)
        of = {"high": now, "low": -now, "points": points, "rise": now - own, "fall": own - now}
        score += sum(coefficients()[f"{name}_{feature}"] * max(value, 0) for feature, value in of.items())
    if oxygen := trusted(patient["oxygen_flow"], 24 * 3600):
        score += coefficients()["oxygen_flow_points"] * (2 if oxygen[-1].value > 0 else 0)
    if known < 3:
        return UNKNOWN
    if score >= limit["deterioration_urgent"]:
        return MEDIUM
    return LOW if score >= limit["deterioration_noted"] else CALM
