"""NEWS2 of everybody, kept as readings come, for whoever asks the state for it (`State(..., scores=True)`).

What counts of a parameter is what the rule `news2` sees of it: the newest good one of the newest four up to now. Here
that is found in the rings, and what it scores is `triage.state.points`.
"""

from collections.abc import Callable, Sequence

import numpy as np

from triage.contract import NEVER, Bools, Floats, Times
from triage.scores.news2 import PARAMETERS
from triage.state.batch import Rows, numbers
from triage.state.columns import Log, Numbers
from triage.state.points import Points, Totals
from triage.state.rings import Newest, Rings, Slots

_SAMPLES = 4
"""So many of a parameter the rule looks at for the newest good one."""


class Scores:
    """`sizes` of the rings of `names`; `slots_of`: where the rings of a name's number are, of these rows."""

    def __init__(
        self, log: Log, rings: Rings, names: Sequence[str], sizes: Numbers, slots_of: Callable[[int, Rows], Slots]
    ) -> None:
        self.points = Points(log)
        self._rings = rings
        self._parameter = numbers(names, PARAMETERS)
        self._sizes = sizes
        self._slots_of = slots_of

    def prescribe(self, rows: Rows, scale: Floats, fresh_s: Floats, now_ns: int) -> None:
        """Set the SpO2 scale [P], and how old a parameter may be [P], in seconds: the rule's limits."""
        self.points.prescribe(rows, scale, fresh_s, now_ns)

    def put(self, name: Rows, row: Rows, newest: Newest, now_ns: int) -> None:
        """These series [N] end in these samples now."""
        parameter = self._parameter.take(name)
        (which,) = (parameter >= 0).nonzero()
        if len(which):
            row = row.take(which)
            t_ns, value = self._counts(newest.of(which), row, now_ns)
            self.points.set(now_ns, parameter.take(which), row, t_ns, value)

    def expire(self, now_ns: int) -> Rows:
        """Let time pass; returns whose points changed."""
        ahead = np.flatnonzero(self.points.columns["ahead"])
        self.points.columns.put("ahead", ahead, False)
        for number, parameter in enumerate(self._parameter.tolist()):
            if parameter >= 0 and len(ahead):
                newest = self._rings.newest(self._slots_of(number, ahead), np.full(len(ahead), self._sizes[number]))
                t_ns, value = self._counts(newest, ahead, now_ns)
                self.points.set(now_ns, np.full(len(ahead), parameter), ahead, t_ns, value)
        return np.union1d(ahead, self.points.expire(now_ns))

    def totals(self) -> Totals:
        """Of every row there is room for, as of when it was last written or expired."""
        return self.points.totals()

    def _counts(self, newest: Newest, row: Rows, now_ns: int) -> tuple[Times, Floats]:
        """When and what counts of parameters now."""
        t_ns, value = newest.t_ns, newest.value
        (other,) = ((t_ns > now_ns) | ~newest.good).nonzero()  # mostly the newest is the answer
        if len(other):
            t_ns, value = t_ns.copy(), value.copy()
            ahead = t_ns.take(other) > now_ns
            last = other.compress(~ahead)
            among = self._rings.samples(newest.slots.take(last), newest.size.take(last), _SAMPLES)
            t_ns[last], value[last] = _last_good(*among)
            if ahead.any():
                self._look_back(newest, other.compress(ahead), row, t_ns, value, now_ns)
        return t_ns, value

    def _look_back(self, newest: Newest, later: Rows, row: Rows, t_ns: Times, value: Floats, now_ns: int) -> None:
        """Put in what counts of those, `later`, whose newest sample's time is yet to come."""
        self.points.columns.put("ahead", row[later], True)
        for size in np.unique(newest.size[later]).tolist():
            those = later[newest.size[later] == size]
            t_ns[those], value[those] = _newest_good(*self._rings.samples(newest.slots[those], size, size), now_ns)


def _newest_good(t_ns: Times, value: Floats, good: Bools, now_ns: int) -> tuple[Times, Floats]:
    """The newest good one [N] of the newest 4 up to now among these [K, N], newest last."""
    come = (t_ns <= now_ns) & (t_ns != NEVER)
    place = np.cumsum(come[::-1], axis=0)[::-1]  # 1 is the newest that has come
    return _last_good(t_ns, value, good & come & (place <= _SAMPLES))


def _last_good(t_ns: Times, value: Floats, good: Bools) -> tuple[Times, Floats]:
    """The last good one [N] of these [K, N]."""
    where = len(good) - 1 - good[::-1].argmax(axis=0), np.arange(good.shape[1])
    some = good[where]
    return np.where(some, t_ns[where], NEVER), np.where(some, value[where], np.nan)
