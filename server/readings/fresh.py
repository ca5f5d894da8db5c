"""What a transaction has just filed, by patient: looked at one by one only where somebody asks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from server.readings.model import Occurrence, Reading
from server.readings.tail import Kept


class Fresh(Mapping[str, Sequence[Reading | Occurrence]]):
    """The readings and events of `kept` (None: there are none)."""

    def __init__(self, kept: Kept | None) -> None:
        self._kept = kept
        self.events: Sequence[Occurrence] = () if kept is None else kept.filed.events
        self._people = () if kept is None else kept.patients

    def __getitem__(self, patient_id: str) -> Sequence[Reading | Occurrence]:
        if self._kept is None or patient_id not in self:
            raise KeyError(patient_id)
        start, stop = self._kept.spans.get(patient_id, (0, 0))
        mine = [one for one in self.events if one.patient_id == patient_id]
        return [*self._kept.sheaf.cut(start, stop).readings(), *mine]

    def __contains__(self, patient_id: object) -> bool:  # without a look at the readings, as the one inherited has
        return patient_id in self._people

    def __iter__(self) -> Iterator[str]:
        return iter(self._people)

    def __len__(self) -> int:
        return len(self._people)

    def received_ns(self) -> list[int]:
        """The true times of receipt at the gateways, each once: the values of one row came at one moment."""
        times: list[int] = [one.received_ns + one.shift_ns for one in self.events]
        if self._kept is not None:
            rows = self._kept.sheaf.rows
            times += np.unique(rows["received_ns"] + rows["shift_ns"]).tolist()
        return list(set(times)) if self.events else times
