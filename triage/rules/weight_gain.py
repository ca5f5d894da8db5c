"""A quick gain of weight: water, in a failing heart.

Source: ESC heart failure guidelines 2021, more than 2 kg in 3 days. Against the median of the three days and not
their minimum: 1.5 instead of 3.5 alerts per 100 patient-days on home data. Even so the rule alone has a positive
predictive value near 6 % (European Heart Journal – Digital Health 2023): it is a reason to ask about symptoms, not a
finding by itself. So it wishes for an answer to two questions, and the answers decide (check):

    the gain is         symptoms      not asked or answered yet    answered, and none
    above the limit     HIGH          MEDIUM                       LOW
    1.5 times as much   HIGH          HIGH                         MEDIUM

A symptom is breathlessness or swollen legs of grade `symptom_from` (2, "somewhat") or more, in an answer of the last
`symptom_stale_s`; one answer of the two is enough to say that there is one, both are needed to say that there is none.

The newest weight is compared with the median of the others taken in the 72 hours before it. What is weighed again
within six hours is one weighing, and the last of it counts (check): whoever steps on the scale four times in disbelief
would else move the median to what they weigh now. A steady climb is seen late for that: 1 kg a day is 2 kg above the
median of the three days before it and alarms on the fourth weighing only if it is more.
"""

import numpy as np

from triage.contract import NEVER, Finding, Floats, Series, Window, levels, rule
from triage.look import age_s, apart, good, limited, median, newest, within
from vitals.alarm import Level

SPAN_S, AGAIN_S = 72 * 3600.0, 6 * 3600.0
ENOUGH, LONG_ENOUGH_S = 3, 24 * 3600.0


@rule(
    version="3",
    title={"nb": "Vektøkning", "en": "Weight gain"},
    reads=("weight", "breathlessness", "swelling"),
    limits={"weight_gain_kg": 2.0, "weight_stale_s": 172_800.0, "symptom_from": 2.0, "symptom_stale_s": 86_400.0},
    bounds={
        "weight_gain_kg": (0.5, 10.0),
        "weight_stale_s": (3_600.0, 259_200.0),
        "symptom_from": (1.0, 4.0),
        "symptom_stale_s": (3_600.0, 259_200.0),
    },
    window_s=SPAN_S + 259_200,
    samples=24,
    text={
        "nb": "Vekten har økt {gain_kg} kg på tre døgn,"
        " til {weight_kg} kg fra {median_kg} kg (median); grense {limit_kg} kg"
        "[; tung pust eller hovne bein{symptoms:?}][; verken tung pust eller hovne bein{none:?}]",
        "en": "Weight up {gain_kg} kg in three days,"
        " to {weight_kg} kg from {median_kg} kg (median); limit {limit_kg} kg"
        "[; breathlessness or swollen legs{symptoms:?}][; neither breathlessness nor swollen legs{none:?}]",
    },
)
def weight_gain(w: Window) -> Finding:
    """More than `weight_gain_kg` above the 3-day median MEDIUM, 1.5 times as much HIGH; symptoms raise or lower it.

    UNKNOWN with fewer than 3 weighings six hours apart (the newest included), less than 24 h between first and last of
    them, or a newest one older than `weight_stale_s`. Source: see the module.
    """
    limit = w.limit["weight_gain_kg"]
    weighings = good(w, "weight")
    last = newest(w, weighings)
    recent = apart(within(weighings, last.t_ns, np.full(w.patients, SPAN_S)), AGAIN_S)
    usual = median(_without_newest(recent))
    # To the gram, so that 82.4 − 80.4 is 2 and not a hair more.
    gain = np.round(last.value - usual, 3)

    there = recent.t_ns != NEVER
    span_s = np.nanmax(np.where(there, age_s(w.now_ns, recent.t_ns), -np.inf), axis=1) - last.age_s
    known = (there.sum(axis=1) >= ENOUGH) & (span_s >= LONG_ENOUGH_S) & (last.age_s <= w.limit["weight_stale_s"])
    known &= limited(w, weight_gain.limits)
    level = levels(w.patients)
    level[known] = Level.CALM
    gained, much = known & (gain > limit), known & (gain > np.round(1.5 * limit, 3))
    breathless, swollen = _symptom(w, "breathlessness"), _symptom(w, "swelling")
    symptoms, none = (breathless == 1) | (swollen == 1), (breathless == 0) & (swollen == 0)
    level[gained] = Level.MEDIUM
    level[gained & none] = Level.LOW
    level[much] = Level.HIGH
    level[much & none] = Level.MEDIUM
    level[gained & symptoms] = Level.HIGH
    because = {
        "gain_kg": np.where(known, gain, np.nan),
        "weight_kg": last.value,
        "median_kg": np.where(known, usual, np.nan),
        "limit_kg": limit,
        "weighings": there.sum(axis=1).astype(np.float64),
        "age_h": last.age_s / 3600,
        "symptoms": symptoms.astype(np.float64),
        "none": none.astype(np.float64),
    }
    wanted = {"breathlessness": gained & np.isnan(breathless), "swelling": gained & np.isnan(swollen)}
    return Finding(level, because, asks=wanted)


def _symptom(w: Window, name: str) -> Floats:
    """1 where the newest answer [P] tells of the symptom, 0 where it tells of none, NaN where there is none new."""
    answer = newest(w, good(w, name))
    told = answer.value >= w.limit["symptom_from"]
    return np.where(answer.age_s <= w.limit["symptom_stale_s"], told.astype(np.float64), np.nan)


def _without_newest(series: Series) -> Floats:
    """The values [P, K] with the newest present one of each row taken out."""
    there = ~np.isnan(series.value)
    later = np.cumsum(there[:, ::-1], axis=1)[:, ::-1]
    return np.where(later > 1, series.value, np.nan)
