"""A batch put in order: patient by patient, of each series by series, and in each by time, value and trust.

Nearly every series has one sample in a batch. So the series are put in order, which is one number each, and only where
two samples are of one series are their times looked at.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Floats, Times
from triage.grid import Samples
from vitals.channels import CHANNELS

Rows = NDArray[np.intp]


class Batch(NamedTuple):
    """Samples [N] of series [M]: the `name` and `row` of each series, and `counts` samples of it."""

    name: Rows
    row: Rows
    counts: NDArray[np.int64]
    t_ns: Times
    value: Floats
    good: Bools


class Plausible:
    """What instruments can truthfully report, of each name [names]; of an event, anything."""

    def __init__(self, names: Iterable[str]) -> None:
        known = [CHANNELS.get(name) for name in names]
        self._low = np.array([-np.inf if one is None else one.low for one in known])
        self._high = np.array([np.inf if one is None else one.high for one in known])

    def __call__(self, name: Rows, value: Floats) -> Bools:
        """Whether these values [N] are."""
        return np.asarray((value >= self._low.take(name)) & (value <= self._high.take(name)))


def batch(samples: Samples, names: int, plausible: Plausible) -> Batch:
    """In order. A value that is no number is none, and one that is not plausible is not to be trusted."""
    usable = np.isfinite(samples.value)
    if not usable.all():
        samples = Samples(*(column[usable] for column in vars(samples).values()))
    good = samples.good & plausible(samples.name, samples.value)
    series = samples.patient * np.int64(names) + samples.name
    order = np.argsort(series, kind="stable")  # the quickest for so few
    series = series.take(order)
    first = firsts(series)
    if not first.all():
        _sort_within(order, first, series, samples, good)
    (starts,) = first.nonzero()  # spares a wrapper in Python
    heads, counts = order.take(starts), np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1:] = len(order) - starts[-1:]
    return Batch(
        samples.name.take(heads), samples.patient.take(heads), counts,
        samples.t_ns.take(order), samples.value.take(order), good.take(order),
    )  # fmt: skip


def numbers(names: Sequence[str], among: Sequence[str]) -> Rows:
    """Which of those each name is, -1 for none."""
    return np.array([among.index(name) if name in among else -1 for name in names], np.intp)


def firsts(numbers: NDArray[np.int64]) -> Bools:
    """Where a number stands that the one before is not."""
    first = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return first


def _sort_within(order: Rows, first: Bools, series: NDArray[np.int64], samples: Samples, good: Bools) -> None:
    """Put those of one series in order, where there are several."""
    several = ~first
    several[:-1] |= ~first[1:]
    places = np.flatnonzero(several)
    of = order.take(places)
    keys = good.take(of), samples.value.take(of), samples.t_ns.take(of), series.take(places)
    order[places] = of.take(np.lexsort(keys))
