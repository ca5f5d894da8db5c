"""Which sequence numbers have come, as ranges that grow together.

A gateway counts up, so what has come is nearly always one range, and a few while a backlog is on its way.
"""

import bisect
from collections.abc import Iterable, Sequence

Range = tuple[int, int]


def runs(numbers: Sequence[int]) -> tuple[Range, ...]:
    """The ranges of these numbers, in order."""
    ordered = sorted(set(numbers))
    if ordered and ordered[-1] - ordered[0] == len(ordered) - 1:
        return ((ordered[0], ordered[-1]),)
    return Ranges((number, number) for number in ordered).ranges()


class Ranges:
    """A set of integers, kept as disjoint inclusive ranges that do not touch."""

    def __init__(self, ranges: Iterable[Range] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for first, last in ranges:
            self.add(first, last)

    def __contains__(self, number: int) -> bool:
        place = bisect.bisect_right(self._first, number) - 1
        return place >= 0 and number <= self._last[place]

    def add(self, first: int, last: int | None = None) -> None:
        """Add `first` to `last`, both inclusive (only `first` without `last`)."""
        last = first if last is None else last
        left = bisect.bisect_left(self._last, first - 1)
        right = bisect.bisect_right(self._first, last + 1)
        if left < right:
            first, last = min(first, self._first[left]), max(last, self._last[right - 1])
        self._first[left:right] = [first]
        self._last[left:right] = [last]

    def touches(self, first: int, last: int) -> bool:
        """Whether some number from `first` to `last`, both inclusive, is in it."""
        place = bisect.bisect_right(self._first, last) - 1
        return place >= 0 and self._last[place] >= first

    def ranges(self) -> tuple[Range, ...]:
        """The ranges, in order."""
        return tuple(zip(self._first, self._last, strict=True))
