"""The courses of series: which samples they are made of, and what is known of them.

A course is a second ring of a series, thinned, right behind its ring, and then the numbers that come of it. They are
made when somebody looks, of all series at once that were touched since: a transaction of many rows makes them once,
and a course at which no rule looks is never made. Numbers are not kept when a batch may be undone: they are a function
of the ring, and are made again.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import Floats, Track
from triage.state.rings import Rings, Slots, Told, blank, last_of_steps

_NUMBERS = ("count", "mean", "sd", "median", "rise", "fall", "slope")
_NONE = np.array([0.0, *[np.nan] * 7])
"""Of nothing; one word to make it pairs."""
BLANK = np.concatenate((blank(course.SAMPLES), _NONE.view(np.int64)))
_PAIRS = np.arange(len(_NONE) // 2) + len(blank(course.SAMPLES)) // 2
"""Where the numbers are, counted from the slot of the course's ring."""


def behind(slots: Slots, size: NDArray[np.int64] | int) -> Slots:
    """Where the courses of rings of these sizes are; 0 of slot 0."""
    return np.where(slots == 0, 0, slots + 1 + size)


class Courses:
    """Courses of the `channels`, which are told of by their number among them."""

    def __init__(self, rings: Rings, channels: Sequence[str]) -> None:
        self._rings = rings
        self._usual = course.Usuals.of(channels)
        self._desk = course.Desk()

    def make(self, slots: Slots, number: NDArray[np.intp]) -> None:
        """Make the numbers of these."""
        t_ns, value = self._rings.readings(slots, course.SAMPLES, course.LEARNING + 1, self._desk)
        far = np.less(t_ns, t_ns[-1] - course.REACH_NS, out=self._desk("far", *t_ns.shape, dtype=np.bool_))
        if far.any():
            np.putmask(value, far, np.nan)
        seen = course.track(t_ns.T, value.T, self._usual.take(number), self._desk)
        made = self._desk("made", len(slots), len(_NONE))
        for column, name in enumerate(_NUMBERS):
            made[:, column] = vars(seen)[name]
        self._rings.line.put_for_good(slots[:, None] + _PAIRS, made.view(np.int64).reshape(-1, len(_PAIRS), 2))

    def told(self, slots: Slots) -> Track:
        """The courses, which are made, as of their newest readings."""
        newest = self._rings.newest(slots, np.full(len(slots), course.SAMPLES))
        words = self._rings.line.take(slots[:, None] + _PAIRS).reshape(-1, len(_NONE))
        numbers: Floats = words.T.copy().view(np.float64)
        numbers[:, slots == 0] = _NONE[:, None]
        count, *others = numbers[: len(_NUMBERS)]
        return Track(count, newest.t_ns.copy(), newest.value.copy(), *others)


def readings(told: Told, tracked: NDArray[np.bool_]) -> Told:
    """Of samples for rings what is for the courses of those that are `tracked` [M]: the last good one of each step."""
    of = np.repeat(np.arange(len(told.slots)), told.counts)
    (kept,) = (told.good & tracked.take(of)).nonzero()
    t_ns, of = told.t_ns.take(kept), of.take(kept)
    (last,) = last_of_steps(t_ns, of).nonzero()
    kept, t_ns, of = kept.take(last), t_ns.take(last), of.take(last)
    counts = np.bincount(of, minlength=len(told.slots))
    (some,) = counts.nonzero()
    slots = behind(told.slots.take(some), told.size.take(some))
    return Told(
        slots, np.full(len(some), course.SAMPLES), np.ones(len(some), np.bool_), counts.take(some),
        t_ns, told.value.take(kept), told.good.take(kept),
    )  # fmt: skip
