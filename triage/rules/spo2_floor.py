"""Oxygen saturation below the patient's own floor.

Source: below 90 % is the usual limit of home programmes for COPD; a patient with chronic lung disease has a floor of
their own (check). That red takes two agreeing readings of good quality, and that one alone asks the patient to measure
again, is how home programmes treat the noise of finger probes (check). So is that a cold finger does not count: below
a perfusion index of 0.3 % most makers promise nothing (check).

Only readings that the device trusts count. What is judged is the newest of them and those within `spo2_agree_s`
before it, however they came: a burst that was delayed says the same late as it would have said in time.

A single reading below the floor wishes for another, and so does one that cannot be trusted: the wish stands until a
reading answers it. Only far below the floor (`spo2_alone`) is one reading red by itself, for who reads 80 % may be in
no state to measure again; a programme that wants two of those as well sets it to 60.
"""

import numpy as np

from triage.contract import Finding, Window, levels, plausible, rule
from triage.look import good, limited, newest, perfused, within
from vitals.alarm import Level


@rule(
    version="2",
    title={"nb": "SpO₂ under grensen", "en": "SpO₂ below the limit"},
    reads=("spo2", "perfusion_index"),
    limits={
        "spo2_floor": 90.0,
        "spo2_alone": 3.0,
        "spo2_agree_s": 1_800.0,
        "spo2_stale_s": 86_400.0,
        "perfusion_least": 0.3,
    },
    bounds={
        "spo2_floor": plausible("spo2"),
        "spo2_alone": (1.0, 60.0),
        "spo2_agree_s": (10.0, 86_400.0),
        "spo2_stale_s": (60.0, 604_800.0),
        "perfusion_least": (0.0, 2.0),
    },
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
    """Two readings below the floor, or one `spo2_alone` points below it, HIGH; one just below it MEDIUM, and again.

    Stale is UNKNOWN. `because`: `low_min` the lowest reading below the floor (NaN: none), `count` how many are,
    `floor`, the `newest` reading and its `age_h`. Source: see the module.
    """
    floor, stale_s = w.limit["spo2_floor"], w.limit["spo2_stale_s"]
    readings = perfused(w, good(w, "spo2"), w.limit["perfusion_least"])
    last, heard = newest(w, readings), newest(w, w.channel["spo2"])
    recent = within(readings, last.t_ns, w.limit["spo2_agree_s"]).value
    below = recent < floor[:, None]
    count = below.sum(axis=1)
    low_min = np.where(below, recent, np.inf).min(axis=1)
    red = (low_min <= floor - w.limit["spo2_alone"]) | (count >= 2)

    able = limited(w, spo2_floor.limits)
    known = able & (last.age_s <= stale_s)
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (count == 1)] = Level.MEDIUM
    level[known & red] = Level.HIGH
    doubted = able & (heard.age_s <= stale_s) & (heard.t_ns > last.t_ns)
    because = {
        "low_min": np.where(count > 0, low_min, np.nan),
        "floor": floor,
        "count": np.where(known, count, np.nan),
        "agreed": (count >= 2).astype(np.float64),
        "again": ((count == 1) & ~red).astype(np.float64),
        "newest": last.value,
        "age_h": last.age_s / 3600,
    }
    return Finding(level, because, asks={"spo2": (known & (count == 1)) | doubted})
