"""What the rules look at, of every patient: a columnar state (`triage.state`) that grows with what is filed.

A patient is put into it when he is first asked for, with everything since REACH before. What the state does not have,
it knows that it has not, and asks the shelf: a rule never sees less for it.

The state is what is committed, and what the one transaction has filed that is under way: that can be undone, and is if
the transaction comes to nothing. Whoever else looks meanwhile is told by the shelf. Of whom something was withdrawn, or
nobody knows what was stored, he is forgotten and put in anew.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import starmap

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.readings import occurrences
from server.readings.model import EVER_NS
from server.readings.shelf import Shelf
from server.readings.tail import Kept
from server.readings.values import Values, good
from triage import course
from triage.catalogue import catalogue
from triage.contract import Floats, Rule, Window
from triage.grid import Need, Part, Samples, plausible
from triage.grid import needs as needs_of
from triage.grid import window as made_of_samples
from triage.state import State, part_of, window
from vitals.channels import CHANNELS
from vitals.clock import NS

REACH_NS = 2 * course.REACH_NS + 4 * 86_400 * NS
"""A course reaches back that far, and a few days later it still has to."""

Piece = tuple[int, int, Values]
"""The numbers of a name and a patient, and what there is of both."""


class Rings:
    """Thread-safe."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._lock = threading.RLock()
        needs = needs_of(catalogue().values())
        self._further_ns = {name: further for name, need in needs.items() if (further := _further_ns(need)) > 0}
        self._state = State(needs, further_ns=self._further_ns)
        self._number = {name: number for number, name in enumerate(self._state.names)}
        self._taken = 0
        """So many rows of the transaction that is under way are in the state."""

    def window(
        self, tx: sa.Connection, patient_ids: Sequence[str], rules: Sequence[Rule], limit: Mapping[str, Floats],
        now_ns: int,
    ) -> Window:  # fmt: skip
        """The window of these rules on these patients, nothing later than `now_ns`; `limit` as for `triage.state`."""
        needs = needs_of(rules)
        with self._lock:
            if self._ready(tx, patient_ids, needs, now_ns):
                rows = self._state.people.rows(patient_ids)
                return window(self._state, now_ns, rows, rules, limit, self._asker(tx, patient_ids, now_ns))
        told = made_of_samples(now_ns, patient_ids, self._told(tx, patient_ids, needs, now_ns), rules, {})
        return Window(now_ns, told.patients, told.channel, told.event, limit, told.quality, told.track)

    def samples(self, tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> Samples:
        """What is needed of these patients, nothing later than `now_ns`, as samples."""
        plain = not any(need.course for need in needs.values())
        with self._lock:
            if plain and self._ready(tx, patient_ids, needs, now_ns):
                rows, ask = self._state.people.rows(patient_ids), self._asker(tx, patient_ids, now_ns)
                parts = [part_of(self._state, now_ns, rows, name, need, ask) for name, need in needs.items()]
                return _joined(list(starmap(_as_samples, enumerate(parts))))
        return self._told(tx, patient_ids, needs, now_ns)

    def ended(self, kept: Sequence[Kept], committed: bool) -> None:
        """A transaction that filed these rows is over."""
        with self._lock:
            taken, self._taken = self._taken, 0
            if not committed:
                self._state.undo()
                return
            self._state.settle()
            self._forget({patient for one in kept[taken:] for patient in one.patients})

    # --- how it grows

    def _ready(
        self, tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int
    ) -> bool:  # fmt: skip
        """Have these patients in the state as this transaction sees them; False if the state is not for it."""
        rows = self._shelf.pending_rows(tx)
        if (self._taken and not rows) or not all(self._state.serves(name, need) for name, need in needs.items()):
            return False
        if rows and not self._state.log.kept:
            self._state.begin()
        for one in rows[self._taken :]:
            self._take(one, now_ns)
            self._taken += 1
        told = self._state.people.told(self._state.add(patient_ids))
        new = [patient for patient, known in zip(patient_ids, told.tolist(), strict=True) if not known]
        if new:
            self._fill(tx, new, now_ns)
        return True

    def _take(self, one: Kept, now_ns: int) -> None:
        """One row of the journal, of those who are in the state."""
        self._forget({withdrawn.patient_id for withdrawn in one.filed.withdrawn})
        known = {patient: row for patient in one.patients if (row := self._state.people.row(patient)) is not None}
        pieces = (
            (self._number[name], row, values)
            for patient, row in known.items()
            for name, values in _of_row(patient, one)
            if name in self._number
        )
        self._state.take(_samples(pieces), now_ns)

    def _fill(self, tx: sa.Connection, patient_ids: Sequence[str], now_ns: int) -> None:
        rows, since_ns = self._state.people.rows(patient_ids), now_ns - REACH_NS
        found = _samples(
            (self._number[name], row, values)
            for patient, row in zip(patient_ids, rows.tolist(), strict=True)
            for name, values in self._everything(tx, patient, since_ns)
            if name in self._number
        )
        self._state.fill(rows, since_ns, found, now_ns)

    def _everything(self, tx: sa.Connection, patient_id: str, since_ns: int) -> Iterator[tuple[str, Values]]:
        """Name by name, of some from earlier on."""
        for name, values in self._shelf.everything(tx, patient_id, since_ns, EVER_NS[1]).items():
            if name not in self._further_ns:
                yield name, values
        for name, further_ns in self._further_ns.items():
            if name in CHANNELS:
                yield name, self._shelf.values(tx, patient_id, name, since_ns - further_ns, EVER_NS[1])
        earliest_ns = since_ns - max(self._further_ns.values(), default=0)
        yield from occurrences.samples(tx, patient_id, earliest_ns).items()

    def _forget(self, patient_ids: Iterable[str]) -> None:
        known = [patient for patient in patient_ids if patient in self._state.people]
        if known:
            self._state.clear(self._state.people.rows(known))

    # --- the shelf

    def _asker(self, tx: sa.Connection, patient_ids: Sequence[str], now_ns: int):  # type: ignore[no-untyped-def]
        def ask(name: str, need: Need, places: NDArray[np.intp]) -> Samples:
            people = [patient_ids[place] for place in places.tolist()]
            return self._told(tx, people, {name: need}, now_ns)

        return ask

    def _told(self, tx: sa.Connection, patient_ids: Sequence[str], needs: Mapping[str, Need], now_ns: int) -> Samples:
        return _samples(
            (number, row, self._asked(tx, patient, name, need, now_ns))
            for row, patient in enumerate(patient_ids)
            for number, (name, need) in enumerate(needs.items())
        )

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


def _further_ns(need: Need) -> int:
    """So much further back than the others something is looked at: a questionnaire comes every few weeks."""
    return round(need.window_s * NS) - REACH_NS + 4 * 86_400 * NS


def _course(name: str, values: Values) -> NDArray[np.intp]:
    """Which of all readings of a channel its course is made of."""
    return course.kept(values.t_ns, good(values.flags) & plausible(name, values.value))


def _of_row(patient_id: str, one: Kept) -> Iterator[tuple[str, Values]]:
    """What a row has of one patient, name by name."""
    if patient_id in one.spans:
        for channel, start, stop in one.channels(patient_id):
            yield channel, one.values(slice(start, stop))
    for happened in one.filed.events:
        if happened.patient_id == patient_id:
            yield happened.sample, occurrences.as_values([(happened.t_ns, happened.sample_value)])


def _samples(pieces: Iterable[Piece]) -> Samples:
    there = [piece for piece in pieces if len(piece[2].t_ns)]
    if not there:
        return _NO_SAMPLES
    counts = [len(values.t_ns) for _, _, values in there]
    names, patients = (np.repeat(np.array([piece[n] for piece in there], np.int64), counts) for n in (0, 1))
    t_ns, value, flags = (np.concatenate([values[n] for _, _, values in there]) for n in range(3))
    return Samples(names, patients, t_ns, value, good(flags))


def _as_samples(number: int, part: Part) -> Samples:
    patient, place = np.nonzero(~np.isnan(part.series.value))
    t_ns, value = part.series.t_ns[patient, place], part.series.value[patient, place]
    return Samples(np.full(len(patient), number), patient, t_ns, value, part.trusted[patient, place])


def _joined(parts: Sequence[Samples]) -> Samples:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Samples(*map(np.concatenate, columns)) if parts else _NO_SAMPLES


_NOTHING = occurrences.as_values([])
_NO_NUMBERS = np.zeros(0, np.int64)
_NO_SAMPLES = Samples(_NO_NUMBERS, _NO_NUMBERS, _NO_NUMBERS, np.zeros(0), np.zeros(0, np.bool_))
