"""The newest reading of every channel of every patient that has been asked for, kept until something newer is filed.

For whom nothing is kept yet, it begins with what a fold left beside the chunks (`server.readings.lately`), and looks up
only what has come since.
"""

import threading
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import sqlalchemy as sa

from server.patients.store import ids
from server.readings import chunks, lately
from server.readings.lately import BEFORE_NS, Of
from server.readings.model import EVER_NS, Latest, rank
from server.readings.shelf import Shelf
from server.readings.tail import Kept
from server.readings.values import good


class Newest:
    """Thread-safe. Whoever asks sees at least all that was committed before."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._found: dict[str, Of] = {}
        self._grown: dict[str, Of] = {}
        """What has been filed since, by patient: the newest of each channel, without the value of a day before."""
        self._lost: set[str] = set()
        """Of whom something was withdrawn."""
        self._making: set[str] = set()

    def of(self, tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, Of]:
        """The newest readings of these patients (None: of everybody) who have any."""
        people = ids(tx) if patient_ids is None else patient_ids
        if self._shelf.pending(tx):
            every = self._made(tx, people)
        else:
            with self._asking:
                every = self._kept(tx, people)
        return {patient: every[patient] for patient in people if every[patient]}

    def ended(self, kept: Sequence[Kept], committed: bool) -> None:
        """A transaction that filed these rows is over."""
        if not committed:
            return
        with self._lock:
            for one in kept:
                self._lost.update(withdrawn.patient_id for withdrawn in one.filed.withdrawn)
                for patient in one.spans:
                    if patient in self._found or patient in self._making:
                        _grow(self._grown.setdefault(patient, {}), patient, [one])

    def _kept(self, tx: sa.Connection, people: Iterable[str]) -> dict[str, Of]:
        every: dict[str, Of] = {}
        unknown: list[str] = []
        for patient in people:
            found = self._found.get(patient)
            if found is not None and patient not in self._grown and patient not in self._lost:
                every[patient] = found
            else:
                unknown.append(patient)
        if unknown:
            every |= self._renewed(tx, unknown)
        return every

    def _renewed(self, tx: sa.Connection, people: Sequence[str]) -> dict[str, Of]:
        with self._lock:
            grown = {patient: self._grown.pop(patient, {}) for patient in people}
            lost = self._lost.intersection(people)
            self._lost -= lost
            self._making.update(people)
        kept = {one: self._found.pop(one) for one in people if one in self._found}  # gone, should the database fail
        try:
            known = {patient: found for patient, found in kept.items() if patient not in lost}
            every = self._made(tx, [one for one in people if one not in known])
            every |= {patient: self._newer(tx, patient, found, grown[patient]) for patient, found in known.items()}
            with self._lock:
                self._found |= every
        finally:
            with self._lock:
                self._making.difference_update(people)
        return every

    def _made(self, tx: sa.Connection, people: Sequence[str]) -> dict[str, Of]:
        """From the database, with what this transaction has filed."""
        seq, every = chunks.position(tx), lately.load(tx, people)
        for patient in people:
            since = self._shelf.since(tx, patient, seq)
            if since.gone:
                every[patient] = self._looked_up(tx, patient)
            elif since.kept:
                grown: Of = {}
                _grow(grown, patient, since.kept)
                every[patient] = self._newer(tx, patient, every.get(patient, {}), grown)
        return dict.fromkeys(people, _NOTHING) | every

    def _newer(self, tx: sa.Connection, patient_id: str, found: Of, grown: Of) -> Of:
        """`found`, with what is newest of the channels that have grown; a day before, something may have come late."""
        newest = {name: max(one, found.get(name, one), key=rank) for name, one in grown.items()}
        return found | {name: self._with_the_day_before(tx, patient_id, one) for name, one in newest.items()}

    def _looked_up(self, tx: sa.Connection, patient_id: str) -> Of:
        every = self._shelf.everything(tx, patient_id, *EVER_NS)
        return self._told(tx, patient_id, {name: int(values.t_ns[-1]) for name, values in every.items()})

    def _told(self, tx: sa.Connection, patient_id: str, newest_ns: dict[str, int]) -> Of:
        """What is to be told of these channels, given when each was measured last."""
        found: Of = {}
        for t_ns in set(newest_ns.values()):
            sheaf = self._shelf.at(tx, patient_id, t_ns)
            for one, stored_ns in zip(sheaf.readings(), sheaf.rows["stored_ns"].tolist(), strict=True):
                if newest_ns.get(one.channel) == t_ns:
                    told = Latest(one.channel, t_ns, one.value, one.decimals, one.status, stored_ns, None)
                    found[one.channel] = max(told, found.get(one.channel, told), key=rank)
        return {name: self._with_the_day_before(tx, patient_id, one) for name, one in found.items()}

    def _with_the_day_before(self, tx: sa.Connection, patient_id: str, one: Latest) -> Latest:
        span_ns = one.t_ns - BEFORE_NS[1], one.t_ns - BEFORE_NS[0]
        before = self._shelf.values(tx, patient_id, one.channel, *span_ns)
        trusted = np.flatnonzero(good(before.flags))
        value = float(before.value[trusted[-1]]) if len(trusted) else None
        return msgspec.structs.replace(one, before_value=value)


def _grow(grown: Of, patient_id: str, rows: Iterable[Kept]) -> None:
    """Note the newest of each channel in these rows."""
    for one in rows:
        for newest in one.newest(patient_id):
            known = grown.get(newest.channel)
            if known is None or rank(known) < rank(newest):
                grown[newest.channel] = newest


_NOTHING: Of = {}
