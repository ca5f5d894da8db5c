"""CRB-65, for somebody who has a pneumonia and is treated at home.

Source: Lim et al., Thorax 2003; 58: 377; the British Thoracic Society asks to consider hospital from 1 point and to
admit at once from 3 (check). The age is the patient's own limit `age_years`; without it the rule does not know. How
old a value may be is our choice (check).
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, limited
from triage.scores.contract import summed
from triage.scores.crb65 import PARAMETERS, points
from triage.scores.words import unmeasured
from vitals.alarm import Level

_TEXT = {
    "nb": "CRB-65[ minst{at_least:?}][ {total:.0f}][; ikke målt:{unmeasured:?}]" + unmeasured(PARAMETERS, "nb"),
    "en": "CRB-65[ at least{at_least:?}][ {total:.0f}][; not measured:{unmeasured:?}]" + unmeasured(PARAMETERS, "en"),
}


@rule(
    version="1",
    title={"nb": "CRB-65", "en": "CRB-65"},
    reads=PARAMETERS,
    limits={"age_years": float("nan"), "crb65_fresh_s": 86_400.0},
    bounds={"age_years": (16.0, 125.0), "crb65_fresh_s": (300.0, 604_800.0)},
    window_s=604_800,
    samples=4,
    text=_TEXT,
    unknown=_TEXT,
)
def crb65(w: Window) -> Finding:
    """3 points and more HIGH, 1 and 2 MEDIUM; 0 is calm only when everything is known. Source: see the module.

    `because`: each value, the points of `confusion`, `rr`, `bp` and `age`, their `total`, how many it `lacks`.
    """
    values = {name: fresh(w, name, w.limit["crb65_fresh_s"]) for name in PARAMETERS}
    given = points({**values, "age": w.limit["age_years"]})
    sums = summed(given)
    level = levels(w.patients)
    level[sums.lacks == 0] = Level.CALM
    level[sums.total >= 1] = Level.MEDIUM
    level[sums.total >= 3] = Level.HIGH
    level[~limited(w, crb65.limits)] = Level.UNKNOWN
    missing = np.isnan(list(values.values())).sum(axis=0).astype(np.float64)
    because = {"total": sums.total, "lacks": sums.lacks, "unmeasured": missing}
    because["at_least"] = sums.partial.astype(np.float64)
    return Finding(level, because | values | {f"{name}_points": column for name, column in given.items()})
