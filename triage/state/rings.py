"""The newest samples of many series, in slots: slot 0 is of nobody and always blank, so whoever has none shows it.

A slot is one row of 64-bit words: what is to be known of the ring, then K times, then K values. So one look into memory
has it all, which is what a batch of a thousand readings in a gigabyte waits for. The head is the place of the oldest
sample, where the next will be written. A time is kept twice as large, and the bit that this frees says whether the
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
from triage.state.columns import Column, Columns, Log

Slots = NDArray[np.int64]

MOST = 1_024
"""A ring that is larger than this is no ring: whoever wants to see so much should ask for a course."""

HEAD, CUT, NEWEST, COURSE = range(4)
"""The first words of a row: the oldest's place, whether older samples were left out, when the newest was taken, and for
the keeper of the rings another slot that goes with it."""
_WORDS = 4


class Newest(NamedTuple):
    """The newest sample [N] of some series."""

    slots: Slots
    t_ns: Times
    value: Floats
    good: Bools

    def of(self, which: NDArray[Any]) -> "Newest":
        """Of these series."""
        return Newest(self.slots[which], self.t_ns[which], self.value[which], self.good[which])


class Rings:
    """Rings of `size` samples; `thin`: for courses. Raises ValueError for a size that is no power of two up to MOST."""

    def __init__(self, log: Log, size: int, thin: bool = False) -> None:
        if size < 1 or size > MOST or size & (size - 1):
            raise ValueError(f"a ring of {size} samples: give a power of two up to {MOST}")
        self.size = size
        self._thin = thin
        self._log = log
        none = np.full(size, np.nan).view(np.int64)
        known = np.array([0, 0, NEVER, 0], np.int64)
        self._blank = np.concatenate((known, np.full(size, NEVER), none))
        self._columns = Columns(log, words=Column(np.int64, self._blank))
        self._used = 1

    @property
    def length(self) -> int:
        """So many slots there is room for."""
        return self._columns.length

    @property
    def nbytes(self) -> int:
        """What all of it takes in memory."""
        return self._columns.nbytes

    def slots(self, count: int) -> Slots:
        """So many slots that nobody has."""
        first = self._used
        self._used += count
        self._columns.reserve(self._used)
        self._log.remember(lambda: setattr(self, "_used", first))
        return np.arange(first, self._used)

    def newest(self, slots: NDArray[Any]) -> Newest:
        """The newest sample of each."""
        words = self._columns["words"]
        known = words[slots, :_WORDS]
        place = ((known[:, HEAD] - 1) & (self.size - 1)) + _WORDS
        value = words[slots, place + self.size].view(np.float64)
        return Newest(slots, known[:, NEWEST].copy(), value, (words[slots, place] & 1).astype(np.bool_))

    def known(self, slots: NDArray[Any], what: int) -> NDArray[np.int64]:
        """One of the first words of each."""
        words: NDArray[np.int64] = self._columns["words"][slots, what]
        return words

    def tell(self, slots: NDArray[Any], what: int, words: NDArray[np.int64]) -> None:
        """Set one of the first words."""
        self._columns.put("words", (slots, what), words)

    def oldest_ns(self, slots: NDArray[Any]) -> Times:
        """When the oldest sample that would fit was taken; NEVER where a ring is not full."""
        return _times(self._columns["words"][slots, self.known(slots, HEAD) + _WORDS])

    def samples(self, slots: NDArray[Any], newest: int) -> tuple[Times, Floats, Bools]:
        """The newest so many: times, values, trust [newest, N], newest last; a step is one stroke through memory.

        NEVER, NaN and False where there is none.
        """
        steps = np.arange(self.size - newest, self.size)[:, None]
        place = (self.known(slots, HEAD) + steps) & (self.size - 1)
        place += slots.astype(np.int64) * len(self._blank) + _WORDS
        words = self._columns["words"].reshape(-1)
        times = words.take(place)
        return _times(times), words.take(place + self.size).view(np.float64), (times & 1).astype(np.bool_)

    def put(self, slots: Slots, t_ns: Times, value: Floats, good: Bools) -> Newest:
        """Add samples [N], which are in order of slot, time, value and trust; returns what the series end in now."""
        if self._thin:
            last = np.append((slots[1:] != slots[:-1]) | (course.steps(t_ns[1:]) != course.steps(t_ns[:-1])), True)
            if not last.all():
                slots, t_ns, value, good = slots[last], t_ns[last], value[last], good[last]
        starts = np.flatnonzero(np.append(True, slots[1:] != slots[:-1])[: len(slots)])
        own, counts = slots[starts], np.diff(starts, append=len(slots))
        known = self._columns["words"][own, :_WORDS]
        newer = (t_ns[starts] > known[:, NEWEST]) & (counts <= self.size)
        if newer.all():
            self._append(own, known, counts, t_ns, value, good)
            ends = starts + counts - 1
            return Newest(own, t_ns[ends], value[ends], good[ends])
        those = np.repeat(newer, counts)
        self._append(own[newer], known[newer], counts[newer], t_ns[those], value[those], good[those])
        self._merge(own[~newer], slots[~those], t_ns[~those], value[~those], good[~those])
        return self.newest(own)

    def clear(self, slots: Slots) -> None:
        """Nothing is in these any more, and nothing was left out; the slot that goes with it stays."""
        slots = slots[slots > 0]
        blank = np.tile(self._blank, (len(slots), 1))
        blank[:, COURSE] = self.known(slots, COURSE)
        self._columns.put("words", slots, blank)

    def _append(
        self, own: Slots, known: NDArray[np.int64], counts: NDArray[np.int64], t_ns: Times, value: Floats, good: Bools
    ) -> None:
        """So many new samples each, newer than all there are. `known`: the first words of each."""
        if not len(own):
            return
        last, width = self.size - 1, len(self._blank)
        head = known[:, HEAD]
        if self._thin:  # the last of a step takes its place
            same = (course.steps(t_ns[np.cumsum(counts) - counts]) == course.steps(known[:, NEWEST])) & (
                known[:, NEWEST] != NEVER
            )
            head = head - same
        starts = np.cumsum(counts) - counts
        step = np.arange(len(t_ns)) - np.repeat(starts, counts)
        line = np.repeat(own * width, counts) + ((np.repeat(head, counts) + step) & last) + _WORDS
        flat = self._columns["words"].reshape(-1)
        old = flat.take(line)
        new = np.empty_like(known)
        new[:, HEAD] = (head + counts) & last
        new[:, CUT] = known[:, CUT] | np.bitwise_or.reduceat(old != NEVER, starts)
        new[:, NEWEST], new[:, COURSE] = t_ns[starts + counts - 1], known[:, COURSE]
        self._columns.put("words", (own, slice(_WORDS)), new, known)
        self._columns.put_flat("words", line, _words(t_ns, good), old)
        self._columns.put_flat("words", line + self.size, value.view(np.int64))

    def _merge(self, own: Slots, slots: Slots, t_ns: Times, value: Floats, good: Bools) -> None:
        """Any new samples of the series in `own`, put in order with what there is."""
        size = self.size
        old_t_ns, old_value, old_good = (column.T for column in self.samples(own, size))
        there = old_t_ns != NEVER
        number = np.concatenate((np.nonzero(there)[0], np.cumsum(np.append(0, slots[1:] != slots[:-1]))))
        t_ns, value = np.concatenate((old_t_ns[there], t_ns)), np.concatenate((old_value[there], value))
        good = np.concatenate((old_good[there], good))
        order = np.lexsort((good, value, t_ns, number))
        if self._thin:
            step, owner = course.steps(t_ns[order]), number[order]
            order = order[np.append((step[1:] != step[:-1]) | (owner[1:] != owner[:-1]), True)]
        number, t_ns, value, good = number[order], t_ns[order], value[order], good[order]
        place = np.searchsorted(number, number, side="right") - np.arange(len(number))  # 1 is the newest
        kept = place <= size
        row, column = number[kept], size - place[kept] + _WORDS
        words = np.tile(self._blank, (len(own), 1))
        words[row, column], words[row, column + size] = _words(t_ns[kept], good[kept]), value[kept].view(np.int64)
        words[:, CUT] = self.known(own, CUT) | (np.bincount(number, minlength=len(own)) > size)
        words[:, NEWEST], words[:, COURSE] = _times(words[:, _WORDS + size - 1]), self.known(own, COURSE)
        self._columns.put("words", own, words)


def _words(t_ns: Times, good: Bools) -> NDArray[np.int64]:
    return (t_ns << 1) | good


def _times(words: NDArray[np.int64]) -> Times:
    return np.where(words == NEVER, NEVER, words >> 1)
