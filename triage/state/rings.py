"""The newest samples of many series, in one line of pairs of 64-bit words.

A series is one stretch of it, so that one look into memory has it all, which is what a batch of a thousand readings in
a gigabyte waits for:

    1 pair   HEAD, how many samples were written; NEWEST, when the newest was taken
    K pairs  the samples, K being a power of two: time and value side by side

The next sample goes to place HEAD modulo K, over the oldest, and where HEAD is beyond K, older ones were left out.
Where a series begins is counted in pairs, its slot. Slot 0 is of nobody and always blank, whatever the size of the
ring, so whoever has none shows it. A time is kept twice as large, and the bit that this frees says whether the
sample is to be trusted; so times reach from 1823 to 2116. Samples are ordered by time, then value, then trust, as in
`triage.grid`.

Two ways in. What is newer than all that a series has is written from its head on, over the oldest: so comes nearly
everything. What came late is put in order with what is there. Both give the same.

A ring for courses is thinned: of each step of time only the last sample (`triage.course`).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Bools, Floats, Times
from triage.state.columns import Line, Log, Words

Slots = NDArray[np.int64]

MOST = 1_024
"""A ring that is larger than this is no ring: whoever wants to see so much should ask for a course."""

HEAD, NEWEST = range(2)
"""The first words of a ring."""
_BLANK_HEAD = (0, NEVER)
_BLANK_SAMPLE = (NEVER, np.array(np.nan).view(np.int64))


class Newest(NamedTuple):
    """The newest sample [N] of some series, in rings of `size`."""

    slots: Slots
    size: NDArray[np.int64]
    t_ns: Times
    value: Floats
    good: Bools

    def of(self, which: NDArray[Any]) -> "Newest":
        """Of these series."""
        taken: Newest = Newest._make(column.take(which) for column in self)
        return taken


class Told(NamedTuple):
    """New samples for the rings in `slots` [M], of `size` [M]: `counts` [M] each, one ring's after another's.

    `thin` [M]: which are thinned. `t_ns`, `value`, `good` [N], each ring's in order of time, value and trust.
    """

    slots: Slots
    size: NDArray[np.int64]
    thin: Bools
    counts: NDArray[np.int64]
    t_ns: Times
    value: Floats
    good: Bools

    def of(self, rings: Bools) -> "Told":
        """Of these rings only."""
        samples = np.repeat(rings, self.counts)
        told: Told = Told._make([*(column[rings] for column in self[:4]), *(column[samples] for column in self[4:])])
        return told

    def and_also(self, other: "Told") -> "Told":
        """These, and then the others."""
        told: Told = Told._make(map(np.concatenate, zip(self, other, strict=True)))
        return told


def blank(size: int) -> Words:
    """The words of a ring in which there is nothing."""
    return np.array((*_BLANK_HEAD, *_BLANK_SAMPLE * size), np.int64)


class Rings:
    """Reads and writes rings; who makes them says how large they are. `size`: one number, or one for each slot."""

    def __init__(self, log: Log) -> None:
        self.line = Line(log)
        self.new(blank(MOST), 1)

    def new(self, words: Words, count: int) -> Slots:
        """So many slots that nobody has, filled with these words."""
        start = self.line.extend(np.tile(words, count))
        return start + np.arange(count) * (len(words) // 2)

    # --- what is there

    def heads(self, slots: NDArray[Any]) -> Words:
        """The first words [N, 2] of each."""
        return self.line.take(slots)

    def cut(self, slots: Slots, size: int) -> Bools:
        """Whether samples were left out for newer ones."""
        return np.asarray(self.heads(slots)[:, HEAD] > size)

    def newest(self, slots: Slots, size: NDArray[np.int64]) -> Newest:
        """The newest sample of each."""
        heads = self.heads(slots)
        words = self.line.take(slots + 1 + (heads[:, HEAD] - 1 & size - 1))
        return Newest(slots, size, heads[:, NEWEST], words[:, 1].view(np.float64), (words[:, 0] & 1).astype(np.bool_))

    def oldest_ns(self, slots: Slots, size: int) -> Times:
        """When the oldest sample that would fit was taken; NEVER where a ring is not full."""
        return _times(self.line.take(slots + 1 + (self.heads(slots)[:, HEAD] & size - 1))[:, 0])

    def samples(self, slots: Slots, size: Any, newest: int) -> tuple[Times, Floats, Bools]:
        """The newest so many: times, values, trust [newest, N], newest last; a step is one stroke through memory.

        NEVER, NaN and False where there is none.
        """
        words = self._words(slots, self.heads(slots), size, newest, course.Desk())
        return _times(words[..., 0]), words[..., 1].view(np.float64), (words[..., 0] & 1).astype(np.bool_)

    def readings(self, slots: Slots, size: int, least: int, desk: course.Desk) -> tuple[Times, Floats]:
        """Times and values [K, N] of all samples, newest last, on the desk: they hold until it is used again.

        K is as many as one of the rings has, and `least` at least. A value is NaN where there is none.
        """
        heads = self.heads(slots)
        most = min(max(int(heads[:, HEAD].max(initial=0)), least), size)
        words = self._words(slots, heads, size, most, desk)
        times, value = desk("times", most, len(slots), dtype=np.int64), desk("value", most, len(slots))
        np.right_shift(words[..., 0], 1, out=times)
        value[:] = words[..., 1].view(np.float64)
        return times, value

    def _words(self, slots: Slots, heads: Words, size: Any, newest: int, desk: course.Desk) -> Words:
        """Those of the newest so many samples [newest, N, 2]."""
        place = desk("place", newest, len(slots), dtype=np.int64)
        np.add(heads[:, HEAD] + (size - newest), np.arange(newest)[:, None], out=place)
        place &= size - 1
        place += slots + 1
        return self.line.take(place, desk("words", newest, len(slots), dtype=np.complex128))

    # --- what comes

    def clear(self, slots: Slots, words: Words) -> None:
        """These are as when they were new, made of these words; that something was left out is forgotten."""
        pairs = words.reshape(-1, 2)
        self.line.put(slots[:, None] + np.arange(len(pairs)), np.tile(pairs, (len(slots), 1, 1)))

    def put(self, told: Told) -> Bools:
        """Add samples; returns of which rings they were newer than all there was."""
        heads = self.heads(told.slots)
        starts = np.cumsum(told.counts) - told.counts
        newer: Bools = (told.t_ns.take(starts) > heads[:, NEWEST]) & (told.counts <= told.size)
        if newer.all():
            self._append(told, heads, starts)
            return newer
        first, late = told.of(newer), told.of(~newer)
        self._append(first, heads[newer], np.cumsum(first.counts) - first.counts)
        for size in np.unique(late.size).tolist():
            for thin in (False, True):
                some = (late.size == size) & (late.thin == thin)
                if some.any():
                    self._merge(late.of(some), size, thin)
        return newer

    def _append(self, told: Told, heads: Words, starts: NDArray[np.int64]) -> None:
        """New samples, newer than all there are. `heads`: the first words of each ring."""
        slots, size, thin, counts, t_ns, value, good = told
        head = heads[:, HEAD]
        if thin.any():  # the last of a step takes its place
            head = head - (thin & (course.steps(t_ns.take(starts)) == course.steps(heads[:, NEWEST])))
        of = np.repeat(np.arange(len(slots)), counts)
        place = (head - starts).take(of)
        place += np.arange(len(of))
        place &= (size - 1).take(of)
        place += (slots + 1).take(of)
        samples, new = np.empty((len(of), 2), np.int64), np.empty_like(heads)
        samples[:, 0], samples[:, 1] = (t_ns << 1) | good, value.view(np.int64)
        new[:, HEAD], new[:, NEWEST] = head + counts, t_ns.take(starts + (counts - 1))
        self.line.put(place, samples)
        self.line.put(slots, new, heads)

    def _merge(self, told: Told, size: int, thin: bool) -> None:
        """Any new samples of rings of one size, put in order with what there is."""
        rings = len(told.slots)
        old_t_ns, old_value, old_good = (column.T for column in self.samples(told.slots, size, size))
        there = old_t_ns != NEVER
        number = np.concatenate((np.nonzero(there)[0], np.repeat(np.arange(rings), told.counts)))
        t_ns, value = np.concatenate((old_t_ns[there], told.t_ns)), np.concatenate((old_value[there], told.value))
        good = np.concatenate((old_good[there], told.good))
        order = np.lexsort((good, value, t_ns, number))
        if thin:
            order = order[last_of_steps(t_ns[order], number[order])]
        number, t_ns, value, good = number[order], t_ns[order], value[order], good[order]
        place = np.searchsorted(number, number, side="right") - np.arange(len(number))  # 1 is the newest
        found = np.bincount(number, minlength=rings)
        cut = (found > size) | self.cut(told.slots, size)
        kept, fit = place <= size, np.minimum(found, size)
        words = np.tile(blank(size).reshape(-1, 2), (rings, 1, 1))
        row, column = number[kept], 1 + fit[number[kept]] - place[kept]
        words[row, column, 0] = (t_ns[kept] << 1) | good[kept]
        words[row, column, 1] = value[kept].view(np.int64)
        words[:, 0, HEAD], words[:, 0, NEWEST] = np.where(cut, 2 * size, fit), t_ns[place == 1]
        self.line.put(told.slots[:, None] + np.arange(1 + size), words)


def last_of_steps(t_ns: Times, number: NDArray[np.int64]) -> Bools:
    """Which samples [N], in order of their ring's number and time, are the last of a step of time."""
    step = course.steps(t_ns)
    last = np.ones(len(step), np.bool_)
    last[:-1] = (step[1:] != step[:-1]) | (number[1:] != number[:-1])
    return last


def _times(words: Words) -> Times:
    return np.where(words == NEVER, NEVER, words >> 1)
