"""CRB-65: how severe a pneumonia is, where no blood can be taken. It supposes a pneumonia; it does not find one.

Source: Lim et al., Thorax 2003; 58: 377 (check). Confusion, 30 breaths a minute and more, a systolic below 90 or a
diastolic of 60 and less, 65 years and more: a point each.
"""

from collections.abc import Mapping

import numpy as np

from triage.contract import Floats
from triage.scores.bands import flag, rounded

PARAMETERS = ("consciousness", "resp_rate", "bp_sys", "bp_dia")


def points(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """The points [P] for `confusion`, `rr`, `bp` and `age` (in years, `values["age"]`); NaN where not to be had.

    One low pressure is enough; that neither is low needs both. Source: Lim 2003, table 4 (check).
    """
    mind, breaths, age = values["consciousness"], values["resp_rate"], values["age"]
    systolic, diastolic = values["bp_sys"], values["bp_dia"]
    low = (rounded(systolic) < 90) | (rounded(diastolic) <= 60)
    return {
        "confusion": flag(mind > 0, mind),
        "rr": flag(rounded(breaths) >= 30, breaths),
        "bp": np.where(low, 1.0, flag(low, systolic, diastolic)),
        "age": flag(age >= 65, age),
    }
