"""What a score is: which columns it has, how points come of them, and what their sum means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from triage.contract import Bools, Floats

Given = Mapping[str, Floats]
"""Points [P] by parameter, NaN where there are none to be had."""


class Reads(StrEnum):
    """How a column is written."""

    NUMBER = "number"
    YES = "yes or no"
    LETTER = "A, C, V, P or U"


@dataclass(frozen=True)
class Column:
    """A column of a table that can be scored, read into the values of one channel (or `name` itself).

    `low` and `high` bound what can be meant; `usual` is what an empty cell means, NaN: it was not measured.
    """

    name: str
    about: str
    channel: str
    reads: Reads = Reads.NUMBER
    unit: str = ""
    low: float = 0.0
    high: float = 1.0
    usual: float = float("nan")


@dataclass(frozen=True)
class Band:
    """From this total on. `alarming`: a partial score that has come so far says so, whatever it lacks."""

    start: float
    name: str
    alarming: bool = False


@dataclass(frozen=True)
class Sum:
    """Of P patients: the `total` (NaN: nothing was measured), how many parameters it `lacks`, whether one gave 3."""

    total: Floats
    lacks: Floats
    single: Bools

    @property
    def partial(self) -> Bools:
        """Where there is a total, and it is only a lower bound."""
        return (self.lacks > 0) & ~np.isnan(self.total)


def summed(given: Given) -> Sum:
    """The points of all parameters together."""
    points = np.stack(list(given.values()))
    lacks = np.isnan(points).sum(axis=0)
    total = np.where(lacks == len(points), np.nan, np.nansum(points, axis=0))
    return Sum(total, lacks.astype(np.float64), (points == 3).any(axis=0))


@dataclass(frozen=True)
class Score:
    """A score as found in `triage.scores.catalogue`. `points` takes the values by channel."""

    name: str
    title: str
    version: str
    source: str
    columns: tuple[Column, ...]
    points: Callable[[Mapping[str, Floats]], dict[str, Floats]]
    bands: tuple[Band, ...]
    single_red: Band | None = None
    """The band of a low total in which one parameter alone gave 3 points; None where the score has no such thing."""
    decimals: int = 0
    """Of the total."""

    def band(self, sums: Sum) -> Sequence[str | None]:
        """The band of each patient; None where what is missing could still change a calm one, or nothing is known."""
        starts = [band.start for band in self.bands]
        place = np.searchsorted(starts, np.nan_to_num(sums.total, nan=starts[0]), side="right") - 1
        alarming = np.array([band.alarming for band in self.bands])[place]
        single = sums.single & ~alarming if self.single_red is not None else np.zeros(len(place), np.bool_)
        unknown = np.isnan(sums.total) | (sums.partial & ~alarming & ~single)
        name = np.array([band.name for band in self.bands], dtype=object)[place]
        if self.single_red is not None:
            name[single] = self.single_red.name
        name[unknown] = None
        return list(name)
