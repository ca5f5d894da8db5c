"""Points by bands: a table with a place for each value that the chart knows, and the way into it."""

import numpy as np

from triage.contract import Floats

_HAIR = 1e-9
"""A mean may stand in memory a hair below the half that it is: a half goes up all the same."""


def table(size: int, *bands: tuple[int, int]) -> Floats:
    """Points by rounded value: each band is (from this value on, these points)."""
    made = np.zeros(size)
    for start, given in bands:
        made[start:] = given
    return made


def lookup(points: Floats, value: Floats, steps: int = 1) -> Floats:
    """The points of `value`, rounded half up to one of `steps` in a whole; beyond the table its ends. NaN stays NaN."""
    missing = np.isnan(value)
    place = np.clip(rounded(value, steps), 0, len(points) - 1)
    given: Floats = points[np.where(missing, 0, place).astype(np.int64)]
    given[missing] = np.nan
    return given


def rounded(value: Floats, steps: Floats | int = 1) -> Floats:
    """`value` rounded half up to one of `steps` in a whole, as the number of such steps: 10 for tenths."""
    nearest: Floats = np.floor(value * steps + 0.5 + _HAIR)
    return nearest


def flag(met: np.typing.NDArray[np.bool_], *value: Floats) -> Floats:
    """One point where the condition is met, none where not; NaN where one of the values was not measured."""
    return np.where(np.isnan(value).any(axis=0), np.nan, met.astype(np.float64))
