"""A window in which every row of a table is a patient of its own, seen at its own hour with what came before it.

So a rule is put on a table as it is, unchanged: what it says of row i is what it would have said to the nurse at that
hour. All rows share one `now_ns`, and the hours before a row become the times before it. What lies after the row is
not there, so nothing that is made of such a window can look into the future.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from triage.catalogue import defaults
from triage.contract import NEVER, Bools, Floats, Rule, Series, Window
from triage.grid import Need, needs
from triage.study.wide import Rows, Wide, plausible
from vitals.clock import NS
from vitals.errors import ConfigError

S = TypeVar("S", bound=np.generic)

NOW_NS = 1_000_000_000 * NS
HOUR_NS = 3600 * NS
CHUNK = 16_384
"""So many rows are looked at together: their arrays stay in the processor's cache."""

AIR = 0.215
"""A fraction of inspired oxygen up to this is room air (0.21, and what its rounding gives)."""


class Past:
    """The samples of one column, found by row: those of row r are the last ones up to `count[r]`."""

    def __init__(self, wide: Wide, value: Floats) -> None:
        there = ~np.isnan(value)
        self._row = np.flatnonzero(there)
        self._count = np.cumsum(there)
        self._value, self._wide = value, wide

    def seen(self, rows: Rows, need: Need) -> Series:
        """The newest `need.samples` of each of `rows` [n], no older than `need.window_s`, as arrays [n, samples]."""
        if not len(self._row):
            shape = len(rows), need.samples
            return Series(_frozen(np.full(shape, NEVER)), _frozen(np.full(shape, np.nan)))
        place = self._count[rows][:, None] + np.arange(-need.samples, 0)
        row = self._row[np.maximum(place, 0)]
        hour = self._wide.hour
        t_ns = NOW_NS - np.rint((hour[rows][:, None] - hour[row]) * HOUR_NS).astype(np.int64)
        kept = (place >= 0) & (row >= self._wide.start[self._wide.patient[rows]][:, None])
        if need.window_s:
            kept &= t_ns >= NOW_NS - round(need.window_s * NS)
        return Series(_frozen(np.where(kept, t_ns, NEVER)), _frozen(np.where(kept, self._value[row], np.nan)))


def channels(wide: Wide) -> dict[str, Floats]:
    """The columns [N] as the rules know them: what is only known as a fraction becomes oxygen given (1) or not (0)."""
    column = dict(wide.column)
    if "fio2" in column and "oxygen_flow" not in column:
        fio2 = column["fio2"]
        column["oxygen_flow"] = np.where(np.isnan(fio2), np.nan, np.where(fio2 > AIR, 1.0, 0.0))
    return column


def windows(
    wide: Wide, rules: Iterable[Rule], limits: Mapping[str, Floats] | None = None, chunk: int = CHUNK
) -> Iterator[tuple[Rows, Window]]:
    """The rows of `wide`, some at a time, each with the window of `rules` on them.

    `limits` has, by name, the limits [N] that differ from the rules' defaults.
    """
    rules = list(rules)
    if tracked := [one.name for one in rules if one.tracks]:
        raise ConfigError(
            f"{tracked[0]} looks at a channel's course, which a table's row does not have", "measure another rule"
        )
    wanted, default = needs(rules), defaults(rules)
    own = limits or {}
    nothing = np.full(len(wide), np.nan)
    column = channels(wide)
    past = {name: Past(wide, column.get(name, nothing)) for name in wanted}
    events = {name for rule in rules for name in rule.events}
    for first in range(0, len(wide), chunk):
        rows = np.arange(first, min(first + chunk, len(wide)))
        series = {name: past[name].seen(rows, need) for name, need in wanted.items()}
        channel = {name: one for name, one in series.items() if name not in events}
        yield (
            rows,
            Window(
                now_ns=NOW_NS,
                patients=len(rows),
                channel=channel,
                event={name: one for name, one in series.items() if name in events},
                limit={
                    name: _frozen(np.array(own[name][rows]) if name in own else np.full(len(rows), value))
                    for name, value in default.items()
                },
                quality={name: _frozen(_trusted(name, one.value)) for name, one in channel.items()},
            ),
        )


def _trusted(name: str, value: Floats) -> Bools:
    low, high = plausible(name)
    return np.asarray((value >= low) & (value <= high))


def _frozen(array: NDArray[S]) -> NDArray[S]:
    array.flags.writeable = False
    return array
