"""NEWS2: points for seven parameters, from lookup tables over rounded values.

Source: Royal College of Physicians, National Early Warning Score (NEWS) 2, London 2017, chart 1; used with
acknowledgement. Temperature is rounded to 0.1, all else to 1. SpO2 scale 2 only where it has been prescribed; there an
SpO2 of 93 or more means nothing until it is known whether the patient breathes oxygen, and is not scored.
"""

from collections.abc import Mapping

import numpy as np

from triage.contract import Floats
from triage.scores.bands import lookup, table

PARAMETERS = ("resp_rate", "spo2", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp")

_RESP = table(26, (0, 3), (9, 1), (12, 0), (21, 2), (25, 3))
_SPO2_1 = table(101, (0, 3), (92, 2), (94, 1), (96, 0))
_SPO2_2_AIR = table(101, (0, 3), (84, 2), (86, 1), (88, 0))
_SPO2_2_OXYGEN = table(101, (0, 3), (84, 2), (86, 1), (88, 0), (93, 1), (95, 2), (97, 3))
_SYSTOLIC = table(221, (0, 3), (91, 2), (101, 1), (111, 0), (220, 3))
_PULSE = table(132, (0, 3), (41, 1), (51, 0), (91, 1), (111, 2), (131, 3))
_CONSCIOUS = table(5, (0, 0), (1, 3))
_TENTHS = table(392, (0, 3), (351, 1), (361, 0), (381, 1), (391, 2))


def points(values: Mapping[str, Floats], scale: Floats) -> dict[str, Floats]:
    """The points [P] of each of `PARAMETERS`, from `values` [P] in the channels' units; NaN where not to be had.

    `scale` [P] is the SpO2 scale, 1 or 2; anything else leaves SpO2 without points. Source: RCP 2017, chart 1.
    """
    oxygen = values["oxygen_flow"]
    return {
        "resp_rate": lookup(_RESP, values["resp_rate"]),
        "spo2": _spo2(values["spo2"], oxygen, scale),
        "oxygen_flow": np.where(np.isnan(oxygen), np.nan, np.where(oxygen > 0, 2.0, 0.0)),
        "bp_sys": lookup(_SYSTOLIC, values["bp_sys"]),
        "pulse_rate": lookup(_PULSE, values["pulse_rate"]),
        "consciousness": lookup(_CONSCIOUS, values["consciousness"]),
        "body_temp": lookup(_TENTHS, values["body_temp"], 10),
    }


def _spo2(value: Floats, oxygen: Floats, scale: Floats) -> Floats:
    first = np.where(scale == 1, lookup(_SPO2_1, value), np.nan)
    if not (scale == 2).any():  # as nearly everywhere
        return first
    on_air, on_oxygen = lookup(_SPO2_2_AIR, value), lookup(_SPO2_2_OXYGEN, value)
    same = np.where(on_air == on_oxygen, on_air, np.nan)
    second = np.where(np.isnan(oxygen), same, np.where(oxygen > 0, on_oxygen, on_air))
    return np.where(scale == 2, second, first)
