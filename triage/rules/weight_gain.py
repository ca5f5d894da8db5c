"""A quick gain of weight: water, in a failing heart.

Source: ESC heart failure guidelines 2021, more than 2 kg in 3 days. Against the median of the three days and not
their minimum: 1.5 instead of 3.5 alerts per 100 patient-days on home data. Even so the rule alone has a positive
predictive value near 6 % (European Heart Journal – Digital Health 2023): it is a reason to ask about symptoms, not a
finding by itself. HIGH above one and a half times the limit (check).

The newest weight is compared with the median of the others taken in the 72 hours before it. A steady climb is seen
late for that: 1 kg a day is 2 kg above the median of the three days before it and alarms on the fourth weighing only
if it is more.
"""

import numpy as np

from triage.contract import NEVER, Finding, Floats, Series, Window, levels, rule
from triage.look import age_s, good, median, newest, within
from vitals.alarm import Level

SPAN_S = 72 * 3600.0
ENOUGH, LONG_ENOUGH_S = 3, 24 * 3600.0


@rule(
    version="1",
    title={"nb": "Vektøkning", "en": "Weight gain"},
    reads=("weight",),
    limits={"weight_gain_kg": 2.0, "weight_stale_s": 172_800.0},
    bounds={"weight_gain_kg": (0.5, 10.0), "weight_stale_s": (3_600.0, 259_200.0)},
    window_s=SPAN_S + 259_200,
    samples=24,
    text={
        "nb": "Vekten har økt {gain_kg} kg på tre døgn,"
        " til {weight_kg} kg fra {median_kg} kg (median); grense {limit_kg} kg",
        "en": "Weight up {gain_kg} kg in three days,"
        " to {weight_kg} kg from {median_kg} kg (median); limit {limit_kg} kg",
    },
)
def weight_gain(w: Window) -> Finding:
    """More than `weight_gain_kg` above the 3-day median MEDIUM, more than 1.5 times as much HIGH.

    UNKNOWN with fewer than 3 weighings (the newest included), less than 24 h between first and last of them, or a
    newest one older than `weight_stale_s`. Source: see the module.
    """
    limit = w.limit["weight_gain_kg"]
    weighings = good(w, "weight")
    last = newest(w, weighings)
    recent = within(weighings, last.t_ns, np.full(w.patients, SPAN_S))
    usual = median(_without_newest(recent))
    # To the gram, so that 82.4 − 80.4 is 2 and not a hair more.
    gain = np.round(last.value - usual, 3)

    there = recent.t_ns != NEVER
    span_s = np.nanmax(np.where(there, age_s(w.now_ns, recent.t_ns), -np.inf), axis=1) - last.age_s
    known = (there.sum(axis=1) >= ENOUGH) & (span_s >= LONG_ENOUGH_S) & (last.age_s <= w.limit["weight_stale_s"])
    known &= ~np.isnan(limit)
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (gain > limit)] = Level.MEDIUM
    level[known & (gain > np.round(1.5 * limit, 3))] = Level.HIGH
    because = {
        "gain_kg": np.where(known, gain, np.nan),
        "weight_kg": last.value,
        "median_kg": np.where(known, usual, np.nan),
        "limit_kg": limit,
        "weighings": there.sum(axis=1).astype(np.float64),
        "age_h": last.age_s / 3600,
    }
    return Finding(level, because)


def _without_newest(series: Series) -> Floats:
    """The values [P, K] with the newest present one of each row taken out."""
    there = ~np.isnan(series.value)
    later = np.cumsum(there[:, ::-1], axis=1)[:, ::-1]
    return np.where(later > 1, series.value, np.nan)
