"""The shock index: pulse over systolic pressure. 0.5 to 0.7 is usual, 0.9 is raised, 1.0 is more than that (check).

Source: Allgöwer and Burri 1967; the thresholds as in Rady et al., Ann Emerg Med 1994; 24: 685 (check). Beta blockers
hide it.
"""

from collections.abc import Mapping

import numpy as np

from triage.contract import Floats

PARAMETERS = ("pulse_rate", "bp_sys")
NAME = "shock_index"


def index(values: Mapping[str, Floats]) -> Floats:
    """Pulse over systolic pressure [P]; NaN where either is missing, or the pressure is 0. Source: see the module."""
    systolic = values["bp_sys"]
    ratio: Floats = values["pulse_rate"] / np.where(systolic > 0, systolic, np.nan)
    return ratio
