"""A channel's readings as columns, which is all that a chart, a rule or an average needs of them."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_GOOD, _DECIMALS = 0x80, 16


class Values(NamedTuple):
    """A channel's readings, in the order of time and value. `flags`: see `good` and `decimals`."""

    t_ns: NDArray[np.int64]
    value: NDArray[np.float64]
    flags: NDArray[np.uint8]

    def only(self, rows: slice | NDArray[Any]) -> "Values":
        """Those rows."""
        return Values(self.t_ns[rows], self.value[rows], self.flags[rows])

    def between(self, from_ns: int, to_ns: int) -> "Values":
        """Those between two moments, both inclusive."""
        if not len(self.t_ns) or (self.t_ns.item(0) >= from_ns and self.t_ns.item(-1) <= to_ns):
            return self
        return self.only(slice(self.t_ns.searchsorted(from_ns, "left"), self.t_ns.searchsorted(to_ns, "right")))


NONE = Values(np.zeros(0, np.int64), np.zeros(0, np.float64), np.zeros(0, np.uint8))


def flags(good: NDArray[Any], decimals: NDArray[Any]) -> NDArray[np.uint8]:
    """Both in one byte."""
    return (good.astype(np.uint8) * _GOOD + (decimals.astype(np.int16) + _DECIMALS).astype(np.uint8)).astype(np.uint8)


def good(flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether the device trusts the value."""
    return flags >= _GOOD


def decimals(flags: NDArray[np.uint8]) -> NDArray[np.int16]:
    """To how many the device reported it."""
    return (flags & (_GOOD - 1)).astype(np.int16) - _DECIMALS


def finest(flags: NDArray[np.uint8]) -> int:
    """The most decimals that are among them; 0 where there is nothing."""
    return int(np.maximum.reduce(flags & (_GOOD - 1))) - _DECIMALS if len(flags) else 0


def merged(pieces: Sequence[Values]) -> Values:
    """All of them, by time and value. None of the pieces is empty."""
    if len(pieces) < 2:
        return pieces[0] if pieces else NONE
    spans = sorted((one.t_ns.item(0), one.t_ns.item(-1), place) for place, one in enumerate(pieces))
    ordered = [pieces[place] for _, _, place in spans]
    t_ns = np.concatenate([one.t_ns for one in ordered])
    value = np.concatenate([one.value for one in ordered])
    flags = np.concatenate([one.flags for one in ordered])
    if all(before[1] < after[0] for before, after in itertools.pairwise(spans)):
        return Values(t_ns, value, flags)
    order = np.lexsort((value, t_ns))
    return Values(t_ns[order], value[order], flags[order])
