"""A wide table: a row is one patient at one hour, a column one channel; what `hjemvakt.triage.table` reads.

Rows are sorted by patient, and within a patient by hour, each hour once. Missing is NaN. What stands in a row was
measured in that hour and is known at its end, so a score of a row may use that row and those before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Floats
from vitals.channels import CHANNELS

Rows = NDArray[np.int64]

TRAITS: Mapping[str, tuple[float, float, str]] = {
    "age": (0.0, 120.0, "years"),
    "male": (0.0, 1.0, "0 or 1"),
    "fio2": (0.2, 1.0, "a fraction, 0.21 on air"),
}
"""Columns that are no channels: their plausible range, both ends inclusive, and their unit."""


@dataclass(frozen=True)
class Wide:
    """N rows of P patients. `left_out` counts, by column, the values that could not be true and are NaN now."""

    patients: tuple[str, ...]
    patient: Rows
    """[N] which of `patients` a row is of; never decreasing."""
    hour: Floats
    """[N] hours since some beginning of the patient's own, increasing within a patient."""
    column: Mapping[str, Floats]
    """[N] each, by channel or trait."""
    label: Bools | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    """Columns of the file that are nothing to us."""

    def __len__(self) -> int:
        return len(self.hour)

    @cached_property
    def start(self) -> Rows:
        """[P] the first row of each patient."""
        return np.searchsorted(self.patient, np.arange(len(self.patients)))


def plausible(name: str) -> tuple[float, float]:
    """The plausible range of a column, both ends inclusive."""
    if name in TRAITS:
        return TRAITS[name][:2]
    return CHANNELS[name].low, CHANNELS[name].high


def unit(name: str) -> str:
    """The unit a column must have, for a person."""
    return TRAITS[name][2] if name in TRAITS else CHANNELS[name].shown_unit or CHANNELS[name].unit
