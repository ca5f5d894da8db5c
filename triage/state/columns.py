"""Arrays that grow together, and a log by which they can be put back as they were.

Whatever is about to be overwritten is kept until somebody says that it is settled: a few rows of a few arrays for a
batch, whatever their whole size. Nothing is written to the arrays but through their `put`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

Index = Any
"""Index arrays, for which NumPy gives copies."""
Numbers = NDArray[np.intp]
Words = NDArray[np.int64]


class Log:
    """What was there before, newest last; kept only between `begin` and `undo` or `settle`."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] | None = None

    def begin(self) -> None:
        """From here on everything can be undone. Raises ValueError if that is so already."""
        if self._steps is not None:
            raise ValueError("the batch before has neither been settled nor undone")
        self._steps = []

    @property
    def kept(self) -> bool:
        """Whether what is overwritten now may be asked back."""
        return self._steps is not None

    def remember(self, back: Callable[[], None]) -> None:
        """`back` puts one thing back."""
        if self._steps is not None:
            self._steps.append(back)

    def undo(self) -> None:
        """Everything is as it was at `begin`."""
        steps, self._steps = self._steps or [], None
        for back in reversed(steps):
            back()

    def settle(self) -> None:
        """What was there before is gone for good."""
        self._steps = None


class Column(NamedTuple):
    """What an array is made of: one `blank` (of the shape of one row) a row, after the axes `before`."""

    dtype: DTypeLike
    blank: Any
    before: tuple[int, ...] = ()


class Columns:
    """Arrays by name, each [*before, length, *shape of one row]."""

    def __init__(self, log: Log, **columns: Column) -> None:
        self._log = log
        self._columns = columns
        self._arrays: dict[str, NDArray[Any]] = {}
        self.length = 0
        self.reserve(1)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._arrays[name]

    def put(self, name: str, index: Index, values: Any) -> None:
        """Overwrite."""
        array = self._arrays[name]
        if self._log.kept:
            before = array[index]
            self._log.remember(lambda: self._put(name, index, before))
        array[index] = values

    def take(self, name: str, number: Numbers | int, rows: Numbers) -> NDArray[Any]:
        """Of an array with one more axis, what is there [N]: faster than by two index arrays."""
        taken: NDArray[Any] = self._arrays[name].reshape(-1).take(self._places(name, number, rows))
        return taken

    def put_at(self, name: str, number: Numbers, rows: Numbers, values: Any) -> None:
        """Overwrite there."""
        places = self._places(name, number, rows)
        if self._log.kept:
            before = self._arrays[name].reshape(-1).take(places)
            self._log.remember(lambda: self.put_for_good(name, number, rows, before))
        self._arrays[name].reshape(-1)[places] = values

    def put_for_good(self, name: str, number: Numbers, rows: Numbers, values: Any) -> None:
        """Overwrite what need not come back."""
        self._arrays[name].reshape(-1)[self._places(name, number, rows)] = values

    def reserve(self, length: int) -> None:
        """Have room for so many rows."""
        if length <= self.length:
            return
        length = max(length, self.length + self.length // 2)
        for name, column in self._columns.items():
            blank = np.asarray(column.blank, column.dtype)
            grown = np.empty((*column.before, length, *blank.shape), column.dtype)
            rows = (slice(None),) * len(column.before)
            grown[(*rows, slice(self.length, None))] = blank
            if self.length:
                grown[(*rows, slice(0, self.length))] = self._arrays[name]
            self._arrays[name] = grown
        self.length = length

    @property
    def nbytes(self) -> int:
        """What all of it takes in memory."""
        return sum(array.nbytes for array in self._arrays.values())

    def _places(self, name: str, number: Numbers | int, rows: Numbers) -> Numbers:
        array = self._arrays[name]  # which may have grown since
        places: Numbers
        places = number * self.length + rows if self._columns[name].before else rows * array.shape[-1] + number
        return places

    def _put(self, name: str, index: Index, values: NDArray[Any]) -> None:
        self._arrays[name][index] = values


class Line:
    """One line of pairs of 64-bit words, to which more are added at its end.

    A pair is read and written at one stroke: to NumPy it is a complex number, which it copies as it stands.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._pairs = np.empty(0, np.complex128)
        """Room for more than are used: what nobody has written to yet takes no memory."""
        self._used = 0

    @property
    def nbytes(self) -> int:
        """What all of it takes in memory."""
        return self._used * self._pairs.itemsize

    def extend(self, words: Words) -> int:
        """Add these [2 N] at the end; returns where they begin, in pairs."""
        start, self._used = self._used, self._used + len(words) // 2
        if self._used > len(self._pairs):
            grown = np.empty(2 * self._used, np.complex128)
            grown[:start] = self._pairs[:start]
            self._pairs = grown
        self._pairs[start : self._used] = words.view(np.complex128)
        self._log.remember(lambda: setattr(self, "_used", start))
        return start

    def take(self, places: Numbers, out: NDArray[np.complex128] | None = None) -> Words:
        """The two words [..., 2] at each place."""
        taken = self._pairs.take(places, out=out, mode="raise" if out is None else "clip")  # clip: straight into `out`
        return taken.view(np.int64).reshape(*places.shape, 2)

    def put(self, places: Numbers, words: Words, old: Words | None = None) -> None:
        """Overwrite; `old` is what is there, if the caller has it at hand."""
        if self._log.kept:
            before = (self.take(places) if old is None else old).view(np.complex128)[..., 0]
            self._log.remember(lambda: self._pairs.__setitem__(places, before))
        self.put_for_good(places, words)

    def put_for_good(self, places: Numbers, words: Words) -> None:
        """Overwrite what need not come back: it can be made again."""
        self._pairs[places] = words.view(np.complex128)[..., 0]
