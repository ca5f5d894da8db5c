"""qSOFA: two of three signs in somebody with an infection ask whether it is sepsis.

Source: Singer et al., Sepsis-3, JAMA 2016; 315: 801 (check). It supposes an infection, so it belongs in programmes
where one is likely. How old a value may be is our choice (check). What is missing has no points.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, limited
from triage.scores.contract import summed
from triage.scores.qsofa import PARAMETERS, points
from triage.scores.words import unmeasured
from vitals.alarm import Level

_TEXT = {
    "nb": "qSOFA[ minst{at_least:?}][ {total:.0f} av 3][; ikke målt:{lacks:?}]" + unmeasured(PARAMETERS, "nb"),
    "en": "qSOFA[ at least{at_least:?}][ {total:.0f} of 3][; not measured:{lacks:?}]" + unmeasured(PARAMETERS, "en"),
}


@rule(
    version="1",
    title={"nb": "qSOFA", "en": "qSOFA"},
    reads=PARAMETERS,
    limits={"qsofa_high": 2.0, "qsofa_fresh_s": 86_400.0},
    bounds={"qsofa_high": (1.0, 3.0), "qsofa_fresh_s": (300.0, 604_800.0)},
    window_s=604_800,
    samples=4,
    text=_TEXT,
    unknown=_TEXT,
)
def qsofa(w: Window) -> Finding:
    """`qsofa_high` signs and more HIGH; fewer are calm only when all three are known. Source: see the module.

    `because`: each value and its `…_points`, their `total`, how many the score `lacks`.
    """
    values = {name: fresh(w, name, w.limit["qsofa_fresh_s"]) for name in PARAMETERS}
    given = points(values)
    sums = summed(given)
    level = levels(w.patients)
    level[sums.lacks == 0] = Level.CALM
    level[sums.total >= w.limit["qsofa_high"]] = Level.HIGH
    level[~limited(w, qsofa.limits)] = Level.UNKNOWN
    because = {"total": sums.total, "lacks": sums.lacks, "at_least": sums.partial.astype(np.float64)}
    return Finding(level, because | values | {f"{name}_points": column for name, column in given.items()})
