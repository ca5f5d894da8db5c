"""NEWS2 of everybody as one packed byte a parameter.

    bits 0-1   the points, 0 to 3
    bit 6      this is a 3
    bit 7      missing, or too old to count; then the points are 0, and the bit says that this is not a 0

So the bytes of a patient add up to the total in the low six bits, whatever the flags do above them, and "or" tells
whether something is missing or a single parameter has 3 points. A code of its own for "missing" that happens to score
0 is the classic mistake.

The byte is looked up when a reading is written, in one table made of the score's own (`triage.scores.news2`), and
again for whom something has become too old (`expire`). How old a parameter may be is the patient's limit, as in the
rule. On SpO2 scale 2 the byte of SpO2 hangs on the oxygen, so there are four tables of SpO2, and it is looked up with
either.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.contract import NEVER, Bools, Floats, Times
from triage.scores.bands import rounded
from triage.scores.news2 import PARAMETERS, points
from triage.state.batch import firsts
from triage.state.columns import Column, Columns, Log, Words
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
    """The newest good value of each parameter, and what it scores.

    What must be known for it of a patient is eight pairs of words, two lines of the processor's memory: of each
    parameter until when it counts, and its value; and how old one may be, in ns, with the SpO2 scale.
    """

    def __init__(self, log: Log) -> None:
        self.columns = Columns(
            log,
            packed=Column(np.uint8, MISSING, (len(PARAMETERS),)),
            known=Column(np.complex128, _BLANK),
            ahead=Column(np.bool_, False),
        )

    def prescribe(self, rows: Rows, scale: Floats, fresh_s: Floats, now_ns: int) -> None:
        """Set the SpO2 scale [P], and how old a parameter may be [P], in seconds."""
        known = self._known(rows)
        fresh_ns = (fresh_s * NS).round().astype(np.int64)
        until_ns = known[:, :_OWN, 0]
        later_ns = (fresh_ns - known[:, _OWN, 0])[:, None]
        known[:, :_OWN, 0] = np.where(until_ns == NEVER, NEVER, until_ns + later_ns)
        known[:, _OWN, 0], known[:, _OWN, 1] = fresh_ns, np.where(scale == 2, _SECOND, _FIRST)
        self.columns.put("known", rows, _as_pairs(known))
        self._score(np.tile(np.arange(len(PARAMETERS)), len(rows)), np.repeat(rows, len(PARAMETERS)), now_ns)

    def set(self, now_ns: int, parameter: Rows, rows: Rows, t_ns: Times, value: Floats) -> None:
        """The newest good values [N] are now these, NaN for none."""
        own, new = self._at(_OWN, rows), np.empty((len(rows), 2), np.int64)
        until_ns = np.where(t_ns == NEVER, NEVER, t_ns + own[:, 0])
        new[:, 0], new[:, 1] = until_ns, value.view(np.int64)
        self.columns.put_at("known", parameter, rows, _as_pairs(new))
        self._write(now_ns, parameter, rows, own[:, 1] == _SECOND, until_ns >= now_ns, value)

    def forget(self, rows: Rows) -> None:
        """Nothing is known of these patients' parameters."""
        known = self._known(rows)
        known[:, :_OWN] = _BLANK[:_OWN].view(np.int64).reshape(-1, 2)
        self.columns.put("known", rows, _as_pairs(known))
        self.columns.put("packed", (slice(None), rows), MISSING)

    def remove(self, rows: Rows) -> None:
        """These rows are of nobody: what was prescribed is forgotten, too."""
        self.forget(rows)
        self.columns.put("known", rows, _BLANK)

    def expire(self, now_ns: int) -> Rows:
        """Whatever has become too old is missing from now on; returns whose points changed."""
        until_ns = self.columns["known"].view(np.int64).reshape(-1, len(_BLANK), 2)[:, :_OWN, 0]
        rows, parameter = np.nonzero((until_ns < now_ns) & (self.columns["packed"].T < MISSING))
        self._score(parameter, rows, now_ns)
        return rows.compress(firsts(rows))

    def totals(self) -> Totals:
        """Everybody's, as of when they were last written or expired."""
        packed = self.columns["packed"]
        patients = packed.shape[1]
        total, every = np.empty(patients, np.uint8), np.empty(patients, np.uint8)
        add_up(packed, total)
        for start in range(0, patients, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.bitwise_or.reduce(packed[:, part], axis=0, out=every[part])
        return Totals(total, every >= MISSING, every & THREE != 0)

    def _score(self, parameter: Rows, rows: Rows, now_ns: int) -> None:
        """Look up again what is known."""
        second = self._at(_OWN, rows)[:, 1] == _SECOND
        self._write(now_ns, parameter, rows, second, *self._now(parameter, rows, now_ns))

    def _write(self, now_ns: int, parameter: Rows, rows: Rows, second: Bools, counts: Bools, value: Floats) -> None:
        """The bytes of these values [N], where they count; `second`: of whom SpO2 is on scale 2."""
        value = np.where(counts, value, 0.0)
        nearest = rounded(value, _STEPS.take(parameter))
        (oxygen,) = (parameter == _OXYGEN).nonzero()
        nearest[oxygen] = np.sign(value[oxygen])  # any oxygen is oxygen, however little
        place = np.clip(nearest, 0, _PLACES - 1, out=nearest).astype(np.intp)
        place += parameter * _PLACES
        hangs = second & (parameter == _SPO2) if second.any() else second
        if hangs.any():
            known, flow = self._now(_OXYGEN, rows[hangs], now_ns)
            place[hangs] += (len(PARAMETERS) - _SPO2 + np.where(known, 1 + (flow > 0), 0)) * _PLACES
        self.columns.put_at("packed", parameter, rows, np.where(counts, _TABLE.take(place), _GONE))
        if second.any() and len(oxygen := oxygen[second[oxygen]]):
            self._score(np.full(len(oxygen), _SPO2), rows[oxygen], now_ns)

    def _now(self, parameter: Rows | int, rows: Rows, now_ns: int) -> tuple[Bools, Floats]:
        """Which parameters [N] count now, and what was measured."""
        known = self._at(parameter, rows)
        return known[:, 0] >= now_ns, known[:, 1].copy().view(np.float64)

    def _at(self, parameter: Rows | int, rows: Rows) -> Words:
        """One pair [N, 2] of what is known of each."""
        return _as_words(self.columns.take("known", parameter, rows))

    def _known(self, rows: Rows) -> Words:
        """All pairs [P, 8, 2] of what is known of each."""
        return _as_words(self.columns["known"][rows])


def add_up(packed: Bytes, total: Bytes) -> None:
    """The totals [P] of packed bytes [7, P]."""
    for start in range(0, len(total), _AT_ONCE):
        out = total[start : start + _AT_ONCE]
        first, second, *others = packed[:, start : start + _AT_ONCE]
        np.add(first, second, out)
        for column in others:
            np.add(out, column, out)
        np.bitwise_and(out, _MASK, out)


def _as_words(pairs: NDArray[np.complex128]) -> Words:
    return pairs.view(np.int64).reshape(*pairs.shape, 2)


def _as_pairs(words: Words) -> NDArray[np.complex128]:
    return words.view(np.complex128)[..., 0]


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


_OWN = len(PARAMETERS)
"""Where what holds for the patient stands, behind the parameters: nanoseconds, and the scale."""
_FIRST, _SECOND = range(2)
"""The SpO2 scale."""
_BLANK = _as_pairs(
    np.array([*[(NEVER, np.array(np.nan).view(np.int64))] * _OWN, (int(FRESH_S * NS), _FIRST)], np.int64)
)
_MASK, _GONE = np.uint8(POINTS), np.uint8(MISSING)
_STEPS = np.ones(len(PARAMETERS))
_STEPS[_TEMPERATURE] = 10
_TABLE = _table()
