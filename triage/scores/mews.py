"""MEWS, the Modified Early Warning Score.

Source: Subbe et al., QJM 2001; 94: 521 (check). It knows A, V, P and U; new confusion, which came later, is given the
point of V (check).
"""

from collections.abc import Mapping

from triage.contract import Floats
from triage.scores.bands import lookup, table

PARAMETERS = ("resp_rate", "pulse_rate", "bp_sys", "body_temp", "consciousness")

_RESP = table(31, (0, 2), (9, 0), (15, 1), (21, 2), (30, 3))
_PULSE = table(131, (0, 2), (41, 1), (51, 0), (101, 1), (111, 2), (130, 3))
_SYSTOLIC = table(201, (0, 3), (71, 2), (81, 1), (101, 0), (200, 2))
_TENTHS = table(386, (0, 2), (350, 0), (385, 2))
_CONSCIOUS = table(5, (0, 0), (1, 1), (2, 1), (3, 2), (4, 3))


def points(values: Mapping[str, Floats]) -> dict[str, Floats]:
    """The points [P] of each of `PARAMETERS`, from `values` [P] in the channels' units; NaN where not measured.

    Source: Subbe 2001, table 1 (check).
    """
    return {
        "resp_rate": lookup(_RESP, values["resp_rate"]),
        "pulse_rate": lookup(_PULSE, values["pulse_rate"]),
        "bp_sys": lookup(_SYSTOLIC, values["bp_sys"]),
        "body_temp": lookup(_TENTHS, values["body_temp"], 10),
        "consciousness": lookup(_CONSCIOUS, values["consciousness"]),
    }
