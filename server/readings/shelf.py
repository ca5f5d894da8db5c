"""Where all readings of a database are found: the chunks, and the journal's tail in memory.

It is made from the database, so it holds nothing that the database does not. What a transaction files is seen within it
at once, and by everybody else, whole, when it is committed. If it is not, it never was.
"""

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from server.readings import chunks, journal
from server.readings.chunks import WEEK_NS, Stored, together
from server.readings.contract import Withdrawn
from server.readings.filling import FEW, fill, fill_beside
from server.readings.invalid import invalid
from server.readings.journal import Filed
from server.readings.model import Occurrence
from server.readings.sheaf import Sheaf, identities, join, picked
from server.readings.sieve import Sieve
from server.readings.tail import Kept, Tail, View, also
from server.readings.values import NONE, Values, merged


class _Pending:
    """What the transaction that is under way has filed."""

    def __init__(self, tx: sa.Connection) -> None:
        self.tx = tx
        self.wire = tx.connection.dbapi_connection
        self.kept: list[Kept] = []
        self.names: list[bytes] = []
        self.freed: list[bytes] = []
        self.committing = False


class Shelf:
    """Thread-safe for readers; writers take turns in the database."""

    def __init__(self, tx: sa.Connection) -> None:
        self._lock = threading.RLock()
        self._pending: _Pending | None = None
        self._ended: list[Any] = []
        self._early: tuple[tuple[sa.Connection, int, int] | None, list[Kept]] = None, []
        stored = chunks.stored(tx)
        self.sieve = Sieve(expected=stored * 5 // 4)
        if stored > FEW:
            fill_beside(tx.engine, self.sieve)
        else:
            fill(tx, self.sieve)
        self._tail, self._folded, self._names = self._load(tx)

    def filed(
        self,
        tx: sa.Connection,
        stored_ns: int,
        sheaf: Sheaf,
        events: Sequence[Occurrence] = (),
        withdrawn: Sequence[Withdrawn] = (),
        counted: int = 0,
    ) -> Kept:
        """Write these to the journal. The readings must be new (`new`)."""
        pending = self._of(tx)
        kept = Kept(journal.append(tx, stored_ns, sheaf, events, withdrawn, counted))
        pending.kept.append(kept)
        with self._lock:
            pending.freed += [one.identity for one in withdrawn if one.identity in self._names]
            self._names.difference_update(one.identity for one in withdrawn)
            if len(sheaf):
                names = sheaf.identities()
                pending.names += names
                self._names.update(names)
                self.sieve.add(sheaf.rows["hi"], sheaf.rows["lo"])
        return kept

    def new(self, tx: sa.Connection, sheaf: Sheaf) -> Sheaf:
        """Those that are stored nowhere yet, each once: the first of each identity."""
        self._settle(tx)
        rows = sheaf.rows
        perhaps = self.sieve.perhaps(rows["hi"], rows["lo"])
        doubtful = np.flatnonzero(perhaps | _alike(rows["hi"]))
        if not len(doubtful):
            return sheaf
        known = self.known(tx, sheaf.take(np.flatnonzero(perhaps)))
        keep = np.ones(len(rows), np.bool_)
        for place, name in zip(doubtful.tolist(), identities(picked(rows, doubtful)), strict=True):
            keep[place] = name not in known
            known.add(name)
        return sheaf.take(np.flatnonzero(keep))

    def known(self, tx: sa.Connection, sheaf: Sheaf) -> set[bytes]:
        """The identities of those that are stored; exactly, wherever they came from. What is invalid is stored, too.

        For whoever may write.
        """
        self._settle(tx)
        gone = self._gone(tx)
        every = sheaf.identities()
        found = self._names.intersection(every)
        found |= invalid(tx, set(every) - found)
        asked: dict[int, set[bytes]] = {}
        for device, name in zip(sheaf.rows["device"].tolist(), every, strict=True):
            if name not in found and name not in gone:
                asked.setdefault(device, set()).add(name)
        for device, names in asked.items():
            found |= chunks.known(tx, sheaf.words[device], names)
        return found

    def values(self, tx: sa.Connection, patient_id: str, channel: str, from_ns: int, to_ns: int) -> Values:
        """One channel of one patient between two moments, both inclusive, by time and value."""
        view, stored = self._see(tx, patient_id, from_ns, to_ns)
        return _joined(view, stored, channel, from_ns, to_ns)

    def everything(self, tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> dict[str, Values]:
        """The same, of all channels."""
        view, stored = self._see(tx, patient_id, from_ns, to_ns)
        names = {name for one in stored for name in one.seen.channels}
        names |= {name for one in view.kept for name, _, _ in one.channels(patient_id)}
        found: dict[str, Values] = {}
        for name in names:
            values = _joined(view, stored, name, from_ns, to_ns)
            if len(values.t_ns):
                found[name] = values
        return found

    def at(self, tx: sa.Connection, patient_id: str, t_ns: int) -> Sheaf:
        """All that was measured of one patient at one moment, whole."""
        view, stored = self._see(tx, patient_id, t_ns, t_ns)
        found: list[Sheaf] = []
        folded = any(one.seen.has(t_ns) for one in stored)
        for part in chunks.parts(tx, patient_id, t_ns // WEEK_NS, t_ns) if folded else ():
            found.append(_still(part.sheaf.take(np.flatnonzero(part.sheaf.rows["t_ns"] == t_ns)), view, -1))
        for kept in view.kept:
            if (sheaf := kept.at(patient_id, t_ns)) is not None:
                found.append(_still(sheaf, view, kept.seq))
        return join(found)

    def unfolded(self, position: int) -> tuple[list[Filed], int]:
        """The tail's rows that the chunks, which have everything up to `position`, do not have, oldest first, and how
        many readings they have."""
        with self._lock:
            known = min(position, self._last_seq())  # what another server has filed is still to be learned (`_settle`)
            if known > self._folded:  # by that one, or by a commit that seemed to fail
                self.folded(known)
            rows = [one.filed for one in self._tail.kept if one.seq > self._folded]
        return rows, sum(len(one.sheaf) for one in rows)

    def folded(self, up_to: int) -> None:
        """The chunks have everything up to that row, and it is committed.

        What was folded now stays until the next fold, for those who began to look before.
        """
        with self._lock:
            old = self._tail.drop(self._folded)
            self._folded = up_to
            self._names.difference_update(*(one.sheaf.identities() for one in old))
            rows = [*self._tail.kept, *(self._pending.kept if self._pending else ())]
            if any(one.filed.withdrawn for one in (*old, *rows)):
                self._names = _counting(rows)  # what was withdrawn and filed again is in two rows

    def learn(self, sheaf: Sheaf) -> None:
        """These came into the chunks from elsewhere than the journal."""
        self.sieve.add(sheaf.rows["hi"], sheaf.rows["lo"])

    def when_ended(self, tell: Any) -> None:
        """`tell(kept, committed)` is called when a transaction that filed something is over."""
        self._ended.append(tell)

    def pending(self, tx: sa.Connection) -> bool:
        """Whether this transaction has filed something."""
        return self._pending is not None and self._pending.tx is tx

    def pending_rows(self, tx: sa.Connection) -> Sequence[Kept]:
        """What this transaction has filed."""
        return self._pending.kept if self._pending is not None and self._pending.tx is tx else ()

    def begun(self, tx: sa.Connection) -> None:
        """SQLAlchemy begins a transaction on this connection."""
        self._conclude(tx.connection.dbapi_connection)

    def committing(self, tx: sa.Connection) -> None:
        """SQLAlchemy is about to commit."""
        if self.pending(tx):
            self._pending.committing = True  # type: ignore[union-attr]

    def rolled_back(self, tx: sa.Connection) -> None:
        """It did not come to that."""
        if self.pending(tx):
            self._pending.committing = False  # type: ignore[union-attr]

    def returned(self, wire: Any, _record: object) -> None:
        """The connection goes back: its transaction is over."""
        self._conclude(wire)

    def _of(self, tx: sa.Connection) -> _Pending:
        self._settle(tx)
        if not self.pending(tx):
            self._pending = _Pending(tx)
        assert self._pending is not None, "it was made a moment ago"
        return self._pending

    def _load(self, tx: sa.Connection) -> tuple[Tail, int, set[bytes]]:
        """What is filed and not folded, up to where it is, and what it is known by: from the database."""
        tail = Tail(chunks.position(tx))
        for filed in journal.filed(tx, tail.floor):
            tail.add(Kept(filed))
            self.sieve.add(filed.sheaf.rows["hi"], filed.sheaf.rows["lo"])
        return tail, tail.floor, _counting(tail.kept)

    def _settle(self, tx: sa.Connection) -> None:
        """Where a transaction ended and nobody said how, its connection was lost: the database knows.

        It is as if it had come to nothing, and what of it was stored all the same is found as another server's is.
        """
        lost = self._pending
        if lost is not None:
            if lost.tx is tx or not lost.tx.closed:
                return
            self._end(lost, stored=False)
        if (written := journal.last_seq(tx)) > self._last_seq():
            self._follow(tx, written)

    def _last_seq(self) -> int:
        """The newest row of the journal that is here or in chunks."""
        return self._tail.kept[-1].seq if self._tail.kept else self._tail.floor

    def _follow(self, tx: sa.Connection, up_to: int) -> None:
        """The journal has been written up to that row, by another server in whose place we are now, or by a transaction
        of our own that was lost."""
        rows = [Kept(one) for one in journal.filed(tx, self._last_seq()) if one.seq <= up_to]
        loaded = self._load(tx)
        with self._lock:
            self._tail, self._folded, self._names = loaded
            for one in rows:
                self.sieve.add(one.sheaf.rows["hi"], one.sheaf.rows["lo"])
        for tell in self._ended:
            tell(rows, True)

    def _conclude(self, wire: Any) -> None:
        pending = self._pending
        if pending is not None and pending.wire is wire:
            self._end(pending, stored=pending.committing)

    def _end(self, pending: _Pending, *, stored: bool) -> None:
        self._pending = None
        with self._lock:
            if stored:
                for one in pending.kept:
                    self._tail.add(one)
            else:
                self._names.difference_update(pending.names)
                self._names.update(pending.freed)
        for tell in self._ended:
            tell(pending.kept, stored)

    def _gone(self, tx: sa.Connection) -> set[bytes]:
        """What is withdrawn and may still be in chunks."""
        rows = [*self._tail.kept, *self.pending_rows(tx)]
        return {withdrawn.identity for one in rows for withdrawn in one.filed.withdrawn}

    def _before(self, tx: sa.Connection, seq: int, floor: int) -> list[Kept]:
        """The journal's rows after `seq` up to `floor`, for one who began to look so long ago that they are gone here:
        as many of them as there were then. He looks at many patients.
        """
        span, rows = self._early
        if span != (tx, seq, floor):
            rows = [Kept(one) for one in journal.filed(tx, seq) if one.seq <= floor]
            self._early = (tx, seq, floor), rows
        return rows

    def reaches(self, seq: int) -> bool:
        """Whether all that came after that row of the journal is here: what is told of it may be remembered."""
        return seq >= self._tail.floor

    def since(self, tx: sa.Connection, patient_id: str, seq: int) -> View:
        """What has come of one patient since that row of the journal: the chunks' position in this transaction."""
        with self._lock:
            floor, view = self._tail.floor, self._tail.of(patient_id, seq)
        if seq < floor:
            rows = self._before(tx, seq, floor)
            if not rows or rows[-1].seq < floor:  # what is here came after a gap that he cannot see
                view = View(patient_id, seq, [], {})
            view = also(view, patient_id, rows)
        pending = self.pending_rows(tx)
        return also(view, patient_id, pending) if pending else view

    def _see(self, tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> tuple[View, list[Stored]]:
        """What the chunks have of one patient between two moments, and what has come since."""
        seq, stored = chunks.between(tx, patient_id, from_ns, to_ns)
        view = self.since(tx, patient_id, seq)
        if view.gone and stored:
            seq, stored = chunks.between(tx, patient_id, from_ns, to_ns, named=True)
        return view, stored


def _joined(view: View, stored: Sequence[Stored], channel: str, from_ns: int, to_ns: int) -> Values:
    """One channel between two moments: of the parts, and of what has come since."""
    later = view.values(channel).between(from_ns, to_ns) if view.kept else NONE
    if not view.gone:
        oldest_first = [one.seen for one in reversed(stored)]
        return together([(one, *where) for one in oldest_first if (where := one.of(channel, from_ns, to_ns))], later)
    cuts = [(one, *where) for one in stored if (where := one.seen.of(channel, from_ns, to_ns))]
    pieces = [*(_of_part(one, start, stop, view) for one, start, stop in cuts), later]
    return merged([one for one in pieces if len(one.t_ns)])


def _of_part(one: Stored, start: int, stop: int, view: View) -> Values:
    values = one.seen.values(start, stop)
    names = one.identities[start * 16 : stop * 16]
    still = [names[start : start + 16] not in view.gone for start in range(0, len(names), 16)]
    return values.only(np.array(still, np.bool_))


def _still(sheaf: Sheaf, view: View, seq: int) -> Sheaf:
    """Those that were not withdrawn after row `seq`."""
    which = [view.gone.get(name, -2) <= seq for name in sheaf.identities()]
    return sheaf.take(np.flatnonzero(np.array(which, np.bool_)))


def _alike(hi: Any) -> Any:
    """Where another row has the same first half of its identity."""
    order = np.argsort(hi, kind="stable")
    same = hi[order[1:]] == hi[order[:-1]]
    found = np.zeros(len(hi), np.bool_)
    found[order[1:]] = same
    found[order[:-1]] |= same
    return found


def _counting(rows: Iterable[Kept]) -> set[bytes]:
    """The identities that are in these rows and were not withdrawn after."""
    names: set[bytes] = set()
    for one in rows:
        names.difference_update(withdrawn.identity for withdrawn in one.filed.withdrawn)
        names.update(one.sheaf.identities())
    return names
