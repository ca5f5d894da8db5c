"""NEWS2, the National Early Warning Score, with partial scores called partial.

Source: Royal College of Physicians, National Early Warning Score (NEWS) 2, London 2017; used with acknowledgement.
Not for anyone under 16 or pregnant. SpO2 scale 2 only where it has been prescribed (limit `spo2_scale` 2).

A parameter that was not measured is missing, never 0 points: the sum of the others is then a lower bound, "at least".
Such a partial score alarms by the points it has; if they alarm nobody the rule does not know (UNKNOWN), because the
missing parameter might have. On scale 2 an SpO2 of 93 or more means nothing until it is known whether the patient
breathes oxygen, so without that it is not scored.

Points come from lookup tables over rounded values (temperature to 0.1, all else to 1; halves up), so there can be no
gap between two bands. A home questionnaire seldom gives all seven values at once: `news2_fresh_s` says how old one
may be (check).
"""

from collections.abc import Mapping

import numpy as np

from triage.contract import Finding, Floats, Window, levels, rule
from triage.look import good, newest
from vitals.alarm import Level

VERSION = "1"
PARAMETERS = ("resp_rate", "spo2", "oxygen_flow", "bp_sys", "pulse_rate", "consciousness", "body_temp")


def _table(size: int, *bands: tuple[int, int]) -> Floats:
    """Points by rounded value: each band is (from this value on, these points)."""
    table = np.zeros(size)
    for start, given in bands:
        table[start:] = given
    return table


_RESP = _table(26, (0, 3), (9, 1), (12, 0), (21, 2), (25, 3))
_SPO2_1 = _table(101, (0, 3), (92, 2), (94, 1), (96, 0))
_SPO2_2_AIR = _table(101, (0, 3), (84, 2), (86, 1), (88, 0))
_SPO2_2_OXYGEN = _table(101, (0, 3), (84, 2), (86, 1), (88, 0), (93, 1), (95, 2), (97, 3))
_SYSTOLIC = _table(221, (0, 3), (91, 2), (101, 1), (111, 0), (220, 3))
_PULSE = _table(132, (0, 3), (41, 1), (51, 0), (91, 1), (111, 2), (131, 3))
_CONSCIOUS = _table(5, (0, 0), (1, 3))
_TENTHS = _table(392, (0, 3), (351, 1), (361, 0), (381, 1), (391, 2))


def points(values: Mapping[str, Floats], scale: Floats) -> dict[str, Floats]:
    """The points [P] of each of `PARAMETERS`, from `values` [P] in the channels' units; NaN where not to be had.

    `scale` [P] is the SpO2 scale, 1 or 2; anything else leaves SpO2 without points. Source: RCP 2017, chart 1.
    """
    oxygen = values["oxygen_flow"]
    return {
        "resp_rate": _lookup(_RESP, values["resp_rate"]),
        "spo2": _spo2(values["spo2"], oxygen, scale),
        "oxygen_flow": np.where(np.isnan(oxygen), np.nan, np.where(oxygen > 0, 2.0, 0.0)),
        "bp_sys": _lookup(_SYSTOLIC, values["bp_sys"]),
        "pulse_rate": _lookup(_PULSE, values["pulse_rate"]),
        "consciousness": _lookup(_CONSCIOUS, values["consciousness"]),
        "body_temp": _lookup(_TENTHS, values["body_temp"] * 10),
    }


def _spo2(value: Floats, oxygen: Floats, scale: Floats) -> Floats:
    on_air, on_oxygen = _lookup(_SPO2_2_AIR, value), _lookup(_SPO2_2_OXYGEN, value)
    same = np.where(on_air == on_oxygen, on_air, np.nan)
    second = np.where(np.isnan(oxygen), same, np.where(oxygen > 0, on_oxygen, on_air))
    return np.where(scale == 1, _lookup(_SPO2_1, value), np.where(scale == 2, second, np.nan))


def _lookup(table: Floats, value: Floats) -> Floats:
    """The points of `value` rounded half up; beyond the table's ends its ends. NaN stays NaN."""
    missing = np.isnan(value)
    place = np.clip(value + 0.5, 0, len(table) - 1)
    given: Floats = table[np.where(missing, 0, place).astype(np.int64)]
    given[missing] = np.nan
    return given


def _unmeasured(*words: str) -> str:
    """One clause for each parameter, which names it if it is missing."""
    return "".join(f"[ {word}{{{name}:!}},]" for name, word in zip(PARAMETERS, words, strict=True))


_TEXT = {
    "nb": "NEWS2[ minst{at_least:?}][ {total:.0f}][, 3 poeng for én enkelt verdi{single:?}]"
    "[; SpO₂ kan ikke skåres før oksygen og skala er kjent{spo2_unscored:?}][; ikke målt:{unmeasured:?}]"
    + _unmeasured("respirasjonsfrekvens", "SpO₂", "oksygen", "blodtrykk", "puls", "bevissthet", "temperatur"),
    "en": "NEWS2[ at least{at_least:?}][ {total:.0f}][, 3 points for one parameter{single:?}]"
    "[; SpO₂ cannot be scored before oxygen and scale are known{spo2_unscored:?}][; not measured:{unmeasured:?}]"
    + _unmeasured("respiratory rate", "SpO₂", "oxygen", "blood pressure", "pulse", "consciousness", "temperature"),
}


@rule(
    version=VERSION,
    title={"nb": "NEWS2", "en": "NEWS2"},
    reads=PARAMETERS,
    limits={"spo2_scale": 1.0, "news2_fresh_s": 86_400.0, "news2_low": 0.0},
    bounds={"spo2_scale": (1.0, 2.0), "news2_fresh_s": (300.0, 604_800.0), "news2_low": (0.0, 1.0)},
    window_s=604_800,
    samples=4,
    text=_TEXT,
    unknown=_TEXT,
)
def news2(w: Window) -> Finding:
    """At least 7 points HIGH, 5 or 6 or a single 3 MEDIUM; 1 to 4 LOW where the limit `news2_low` is 1.

    `because` has each parameter's value and `…_points` (NaN: missing), their sum `total` (NaN: nothing measured) and
    `lacks`, how many parameters are not in it. Source: RCP 2017, clinical response to the NEWS trigger thresholds.
    """
    values = {name: _fresh(w, name) for name in PARAMETERS}
    given = points(values, w.limit["spo2_scale"])
    table = np.stack([given[name] for name in PARAMETERS])
    lacks = np.isnan(table).sum(axis=0)
    none = lacks == len(PARAMETERS)
    total = np.where(none, np.nan, np.nansum(table, axis=0))
    single = (table == 3).any(axis=0)

    level = levels(w.patients)
    level[lacks == 0] = Level.CALM
    level[(w.limit["news2_low"] == 1) & (total >= 1)] = Level.LOW
    level[single | (total >= 5)] = Level.MEDIUM
    level[total >= 7] = Level.HIGH
    level[np.isnan([w.limit[name] for name in news2.limits]).any(axis=0)] = Level.UNKNOWN
    flags = {
        "lacks": lacks,
        "unmeasured": np.isnan(list(values.values())).sum(axis=0),
        "at_least": (lacks > 0) & ~none,
        "single": single,
        "spo2_unscored": np.isnan(given["spo2"]) & ~np.isnan(values["spo2"]),
    }
    because = {"total": total, **{name: flag.astype(np.float64) for name, flag in flags.items()}}
    return Finding(level, because | values | {f"{name}_points": column for name, column in given.items()})


def _fresh(w: Window, channel: str) -> Floats:
    """The newest good value [P], NaN where it is older than `news2_fresh_s`."""
    last = newest(w, good(w, channel))
    return np.where(last.age_s <= w.limit["news2_fresh_s"], last.value, np.nan)
