"""Resting pulse above the patient's own ceiling.

Source: RCP NEWS2 2017 for 131 as the pulse that scores 3 by itself; 120 as the usual ceiling at home (check). A
personal ceiling wins over both: nothing at or below it alarms.

A pulse is easily driven up by a flight of stairs, so a level takes two agreeing readings; one alone is a level lower
and asks the patient to rest and measure again. Only readings that the device trusts count: the newest and those
within `pulse_agree_s` before it.
"""

import numpy as np

from triage.contract import Finding, Window, levels, plausible, rule
from triage.look import good, newest, within
from vitals.alarm import Level


@rule(
    version="2",
    title={"nb": "Høy puls", "en": "High pulse"},
    reads=("pulse_rate",),
    limits={"pulse_ceiling": 120.0, "pulse_urgent": 131.0, "pulse_agree_s": 1_800.0, "pulse_stale_s": 86_400.0},
    bounds={
        "pulse_ceiling": plausible("pulse_rate"),
        "pulse_urgent": plausible("pulse_rate"),
        "pulse_agree_s": (10.0, 86_400.0),
        "pulse_stale_s": (60.0, 604_800.0),
    },
    order=(("pulse_ceiling", "pulse_urgent"),),
    window_s=2 * 604_800,
    samples=32,
    text={
        "nb": "Puls {high_max}/min, grense {ceiling}/min[ ({count:.0f} målinger over grensen{agreed:?})]"
        "[; én enkelt måling, hvil og mål på nytt{again:?}]",
        "en": "Pulse {high_max}/min, limit {ceiling}/min[ ({count:.0f} readings above it{agreed:?})]"
        "[; a single reading, rest and measure again{again:?}]",
    },
)
def pulse_high(w: Window) -> Finding:
    """Two readings above the ceiling MEDIUM, two urgent ones HIGH; a single one a level lower. Stale is UNKNOWN.

    `because`: `high_max` the highest reading above the ceiling (NaN: none), `count` how many are, `urgent` how many
    are at `pulse_urgent` or more, `ceiling`, the `newest` reading and its `age_h`. Source: see the module.
    """
    ceiling, agree_s = w.limit["pulse_ceiling"], w.limit["pulse_agree_s"]
    readings = good(w, "pulse_rate")
    last = newest(w, readings)
    recent = within(readings, last.t_ns, agree_s).value
    above = recent > ceiling[:, None]
    count = above.sum(axis=1)
    urgent = (above & (recent >= w.limit["pulse_urgent"][:, None])).sum(axis=1)

    limited = ~np.isnan([ceiling, agree_s, w.limit["pulse_urgent"]]).any(axis=0)
    known = limited & (last.age_s <= w.limit["pulse_stale_s"])
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (count == 1)] = Level.LOW
    level[known & ((count >= 2) | (urgent == 1))] = Level.MEDIUM
    level[known & (urgent >= 2)] = Level.HIGH
    because = {
        "high_max": np.where(count > 0, np.where(above, recent, -np.inf).max(axis=1), np.nan),
        "ceiling": ceiling,
        "count": np.where(known, count, np.nan),
        "urgent": np.where(known, urgent, np.nan),
        "agreed": (count >= 2).astype(np.float64),
        "again": (count == 1).astype(np.float64),
        "newest": last.value,
        "age_h": last.age_s / 3600,
    }
    return Finding(level, because, asks={"pulse_rate": known & (count == 1)})
