"""The newest reading of every channel of every patient that has been asked for, kept until something newer is filed.

For whom nothing is kept yet, it begins with what a fold left beside the chunks (`server.readings.lately`), and looks up
only what has come since.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from server.patients.store import ids
from server.readings import chunks, lately
from server.readings.lately import Of
from server.readings.model import EVER_NS, Latest, rank
from server.readings.shelf import Shelf
from server.readings.tail import Kept
from server.readings.yesterday import Yesterday, span, yesterday


class _Known(msgspec.Struct, frozen=True, gc=False):
    """Of one patient. `before`: of a channel what it is compared with, as far as that was looked up."""

    of: Of
    before: dict[str, Yesterday]


class _Grown(NamedTuple):
    """What has been filed of a channel: the newest, without the value of a day before, and when the first is of."""

    newest: Latest
    first_ns: int


class Newest:
    """Thread-safe. Whoever asks sees at least all that was committed before."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._found: dict[str, _Known] = {}
        self._grown: dict[str, dict[str, _Grown]] = {}
        """What has been filed since, by patient and channel."""
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
        return {patient: every[patient].of for patient in people if every[patient].of}

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

    def _kept(self, tx: sa.Connection, people: Iterable[str]) -> dict[str, _Known]:
        every: dict[str, _Known] = {}
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

    def _renewed(self, tx: sa.Connection, people: Sequence[str]) -> dict[str, _Known]:
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
            if self._shelf.reaches(chunks.position(tx)):  # else some of it may have come since this reader began
                with self._lock:
                    self._found |= every
        finally:
            with self._lock:
                self._making.difference_update(people)
        return every

    def _made(self, tx: sa.Connection, people: Sequence[str]) -> dict[str, _Known]:
        """From the database, with what this transaction has filed."""
        seq, loaded = chunks.position(tx), lately.load(tx, people)
        every: dict[str, _Known] = {}
        for patient in people:
            found, since = _Known(loaded.get(patient, _NOTHING), {}), self._shelf.since(tx, patient, seq)
            if since.gone:
                found = self._looked_up(tx, patient)
            elif since.kept:
                grown: dict[str, _Grown] = {}
                _grow(grown, patient, since.kept)
                found = self._newer(tx, patient, found, grown)
            every[patient] = found
        return every

    def _newer(self, tx: sa.Connection, patient_id: str, found: _Known, grown: dict[str, _Grown]) -> _Known:
        """`found`, with what is newest of the channels that have grown; a day before, something may have come late."""
        of, before = dict(found.of), dict(found.before)
        for name, (newest, first_ns) in grown.items():
            newest = max(newest, of.get(name, newest), key=rank)
            known = before.get(name)
            if known is None or not known.holds(newest.t_ns, first_ns):
                known = before[name] = self._yesterday(tx, patient_id, newest)
            of[name] = msgspec.structs.replace(newest, before_value=known.before(newest.t_ns))
        return _Known(of, before)

    def _looked_up(self, tx: sa.Connection, patient_id: str) -> _Known:
        every = self._shelf.everything(tx, patient_id, *EVER_NS)
        return self._told(tx, patient_id, {name: int(values.t_ns[-1]) for name, values in every.items()})

    def _told(self, tx: sa.Connection, patient_id: str, newest_ns: dict[str, int]) -> _Known:
        """What is to be told of these channels, given when each was measured last."""
        found: dict[str, _Grown] = {}
        for t_ns in set(newest_ns.values()):
            sheaf = self._shelf.at(tx, patient_id, t_ns)
            for one, stored_ns in zip(sheaf.readings(), sheaf.rows["stored_ns"].tolist(), strict=True):
                if newest_ns.get(one.channel) == t_ns:
                    told = Latest(one.channel, t_ns, one.value, one.decimals, one.status, stored_ns, None)
                    _note(found, told, t_ns)
        return self._newer(tx, patient_id, _Known(_NOTHING, {}), found)

    def _yesterday(self, tx: sa.Connection, patient_id: str, one: Latest) -> Yesterday:
        return yesterday(one.t_ns, self._shelf.values(tx, patient_id, one.channel, *span(one.t_ns)))


def _grow(grown: dict[str, _Grown], patient_id: str, rows: Iterable[Kept]) -> None:
    """Note what these rows have of each channel."""
    for one in rows:
        for newest, first_ns in one.newest(patient_id):
            _note(grown, newest, first_ns)


def _note(grown: dict[str, _Grown], newest: Latest, first_ns: int) -> None:
    known = grown.get(newest.channel)
    if known is None:
        grown[newest.channel] = _Grown(newest, first_ns)
    else:
        grown[newest.channel] = _Grown(max(known.newest, newest, key=rank), min(known.first_ns, first_ns))


_NOTHING: Of = {}
