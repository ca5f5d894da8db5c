"""The courses of series: which samples they are made of, and what is known of them.

A course is a second ring of a series, thinned, right behind its ring, and then the numbers that come of it. They are
made when somebody looks, of all series at once that were touched since: a transaction of many rows makes them once,
and a course at which no rule looks is never made.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Floats, Track
from triage.state.rings import FOUR, Rings, Slots, Told, blank, last_of_steps

_NUMBERS = ("count", "mean", "sd", "rise", "fall", "slope")
_NONE = np.array([0.0, *[np.nan] * 7])
"""Of nothing; two words to make it fours."""
BLANK = np.concatenate((blank(course.SAMPLES), _NONE.view(np.int64)))
_AFTER = len(blank(course.SAMPLES)) // FOUR


def behind(slots: Slots, size: NDArray[np.int64] | int) -> Slots:
    """Where the courses of rings of these sizes are; 0 of slot 0."""
    return np.where(slots == 0, 0, slots + 1 + size // 2)


class Courses:
    """Courses of the `channels`, which are told of by their number among them."""

    def __init__(self, rings: Rings, channels: Sequence[str]) -> None:
        self._rings = rings
        self._usual = course.Usuals.of(channels)
        self._desk = course.Desk()

    def put(self, told: Told) -> None:
        """Add good samples to the rings of courses."""
        if not told.single:
            told = told.only(last_of_steps(told.t_ns, np.repeat(told.slots, told.counts)))
        size = np.full_like(told.size, course.SAMPLES)
        self._rings.put(told._replace(slots=behind(told.slots, told.size), size=size), thin=True)

    def make(self, slots: Slots, number: NDArray[np.intp]) -> None:
        """Make the numbers of these."""
        t_ns, value = self._rings.readings(slots, course.SAMPLES, self._desk)
        far = np.less(t_ns, t_ns[-1] - course.REACH_NS, out=self._desk("far", *t_ns.shape, dtype=np.bool_))
        if far.any():
            np.putmask(t_ns, far, NEVER)
            np.putmask(value, far, np.nan)
        seen = course.track(t_ns.T, value.T, self._usual.take(number), self._desk)
        made = self._desk("made", len(slots), len(_NONE))
        for column, name in enumerate(_NUMBERS):
            made[:, column] = vars(seen)[name]
        self._rings.line.put_fours(self._numbers_of(slots), made.view(np.int64).reshape(len(slots), -1, FOUR))

    def told(self, slots: Slots) -> Track:
        """The courses, which are made, as of their newest readings."""
        newest = self._rings.newest(slots, np.full(len(slots), course.SAMPLES))
        words = self._rings.line.fours(self._numbers_of(slots)).reshape(len(slots), -1)
        numbers: Floats = words[:, : len(_NUMBERS)].T.copy().view(np.float64)
        numbers[:, slots == 0] = _NONE[: len(_NUMBERS), None]
        count, *others = numbers
        return Track(count, newest.t_ns, newest.value, *others)

    @staticmethod
    def _numbers_of(slots: Slots) -> Slots:
        """Which fours [N, 2] the numbers of each are."""
        return slots[:, None] + np.arange(_AFTER, _AFTER + len(_NONE) // FOUR)
