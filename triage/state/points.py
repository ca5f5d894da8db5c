"""NEWS2 of everybody as one packed byte a parameter.

    bits 0-1   the points, 0 to 3
    bit 6      this is a 3
    bit 7      missing, or too old to count; then the points are 0, and the bit says that this is not a 0

So the bytes of a patient add up to the total in the low six bits, whatever the flags do above them, and "or" tells
whether something is missing or a single parameter has 3 points. A code of its own for "missing" that happens to score
0 is the classic mistake.

The byte is looked up when a reading is written, in one table made of the score's own (`triage.scores.news2`), and
again for whom something has become too old (`expire`). How old a parameter may be is the patient's plan's to say. On
SpO2 scale 2 the byte of SpO2 hangs on the oxygen, so there are four tables of SpO2, and it is looked up with either.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.contract import NEVER, Bools, Floats, Times
from triage.scores.bands import rounded
from triage.scores.news2 import PARAMETERS, points
from triage.state.columns import Column, Columns, Log
from vitals.clock import NS

MISSING, THREE, POINTS = 0x80, 0x40, 0x3F
FRESH_S = 86_400.0
"""So old a parameter may be where nobody has said otherwise, as in the rule."""

Bytes = NDArray[np.uint8]
Rows = NDArray[np.intp]

_SPO2, _OXYGEN, _TEMPERATURE = (PARAMETERS.index(name) for name in ("spo2", "oxygen_flow", "body_temp"))
_PLACES = 512
"""More than any plausible value, temperature in tenths."""
_AT_ONCE = 1_048_576
"""So many patients are added up at once: few calls, and what is added to is still close to the processor (measured)."""


class Totals(NamedTuple):
    """NEWS2 of P patients. `total` [P]: of what is there, a lower bound where something is `missing`."""

    total: Bytes
    missing: Bools
    three: Bools


class Points:
    """The newest good value of each parameter, and what it scores."""

    def __init__(self, log: Log) -> None:
        every = (len(PARAMETERS),)
        self.columns = Columns(
            log,
            packed=Column(np.uint8, MISSING, every),
            value=Column(np.float64, np.nan, every),
            until_ns=Column(np.int64, NEVER, every),
            fresh_s=Column(np.float32, FRESH_S, every),
            scale=Column(np.int8, 1),
            ahead=Column(np.bool_, False),
        )

    def prescribe(self, rows: Rows, scale: NDArray[np.int8], fresh_s: Floats, now_ns: int) -> None:
        """Set the SpO2 scale [P], and how old each of `PARAMETERS` may be [7, P], in seconds."""
        both = slice(None), rows
        until_ns, before_s = self.columns["until_ns"][both], self.columns["fresh_s"][both]
        later_ns = _ns(fresh_s.astype(np.float32)) - _ns(before_s)
        self.columns.put("scale", rows, scale)
        self.columns.put("fresh_s", both, fresh_s)
        self.columns.put("until_ns", both, np.where(until_ns == NEVER, NEVER, until_ns + later_ns))
        self._score(np.repeat(np.arange(len(PARAMETERS)), len(rows)), np.tile(rows, len(PARAMETERS)), now_ns)

    def set(self, now_ns: int, parameter: Rows, rows: Rows, t_ns: Times, value: Floats) -> None:
        """The newest good values [N] are now these, NaN for none."""
        until_ns = t_ns + _ns(self.columns.take("fresh_s", parameter, rows))
        until_ns[t_ns == NEVER] = NEVER
        self.columns.put_at("value", parameter, rows, value)
        self.columns.put_at("until_ns", parameter, rows, until_ns)
        self._score(parameter, rows, now_ns)

    def forget(self, rows: Rows) -> None:
        """Nothing is known of these patients' parameters."""
        for name, blank in (("value", np.nan), ("until_ns", NEVER), ("packed", MISSING)):
            self.columns.put(name, (slice(None), rows), blank)

    def expire(self, now_ns: int) -> Rows:
        """Whatever has become too old is missing from now on; returns whose points changed."""
        late = (self.columns["until_ns"] < now_ns) & (self.columns["packed"] < MISSING)
        parameter, rows = np.nonzero(late)
        self._score(parameter, rows, now_ns)
        return np.unique(rows)

    def totals(self, patients: int) -> Totals:
        """Everybody's, as of when they were last written or expired."""
        packed = self.columns["packed"][:, :patients]
        total, every = np.empty(patients, np.uint8), np.empty(patients, np.uint8)
        add_up(packed, total)
        for start in range(0, patients, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.bitwise_or.reduce(packed[:, part], axis=0, out=every[part])
        return Totals(total, every >= MISSING, every & THREE != 0)

    def _score(self, parameter: Rows, rows: Rows, now_ns: int) -> None:
        second = self.columns["scale"].take(rows) == 2
        oxygen = np.flatnonzero(second & (parameter == _OXYGEN)) if second.any() else _NOBODY
        if len(oxygen):
            parameter = np.concatenate((parameter, np.full(len(oxygen), _SPO2)))
            rows, second = np.concatenate((rows, rows[oxygen])), np.concatenate((second, second[oxygen]))
        counts, value = self._now(parameter, rows, now_ns)
        value[~counts] = 0.0
        place = rounded(value, _STEPS.take(parameter))
        oxygen = np.flatnonzero(parameter == _OXYGEN)
        place[oxygen] = np.sign(value[oxygen])  # any oxygen is oxygen, however little
        np.clip(place, 0, _PLACES - 1, out=place)
        place += parameter * _PLACES
        spo2 = np.flatnonzero(second & (parameter == _SPO2)) if second.any() else _NOBODY
        if len(spo2):
            known, flow = self._now(np.full(len(spo2), _OXYGEN), rows[spo2], now_ns)
            place[spo2] += (len(PARAMETERS) - _SPO2 + np.where(known, 1 + (flow > 0), 0)) * _PLACES
        packed = _TABLE.take(place.astype(np.intp))
        packed[~counts] = MISSING
        self.columns.put_at("packed", parameter, rows, packed)

    def _now(self, parameter: Rows, rows: Rows, now_ns: int) -> tuple[Bools, Floats]:
        """Which parameters [N] count now, and what was measured."""
        return self.columns.take("until_ns", parameter, rows) >= now_ns, self.columns.take("value", parameter, rows)


def add_up(packed: Bytes, total: Bytes) -> None:
    """The totals [P] of packed bytes [7, P]."""
    for start in range(0, len(total), _AT_ONCE):
        out = total[start : start + _AT_ONCE]
        first, second, *others = packed[:, start : start + _AT_ONCE]
        np.add(first, second, out)
        for column in others:
            np.add(out, column, out)
        np.bitwise_and(out, _MASK, out)


def _ns(seconds: Floats | NDArray[np.float32]) -> Times:
    return (seconds * np.float64(NS)).round().astype(np.int64)


def _table() -> Bytes:
    """The byte of each rounded value: of each parameter, then of SpO2 on scale 2: oxygen unknown, on air, on it."""

    def packed(name: str, oxygen: float, scale: float) -> Bytes:
        value = np.arange(_PLACES) / _STEPS[PARAMETERS.index(name)]
        values = {parameter: np.full(_PLACES, np.nan) for parameter in PARAMETERS}
        values["oxygen_flow"] = np.full(_PLACES, oxygen)
        given = points({**values, name: value}, np.full(_PLACES, scale))[name]
        missing = np.isnan(given)
        low = np.where(missing, 0, given).astype(np.uint8)
        return np.where(missing, np.uint8(MISSING), low | np.where(low == 3, np.uint8(THREE), np.uint8(0)))

    first = [packed(name, np.nan, 1) for name in PARAMETERS]
    return np.concatenate([*first, *(packed("spo2", oxygen, 2) for oxygen in (np.nan, 0, 1))])


_NOBODY: Rows = np.zeros(0, np.intp)
_MASK = np.uint8(POINTS)
_STEPS = np.ones(len(PARAMETERS))
_STEPS[_TEMPERATURE] = 10
_TABLE = _table()
