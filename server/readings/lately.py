"""Each patient's newest values as the chunks have them, kept beside the chunks and changed with them.

They are what `server.readings.newest` would find if it looked through all chunks of the patient; so after a start
nobody need look through them. A fold knows the new readings and what was newest before. That leaves one thing to look
up, the value of a day before: for all patients at once, in the parts of that day only. Where something was withdrawn,
the patient's weeks are gone through anew, the newest first, until every channel is found.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.db import metadata
from server.quick import Among, Put
from server.readings import chunks
from server.readings.chunks import WEEK_NS
from server.readings.contract import Withdrawn
from server.readings.model import Latest, rank
from server.readings.packing import Seen
from server.readings.sheaf import Rows, Sheaf, numbered, picked
from server.readings.values import good
from server.readings.yesterday import BEFORE_NS

Of = dict[str, Latest]
"""By channel."""

newest = sa.Table(
    "newest",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("of", sa.LargeBinary, nullable=False, comment="the newest value of each channel in the chunks"),
)


def load(tx: sa.Connection, patient_ids: Collection[str]) -> dict[str, Of]:
    """What is kept of these patients. Those of whom the chunks have nothing are left out."""
    return {patient: _decoded(data) for patient, data in _KEPT.rows(tx, patient_ids)}


def after(tx: sa.Connection, before: Mapping[str, Of], new: Sheaf, withdrawn: Sequence[Withdrawn]) -> dict[str, Of]:
    """What is newest when `new` comes into the chunks that `tx` sees, and what is withdrawn goes from them.

    `before`: what was, of all whom either is about; `new`: without what is withdrawn after it. Returns all of them.
    """
    found = {patient: dict(of) for patient, of in before.items()}
    changed = _newer(found, new)
    lost = {(one.patient_id, one.channel) for one in withdrawn}
    _with_the_day_before(tx, found, changed, new)
    gone = {one.identity for one in withdrawn}
    for patient in {patient for patient, _ in lost}:
        names = {channel for one, channel in lost if one == patient}
        mine = _only(new, patient)
        still = {name: one for name, one in found.get(patient, {}).items() if name not in names}
        found[patient] = still | looked_up(tx, patient, names, mine, gone)
    return found


def looked_up(tx: sa.Connection, patient_id: str, names: Collection[str], new: Sheaf, gone: set[bytes]) -> Of:
    """The newest values of these channels of a patient, found by looking through his weeks.

    `new` counts too, and of what is in chunks not what is `gone`.
    """
    found: Of = {}
    of_new = new.rows["t_ns"] // WEEK_NS

    def week(number: int) -> list[Sheaf]:
        parts = [_without(one.sheaf, gone) for one in chunks.parts(tx, patient_id, number)]
        return [*parts, new.take(np.flatnonzero(of_new == number))]

    for number in sorted({*chunks.weeks(tx, patient_id), *of_new.tolist()}, reverse=True):
        last: Of = {}
        for sheaf in week(number):
            for name, one in _last(sheaf).items():
                last[name] = max(one, last.get(name, one), key=rank)
        found = {name: one for name, one in last.items() if name in names} | found
        if len(found) == len(names):
            break
    for name, one in found.items():
        first_ns, last_ns = one.t_ns - BEFORE_NS[1], one.t_ns - BEFORE_NS[0]
        sheaves = [one for number in range(first_ns // WEEK_NS, last_ns // WEEK_NS + 1) for one in week(number)]
        found[name] = msgspec.structs.replace(one, before_value=_trusted(sheaves, name, first_ns, last_ns))
    return found


def write(tx: sa.Connection, changed: Mapping[str, Of]) -> None:
    """Keep these."""
    _PUT.many(
        tx, [{"patient_id": patient, "of": _encoder.encode(list(of.values()))} for patient, of in changed.items()]
    )


def _newer(found: dict[str, Of], new: Sheaf) -> dict[str, set[str]]:
    """Put what `new` has into `found` where it is newer; returns the channels that it has, by patient."""
    touched: dict[str, set[str]] = {}
    for patient, one in _ends(new):
        touched.setdefault(patient, set()).add(one.channel)
        mine = found.setdefault(patient, {})
        old = mine.get(one.channel)
        if old is None or rank(old) < rank(one):
            mine[one.channel] = one
    return touched


def _with_the_day_before(
    tx: sa.Connection, found: dict[str, Of], touched: Mapping[str, Collection[str]], new: Sheaf
) -> None:
    """Say anew of these channels what their value of a day before is: from the chunks and from `new`."""
    asked = {(patient, name): number for number, (patient, name) in enumerate(_pairs(touched))}
    if not asked:
        return
    t_ns = np.array([found[patient][name].t_ns for patient, name in asked], np.int64)
    first_ns, last_ns = t_ns - BEFORE_NS[1], t_ns - BEFORE_NS[0]
    best: dict[int, tuple[int, float]] = {}
    for group, at_ns, value in _candidates(tx, asked, first_ns, last_ns, new):
        keep = (at_ns >= first_ns[group]) & (at_ns <= last_ns[group])
        group, at_ns, value = group[keep], at_ns[keep], value[keep]
        order = np.lexsort((value, at_ns, group))
        ends = order[np.flatnonzero(np.diff(group[order], append=-1))]
        for number, mine in zip(
            group[ends].tolist(), zip(at_ns[ends].tolist(), value[ends].tolist(), strict=True), strict=True
        ):
            best[number] = max(mine, best.get(number, mine))
    for (patient, name), number in asked.items():
        day_before = best[number][1] if number in best else None
        found[patient][name] = msgspec.structs.replace(found[patient][name], before_value=day_before)


def _candidates(
    tx: sa.Connection,
    asked: Mapping[tuple[str, str], int],
    first_ns: NDArray[np.int64],
    last_ns: NDArray[np.int64],
    new: Sheaf,
) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]]:
    """What the device trusts of the series asked for: the series' number, when, and the value, as columns."""
    trusted = new.rows["good"] > 0
    who, what, t_ns, value = (new.rows[name][trusted] for name in ("patient", "channel", "t_ns", "value"))
    yield _grouped(who, what, asked, numbered(new.words)), t_ns, value
    spans: dict[str, tuple[int, int]] = {}
    for (patient, _), from_ns, to_ns in zip(asked, first_ns.tolist(), last_ns.tolist(), strict=True):
        before = spans.get(patient, (from_ns, to_ns))
        spans[patient] = min(before[0], from_ns), max(before[1], to_ns)
    for rows in chunks.seen_of(tx, spans):
        yield _of_parts(rows, asked)


def _grouped(
    who: NDArray[Any], what: NDArray[Any], asked: Mapping[tuple[str, str], int], number: Mapping[str, int]
) -> NDArray[Any]:
    """The number of the series of each of these patients and channels, all of which are asked for."""
    names = np.array([number[patient] << 32 | number[channel] for patient, channel in asked], np.int64)
    order = np.argsort(names)
    place = np.searchsorted(names, who.astype(np.int64) << 32 | what, sorter=order)
    found: NDArray[Any] = np.array(list(asked.values()), np.int64)[order[place]]
    return found


def _of_parts(
    rows: Sequence[tuple[str, Seen]], asked: Mapping[tuple[str, str], int]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    numbers: list[int] = []
    counts: list[int] = []
    for patient, seen in rows:
        start = 0
        for name, stop in zip(seen.channels, seen.stops, strict=True):
            numbers.append(asked.get((patient, name), -1))
            counts.append(stop - start)
            start = stop
    group = np.repeat(np.array(numbers, np.int64), counts)
    flags = np.frombuffer(b"".join(seen.flags for _, seen in rows), np.uint8)
    keep = good(flags) & (group >= 0)
    t_ns = np.frombuffer(b"".join(seen.t_ns for _, seen in rows), np.int64)
    value = np.frombuffer(b"".join(seen.value for _, seen in rows), np.float64)
    return group[keep], t_ns[keep], value[keep]


def _ends(sheaf: Sheaf) -> Iterator[tuple[str, Latest]]:
    """The newest of each patient's channels, with each one's patient; without the value of a day before."""
    rows = _not_passed(sheaf.rows)
    statuses = [tuple(one.split()) for one in sheaf.statuses]
    status = np.zeros(len(statuses), np.int64)
    status[sorted(range(len(statuses)), key=statuses.__getitem__)] = np.arange(len(statuses))
    keys = status[rows["status"]], *(rows[name] for name in ("decimals", "stored_ns", "value", "t_ns"))
    order = np.lexsort((*keys, rows["channel"], rows["patient"]))
    ordered = picked(rows, order)
    last = np.ones(len(ordered), np.bool_)
    for name in ("patient", "channel"):
        differs = ordered[name][1:] != ordered[name][:-1]
        last[:-1] = differs if name == "patient" else last[:-1] | differs
    column = {
        name: ordered[name][last].tolist()
        for name in ("patient", "channel", "t_ns", "value", "decimals", "status", "stored_ns")
    }
    for who, what, t_ns, value, decimals, said, stored_ns in zip(*column.values(), strict=True):
        yield sheaf.words[who], Latest(sheaf.words[what], t_ns, value, decimals, statuses[said], stored_ns, None)


def _not_passed(rows: Rows) -> Rows:
    """Without those that a newer one of the same series comes right after, which are nearly all where rows are in order
    of time."""
    keep = np.ones(len(rows), np.bool_)
    keep[:-1] = rows["t_ns"][1:] <= rows["t_ns"][:-1]
    for name in ("patient", "channel"):
        keep[:-1] |= rows[name][1:] != rows[name][:-1]
    return picked(rows, np.flatnonzero(keep))


def _last(sheaf: Sheaf) -> Of:
    """The newest of each channel in a sheaf of one patient."""
    return {one.channel: one for _, one in _ends(sheaf)}


def _trusted(sheaves: Iterable[Sheaf], name: str, first_ns: int, last_ns: int) -> float | None:
    """The newest value of a channel between two moments that the device trusts, in sheaves of one patient."""
    pairs: list[tuple[int, float]] = []
    for sheaf in sheaves:
        rows = sheaf.rows
        keep = (rows["t_ns"] >= first_ns) & (rows["t_ns"] <= last_ns) & (rows["good"] > 0)
        keep &= rows["channel"] == (sheaf.words.index(name) if name in sheaf.words else -1)
        pairs += zip(rows["t_ns"][keep].tolist(), rows["value"][keep].tolist(), strict=True)
    return max(pairs, default=(0, None))[1]


def _without(sheaf: Sheaf, gone: set[bytes]) -> Sheaf:
    if not gone:
        return sheaf
    return sheaf.take(np.flatnonzero(np.array([name not in gone for name in sheaf.identities()], np.bool_)))


def _only(sheaf: Sheaf, patient: str) -> Sheaf:
    number = sheaf.words.index(patient) if patient in sheaf.words else -1
    return sheaf.take(np.flatnonzero(sheaf.rows["patient"] == number))


def _pairs(touched: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, str]]:
    return ((patient, name) for patient, names in touched.items() for name in names)


def _decoded(data: bytes) -> Of:
    return {one.channel: one for one in _decoder.decode(data)}


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Latest])
_KEPT = Among(sa.select(newest.c.patient_id, newest.c.of), newest.c.patient_id)
_PUT = Put(newest)
