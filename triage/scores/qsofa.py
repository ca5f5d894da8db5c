"""qSOFA: three quick signs that an infection may be sepsis. Two of them are a reason to look closely.

Source: Singer et al., Sepsis-3, JAMA 2016; 315: 801 (check). It supposes an infection; it does not find one.
"""

from collections.abc import Mapping

from triage.contract import Floats
from triage.scores.bands import flag, rounded

PARAMETERS = ("resp_rate", "bp_sys", "consciousness")


def points(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """A point [P] each for 22 breaths a minute and more, a systolic of 100 and less, and altered mentation.

    Source: Sepsis-3, box 4 (check).
    """
    breaths, systolic, mind = (values[name] for name in PARAMETERS)
    return {
        "resp_rate": flag(rounded(breaths) >= 22, breaths),
        "bp_sys": flag(rounded(systolic) <= 100, systolic),
        "consciousness": flag(mind > 0, mind),
    }
