"""Glucose too low or too high, and who needs to know.

Source: Battelino et al. 2023 (international consensus): level 1 below 70 mg/dL, level 2 below 54 mg/dL for at least
15 minutes, extended below 70 mg/dL for more than 120 minutes. Above 250 mg/dL with ketones of 1.5 mmol/L or more, and
of 3.0 or more (check); ketones of 3.0 count whatever the glucose, for a ketoacidosis can be at a normal one (check).

Level 1 and a high glucose are for the patient, who eats, drinks or injects; a nurse is told of level 2, of an extended
low and of ketones. A single reading below level 2 is the patient's for half an hour, in which it should be measured
again; a low that nobody measures again is a nurse's (check).

The channel is in mmol/L and the consensus in mg/dL: 18.0156 mg/dL is 1 mmol/L (glucose: 180.156 g/mol), so that 3.9
mmol/L is not below level 1 and 70 mg/dL is not either.
"""

import numpy as np

from triage.contract import NEVER, Finding, Floats, Series, Window, levels, plausible, rule
from triage.look import good, held_since, limited, newest
from vitals.alarm import Audience, Level
from vitals.clock import NS

LEVEL_2_S, EXTENDED_S, UNANSWERED_S = 900.0, 7_200.0, 1_800.0
APART_S = 3 * 3600.0  # Two lows further apart are two lows, not one long one.


def mmol(mg_dl: float) -> float:
    """In mmol/L, to the sixth decimal, so that what a meter made of the same mg/dL is the same number."""
    return round(mg_dl / 18.0156, 6)


@rule(
    version="1",
    title={"nb": "Glukose", "en": "Glucose"},
    reads=("glucose", "ketone"),
    limits={
        "glucose_urgent": mmol(54),
        "glucose_low": mmol(70),
        "glucose_high": mmol(250),
        "ketone_high": 1.5,
        "ketone_urgent": 3.0,
        "glucose_stale_s": 43_200.0,
        "ketone_stale_s": 14_400.0,
    },
    bounds={
        "glucose_urgent": plausible("glucose"),
        "glucose_low": plausible("glucose"),
        "glucose_high": plausible("glucose"),
        "ketone_high": plausible("ketone"),
        "ketone_urgent": plausible("ketone"),
        "glucose_stale_s": (900.0, 172_800.0),
        "ketone_stale_s": (900.0, 86_400.0),
    },
    order=(("glucose_urgent", "glucose_low", "glucose_high"), ("ketone_high", "ketone_urgent")),
    window_s=172_800,
    samples=128,
    text={
        "nb": "Glukose[ {glucose} mmol/L][ ikke målt{glucose:!}]"
        "[, under {urgent_limit:.1f} i {urgent_min:.0f} min{urgent:?}]"
        "[, under {low_limit:.1f} i {low_min:.0f} min{extended:?}][, under {low_limit:.1f}{level_1:?}]"
        "[, under {urgent_limit:.1f} og ikke målt på nytt{unanswered:?}][, over {high_limit:.1f}{high:?}]"
        "[; ketoner {ketone} mmol/L{ketones:?}][; mål på nytt om 15 minutter{again:?}]"
        "[; mål ketoner{ketone_wanted:?}]",
        "en": "Glucose[ {glucose} mmol/L][ not measured{glucose:!}]"
        "[, below {urgent_limit:.1f} for {urgent_min:.0f} min{urgent:?}]"
        "[, below {low_limit:.1f} for {low_min:.0f} min{extended:?}][, below {low_limit:.1f}{level_1:?}]"
        "[, below {urgent_limit:.1f} and not measured again{unanswered:?}][, above {high_limit:.1f}{high:?}]"
        "[; ketones {ketone} mmol/L{ketones:?}][; measure again in 15 minutes{again:?}]"
        "[; measure ketones{ketone_wanted:?}]",
    },
)
def glucose(w: Window) -> Finding:
    """Level 2 for 15 min or ketones of 3.0 HIGH; extended, a level 2 unanswered or high with ketones MEDIUM: a nurse.

    Level 1 and high LOW, a single reading below level 2 MEDIUM: the patient. `because`: the newest `glucose` and
    `ketone`, for how many minutes below (`low_min`, `urgent_min`), the limits, and as 1 what speaks: `urgent`,
    `extended`, `unanswered`, `level_1`, `high`, `ketones`. Source: see the module.
    """
    limit = w.limit
    able = limited(w, glucose.limits)
    told, ketones = good(w, "glucose"), newest(w, good(w, "ketone"))
    last = newest(w, told)
    known = able & (last.age_s <= limit["glucose_stale_s"])
    some = np.flatnonzero(known)  # Only theirs are looked through.
    readings = Series(told.t_ns[some], np.round(told.value[some], 6))
    value = np.round(last.value, 6)
    ketone = np.where(able & (ketones.age_s <= limit["ketone_stale_s"]), ketones.value, np.nan)

    def for_s(below: Floats) -> Floats:
        """For how long it has been below [P]: from the first such reading to the newest; NaN where it is not."""
        began_ns = np.full(w.patients, NEVER)
        began_ns[some] = held_since(readings, readings.value < below[some, None], APART_S)
        return np.where(began_ns != NEVER, (last.t_ns - began_ns) / NS, np.nan)

    urgent_s, low_s = for_s(limit["glucose_urgent"]), for_s(limit["glucose_low"])
    urgent = urgent_s >= LEVEL_2_S
    extended = low_s > EXTENDED_S
    unanswered = (urgent_s < LEVEL_2_S) & (last.age_s > UNANSWERED_S)
    high = known & (value > limit["glucose_high"])
    high_ketones, urgent_ketones = high & (ketone >= limit["ketone_high"]), ketone >= limit["ketone_urgent"]

    level = levels(w.patients)
    level[known] = Level.CALM
    level[high | (low_s >= 0)] = Level.LOW
    level[(urgent_s >= 0) | extended | unanswered | high_ketones] = Level.MEDIUM
    level[urgent | urgent_ketones] = Level.HIGH
    tells = np.full(w.patients, Audience.PATIENT, np.int8)
    tells[urgent | extended | unanswered | high_ketones | urgent_ketones] = Audience.NURSE

    again, ketone_wanted = low_s >= 0, high & np.isnan(ketone)
    flags = {
        "urgent": urgent,
        "extended": extended & ~urgent,
        "unanswered": unanswered & ~extended,
        "level_1": (low_s >= 0) & ~(urgent | extended | unanswered),
        "high": high,
        "ketones": high_ketones | urgent_ketones,
        "again": again,
        "ketone_wanted": ketone_wanted,
    }
    because = {
        "glucose": np.where(known, value, np.nan),
        "ketone": ketone,
        "low_min": low_s / 60,
        "urgent_min": urgent_s / 60,
        "urgent_limit": limit["glucose_urgent"],
        "low_limit": limit["glucose_low"],
        "high_limit": limit["glucose_high"],
        "age_h": last.age_s / 3600,
    }
    because |= {name: flag.astype(np.float64) for name, flag in flags.items()}
    return Finding(level, because, tells, {"glucose": again, "ketone": ketone_wanted})
