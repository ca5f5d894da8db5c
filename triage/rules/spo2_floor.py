"""Oxygen saturation below the patient's own floor.

Source: below 90 % is the usual limit of home programmes for COPD; a patient with chronic lung disease has a floor of
their own (check). That red takes two agreeing readings of good quality, and that one alone asks the patient to measure
again, is how home programmes treat the noise of finger probes (check).

Only readings that the device trusts count. What is judged is the newest of them and those within `spo2_agree_s`
before it, however they came: a burst that was delayed says the same late as it would have said in time.
"""

import numpy as np

from triage.contract import Finding, Window, levels, plausible, rule
from triage.look import good, newest, within
from vitals.alarm import Level

DEEP = 3.0  # So far below the floor, in points of SpO2, one reading is enough.


@rule(
    version="1",
    title={"nb": "SpO₂ under grensen", "en": "SpO₂ below the limit"},
    reads=("spo2",),
    limits={"spo2_floor": 90.0, "spo2_agree_s": 1_800.0, "spo2_stale_s": 86_400.0},
    bounds={"spo2_floor": plausible("spo2"), "spo2_agree_s": (10.0, 86_400.0), "spo2_stale_s": (60.0, 604_800.0)},
    window_s=2 * 604_800,
    samples=32,
    text={
        "nb": "SpO₂ {low_min} %, grense {floor} %[ ({count:.0f} målinger under grensen{agreed:?})]"
        "[; én enkelt måling, mål på nytt{again:?}]",
        "en": "SpO₂ {low_min} %, limit {floor} %[ ({count:.0f} readings below it{agreed:?})]"
        "[; a single reading, measure again{again:?}]",
    },
)
def spo2_floor(w: Window) -> Finding:
    """Two readings below the floor, or one 3 points below it, HIGH; one just below it MEDIUM. Stale is UNKNOWN.

    `because`: `low_min` the lowest reading below the floor (NaN: none), `count` how many are, `floor`, the `newest`
    reading and its `age_h`. Source: see the module.
    """
    floor = w.limit["spo2_floor"]
    readings = good(w, "spo2")
    last = newest(w, readings)
    recent = within(readings, last.t_ns, w.limit["spo2_agree_s"]).value
    below = recent < floor[:, None]
    count = below.sum(axis=1)
    low_min = np.where(below, recent, np.inf).min(axis=1)
    deep = low_min <= floor - DEEP
    red = deep | (count >= 2)

    known = (last.age_s <= w.limit["spo2_stale_s"]) & ~np.isnan(floor) & ~np.isnan(w.limit["spo2_agree_s"])
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (count == 1)] = Level.MEDIUM
    level[known & red] = Level.HIGH
    because = {
        "low_min": np.where(count > 0, low_min, np.nan),
        "floor": floor,
        "count": np.where(known, count, np.nan),
        "agreed": (count >= 2).astype(np.float64),
        "again": ((count == 1) & ~red).astype(np.float64),
        "newest": last.value,
        "age_h": last.age_s / 3600,
    }
    return Finding(level, because)
