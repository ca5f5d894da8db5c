"""The newest samples of many series, in slots: slot 0 is of nobody and always blank, so whoever has none shows it.

A slot holds its samples newest last: K times and K values side by side in one row of 64-bit words, which one look into
memory fetches, and one bit a sample for whether it is to be trusted (bit 0 the newest). Samples are ordered by time,
then value, then trust, as in `triage.grid`.

Two ways in. A series' one new sample, newer than all it has, is a shift of its row: so comes nearly everything. What
came late, or came with others, is put in order with what is there. Both give the same.

A ring for courses is thinned: one sample in each step of time, the last one of it, and none out of reach of the newest
(`triage.course`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Bools, Floats, Times
from triage.state.columns import Column, Columns, Log

Slots = NDArray[np.int64]

MOST = 64
"""One word has no more bits of trust."""
_ONE = np.uint64(1)


class Put(NamedTuple):
    """The series that were touched, and what they have now: times and values [N, K], trust as bits [N]."""

    slots: Slots
    t_ns: Times
    value: Floats
    good: NDArray[np.uint64]


class Rings:
    """Rings of `size` samples; `thin`: for courses. Raises ValueError for a size that does not fit."""

    def __init__(self, log: Log, size: int, thin: bool = False) -> None:
        if not 1 <= size <= MOST:
            raise ValueError(f"a ring of {size} samples: from 1 to {MOST} fit")
        self.size = size
        self._thin = thin
        self._log = log
        self.blank = np.concatenate((np.full(size, NEVER), np.full(size, np.nan).view(np.int64)))
        self.columns = Columns(
            log, samples=Column(np.int64, self.blank), good=Column(np.uint64, 0), cut=Column(np.bool_, False)
        )
        self._used = 1
        self._shifts = np.arange(size - 1, -1, -1, dtype=np.uint64)

    def reserve(self, slots: int) -> None:
        """Have room for so many series."""
        self.columns.reserve(slots + 1)

    def slots(self, count: int) -> Slots:
        """So many slots that nobody has."""
        first = self._used
        self._used += count
        self.columns.reserve(self._used)
        self._log.remember(lambda: setattr(self, "_used", first))
        return np.arange(first, self._used)

    def put(self, slots: Slots, t_ns: Times, value: Floats, good: Bools) -> Put:
        """Add samples [N], which are in order of slot, time, value and trust."""
        first = np.empty(len(slots), np.bool_)
        first[:1] = True
        np.not_equal(slots[1:], slots[:-1], out=first[1:])
        starts = np.flatnonzero(first)
        own = slots[starts]
        alone = np.diff(starts, append=len(slots)) == 1
        samples = self.columns["samples"][own]
        simple = alone & (t_ns[starts] > samples[:, self.size - 1])
        if simple.all():
            return self._written(own, samples, *self._shifted(own, samples, t_ns, value, good))
        series = np.cumsum(first) - 1
        words, bits, cut = np.empty_like(samples), np.empty(len(own), np.uint64), np.empty(len(own), np.bool_)
        one = starts[simple]
        words[simple], bits[simple], cut[simple] = self._shifted(
            own[simple], samples[simple], t_ns[one], value[one], good[one]
        )
        many, them = ~simple, ~simple[series]
        number = np.cumsum(many) - 1
        words[many], bits[many], cut[many] = self._merged(
            own[many], samples[many], number[series[them]], t_ns[them], value[them], good[them]
        )
        return self._written(own, samples, words, bits, cut)

    def clear(self, slots: Slots) -> None:
        """Nothing is in these any more, and nothing was left out."""
        slots = slots[slots > 0]
        for name, blank in (("samples", self.blank), ("good", 0), ("cut", False)):
            self.columns.put(name, slots, blank)

    def trusted(self, good: NDArray[np.uint64], newest: int) -> Bools:
        """Trust as booleans [N, newest]."""
        trusted: Bools = (good[:, None] >> self._shifts[self.size - newest :]) & _ONE != 0
        return trusted

    def _written(self, slots: Slots, old: NDArray[Any], words: NDArray[Any], bits: NDArray[Any], cut: Bools) -> Put:
        self.columns.put("samples", slots, words, old)
        self.columns.put("good", slots, bits)
        self.columns.put("cut", slots, cut)
        return Put(slots, words[:, : self.size], words[:, self.size :].view(np.float64), bits)

    def _shifted(
        self, slots: Slots, old: NDArray[Any], t_ns: Times, value: Floats, good: Bools
    ) -> tuple[NDArray[Any], NDArray[Any], Bools]:
        """One new sample each, newer than all there are."""
        size = self.size
        words = np.empty_like(old)
        words[:, :-1] = old[:, 1:]
        words[:, size - 1], words[:, -1] = t_ns, value.view(np.int64)
        cut = self.columns["cut"][slots] | (old[:, 0] != NEVER)
        bits = (self.columns["good"][slots] << _ONE) | good
        if self._thin:
            last_ns = old[:, size - 1]
            same = (course.steps(t_ns) == course.steps(last_ns)) & (last_ns != NEVER)
            if same.any():  # the last of a step takes its place
                words[same, : size - 1], words[same, size:-1] = old[same, : size - 1], old[same, size:-1]
            words = self._in_reach(words)
        return words, bits, cut

    def _in_reach(self, words: NDArray[Any]) -> NDArray[Any]:
        size = self.size
        far = (words[:, :size] < (words[:, size - 1] - course.REACH_NS)[:, None]) & (words[:, :size] != NEVER)
        if far.any():
            words[:, :size][far], words[:, size:][far] = self.blank[0], self.blank[-1]
        return words

    def _merged(
        self, slots: Slots, old: NDArray[Any], series: NDArray[Any], t_ns: Times, value: Floats, good: Bools
    ) -> tuple[NDArray[Any], NDArray[Any], Bools]:
        """Any new samples, put in order with what there is. `series` numbers the slots."""
        size = self.size
        old_t_ns, old_value = old[:, :size], old[:, size:].view(np.float64)
        there = old_t_ns != NEVER
        series = np.concatenate((np.nonzero(there)[0], series))
        t_ns, value = np.concatenate((old_t_ns[there], t_ns)), np.concatenate((old_value[there], value))
        good = np.concatenate((self.trusted(self.columns["good"][slots], size)[there], good))
        order = np.lexsort((good, value, t_ns, series))
        if self._thin:
            step, owner = course.steps(t_ns[order]), series[order]
            order = order[np.append((step[1:] != step[:-1]) | (owner[1:] != owner[:-1]), True)]
        series, t_ns, value, good = series[order], t_ns[order], value[order], good[order]
        place = np.searchsorted(series, series, side="right") - np.arange(len(series))  # 1 is the newest
        kept = place <= size
        where = series[kept], size - place[kept]
        words = np.tile(self.blank, (len(slots), 1))
        trusted = np.zeros((len(slots), size), np.bool_)
        words[where], trusted[where] = t_ns[kept], good[kept]
        words[where[0], where[1] + size] = value[kept].view(np.int64)
        cut = self.columns["cut"][slots] | (np.bincount(series, minlength=len(slots)) > size)
        bits = np.bitwise_or.reduce(trusted.astype(np.uint64) << self._shifts, axis=1)
        return (self._in_reach(words) if self._thin else words), bits, cut
