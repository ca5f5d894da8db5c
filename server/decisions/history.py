"""What was known of a patient at a moment that is past: from the journal, as it was written.

A row of the journal says what became known with it and what ceased to count, so what was known at a position is what
came up to there and had not been withdrawn by there. Readings that are held are in no row until somebody has said whose
they are. So this is exact, whatever has been said of a reading since.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import sqlalchemy as sa

from server.readings import chunks, journal
from server.readings.model import EVER_NS, Occurrence, Reading
from server.readings.sheaf import Sheaf
from triage import course
from triage.grid import Need, Sample, plausible
from vitals.clock import NS

FOREVER = 2**63 - 1


class Kept(NamedTuple):
    """A reading or an event, from which row of the journal on it counted, and before which (FOREVER: it still does)."""

    what: Reading | Occurrence
    stored_ns: int
    from_seq: int
    to_seq: int

    @property
    def name(self) -> str:
        """What the rules know it by."""
        return self.what.channel if isinstance(self.what, Reading) else self.what.sample


class Arrival(NamedTuple):
    """Something of the patient was taken in with that row, and the rules looked."""

    seq: int
    t_ns: int


class History:
    """Of one patient, all that the journal has."""

    def __init__(self, patient_id: str, kept: Sequence[Kept], arrivals: Sequence[Arrival]) -> None:
        self.patient_id = patient_id
        self.kept = kept
        self.arrivals = arrivals
        self._by_name: dict[str, list[Kept]] = {}
        for one in sorted(kept, key=lambda one: (one.what.t_ns, value(one))):
            self._by_name.setdefault(one.name, []).append(one)
        self._t_ns = {name: np.array([one.what.t_ns for one in of]) for name, of in self._by_name.items()}
        self._from = {name: np.array([one.from_seq for one in of]) for name, of in self._by_name.items()}
        self._to = {name: np.array([one.to_seq for one in of]) for name, of in self._by_name.items()}

    def known(self, needs: Mapping[str, Need], now_ns: int, seq: int) -> list[Kept]:
        """What the rules saw at that moment and position of the journal: as much as they ask for, no more."""
        found: list[Kept] = []
        for name, need in needs.items():
            if name in self._by_name:
                found += self._known(name, need, now_ns, seq)
        return found

    def filed(self, seq: int, count: int | None = None) -> list[Reading | Occurrence]:
        """What became known with that row; or the last `count` things up to it, in the order they were filed."""
        if count is None:
            return [one.what for one in self.kept if one.from_seq == seq]
        return [one.what for one in self.kept if one.from_seq <= seq][-count:] if count else []

    def _known(self, name: str, need: Need, now_ns: int, seq: int) -> list[Kept]:
        of, t_ns = self._by_name[name], self._t_ns[name]
        counted = (self._from[name] <= seq) & (seq < self._to[name]) & (t_ns <= now_ns)
        seen = counted if not need.window_s else counted & (t_ns >= now_ns - round(need.window_s * NS))
        places = np.flatnonzero(seen)[-need.samples :]
        if need.course:
            reach = np.flatnonzero(counted & (t_ns >= now_ns - 2 * course.REACH_NS))
            values = np.array([value(of[place]) for place in reach.tolist()], np.float64)
            usable = np.array([good(of[place]) for place in reach.tolist()], np.bool_)
            places = np.union1d(places, reach[course.kept(t_ns[reach], usable & plausible(name, values))])
        return [of[place] for place in places.tolist()]


def samples(known: Iterable[Kept]) -> list[Sample]:
    """What the rules see of these."""
    return [Sample(one.what.patient_id, one.name, one.what.t_ns, value(one), good(one)) for one in known]


def history(tx: sa.Connection, patient_id: str) -> History:
    """All that was ever known of a patient. Raises StoreError for a damaged row of the journal."""
    kept: list[Kept] = []
    place: dict[bytes, int] = {}
    arrivals: list[Arrival] = []
    rows = tx.execute(sa.select(journal.journal.c.seq, journal.journal.c.total))
    totals = {row.seq: row.total for row in rows}
    first = min(totals, default=1)
    if first > 1:
        _before(tx, patient_id, first, kept, place)
    for row in journal.filed(tx, 0):
        for gone in row.withdrawn:
            if gone.patient_id == patient_id and (at := place.pop(gone.identity, None)) is not None:
                kept[at] = kept[at]._replace(to_seq=row.seq)
        mine = _of(row.sheaf, patient_id)
        new: list[tuple[Reading | Occurrence, int]] = []
        if mine is not None:
            new += zip(mine.readings(), mine.rows["stored_ns"].tolist(), strict=True)
        new += [(one, row.stored_ns) for one in row.events if one.patient_id == patient_id]
        for what, stored_ns in new:
            if what.identity not in place:
                place[what.identity] = len(kept)
                kept.append(Kept(what, stored_ns, row.seq, FOREVER))
        # What is filed again was counted before: whoever filed it has noted the look (`record.looked`).
        if new and totals[row.seq] > totals.get(row.seq - 1, 0):
            arrivals.append(Arrival(row.seq, row.stored_ns))
    return History(patient_id, kept, arrivals)


def _before(tx: sa.Connection, patient_id: str, first: int, kept: list[Kept], place: dict[bytes, int]) -> None:
    """What was filed before the journal's first row that is still there: the chunks have it, as it stands now."""
    later = {name for row in journal.filed(tx, first - 1) for name in row.sheaf.identities()}
    for sheaf in chunks.whole(tx, patient_id, *EVER_NS):
        for what, stored_ns in zip(sheaf.readings(), sheaf.rows["stored_ns"].tolist(), strict=True):
            if what.identity not in later:
                place[what.identity] = len(kept)
                kept.append(Kept(what, stored_ns, 0, FOREVER))


def _of(sheaf: Sheaf, patient_id: str) -> Sheaf | None:
    if patient_id not in sheaf.words:
        return None
    mine = sheaf.take(np.flatnonzero(sheaf.rows["patient"] == list(sheaf.words).index(patient_id)))
    return mine if len(mine) else None


def value(one: Kept) -> float:
    """The number that the rules see."""
    return one.what.value if isinstance(one.what, Reading) else one.what.sample_value


def good(one: Kept) -> bool:
    """Whether the device trusts it."""
    return not isinstance(one.what, Reading) or one.what.good
