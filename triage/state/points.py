"""NEWS2 of everybody as one packed byte a parameter.

    bits 0-1   the points, 0 to 3
    bit 6      this is a 3
    bit 7      missing, or too old to count; then the points are 0, and the bit says that this is not a 0

So the bytes of a patient add up to the total in the low six bits, whatever the flags do above them, and "or" tells
whether something is missing or a single parameter has 3 points. A code of its own for "missing" that happens to score
0 is the classic mistake.

The points are looked up when a reading is written, by the rule's own tables (`triage.rules.news2`), and again for whom
something has become too old (`expire`). How old a parameter may be is the patient's plan's to say.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.contract import NEVER, Bools, Floats, Times
from triage.rules.news2 import PARAMETERS, points
from triage.state.columns import Column, Columns, Log
from vitals.clock import NS

MISSING, THREE, POINTS = 0x80, 0x40, 0x3F
FRESH_S = 86_400.0
"""So old a parameter may be where nobody has said otherwise, as in the rule."""

Bytes = NDArray[np.uint8]

_AT_ONCE = 65_536
"""So many patients are added up at once, which stays in the processor's nearest memory."""


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
            t_ns=Column(np.int64, NEVER, every),
            fresh_s=Column(np.float32, FRESH_S, every),
            scale=Column(np.int8, 1),
            ahead=Column(np.bool_, False),
        )

    def prescribe(self, rows: NDArray[np.intp], scale: NDArray[np.int8], fresh_s: Floats, now_ns: int) -> None:
        """Set the SpO2 scale [P], and how old each of `PARAMETERS` may be [7, P], in seconds."""
        self.columns.put("scale", rows, scale)
        self.columns.put("fresh_s", (slice(None), rows), fresh_s)
        self._score(rows, now_ns)

    def set(
        self, parameter: NDArray[np.intp], rows: NDArray[np.intp], t_ns: Times, value: Floats, now_ns: int
    ) -> NDArray[np.intp]:
        """The newest good values [N] are now these, NaN for none; returns whose points changed."""
        self.columns.put("value", (parameter, rows), value)
        self.columns.put("t_ns", (parameter, rows), t_ns)
        return self._score(np.unique(rows), now_ns)

    def forget(self, rows: NDArray[np.intp]) -> None:
        """Nothing is known of these patients' parameters."""
        for name, blank in (("value", np.nan), ("t_ns", NEVER), ("packed", MISSING)):
            self.columns.put(name, (slice(None), rows), blank)

    def expire(self, now_ns: int) -> NDArray[np.intp]:
        """Whatever has become too old is missing from now on; returns whose points changed."""
        packed = self.columns["packed"]
        due = np.zeros(packed.shape[1], np.bool_)
        for index in range(len(PARAMETERS)):
            late = ~self._fresh(index, slice(None), now_ns)
            due |= late & (packed[index] < MISSING)
        return self._score(np.flatnonzero(due), now_ns)

    def totals(self, patients: int) -> Totals:
        """Everybody's, as of when they were last written or expired."""
        packed = self.columns["packed"][:, :patients]
        total, every = np.empty(patients, np.uint8), np.empty(patients, np.uint8)
        for start in range(0, patients, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            np.bitwise_or.reduce(packed[:, part], axis=0, out=every[part])
        self.add_up(packed, total)
        return Totals(total, every >= MISSING, every & THREE != 0)

    @staticmethod
    def add_up(packed: Bytes, total: Bytes) -> None:
        """The totals [P] of packed bytes [7, P]."""
        for start in range(0, len(total), _AT_ONCE):
            out = total[start : start + _AT_ONCE]
            first, second, *others = packed[:, start : start + _AT_ONCE]
            np.add(first, second, out=out)
            for column in others:
                np.add(out, column, out=out)
            np.bitwise_and(out, POINTS, out=out)

    def _fresh(self, parameter: int | slice, rows: NDArray[np.intp] | slice, now_ns: int) -> Bools:
        t_ns = self.columns["t_ns"][parameter, rows]
        fresh: Bools = (now_ns - t_ns) / NS <= self.columns["fresh_s"][parameter, rows]
        fresh &= t_ns != NEVER
        return fresh

    def _score(self, rows: NDArray[np.intp], now_ns: int) -> NDArray[np.intp]:
        every = slice(None)
        counts = self._fresh(every, rows, now_ns)
        value = np.where(counts, self.columns["value"][:, rows], np.nan)
        given = points(dict(zip(PARAMETERS, value, strict=True)), self.columns["scale"][rows].astype(np.float64))
        table = np.stack([given[name] for name in PARAMETERS])
        missing = np.isnan(table)
        packed = np.where(missing, 0, table).astype(np.uint8)
        packed |= np.where(packed == 3, np.uint8(THREE), np.uint8(0))
        packed[missing] = MISSING
        old = self.columns["packed"][:, rows]
        self.columns.put("packed", (every, rows), packed, old)
        changed: NDArray[np.intp] = rows[(packed != old).any(axis=0)]
        return changed
