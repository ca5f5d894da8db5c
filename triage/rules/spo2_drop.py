"""Oxygen saturation that has dropped from what is usual for this person.

Source: home programmes for COPD act on a drop of 3 to 4 points from the personal baseline (check): a patient who lives
at 96 is ill at 92, long before any floor for everybody. A personal floor that is set with care does the same; this rule
sees who has none yet.

What is usual is `spo2_usual` where a clinician has confirmed it. Else it is the median of the channel's course without
the newest reading's own day (`triage.course`), if that has four readings (check). A course is one reading in six hours,
so who is measured without a pause has a usual, too: a stream of seconds does not wash it away. As for the floor, a
level takes two agreeing readings, one alone is a level lower and wishes for another, and a cold finger does not count;
that a cold finger may have taught is what a median is for.
"""

import numpy as np

from triage.contract import Finding, Window, levels, plausible, rule
from triage.look import good_or_last, limited, newest, perfused, within
from vitals.alarm import Level

TWO_WEEKS_S = 14 * 86_400.0


@rule(
    version="3",
    title={"nb": "SpO₂ lavere enn vanlig", "en": "SpO₂ below what is usual"},
    reads=("spo2", "perfusion_index"),
    tracks=("spo2",),
    limits={
        "spo2_drop": 4.0,
        "spo2_usual": np.nan,
        "spo2_agree_s": 1_800.0,
        "spo2_stale_s": 86_400.0,
        "perfusion_least": 0.3,
    },
    bounds={
        "spo2_drop": (2.0, 20.0),
        "spo2_usual": plausible("spo2"),
        "spo2_agree_s": (10.0, 86_400.0),
        "spo2_stale_s": (60.0, 604_800.0),
        "perfusion_least": (0.0, 2.0),
    },
    window_s=TWO_WEEKS_S,
    samples=32,
    text={
        "nb": "SpO₂ {low_min} %, vanligvis {usual} % (varsles fra {drop} lavere)"
        "[ ({count:.0f} målinger{agreed:?})][; én enkelt måling, mål på nytt{again:?}]",
        "en": "SpO₂ {low_min} %, usually {usual} % (told from {drop} lower)"
        "[ ({count:.0f} readings{agreed:?})][; a single reading, measure again{again:?}]",
    },
    unknown={
        "nb": "SpO₂ lavere enn vanlig: kan ikke vurderes[, ingen fersk måling{usual:?}]"
        "[, hva som er vanlig er ikke kjent ennå{usual:!}]",
        "en": "SpO₂ below what is usual: cannot be judged[, no recent reading{usual:?}]"
        "[, what is usual is not known yet{usual:!}]",
    },
)
def spo2_drop(w: Window) -> Finding:
    """Two readings `spo2_drop` or more below what is usual MEDIUM, one LOW and again. Stale is UNKNOWN.

    `because`: `usual`, the `drop` that counts, `low_min` the lowest reading that counts (NaN: none), `count` how many
    do. Source: see the module.
    """
    readings = perfused(w, good_or_last(w, "spo2"), w.limit["perfusion_least"])
    last = newest(w, readings)
    usual = np.where(np.isnan(w.limit["spo2_usual"]), w.track["spo2"].median, w.limit["spo2_usual"])
    recent = within(readings, last.t_ns, w.limit["spo2_agree_s"]).value
    # To the tenth, so that 96 - 92 is 4 and not a hair less.
    low = np.round(usual[:, None] - recent, 3) >= w.limit["spo2_drop"][:, None]
    found = low.sum(axis=1)

    known = limited(w, set(spo2_drop.limits) - {"spo2_usual"}) & ~np.isnan(usual)
    known &= last.age_s <= w.limit["spo2_stale_s"]
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (found == 1)] = Level.LOW
    level[known & (found >= 2)] = Level.MEDIUM
    because = {
        "usual": usual,
        "drop": w.limit["spo2_drop"],
        "low_min": np.where(found > 0, np.where(low, recent, np.inf).min(axis=1), np.nan),
        "count": np.where(known, found, np.nan),
        "agreed": (found >= 2).astype(np.float64),
        "again": (found == 1).astype(np.float64),
        "newest": last.value,
        "age_h": last.age_s / 3600,
    }
    return Finding(level, because, asks={"spo2": known & (found == 1)})
