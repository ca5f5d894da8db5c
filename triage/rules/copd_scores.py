"""What a patient with COPD says of it: the CAT gone up, and the EXACT diary up for days.

Source: CAT, an increase of 2 points is the smallest that matters to patients (Kon et al. 2014) (check). EXACT, an
exacerbation is 12 points above the patient's usual for 2 days or 9 for 3 (Leidy et al. 2011) (check).

What is usual is what a clinician has confirmed (`cat_usual`, `exact_usual`). Else it is, for the CAT, the median of the
earlier ones of the quarter, and for the diary the mean of the week that ended three days before the newest entry, if
that has four entries. A day's entry is what was written within twelve hours of so many whole days before the newest; of
several the lowest counts, for the worsening must last.
"""

import numpy as np

from triage.contract import Finding, Floats, Series, Window, levels, plausible, rule
from triage.look import before, count, good, limited, mean, median, newest, within
from vitals.alarm import Level

DAY_S = 86_400.0


@rule(
    version="1",
    title={"nb": "KOLS-vurdering (CAT) opp", "en": "CAT gone up"},
    reads=("cat_score",),
    limits={"cat_rise": 2.0, "cat_usual": np.nan, "cat_stale_s": 7 * DAY_S},
    bounds={"cat_rise": (1.0, 20.0), "cat_usual": plausible("cat_score"), "cat_stale_s": (DAY_S, 31 * DAY_S)},
    window_s=122 * DAY_S,
    samples=24,
    text={
        "nb": "CAT {score:.0f} poeng, {rise:+.1f} fra vanlig {usual}; grense +{limit}",
        "en": "CAT {score:.0f} points, {rise:+.1f} from the usual {usual}; limit +{limit}",
    },
)
def cat_rise(w: Window) -> Finding:
    """The newest CAT `cat_rise` or more above the usual LOW, twice as much MEDIUM. A first one is not a rise: CALM.

    `because`: `score`, `usual`, `rise`, `limit`. Source: see the module.
    """
    told = good(w, "cat_score")
    last = newest(w, told)
    learned = median(before(told, last.t_ns, 0.0, 91 * DAY_S).value)
    usual = np.where(np.isnan(w.limit["cat_usual"]), learned, w.limit["cat_usual"])
    rise, limit = last.value - usual, w.limit["cat_rise"]
    level = levels(w.patients)
    level[limited(w, ("cat_rise", "cat_stale_s")) & (last.age_s <= w.limit["cat_stale_s"])] = Level.CALM
    level[(level == Level.CALM) & (rise >= limit)] = Level.LOW
    level[(level == Level.LOW) & (rise >= 2 * limit)] = Level.MEDIUM
    return Finding(level, {"score": last.value, "usual": usual, "rise": rise, "limit": limit})


@rule(
    version="1",
    title={"nb": "KOLS-dagbok (EXACT) opp", "en": "EXACT diary up"},
    reads=("exact_score",),
    limits={"exact_two_days": 12.0, "exact_three_days": 9.0, "exact_usual": np.nan, "exact_stale_s": 1.5 * DAY_S},
    bounds={
        "exact_two_days": (1.0, 50.0),
        "exact_three_days": (1.0, 50.0),
        "exact_usual": plausible("exact_score"),
        "exact_stale_s": (0.5 * DAY_S, 7 * DAY_S),
    },
    order=(("exact_three_days", "exact_two_days"),),
    window_s=17 * DAY_S,
    samples=32,
    text={
        "nb": "EXACT {score:.0f} poeng, vanligvis {usual:.0f}[: minst {two:+.0f} i to dager{in_two:?}]"
        "[: minst {three:+.0f} i tre dager{in_three:?}]",
        "en": "EXACT {score:.0f} points, usually {usual:.0f}[: at least {two:+.0f} for two days{in_two:?}]"
        "[: at least {three:+.0f} for three days{in_three:?}]",
    },
)
def exact_rise(w: Window) -> Finding:
    """The diary `exact_two_days` above the usual for two days, or `exact_three_days` for three, MEDIUM.

    UNKNOWN without a usual or where the newest entry is older than `exact_stale_s`. `because`: `score`, `usual`, the
    least rise over `two` and `three` days (NaN: not known), and `in_two`, `in_three` which of them speaks. Source: see
    the module.
    """
    diary = good(w, "exact_score")
    last = newest(w, diary)
    week = before(diary, last.t_ns, 2.5 * DAY_S, 9.5 * DAY_S).value
    learned = np.where(count(week) >= 4, mean(week), np.nan)
    usual = np.where(np.isnan(w.limit["exact_usual"]), learned, w.limit["exact_usual"])
    rise = np.round([_day(diary, last.t_ns, day) - usual for day in range(3)], 3)
    two, three = rise[:2].min(axis=0), rise.min(axis=0)  # NaN where a day is missing
    in_two, in_three = two >= w.limit["exact_two_days"], three >= w.limit["exact_three_days"]

    known = limited(w, set(exact_rise.limits) - {"exact_usual"}) & ~np.isnan(usual)
    known &= last.age_s <= w.limit["exact_stale_s"]
    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (in_two | in_three)] = Level.MEDIUM
    because = {
        "score": last.value,
        "usual": usual,
        "two": two,
        "three": three,
        "in_two": in_two.astype(np.float64),
        "in_three": (in_three & ~in_two).astype(np.float64),
    }
    return Finding(level, because)


def _day(diary: Series, last_ns: np.ndarray, day: int) -> Floats:
    """The lowest entry [P] of so many days before the newest; NaN where there is none."""
    upto, since = (day - 0.5) * DAY_S, (day + 0.5) * DAY_S
    if day == 0:
        entries = within(diary, last_ns, np.full(len(last_ns), since)).value
    else:
        entries = before(diary, last_ns, upto, since).value
    lowest = np.where(np.isnan(entries), np.inf, entries).min(axis=1)
    return np.where(np.isinf(lowest), np.nan, lowest)
