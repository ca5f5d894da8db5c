"""MEWS, the Modified Early Warning Score, for who works with it; NEWS2 has taken its place in most wards.

Source: Subbe et al., QJM 2001; 94: 521: 5 points and more went with death and intensive care. That 3 points are worth
a look, and how old a value may be, is our choice (check). What is missing has no points: see `triage.rules.news2`.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, limited
from triage.scores.contract import summed
from triage.scores.mews import PARAMETERS, points
from triage.scores.words import unmeasured
from vitals.alarm import Level

_TEXT = {
    "nb": "MEWS[ minst{at_least:?}][ {total:.0f}][; ikke målt:{lacks:?}]" + unmeasured(PARAMETERS, "nb"),
    "en": "MEWS[ at least{at_least:?}][ {total:.0f}][; not measured:{lacks:?}]" + unmeasured(PARAMETERS, "en"),
}


@rule(
    version="1",
    title={"nb": "MEWS", "en": "MEWS"},
    reads=PARAMETERS,
    limits={"mews_medium": 3.0, "mews_high": 5.0, "mews_fresh_s": 86_400.0},
    bounds={"mews_medium": (1.0, 14.0), "mews_high": (1.0, 14.0), "mews_fresh_s": (300.0, 604_800.0)},
    order=(("mews_medium", "mews_high"),),
    window_s=604_800,
    samples=4,
    text=_TEXT,
    unknown=_TEXT,
)
def mews(w: Window) -> Finding:
    """`mews_high` points and more HIGH, `mews_medium` MEDIUM; a partial score by what it has, else UNKNOWN.

    `because` as in `triage.rules.news2`. Source: see the module.
    """
    values = {name: fresh(w, name, w.limit["mews_fresh_s"]) for name in PARAMETERS}
    given = points(values)
    sums = summed(given)
    level = levels(w.patients)
    level[sums.lacks == 0] = Level.CALM
    level[sums.total >= w.limit["mews_medium"]] = Level.MEDIUM
    level[sums.total >= w.limit["mews_high"]] = Level.HIGH
    level[~limited(w, mews.limits)] = Level.UNKNOWN
    because = {
        "total": sums.total,
        "lacks": sums.lacks,
        "at_least": sums.partial.astype(np.float64),
    }
    return Finding(level, because | values | {f"{name}_points": column for name, column in given.items()})
