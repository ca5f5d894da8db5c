"""Folding: the journal's rows become chunks.

What is to be written is made ready while others write on, for nobody but the fold changes chunks, and the journal's
rows never change. The transaction itself only writes: the chunks, whose devices they are from, what is newest, and the
new position.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from server.db import Database
from server.readings import chunks, journal, lately
from server.readings.chunks import PART, STORE, WEEK_NS, Part, positions, sources
from server.readings.contract import Withdrawn
from server.readings.journal import Filed
from server.readings.memory import memory_of
from server.readings.sheaf import Sheaf, join

_AT_ONCE = 200

MOST = 400_000
"""So many readings in one fold: what it holds in memory, and how long its transaction takes."""

PEOPLE = 1_000
"""And of about so many people: each has a chunk that is written anew, whether for one reading or for hundreds."""


class Plan(NamedTuple):
    """What a fold writes. `changed` and `added`: columns of chunks; `emptied`: the keys of chunks that are no more.

    `newest`: what is newest then, of all whom the rows say something of.
    """

    up_to: int
    changed: list[dict[str, Any]]
    added: list[dict[str, Any]]
    emptied: list[dict[str, Any]]
    sources: set[tuple[str, str]]
    newest: dict[str, lately.Of]


def fold(db: Database, *, at_least: int = 1, up_to: int | None = None) -> int:
    """Fold the next piece of what is unfolded (up to that row of the journal), if so many readings at least are;
    returns how many readings were folded."""
    with db.read() as tx:
        shelf = memory_of(tx).shelf
        rows, waiting = shelf.unfolded()
        if up_to is not None:
            rows = [one for one in rows if one.seq <= up_to]
        if not rows or max(waiting, len(rows)) < at_least:
            return 0
        rows = _first(rows)
        plan = planned(tx, rows)
    with db.write() as tx:
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
            write(tx, planned(tx, rows))


def planned(tx: sa.Connection, rows: Sequence[Filed]) -> Plan:
    """What the chunks must become, for these rows to be in them; `rows` are the next ones, in their order."""
    gone = _withdrawn(rows)
    counting, withdrawn = _counting(rows, gone), [one for row in rows for one in row.withdrawn]
    weeks = dict(_weeks(counting))
    parts = _without(tx, withdrawn, gone)
    open_parts = chunks.last_parts(tx, weeks.keys())
    people = {patient for patient, _ in weeks} | {one.patient_id for one in withdrawn}
    newest = lately.after(tx, lately.load(tx, people), counting, withdrawn)
    plan = Plan(rows[-1].seq, [], [], [], set(), newest)
    for (patient, week), new in weeks.items():
        last = open_parts.get((patient, week), -1)
        number = last.part if isinstance(last, Part) else last
        if isinstance(last, Part):
            before = parts.pop((patient, week, number), last.sheaf)
            new, rest = _filled(before, new)
            plan.changed.append(_row(patient, week, number, new))
            new = rest
        for start in range(0, len(new), PART):
            number += 1
            plan.added.append(_row(patient, week, number, new.cut(start, start + PART)))
        words = new.words
        plan.sources.update((words[device], patient) for device in np.unique(weeks[patient, week].rows["device"]))
    for (patient, week, number), left in parts.items():
        if len(left):
            plan.changed.append(_row(patient, week, number, left))
        else:
            plan.emptied.append(_key(patient, week, number))
    return plan


def write(tx: sa.Connection, plan: Plan) -> None:
    """Write it."""
    table = chunks.chunks
    this = (
        (table.c.patient_id == sa.bindparam("at_patient_id"))
        & (table.c.week == sa.bindparam("at_week"))
        & (table.c.part == sa.bindparam("at_part"))
    )
    if plan.changed:
        tx.execute(table.update().where(this), [one | _at(one) for one in plan.changed])
    if plan.emptied:
        tx.execute(table.delete().where(this), [_at(one) for one in plan.emptied])
    if plan.added:
        tx.execute(table.insert(), plan.added)
    devices = {device for device, _ in plan.sources}
    known: set[tuple[str, str]] = set()
    for some in _some(sorted(devices)):
        query = sa.select(sources.c.device, sources.c.patient_id).where(sources.c.device.in_(some))
        known |= {(device, patient) for device, patient in tx.execute(query)}
    new = [{"device": device, "patient_id": patient} for device, patient in sorted(plan.sources - known)]
    if new:
        tx.execute(sources.insert(), new)
    lately.write(tx, plan.newest)
    tx.execute(positions.update().where(positions.c.store == STORE).values(seq=plan.up_to))


def _first(rows: list[Filed]) -> list[Filed]:
    count = 0
    people: set[str] = set()
    for place, one in enumerate(rows):
        count += len(one.sheaf)
        people.update(one.sheaf.words[number] for number in np.unique(one.sheaf.rows["patient"]).tolist())
        if place and (count > MOST or len(people) > PEOPLE):
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


def _weeks(sheaf: Sheaf) -> Iterator[tuple[tuple[str, int], Sheaf]]:
    """Each (patient, week) with its readings in a chunk's order."""
    if not len(sheaf):
        return
    week = sheaf.rows["t_ns"] // WEEK_NS
    order = np.lexsort((*_order(sheaf), week, sheaf.rows["patient"]))
    sheaf, week = sheaf.take(order), week[order]
    patient = sheaf.rows["patient"]
    cuts = np.flatnonzero((patient[1:] != patient[:-1]) | (week[1:] != week[:-1])) + 1
    starts = [0, *cuts.tolist(), len(sheaf)]
    for start, stop in itertools.pairwise(starts):
        yield (sheaf.words[patient[start]], int(week[start])), sheaf.cut(start, stop)


def _filled(part: Sheaf, new: Sheaf) -> tuple[Sheaf, Sheaf]:
    """The part with as much of the new as it has room for, and the rest."""
    room = PART - len(part)
    both = join([part, new.cut(0, room).alone()])
    return both.take(np.lexsort(_order(both))), new.cut(room, len(new))


def _order(sheaf: Sheaf) -> tuple[Any, ...]:
    """The keys of a chunk's order, the last one first: channel by name, time, value."""
    numbers = np.unique(sheaf.rows["channel"])
    rank = np.zeros(len(sheaf.words), np.int64)
    rank[numbers[np.argsort([sheaf.words[number] for number in numbers])]] = np.arange(len(numbers))
    return sheaf.rows["lo"], sheaf.rows["hi"], sheaf.rows["value"], sheaf.rows["t_ns"], rank[sheaf.rows["channel"]]


def _without(
    tx: sa.Connection, withdrawn: Sequence[Withdrawn], gone: dict[bytes, int]
) -> dict[tuple[str, int, int], Sheaf]:
    """The parts that lose something, without it."""
    found: dict[tuple[str, int, int], Sheaf] = {}
    for patient, t_ns in {(one.patient_id, one.t_ns) for one in withdrawn}:
        for part in chunks.parts(tx, patient, t_ns // WEEK_NS, t_ns):
            which = np.array([name not in gone for name in part.sheaf.identities()], np.bool_)
            if not which.all():
                found[patient, part.week, part.part] = part.sheaf.take(np.flatnonzero(which))
    return found


def _row(patient: str, week: int, number: int, sheaf: Sheaf) -> dict[str, Any]:
    return {**_key(patient, week, number), **chunks.columns(sheaf)}


def _key(patient: str, week: int, number: int) -> dict[str, Any]:
    return {"patient_id": patient, "week": week, "part": number}


def _at(row: dict[str, Any]) -> dict[str, Any]:
    return {f"at_{name}": row[name] for name in ("patient_id", "week", "part")}


def _some(names: Sequence[str]) -> Iterator[Sequence[str]]:
    return (names[start : start + 500] for start in range(0, len(names), 500))
