"""The series store that every server has: chunks in its own database. The contract is `server.readings.contract`.

The server itself folds without a detour (`server.readings.fold`); this is for whoever feeds a store from the journal of
another database, or reads one as he would read any other store.
"""

from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from server.db import Database
from server.readings import chunks, fold
from server.readings.contract import Buckets, Entry
from server.readings.journal import Filed
from server.readings.memory import memory_of
from server.readings.model import SeriesColumns
from server.readings.sheaf import sheaf
from server.readings.store import series
from vitals.clock import NS


class Embedded:
    """The chunks of `db`, with what its own journal has beyond them. Patients must be in the database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def position(self) -> int:
        """The journal's seq up to which everything is in the chunks; 0 for nothing."""
        with self._db.read() as tx:
            return chunks.position(tx)

    def take(self, entries: Sequence[Entry]) -> None:
        """Add these, in order of seq. Entries that it has already change nothing."""
        with self._db.write() as tx:
            at = chunks.position(tx)
            rows = [_filed(one) for one in entries if one.seq > at]
            if not rows:
                return
            fold.write(tx, fold.planned(tx, rows))
            shelf = memory_of(tx).shelf
        for one in rows:
            shelf.learn(one.sheaf)
        shelf.folded(rows[-1].seq)

    def series(self, patient_id: str, channel: str, from_ns: int, to_ns: int) -> SeriesColumns:
        """One channel of one patient between two moments, both inclusive."""
        with self._db.read() as tx:
            return series(tx, patient_id, channel, from_ns, to_ns)

    def buckets(self, patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int) -> Buckets:
        """The same, in steps of whole seconds."""
        with self._db.read() as tx:
            return buckets(tx, patient_id, channel, from_ns, to_ns, step_s)


def buckets(tx: sa.Connection, patient_id: str, channel: str, from_ns: int, to_ns: int, step_s: int) -> Buckets:
    """One channel of one patient between two moments, both inclusive, in steps of whole seconds."""
    found = memory_of(tx).shelf.values(tx, patient_id, channel, from_ns, to_ns)
    if not len(found.t_ns):
        return Buckets([], [], [], [], [])
    step = found.t_ns // (step_s * NS)
    starts = np.concatenate([[0], np.flatnonzero(step[1:] != step[:-1]) + 1])
    count = np.diff([*starts, len(step)])
    return Buckets(
        (step[starts] * (step_s * NS)).tolist(), np.minimum.reduceat(found.value, starts).tolist(),
        (np.add.reduceat(found.value, starts) / count).tolist(), np.maximum.reduceat(found.value, starts).tolist(),
        count.tolist(),
    )  # fmt: skip


def _filed(entry: Entry) -> Filed:
    return Filed(entry.seq, entry.stored_ns, sheaf(entry.readings, entry.stored_ns), entry.events, entry.withdrawn)
