"""Who there is: a row for each patient, and since when the state has been told everything of them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triage.contract import NEVER, Bools, Times
from triage.state.columns import Columns

Rows = NDArray[np.intp]

ALWAYS = int(NEVER)
"""`since_ns` of a patient of whom everything is told; NOTHING of one who has yet to be filled."""
NOTHING = int(np.iinfo(np.int64).max)


class People:
    """Rows by patient. `columns` has `since_ns`, and is kept by whoever keeps the rows.

    `further_ns`: of these names everything is told from so much earlier than of the others.
    """

    def __init__(self, columns: Columns, further_ns: Mapping[str, int]) -> None:
        self._columns = columns
        self._further_ns = dict(further_ns)
        self._rows: dict[str, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        """How many rows there are, those of removed patients with them."""
        return len(self._rows) + len(self._free)

    def __contains__(self, patient: str) -> bool:
        return patient in self._rows

    def rows(self, patients: Iterable[str]) -> Rows:
        """Their rows. Raises KeyError for one who has none."""
        return np.array([self._rows[patient] for patient in patients], np.intp)

    def row(self, patient: str) -> int | None:
        """The row of one of whom all is told since some moment; None for anybody else."""
        row = self._rows.get(patient)
        return None if row is None or self._columns["since_ns"][row] == NOTHING else row

    def without(self, patients: Iterable[str]) -> list[str]:
        """Those of them who have no row, each once."""
        return [patient for patient in dict.fromkeys(patients) if patient not in self._rows]

    def lacks(self, new: int) -> int:
        """So many rows there must be room for, if so many come."""
        return len(self) + max(new - len(self._free), 0)

    def add(self, new: Sequence[str], since_ns: int) -> None:
        """Give each of these, who have none, a row, for which there is room."""
        for patient in new:
            self._rows[patient] = row = self._free.pop() if self._free else len(self)
            self._columns["since_ns"][row] = since_ns

    def remove(self, patients: Sequence[str]) -> None:
        """Their rows are free. Raises KeyError for one who has none."""
        self._free += [self._rows.pop(patient) for patient in patients]

    def told(self, rows: Rows) -> Bools:
        """Of whom all is told since some moment."""
        told: Bools = self._columns["since_ns"][rows] != NOTHING
        return told

    def since_ns(self, name: str, rows: Rows) -> Times:
        """Since when all is told of a name of these: ALWAYS, or NOTHING where it is not."""
        since_ns: Times = self._columns["since_ns"][rows]
        further_ns = self._further_ns.get(name, 0)
        return np.where((since_ns == ALWAYS) | (since_ns == NOTHING), since_ns, since_ns - further_ns)
