"""What became known of patients, gathered from where a server keeps it into one `triage.passage.Record`."""

from collections.abc import Iterable, Sequence

import numpy as np
import sqlalchemy as sa

from server.readings.filed import Wanted, filed
from server.readings.occurrences import occurrences
from triage.passage import Record
from vitals.block import DOUBTED
from vitals.errors import ConfigError


class Gathered:
    """Columns, put together piece by piece. `most`: so many rows at the most, or a ConfigError that says `mend`."""

    def __init__(self, most: int | None = None, mend: str = "") -> None:
        self._patients: dict[str, int] = {}
        self._names: dict[str, int] = {}
        self._pieces: list[tuple[np.ndarray[tuple[int], np.dtype[np.generic]], ...]] = []
        self._most, self._mend, self._count = most, mend, 0

    def add(
        self, patient: Sequence[str], name: Sequence[str], t_ns: Iterable[int], known_ns: Iterable[int],
        value: Iterable[float], good: Iterable[bool],
    ) -> None:  # fmt: skip
        self._count += len(patient)
        if self._most is not None and self._count > self._most:
            raise ConfigError(f"there are more than {self._most} readings", self._mend)
        self._pieces.append(
            (
                np.array([self._patients.setdefault(one, len(self._patients)) for one in patient], np.int64),
                np.array([self._names.setdefault(one, len(self._names)) for one in name], np.int64),
                np.array(t_ns, np.int64), np.array(known_ns, np.int64), np.array(value, np.float64),
                np.array(good, np.bool_),
            )
        )  # fmt: skip

    def record(self, where: str) -> Record:
        """All of it; raises ConfigError where there is nothing."""
        if not self._patients:
            raise ConfigError(f"there are no readings in {where}", "name data in which something was measured")
        columns = [np.concatenate(column) for column in zip(*self._pieces, strict=True)]
        return Record(tuple(self._patients), tuple(self._names), *columns)


def gather(tx: sa.Connection, wanted: Wanted, into: Gathered) -> None:
    """The readings and the events that are wanted, of the database; `wanted.channels` is not looked at."""
    for some in filed(tx, wanted):
        good = [DOUBTED.isdisjoint(words.split()) for words in some.status]
        into.add(some.patient_id, some.channel, some.t_ns, some.stored_ns, some.value, good)
    columns, chosen = occurrences.c, frozenset(wanted.patients)
    query = sa.select(occurrences).where(columns.t_ns >= wanted.from_ns, columns.t_ns < wanted.to_ns)
    rows = [row for row in tx.execute(query) if not chosen or row.patient_id in chosen]
    into.add(
        [row.patient_id for row in rows], [row.sample for row in rows], [row.t_ns for row in rows],
        [row.stored_ns for row in rows], [row.sample_value for row in rows], [True] * len(rows),
    )  # fmt: skip
