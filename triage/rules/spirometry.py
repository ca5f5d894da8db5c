"""FEV1 or FVC below this person's own week.

Source: Cooper et al. 2020, home spirometry in COPD: below the mean of the last 7 days minus 1.645 standard deviations,
which is the lower 5 % of the person's own normal days. That four breaths of other times are enough to know a week, and
that a standard deviation is never taken for less than 3 % of the mean (a few equal breaths are luck), is ours (check).

What is compared is the newest good value with the others of the seven days before it, without those of the last six
hours (check): a session is three breaths and more, and its own would say that what is low today is usual.
"""

import numpy as np

from triage.contract import Bools, Finding, Floats, Window, levels, rule
from triage.look import before, count, good, mean, newest
from vitals.alarm import Level

WEEK_S, SESSION_S, ENOUGH, LEAST_SD = 7 * 86_400.0, 6 * 3600.0, 4, 0.03
CHANNELS = ("fev1", "fvc")


@rule(
    version="2",
    title={"nb": "Spirometri", "en": "Spirometry"},
    reads=CHANNELS,
    limits={"spirometry_sds": 1.645, "spirometry_stale_s": 172_800.0},
    bounds={"spirometry_sds": (1.0, 4.0), "spirometry_stale_s": (3_600.0, 604_800.0)},
    window_s=WEEK_S + 604_800,
    samples=24,
    text={
        "nb": "Spirometri:[ FEV1 {fev1} L, ukens grense {fev1_limit} L{fev1_low:?},]"
        "[ FVC {fvc} L, ukens grense {fvc_limit} L{fvc_low:?},]",
        "en": "Spirometry:[ FEV1 {fev1} L, the week's limit {fev1_limit} L{fev1_low:?},]"
        "[ FVC {fvc} L, the week's limit {fvc_limit} L{fvc_low:?},]",
    },
)
def spirometry(w: Window) -> Finding:
    """FEV1 or FVC below the mean of the person's week minus `spirometry_sds` standard deviations MEDIUM.

    UNKNOWN where neither has 4 values of other sessions in the 7 days before its newest, or both newest are older than
    `spirometry_stale_s`. `because`, of each: the newest, `…_limit`, `…_mean`, `…_sd`, `…_low` (1: below). Source: see
    the module.
    """
    because: dict[str, Floats] = {}
    known, low = np.zeros(w.patients, np.bool_), np.zeros(w.patients, np.bool_)
    for name in CHANNELS:
        numbers, judged = _against_week(w, name)
        known |= judged
        low |= numbers["low"] == 1
        because |= {name: numbers.pop("newest")} | {f"{name}_{key}": column for key, column in numbers.items()}
    level = levels(w.patients)
    level[known] = Level.CALM
    level[low] = Level.MEDIUM
    return Finding(level, because)


def _against_week(w: Window, name: str) -> tuple[dict[str, Floats], Bools]:
    """The numbers of one channel, each [P], and of whom they are known."""
    blows = good(w, name)
    last = newest(w, blows)
    week = before(blows, last.t_ns, SESSION_S, WEEK_S).value
    enough = count(week)
    usual = mean(week)
    square = np.nansum((week - usual[:, None]) ** 2, axis=1) / np.maximum(enough - 1, 1)
    sd = np.maximum(np.sqrt(square), LEAST_SD * usual)
    limit = usual - w.limit["spirometry_sds"] * sd
    known = (enough >= ENOUGH) & (last.age_s <= w.limit["spirometry_stale_s"]) & ~np.isnan(limit)
    low = known & (last.value < limit)
    numbers = {"newest": last.value, "mean": usual, "sd": sd, "limit": limit}
    return {key: np.where(known, column, np.nan) for key, column in numbers.items()} | {"low": low * 1.0}, known
