"""The shock index: a pulse that is high for its pressure, though neither may look wrong by itself.

Source: Allgöwer and Burri 1967; 0.9 and 1.0 as in Rady et al., Ann Emerg Med 1994; 24: 685 (check). Both must be of
one moment to mean anything: no further apart than `shock_apart_s` (check). Beta blockers hide it.
"""

import numpy as np

from triage.contract import NEVER, Finding, Window, levels, rule
from triage.look import good, limited, newest
from triage.scores.shock_index import PARAMETERS, index
from vitals.alarm import Level
from vitals.clock import NS


@rule(
    version="1",
    title={"nb": "Sjokkindeks", "en": "Shock index"},
    reads=PARAMETERS,
    limits={"shock_raised": 0.9, "shock_high": 1.0, "shock_apart_s": 600.0, "shock_stale_s": 86_400.0},
    bounds={
        "shock_raised": (0.5, 2.0), "shock_high": (0.5, 2.5), "shock_apart_s": (10.0, 3_600.0),
        "shock_stale_s": (300.0, 604_800.0),
    },
    order=(("shock_raised", "shock_high"),),
    window_s=604_800,
    samples=4,
    text={
        "nb": "Sjokkindeks {index:.2f}: puls {pulse_rate:.0f}, systolisk trykk {bp_sys:.0f} mmHg, grense {raised}",
        "en": "Shock index {index:.2f}: pulse {pulse_rate:.0f}, systolic pressure {bp_sys:.0f} mmHg, limit {raised}",
    },
)  # fmt: skip
def shock_index(w: Window) -> Finding:
    """`shock_high` and more HIGH, `shock_raised` MEDIUM. Stale, or measured too far apart, is UNKNOWN.

    `because`: the `index`, its two values, and the limit `raised`. Source: see the module.
    """
    pulse, pressure = (newest(w, good(w, name)) for name in PARAMETERS)
    there = (pulse.t_ns != NEVER) & (pressure.t_ns != NEVER)
    apart_ns = np.abs(np.where(there, pulse.t_ns, 0) - np.where(there, pressure.t_ns, 0))
    together = there & (apart_ns / NS <= w.limit["shock_apart_s"])
    young = (pulse.age_s <= w.limit["shock_stale_s"]) & (pressure.age_s <= w.limit["shock_stale_s"])
    found = index({"pulse_rate": pulse.value, "bp_sys": pressure.value})
    known = together & young & limited(w, shock_index.limits)

    level = levels(w.patients)
    level[known] = Level.CALM
    level[known & (found >= w.limit["shock_raised"])] = Level.MEDIUM
    level[known & (found >= w.limit["shock_high"])] = Level.HIGH
    because = {
        "index": np.where(together, found, np.nan), "pulse_rate": pulse.value, "bp_sys": pressure.value,
        "raised": w.limit["shock_raised"],
    }  # fmt: skip
    return Finding(level, because)
