"""The newest reading of every channel of every patient that has been asked for, kept until something newer is filed."""

import threading
from collections.abc import Sequence

import numpy as np
import sqlalchemy as sa

from server.patients.store import ids
from server.readings.chunks import good
from server.readings.model import EVER_NS, Latest, Reading
from server.readings.shelf import Shelf
from server.readings.tail import Kept
from vitals.clock import NS

_BEFORE_NS = (20 * 3600 * NS, 36 * 3600 * NS)

Of = dict[str, Latest]
"""By channel."""


class Newest:
    """Thread-safe. Whoever asks sees at least all that was committed before."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._found: dict[str, Of] = {}
        self._grown: dict[str, dict[str, int]] = {}
        """What has been filed since, by patient and channel: the newest moment."""
        self._lost: set[str] = set()
        """Of whom something was withdrawn."""
        self._making: set[str] = set()

    def of(self, tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, Of]:
        """The newest readings of these patients (None: of everybody) who have any."""
        people = ids(tx) if patient_ids is None else patient_ids
        if self._shelf.pending(tx):
            every = {one: self._made(tx, one) for one in people}
        else:
            with self._asking:
                every = {one: self._kept(tx, one) for one in people}
        return {patient: found for patient, found in every.items() if found}

    def ended(self, kept: Sequence[Kept], committed: bool) -> None:
        """A transaction that filed these rows is over."""
        if not committed:
            return
        with self._lock:
            for one in kept:
                self._lost.update(withdrawn.patient_id for withdrawn in one.filed.withdrawn)
                for patient in one.spans:
                    if patient in self._found or patient in self._making:
                        grown = self._grown.setdefault(patient, {})
                        for channel, _, stop in one.channels(patient):
                            t_ns = int(one.sheaf.rows["t_ns"][stop - 1])
                            grown[channel] = max(t_ns, grown.get(channel, t_ns))

    def _kept(self, tx: sa.Connection, patient_id: str) -> Of:
        found = self._found.get(patient_id)
        if found is not None and patient_id not in self._grown and patient_id not in self._lost:
            return found
        with self._lock:
            grown = self._grown.pop(patient_id, {})
            if patient_id in self._lost:
                self._lost.discard(patient_id)
                found = None
            self._making.add(patient_id)
        if found is None:
            found = self._made(tx, patient_id)
        else:
            newest = {name: max(t_ns, found[name].t_ns) if name in found else t_ns for name, t_ns in grown.items()}
            found = found | self._told(tx, patient_id, newest)
        with self._lock:
            self._found[patient_id] = found
            self._making.discard(patient_id)
        return found

    def _made(self, tx: sa.Connection, patient_id: str) -> Of:
        every = self._shelf.everything(tx, patient_id, *EVER_NS)
        return self._told(tx, patient_id, {name: int(values.t_ns[-1]) for name, values in every.items()})

    def _told(self, tx: sa.Connection, patient_id: str, newest_ns: dict[str, int]) -> Of:
        """What is to be told of these channels, given when each was measured last."""
        found: Of = {}
        for t_ns in set(newest_ns.values()):
            sheaf = self._shelf.at(tx, patient_id, t_ns)
            for one, stored_ns in zip(sheaf.readings(), sheaf.rows["stored_ns"].tolist(), strict=True):
                if newest_ns.get(one.channel) == t_ns and (
                    one.channel not in found or one.value >= found[one.channel].value
                ):
                    found[one.channel] = self._latest(tx, one, stored_ns)
        return found

    def _latest(self, tx: sa.Connection, one: Reading, stored_ns: int) -> Latest:
        span_ns = one.t_ns - _BEFORE_NS[1], one.t_ns - _BEFORE_NS[0]
        before = self._shelf.values(tx, one.patient_id, one.channel, *span_ns)
        trusted = np.flatnonzero(good(before.flags))
        return Latest(
            one.channel, one.t_ns, one.value, one.decimals, one.status, stored_ns,
            float(before.value[trusted[-1]]) if len(trusted) else None,
        )  # fmt: skip
