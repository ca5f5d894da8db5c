"""The newest samples of many series, in one line of 64-bit words.

A series is one stretch of it, so that one look into memory has it all, which is what a batch of a thousand readings in
a gigabyte waits for:

    4 words    HEAD, where the next sample will be written, over the oldest; CUT, whether older ones were left out;
               NEWEST, when the newest was taken; and one that is free
    2 K words  the samples, K being a power of two: time and value side by side

Where a series begins is counted in fours of words, its slot. Slot 0 is of nobody and always blank, whatever the size of
the ring, so whoever has none shows it. A time is kept twice as large, and the bit that this frees says whether the
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
from triage.state.columns import Line, Log

Slots = NDArray[np.int64]

MOST = 1_024
"""A ring that is larger than this is no ring: whoever wants to see so much should ask for a course."""

FOUR = 4
HEAD, CUT, NEWEST = range(3)
"""The first words of a ring."""
_BLANK_HEAD = (0, 0, NEVER, 0)
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
        return Newest(*(column[which] for column in self))


class Told(NamedTuple):
    """New samples for the rings in `slots` [M], of `size` [M]: `counts` [M] each, one ring's after another's.

    `t_ns`, `value`, `good` [N], each ring's in order of time, value and trust.
    """

    slots: Slots
    size: NDArray[np.int64]
    counts: NDArray[np.int64]
    t_ns: Times
    value: Floats
    good: Bools

    @property
    def single(self) -> bool:
        """Whether it is one sample each, as it mostly is."""
        return len(self.t_ns) == len(self.slots)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the samples of each begin."""
        starts: NDArray[np.int64] = np.cumsum(self.counts) - self.counts
        return starts

    def only(self, samples: Bools) -> "Told":
        """These samples only, and of the rings those that are told of any."""
        counts = np.add.reduceat(samples, self.starts, dtype=np.int64)
        some = counts > 0
        return self._cut(some, counts[some], samples)

    def _cut(self, rings: Bools, counts: NDArray[np.int64], samples: Bools) -> "Told":
        return Told(
            self.slots[rings], self.size[rings], counts, self.t_ns[samples], self.value[samples], self.good[samples]
        )

    def of(self, rings: Bools) -> "Told":
        """Of these rings only."""
        return self._cut(rings, self.counts[rings], np.repeat(rings, self.counts))


def blank(size: int) -> NDArray[np.int64]:
    """The words of a ring in which there is nothing."""
    return np.array((*_BLANK_HEAD, *_BLANK_SAMPLE * size), np.int64)


class Rings:
    """Reads and writes rings; who makes them says how large they are. `size`: one number, or one for each slot."""

    def __init__(self, log: Log) -> None:
        self.line = Line(log)
        self.new(blank(MOST), 1)

    def new(self, words: NDArray[np.int64], count: int) -> Slots:
        """So many slots that nobody has, filled with these words, a multiple of four of them."""
        start = self.line.extend(np.tile(words, count)) // FOUR
        return start + np.arange(count) * (len(words) // FOUR)

    # --- what is there

    def heads(self, slots: NDArray[Any]) -> NDArray[np.int64]:
        """The first words [N, 4] of each."""
        return self.line.fours(slots)

    def newest(self, slots: Slots, size: NDArray[np.int64]) -> Newest:
        """The newest sample of each."""
        heads, words = self.heads(slots), self.line.words
        place = _place(slots, size, heads[:, HEAD] - 1)
        times = words.take(place)
        value = words.take(place + 1).view(np.float64)
        return Newest(slots, size, heads[:, NEWEST].copy(), value, (times & 1).astype(np.bool_))

    def oldest_ns(self, slots: Slots, size: int) -> Times:
        """When the oldest sample that would fit was taken; NEVER where a ring is not full."""
        return _times(self.line.words.take(_place(slots, size, self.heads(slots)[:, HEAD])))

    def samples(self, slots: Slots, size: int, newest: int) -> tuple[Times, Floats, Bools]:
        """The newest so many: times, values, trust [newest, N], newest last; a step is one stroke through memory.

        NEVER, NaN and False where there is none.
        """
        times, value = self._gathered(slots, size, newest, course.Desk())
        return _times(times), value, (times & 1).astype(np.bool_)

    def readings(self, slots: Slots, size: int, desk: course.Desk) -> tuple[Times, Floats]:
        """Times and values [size, N] of all samples, newest last, on the desk: they hold until it is used again."""
        times, value = self._gathered(slots, size, size, desk)
        blank = np.equal(times, NEVER, out=desk("blank", *times.shape, dtype=np.bool_))
        times >>= 1
        if blank.any():
            np.putmask(times, blank, NEVER)
        return times, value

    def _gathered(self, slots: Slots, size: int, newest: int, desk: course.Desk) -> tuple[NDArray[np.int64], Floats]:
        shape = newest, len(slots)
        place, times, values = (desk(name, *shape, dtype=np.int64) for name in ("place", "times", "values"))
        np.add(self.heads(slots)[:, HEAD], np.arange(size - newest, size)[:, None], out=place)
        place &= size - 1
        place *= 2
        place += slots * FOUR + FOUR
        self.line.words.take(place, out=times, mode="clip")  # which NumPy does straight into `out`
        place += 1
        self.line.words.take(place, out=values, mode="clip")
        return times, values.view(np.float64)

    # --- what comes

    def clear(self, slots: Slots, words: NDArray[np.int64]) -> None:
        """These are as when they were new, made of these words; that something was left out is forgotten."""
        self.line.put(slots[:, None] * FOUR + np.arange(len(words)), words)

    def put(self, told: Told, thin: bool = False) -> Newest:
        """Add samples; returns what the rings end in now."""
        heads, starts = self.heads(told.slots), told.starts
        newer = (told.t_ns[starts] > heads[:, NEWEST]) & (told.counts <= told.size)
        if newer.all():
            self._append(told, heads, starts, thin)
            ends = starts + told.counts - 1
            return Newest(told.slots, told.size, told.t_ns[ends], told.value[ends], told.good[ends])
        first, late = told.of(newer), told.of(~newer)
        if len(first.slots):
            self._append(first, heads[newer], first.starts, thin)
        for size in np.unique(late.size).tolist():
            self._merge(late.of(late.size == size), size, thin)
        return self.newest(told.slots, told.size)

    def _append(self, told: Told, heads: NDArray[np.int64], starts: NDArray[np.int64], thin: bool) -> None:
        """New samples, newer than all there are. `heads`: the first words of each ring."""
        slots, size, counts, t_ns, value, good = told
        head = heads[:, HEAD]
        if thin:  # the last of a step takes its place
            head = head - (course.steps(t_ns[starts]) == course.steps(heads[:, NEWEST]))
        if told.single:
            place = _place(slots, size, head)
        else:
            of = np.repeat(np.arange(len(slots)), counts)
            place = _place(slots[of], size[of], head[of] + np.arange(len(t_ns)) - starts[of])
        old = self.line.words.take(place)
        over = old != NEVER
        new = np.zeros_like(heads)
        new[:, HEAD] = (head + counts) & (size - 1)
        new[:, CUT] = heads[:, CUT] | (over if told.single else np.bitwise_or.reduceat(over, starts))
        new[:, NEWEST] = t_ns if told.single else t_ns[starts + counts - 1]
        self.line.put_fours(slots, new, heads)
        self.line.put(place, _words(t_ns, good), old)
        self.line.put(place + 1, value.view(np.int64))

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
        kept = place <= size
        words = np.tile(blank(size), (rings, 1))
        row, column = number[kept], FOUR + 2 * (size - place[kept])
        words[row, column], words[row, column + 1] = _words(t_ns[kept], good[kept]), value[kept].view(np.int64)
        words[:, CUT] = self.heads(told.slots)[:, CUT] | (np.bincount(number, minlength=rings) > size)
        words[:, NEWEST] = _times(words[:, -2])
        self.line.put(told.slots[:, None] * FOUR + np.arange(words.shape[1]), words)


def last_of_steps(t_ns: Times, number: NDArray[np.int64]) -> Bools:
    """Which samples [N], in order of their ring's number and time, are the last of a step of time."""
    step = course.steps(t_ns)
    last = np.ones(len(step), np.bool_)
    last[:-1] = (step[1:] != step[:-1]) | (number[1:] != number[:-1])
    return last


def _place(slots: NDArray[Any], size: Any, head: NDArray[np.int64]) -> NDArray[np.int64]:
    """Which word is the time of a sample; the value stands beside it."""
    place: NDArray[np.int64] = (head & (size - 1)) * 2
    place += slots * np.int64(FOUR) + FOUR
    return place


def _words(t_ns: Times, good: Bools) -> NDArray[np.int64]:
    return (t_ns << 1) | good


def _times(words: NDArray[np.int64]) -> Times:
    return np.where(words == NEVER, NEVER, words >> 1)
