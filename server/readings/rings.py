"""The newest samples of each patient, for the rules: they look at them with each batch.

A ring has a patient's newest SAMPLES of every channel and event since REACH before it was made. What it does not have,
it knows that it has not, and asks the shelf: a rule never sees less for it. At most PATIENTS have one; who has been
silent longest is asked of the shelf again when he is heard of.

Rings are what is committed. A transaction that has filed something sees its own beside them, and they become the rings
when it is committed.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.readings import occurrences
from server.readings.chunks import Values, good
from server.readings.model import EVER_NS
from server.readings.shelf import Shelf, merged
from server.readings.tail import Kept
from triage import course
from triage.grid import Need, Samples, plausible
from vitals.channels import CHANNELS
from vitals.clock import NS

SAMPLES = 32
REACH_NS = 36 * 86_400 * NS
PATIENTS = 50_000


class Ring:
    """One patient's. `series`: by name, in the order of time and value. `cut`: of these, older ones were left out."""

    __slots__ = ("cut", "seen", "series", "since_ns")

    def __init__(self, since_ns: int, series: dict[str, Values], cut: frozenset[str], seen: int) -> None:
        self.since_ns = since_ns
        self.series = series
        self.cut = cut
        self.seen = seen
        """So many rows of its transaction's it has."""

    def grown(self, patient_id: str, rows: Iterable[Kept], seen: int) -> "Ring":
        """A ring with what these rows have, too."""
        series, cut = dict(self.series), set(self.cut)
        for name, new in _of_rows(patient_id, rows):
            old = series.get(name)
            _put(series, cut, name, new if old is None else merged([old, new]))
        return Ring(self.since_ns, series, frozenset(cut), seen)

    def find(self, name: str, need: Need, now_ns: int) -> Values | None:
        """What is asked for, or None if the ring cannot tell."""
        since_ns = now_ns - round(need.window_s * NS)
        if not need.window_s or since_ns < self.since_ns or need.samples > SAMPLES or need.course:
            return None
        values = self.series.get(name)
        if values is None:
            return _NOTHING
        first, end = values.t_ns.searchsorted(since_ns, "left"), values.t_ns.searchsorted(now_ns, "right")
        if first == 0 and end < need.samples and name in self.cut:
            return None
        start = max(first, end - need.samples)
        return values.only(slice(start, end))


class Rings:
    """Thread-safe."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._rings: dict[str, Ring] = {}
        self._own: dict[str, Ring] = {}
        """Of the transaction that is under way."""
        self._ends = 0

    def samples(self, tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> Samples:
        """What is needed of these patients, nothing later than `now_ns`."""
        pieces: list[Values] = []
        places: list[tuple[int, int]] = []
        for patient, patient_id in enumerate(patient_ids):
            ring = self._ring(tx, patient_id, now_ns)
            for name, (named, need) in enumerate(needs.items()):
                found = ring.find(named, need, now_ns)
                if found is None:
                    found = self._asked(tx, patient_id, named, need, now_ns)
                if len(found.t_ns):
                    pieces.append(found)
                    places.append((name, patient))
        if not pieces:
            return _NO_SAMPLES
        counts = [len(one.t_ns) for one in pieces]
        where = np.repeat(np.array(places, np.int64), counts, axis=0)
        t_ns, value, flags = (np.concatenate(column) for column in zip(*pieces, strict=True))
        return Samples(where[:, 0], where[:, 1], t_ns, value, good(flags))

    def ended(self, kept: Sequence[Kept], committed: bool) -> None:
        """A transaction that filed these rows is over."""
        with self._lock:
            own, self._own = self._own, {}
            if not committed:
                return
            self._ends += 1
            for one in kept:
                for patient in one.patients:
                    self._rings.pop(patient, None)
            self._rings.update((patient, ring) for patient, ring in own.items() if ring.seen == len(kept))
            for patient in list(self._rings)[: max(0, len(self._rings) - PATIENTS)]:
                del self._rings[patient]

    def _ring(self, tx: sa.Connection, patient_id: str, now_ns: int) -> Ring:
        rows = self._shelf.pending_rows(tx)
        mine = [one for one in rows if patient_id in one.patients]
        if not mine:
            return self._committed(tx, patient_id, now_ns)
        own = self._own.get(patient_id)
        if own is not None and own.seen == len(rows):
            return own
        base = self._rings.get(patient_id)
        if base is None or any(one.filed.withdrawn for one in mine):
            ring = self._made(tx, patient_id, now_ns)
            ring.seen = len(rows)
        else:
            ring = base.grown(patient_id, mine, len(rows))
        self._own[patient_id] = ring
        return ring

    def _committed(self, tx: sa.Connection, patient_id: str, now_ns: int) -> Ring:
        with self._lock:
            found, ends = self._rings.get(patient_id), self._ends
        if found is None:
            found = self._made(tx, patient_id, now_ns)
            with self._lock:
                if ends == self._ends:
                    self._rings[patient_id] = found
        return found

    def _made(self, tx: sa.Connection, patient_id: str, now_ns: int) -> Ring:
        since_ns = now_ns - REACH_NS
        series: dict[str, Values] = {}
        cut: set[str] = set()
        for found in (
            self._shelf.everything(tx, patient_id, since_ns, EVER_NS[1]),
            occurrences.samples(tx, patient_id, since_ns),
        ):
            for name, values in found.items():
                _put(series, cut, name, values)
        return Ring(since_ns, series, frozenset(cut), 0)

    def _asked(self, tx: sa.Connection, patient_id: str, name: str, need: Need, now_ns: int) -> Values:
        since_ns = now_ns - round(need.window_s * NS) if need.window_s else EVER_NS[0]
        if need.course:
            since_ns = min(since_ns, now_ns - 2 * course.REACH_NS)
        if name in CHANNELS:
            values = self._shelf.values(tx, patient_id, name, since_ns, now_ns)
        else:
            values = occurrences.samples(tx, patient_id, since_ns).get(name, _NOTHING)
            values = values.only(values.t_ns <= now_ns)
        newest = np.arange(len(values.t_ns))[-need.samples :]
        return values.only(np.union1d(newest, _course(name, values)) if need.course else newest)


def _course(name: str, values: Values) -> NDArray[np.intp]:
    """Which of all readings of a channel its course is made of."""
    return course.kept(values.t_ns, good(values.flags) & plausible(name, values.value))


def _put(series: dict[str, Values], cut: set[str], name: str, values: Values) -> None:
    if len(values.t_ns) > SAMPLES:
        cut.add(name)
        newest = values.only(slice(len(values.t_ns) - SAMPLES, None))
        values = Values(newest.t_ns.copy(), newest.value.copy(), newest.flags.copy())
    series[name] = values


def _of_rows(patient_id: str, rows: Iterable[Kept]) -> Iterator[tuple[str, Values]]:
    """What these rows have of one patient, name by name."""
    for one in rows:
        if patient_id in one.spans:
            for channel, start, stop in one.channels(patient_id):
                yield channel, one.values(slice(start, stop))
        for happened in one.filed.events:
            if happened.patient_id == patient_id:
                yield happened.sample, occurrences.as_values([(happened.t_ns, happened.sample_value)])


_NOTHING = occurrences.as_values([])
_NO_NUMBERS = np.zeros(0, np.int64)
_NO_SAMPLES = Samples(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, np.zeros(0), np.zeros(0, np.bool_))
