"""The filed readings as they stand, for whoever takes them out of here: in order, and never all at once.

This is the one place that says where they lie. What is held or withdrawn is not among them.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
import numpy as np
import sqlalchemy as sa

from server.readings import chunks, journal
from server.readings.sheaf import NOTHING_NS, Sheaf, join, picked

AT_ONCE = 20_000
"""Rows in the memory at one time."""


class Wanted(msgspec.Struct, frozen=True):
    """Which ones: from (inclusive) to (exclusive); of these people and channels, or of all for none named."""

    from_ns: int
    to_ns: int
    patients: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()


class Filed(msgspec.Struct, frozen=True):
    """So many readings, in columns of equal length. `status`: words, parted by a space."""

    patient_id: Sequence[str]
    channel: Sequence[str]
    t_ns: Sequence[int]
    value: Sequence[float]
    decimals: Sequence[int]
    status: Sequence[str]
    device: Sequence[str]
    device_t_ns: Sequence[int | None]
    received_ns: Sequence[int]
    stored_ns: Sequence[int]


def filed(tx: sa.Connection, wanted: Wanted) -> Iterator[Filed]:
    """Them, by patient, time and channel. One patient's are in memory at a time, with the journal's tail."""
    rows = list(journal.filed(tx, chunks.position(tx)))
    gone = {one.identity: row.seq for row in rows for one in row.withdrawn}
    tail = join([_still(one.sheaf, gone, one.seq) for one in rows])
    chosen = frozenset(wanted.patients)
    of_tail = {tail.words[number] for number in np.unique(tail.rows["patient"]).tolist()}
    for patient in sorted(of_tail.union(chunks.patients(tx))):
        if chosen and patient not in chosen:
            continue
        folded = (_still(one, gone, 0) for one in chunks.whole(tx, patient, wanted.from_ns, wanted.to_ns - 1))
        found = _in_order(join([*folded, *_of(tail, patient)]), wanted)
        for start in range(0, len(found), AT_ONCE):
            yield _columns(found.cut(start, start + AT_ONCE))


def _still(sheaf: Sheaf, gone: Mapping[bytes, int], seq: int) -> Sheaf:
    """Those that no row of the journal after `seq` withdraws."""
    if not gone or not len(sheaf):
        return sheaf
    return sheaf.take(np.flatnonzero([gone.get(name, -1) <= seq for name in sheaf.identities()]))


def _of(tail: Sheaf, patient: str) -> list[Sheaf]:
    if patient not in tail.words:
        return []
    return [tail.take(np.flatnonzero(tail.rows["patient"] == tail.words.index(patient)))]


def _in_order(sheaf: Sheaf, wanted: Wanted) -> Sheaf:
    """What of it is wanted, by time, channel and identity."""
    rows = sheaf.rows
    keep = (rows["t_ns"] >= wanted.from_ns) & (rows["t_ns"] < wanted.to_ns)
    rank = np.zeros(len(sheaf.words), np.int64)
    rank[np.argsort(sheaf.words)] = np.arange(len(sheaf.words))
    if wanted.channels:
        keep &= np.isin(rows["channel"], [n for n, word in enumerate(sheaf.words) if word in wanted.channels])
    index = np.flatnonzero(keep)
    rows = picked(rows, index)
    return sheaf.take(index[np.lexsort((rows["lo"], rows["hi"], rank[rows["channel"]], rows["t_ns"]))])


def _columns(sheaf: Sheaf) -> Filed:
    rows, words = sheaf.rows, sheaf.words
    said = rows["device_t_ns"].tolist()
    return Filed(
        patient_id=[words[number] for number in rows["patient"].tolist()],
        channel=[words[number] for number in rows["channel"].tolist()],
        t_ns=rows["t_ns"].tolist(),
        value=rows["value"].tolist(),
        decimals=rows["decimals"].tolist(),
        status=[sheaf.statuses[number] for number in rows["status"].tolist()],
        device=[words[number] for number in rows["device"].tolist()],
        device_t_ns=[None if t_ns == NOTHING_NS else t_ns for t_ns in said],
        received_ns=rows["received_ns"].tolist(),
        stored_ns=rows["stored_ns"].tolist(),
    )
