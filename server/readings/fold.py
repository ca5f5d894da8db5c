"""Folding: the journal's rows become chunks.

What is to be written is made ready while others write on, for nobody but the fold changes chunks, and the journal's
rows never change. The transaction itself only writes: the chunks, whose devices they are from, what is newest, and the
new position.

A row that is folded twice is in the chunks twice, and what memory knows of the last fold may be wrong: its commit may
have seemed to fail and be there, or another server has taken over. So a piece begins where the chunks say that they
end, and is written only if they still say so.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.db import Database
from server.quick import Among, Put, Quick
from server.readings import chunks, journal, lately
from server.readings.chunks import PART, STORE, WEEK_NS, positions, sources
from server.readings.contract import Withdrawn
from server.readings.journal import Filed
from server.readings.memory import memory_of
from server.readings.packing import Packed, packed, unpacked
from server.readings.sheaf import Sheaf, join, numbered, picked

_AT_ONCE = 200

MOST = 400_000
"""So many readings in one fold: what it holds in memory, and how long its transaction takes."""

PEOPLE = 1_000
"""And of about so many people, where nobody says fewer: each has a chunk that is written anew, whether for one reading
or for hundreds."""

WEEKS = 250
"""A patient's weeks that are put together at a time: what a fold has in memory, and how long a step of it takes."""

STATUSES = 2**16 - PART
"""So many different statuses at most, or a fold is divided: a sheaf can number no more, and a part that is written anew
brings its own. No device has so many, but a hub that has gone mad must not stop everybody's fold."""

_NO_WEEK = 2**15
"""Added to a week's number: none that a moment can be in is lower."""

_Key = tuple[str, int, int]
"""Patient, week, part."""


class _Weeks(NamedTuple):
    """Some readings in a chunk's order. `names`: some patients' weeks; `week`: for each reading which of them."""

    names: list[tuple[str, int]]
    sheaf: Sheaf
    week: NDArray[np.int64]


class Plan(NamedTuple):
    """What a fold writes. `changed`: columns of chunks; `emptied`: the keys of chunks that are no more.

    `sources`: those that are new. `newest`: what is newest then, of all whom the rows say something of.
    """

    up_to: int
    changed: list[dict[str, Any]]
    emptied: list[dict[str, Any]]
    sources: list[dict[str, Any]]
    newest: dict[str, lately.Of]


def fold(db: Database, *, at_least: int = 1, up_to: int | None = None, people: int | None = None) -> int:
    """Fold the next piece of what is unfolded (up to that row of the journal), if so many readings at least are;
    returns how many readings were folded. `people`: about so many of them at most (None: PEOPLE)."""
    with db.read() as tx:
        shelf, since = memory_of(tx).shelf, chunks.position(tx)
        rows, waiting = shelf.unfolded(since)
        if up_to is not None:
            rows = [one for one in rows if one.seq <= up_to]
        if not rows or max(waiting, len(rows)) < at_least:
            return 0
        rows = _first(rows, people or PEOPLE)
        plan = planned(tx, rows)
    with db.write() as tx:
        if chunks.position(tx) != since:
            return 0
        write(tx, plan)
    shelf.folded(plan.up_to)
    return sum(len(one.sheaf) for one in rows)


def catch_up(db: Database) -> None:
    """Fold what the journal has beyond the chunks, before there is a shelf: after a long absence it may be much."""
    while True:
        with db.write() as tx:
            rows = list(journal.filed(tx, chunks.position(tx), _AT_ONCE))
            if not rows:
                return
            write(tx, planned(tx, _first(rows, PEOPLE)))


def planned(tx: sa.Connection, rows: Sequence[Filed]) -> Plan:
    """What the chunks must become, for these rows to be in them; `rows` are the next ones, in their order."""
    gone = _withdrawn(rows)
    counting, withdrawn = _counting(rows, gone), [one for row in rows for one in row.withdrawn]
    people = {counting.words[number] for number in np.unique(counting.rows["patient"]).tolist()}
    before = lately.load(tx, people | {one.patient_id for one in withdrawn})
    newest = lately.after(tx, before, counting, withdrawn)
    plan = Plan(rows[-1].seq, [], [], _new_sources(tx, counting), newest)
    lost = _without(tx, withdrawn, gone)
    for new in _some_weeks(counting):
        for key, part in _filled(tx, new, gone):
            lost.pop(key, None)
            plan.changed.append(_row(key, part))
    for key, left in lost.items():
        if len(left):
            plan.changed.append(_row(key, packed(left, [0])[0]))
        else:
            plan.emptied.append(_key(key))
    return plan


def write(tx: sa.Connection, plan: Plan) -> None:
    """Write it."""
    _PUT.many(tx, plan.changed)
    _EMPTY.many(tx, plan.emptied)
    _ADD_SOURCE.many(tx, plan.sources)
    lately.write(tx, plan.newest)
    tx.execute(positions.update().where(positions.c.store == STORE).values(seq=plan.up_to))


def _first(rows: list[Filed], most: int) -> list[Filed]:
    count = 0
    people: set[str] = set()
    statuses: set[str] = set()
    for place, one in enumerate(rows):
        count += len(one.sheaf)
        statuses.update(one.sheaf.statuses)
        people.update(one.sheaf.words[number] for number in np.unique(one.sheaf.rows["patient"]).tolist())
        if place and (count > MOST or len(people) > most or len(statuses) > STATUSES):
            return rows[:place]
    return rows


def _counting(rows: Sequence[Filed], gone: dict[bytes, int]) -> Sheaf:
    """The readings of these rows but those that a later one of them withdraws."""
    sheaf = join([one.sheaf for one in rows])
    if not gone or not len(sheaf):
        return sheaf
    seqs = np.repeat([one.seq for one in rows], [len(one.sheaf) for one in rows]).tolist()
    which = [gone.get(name, -1) <= seq for name, seq in zip(sheaf.identities(), seqs, strict=True)]
    return sheaf.take(np.flatnonzero(np.array(which, np.bool_)))


def _withdrawn(rows: Iterable[Filed]) -> dict[bytes, int]:
    """What these rows withdraw, each with the last row that does."""
    return {withdrawn.identity: one.seq for one in rows for withdrawn in one.withdrawn}


def _some_weeks(sheaf: Sheaf) -> Iterator[_Weeks]:
    """The readings in a chunk's order, some weeks of some patients at a time."""
    rows = sheaf.rows
    named = rows["patient"].astype(np.int64) << 16 | rows["t_ns"] // WEEK_NS + _NO_WEEK
    every, week = np.unique(named, return_inverse=True)
    order = _order(sheaf, week)
    sheaf, week = sheaf.take(order), week[order]
    for first in range(0, len(every), WEEKS):
        names = every[first : first + WEEKS]
        start, stop = np.searchsorted(week, (first, first + WEEKS)).tolist()
        patients = [sheaf.words[number] for number in (names >> 16).tolist()]
        numbers = ((names & 0xFFFF) - _NO_WEEK).tolist()
        yield _Weeks(list(zip(patients, numbers, strict=True)), sheaf.cut(start, stop), week[start:stop] - first)


def _filled(tx: sa.Connection, new: _Weeks, gone: Mapping[bytes, int]) -> Iterator[tuple[_Key, Packed]]:
    """The parts that have them: its key, and what it becomes.

    A week's last part gets as much of the new as it has room for, and the rest goes into further ones.
    """
    last = chunks.last_parts(tx, new.names)
    open_parts = [(n, name[0], found) for n, name in enumerate(new.names) if (found := last.get(name)) and found.data]
    words, statuses = numbered(new.sheaf.words), numbered(new.sheaf.statuses)
    old = unpacked([(patient, *found.data) for _, patient, found in open_parts if found.data], words, statuses)
    if len(old.statuses) > STATUSES + PART and len(new.names) > 1:
        for half in _halves(new):
            yield from _filled(tx, half, gone)
        return
    of_old = np.repeat([n for n, _, _ in open_parts], [found.stored for _, _, found in open_parts]).astype(np.int64)
    if gone:
        still = np.flatnonzero(np.array([name not in gone for name in old.identities()], np.bool_))
        old, of_old = old.take(still), of_old[still]
    room = np.zeros(len(new.names), np.int64)
    room[[n for n, _, _ in open_parts]] = PART
    room -= np.bincount(of_old, minlength=len(room))
    count = np.bincount(new.week, minlength=len(room))
    place = np.arange(len(new.week)) - (np.cumsum(count) - count)[new.week] - room[new.week]
    most = np.maximum((count - room - 1) // PART, -1) + 2  # parts of a week, with the open one that there may be
    part_0 = np.cumsum(most) - most
    part = np.concatenate([part_0[of_old], part_0[new.week] + np.maximum(place // PART + 1, 0)])
    both = join([old, Sheaf(new.sheaf.rows, old.words, old.statuses, new.sheaf.records)])
    order = _order(both, part)
    both, part = both.take(order), part[order]
    starts = np.flatnonzero(np.diff(part, prepend=-1))
    of_week = np.searchsorted(part_0, part[starts], "right") - 1
    further = (part[starts] - part_0[of_week]).tolist()
    for n, more, one in zip(of_week.tolist(), further, packed(both, starts.tolist()), strict=True):
        known = last.get(new.names[n])
        yield (*new.names[n], (known.part if known else -1) + more), one


def _halves(new: _Weeks) -> Iterator[_Weeks]:
    """The first half of the weeks, and the other."""
    half = len(new.names) // 2
    at = int(np.searchsorted(new.week, half))
    yield _Weeks(new.names[:half], new.sheaf.cut(0, at), new.week[:at])
    yield _Weeks(new.names[half:], new.sheaf.cut(at, len(new.sheaf)), new.week[at:] - half)


def _order(sheaf: Sheaf, part: NDArray[np.int64]) -> NDArray[np.intp]:
    """By part, and in a chunk's order: channel by name, time, value, identity."""
    rows = sheaf.rows
    series = part * len(sheaf.words) + _rank(sheaf)[rows["channel"]]
    order = np.lexsort((rows["t_ns"], series))
    t_ns, series = rows["t_ns"][order], series[order]
    same = np.flatnonzero((t_ns[1:] == t_ns[:-1]) & (series[1:] == series[:-1]))
    if len(same):  # few are of one moment: only these are told apart by all else
        places = np.union1d(same, same + 1)
        some = picked(rows, order[places])
        order[places] = order[places][np.lexsort((some["lo"], some["hi"], some["value"], t_ns[places], series[places]))]
    return order


def _rank(sheaf: Sheaf) -> NDArray[np.int64]:
    """Of each word that is a channel, which it is by name."""
    numbers = np.unique(sheaf.rows["channel"])
    rank = np.zeros(len(sheaf.words), np.int64)
    rank[numbers[np.argsort([sheaf.words[number] for number in numbers.tolist()])]] = np.arange(len(numbers))
    return rank


def _new_sources(tx: sa.Connection, sheaf: Sheaf) -> list[dict[str, Any]]:
    """Which devices they are from, with whose, where nobody has said so yet."""
    numbers = np.unique(sheaf.rows["device"].astype(np.int64) << 32 | sheaf.rows["patient"]).tolist()
    pairs = {(sheaf.words[one >> 32], sheaf.words[one & 0xFFFF_FFFF]) for one in numbers}
    known = {(device, patient) for device, patient in _KNOWN_SOURCES.rows(tx, {device for device, _ in pairs})}
    return [{"device": device, "patient_id": patient} for device, patient in sorted(pairs - known)]


def _without(tx: sa.Connection, withdrawn: Sequence[Withdrawn], gone: dict[bytes, int]) -> dict[_Key, Sheaf]:
    """The parts that lose something, without it."""
    found: dict[_Key, Sheaf] = {}
    for patient, t_ns in {(one.patient_id, one.t_ns) for one in withdrawn}:
        for part in chunks.parts(tx, patient, t_ns // WEEK_NS, t_ns):
            which = np.array([name not in gone for name in part.sheaf.identities()], np.bool_)
            if not which.all():
                found[patient, part.week, part.part] = part.sheaf.take(np.flatnonzero(which))
    return found


def _row(key: _Key, part: Packed) -> dict[str, Any]:
    return {**_key(key), **msgspec.structs.asdict(part)}


def _key(key: _Key) -> dict[str, Any]:
    return dict(zip(_KEY_COLUMNS, key, strict=True))


_KEY_COLUMNS = ("patient_id", "week", "part")
_THIS = sa.and_(*(chunks.chunks.c[name] == sa.bindparam(name) for name in _KEY_COLUMNS))
_EMPTY = Quick(chunks.chunks.delete().where(_THIS))
_PUT = Put(chunks.chunks)
_ADD_SOURCE = Quick(sources.insert())
_KNOWN_SOURCES = Among(sa.select(sources.c.device, sources.c.patient_id), sources.c.device)
