"""`State`: what is known of every patient, batches in, changed patients out.

A patient is a row, a name (a channel or an event) a number, and each (name, row) that ever had a sample a slot in a
ring just large enough for the rules that look at it. A row says since when the state has been told everything of it
(`since_ns`); before that, it knows that it does not know.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Bools, Floats, Times, Track
from triage.grid import Need, Samples
from triage.scores.news2 import PARAMETERS
from triage.state.columns import Column, Columns, Log
from triage.state.points import Points, Totals
from triage.state.rings import COURSE, MOST, Newest, Rings
from vitals.channels import CHANNELS

Rows = NDArray[np.intp]

SIZES = (8, 32, 128, MOST)
"""Rings come in these sizes."""

ALWAYS = int(NEVER)
"""`since_ns` of a patient of whom everything is told; NOTHING of one who has yet to be filled."""
NOTHING = int(np.iinfo(np.int64).max)

_NEWS2_SAMPLES = 4
"""So many of a parameter the rule looks at for the newest good one."""


class State:
    """`needs`: what is looked at (`triage.grid.needs`). Raises ValueError where that is more than rings can hold.

    `further_ns`: of these names everything is told from so much earlier than of the others.
    """

    def __init__(
        self, needs: Mapping[str, Need], patients: int = 0, further_ns: Mapping[str, int] | None = None
    ) -> None:
        self._further_ns = dict(further_ns or {})
        self.names = tuple(needs)
        self.needs = dict(needs)
        self.tracked = tuple(name for name, need in needs.items() if need.course)
        self.log = Log()
        sizes = {name: _size(name, need) for name, need in needs.items()}
        self.pools = {size: Rings(self.log, size) for size in sorted(set(sizes.values()))}
        self.pool_of = {name: self.pools[size] for name, size in sizes.items()}
        self._size = np.array([sizes[name] for name in self.names], np.int64)
        self.courses = Rings(self.log, course.SAMPLES, thin=True)
        self.course_columns = Columns(self.log, numbers=Column(np.float64, _NO_COURSE))
        self.points = Points(self.log)
        self.columns = Columns(
            self.log,
            slot=Column(np.int32, 0, (len(self.names),)),
            since_ns=Column(np.int64, NOTHING),
        )
        self._rows: dict[str, int] = {}
        self._free: list[int] = []
        self._usual = course.Usuals.of(self.tracked)
        self._course_number = _numbers(self.names, self.tracked)
        self._parameter = _numbers(self.names, PARAMETERS)
        self._low, self._high = _plausible(self.names)
        self._reserve(patients)

    # --- who there is

    @property
    def patients(self) -> int:
        """How many rows there are, those of removed patients with them."""
        return len(self._rows) + len(self._free)

    @property
    def nbytes(self) -> int:
        """What the arrays take in memory, room to grow with them."""
        rings = sum(pool.nbytes for pool in (*self.pools.values(), self.courses))
        return rings + self.course_columns.nbytes + self.points.columns.nbytes + self.columns.nbytes

    def __contains__(self, patient: str) -> bool:
        return patient in self._rows

    def rows(self, patients: Iterable[str]) -> Rows:
        """Their rows. Raises KeyError for one who has none."""
        return np.array([self._rows[patient] for patient in patients], np.intp)

    def row(self, patient: str) -> int | None:
        """The row of one of whom all is told since some moment; None for anybody else."""
        row = self._rows.get(patient)
        return None if row is None or self.columns["since_ns"][row] == NOTHING else row

    def told(self, rows: Rows) -> Bools:
        """Of whom all is told since some moment."""
        told: Bools = self.columns["since_ns"][rows] != NOTHING
        return told

    def since_ns(self, name: str, rows: Rows) -> Times:
        """Since when all is told of a name of these: ALWAYS, or NOTHING where it is not."""
        since_ns: Times = self.columns["since_ns"][rows]
        further_ns = self._further_ns.get(name, 0)
        return np.where((since_ns == ALWAYS) | (since_ns == NOTHING), since_ns, since_ns - further_ns)

    def serves(self, name: str, need: Need) -> bool:
        """Whether the state was made for a rule that needs so much of a name."""
        known = self.needs.get(name)
        return known is not None and need.samples <= self.pool_of[name].size and known.course >= need.course

    def add(self, patients: Sequence[str], since_ns: int = NOTHING) -> Rows:
        """Give each a row, blank where they have none yet; returns the rows. All is told of them since then."""
        new = [patient for patient in dict.fromkeys(patients) if patient not in self._rows]
        self._reserve(self.patients + len(new) - min(len(new), len(self._free)))
        for patient in new:
            self._rows[patient] = row = self._free.pop() if self._free else self.patients
            self.columns["since_ns"][row] = since_ns
        return self.rows(patients)

    def remove(self, patients: Sequence[str]) -> None:
        """Forget them; their rows are given to others. Cannot be undone. Raises KeyError for one who has no row."""
        self.clear(self.rows(patients))
        self._free += [self._rows.pop(patient) for patient in patients]

    def prescribe(self, rows: Rows, scale: NDArray[np.int8], fresh_s: Floats, now_ns: int) -> None:
        """For NEWS2: the SpO2 scale [P], and how old each of `news2.PARAMETERS` may be [7, P], in seconds."""
        self.points.prescribe(rows, scale, fresh_s, now_ns)

    # --- what has come

    def begin(self) -> None:
        """What comes now can be undone."""
        self.log.begin()

    def settle(self) -> None:
        """What came since `begin` stays."""
        self.log.settle()

    def undo(self) -> None:
        """What came since `begin` never came."""
        self.log.undo()

    def take(self, samples: Samples, now_ns: int) -> Rows:
        """A batch in any order, of rows that there are (`patient` is the row); returns whose state it touched.

        A value that is no number is none. Dropping what came twice is the caller's concern, as with `triage.grid`.
        """
        usable = np.isfinite(samples.value)
        if not usable.all():
            samples = Samples(*(column[usable] for column in vars(samples).values()))
        good = samples.good & (samples.value >= self._low[samples.name]) & (samples.value <= self._high[samples.name])
        key = samples.name * np.int64(self.patients + 1) + samples.patient
        order = np.lexsort((good, samples.value, samples.t_ns, key))
        name, row = samples.name[order], samples.patient[order]
        t_ns, value, good = samples.t_ns[order], samples.value[order], good[order]
        sizes = self._size[name]
        scored, tracked = [], []
        for size, pool in self.pools.items():
            mine = np.flatnonzero(sizes == size)
            if len(mine):
                one = _Ordered(name[mine], row[mine], t_ns[mine], value[mine], good[mine])
                slots = self._slots(pool, one.name, one.row)
                newest = pool.put(slots, one.t_ns, one.value, one.good)
                scored.append(self._scored_of(pool, one, slots, newest, now_ns))
                tracked.append(self._tracked_of(pool, one, slots))
        if scored:
            self.points.set(now_ns, *(np.concatenate(column) for column in zip(*scored, strict=True)))
            self._track(*(np.concatenate(column) for column in zip(*tracked, strict=True)))
        return _once(row)

    def clear(self, rows: Rows) -> None:
        """Nothing is known of these patients any more: something was withdrawn, and they are to be told anew."""
        for number, name in enumerate(self.names):
            slots = self.columns["slot"][number, rows]
            courses = self.pool_of[name].known(slots, COURSE)
            self.pool_of[name].clear(slots)
            self.courses.clear(courses)
            self.course_columns.put("numbers", courses[courses > 0], _NO_COURSE)
        self.columns.put("since_ns", rows, NOTHING)
        self.points.forget(rows)

    def fill(self, rows: Rows, since_ns: int, samples: Samples, now_ns: int) -> None:
        """All there is of these patients since then, and nothing else."""
        self.clear(rows)
        self.columns.put("since_ns", rows, since_ns)
        self.take(samples, now_ns)

    # --- what is known

    def expire(self, now_ns: int) -> Rows:
        """Let time pass for NEWS2; returns whose points changed."""
        ahead = np.flatnonzero(self.points.columns["ahead"][: self.patients])
        self.points.columns.put("ahead", ahead, False)
        for number, name in enumerate(self.names):
            if self._parameter[number] >= 0 and len(ahead):
                newest = self.pool_of[name].newest(self.columns["slot"][number, ahead].astype(np.int64))
                parameter = np.full(len(ahead), self._parameter[number])
                self.points.set(now_ns, *self._scored(self.pool_of[name], newest, parameter, ahead, now_ns))
        return np.union1d(ahead, self.points.expire(now_ns))

    def totals(self) -> Totals:
        """NEWS2 of every row, as of when it was last written or expired."""
        return self.points.totals(self.patients)

    def track(self, name: str, rows: Rows) -> Track:
        """The courses of one of the tracked, as of their newest readings."""
        slots = self.pool_of[name].known(self.columns["slot"][self.names.index(name), rows], COURSE)
        newest = self.courses.newest(slots)
        count, *others = self.course_columns["numbers"][slots].T.copy()
        return Track(count, newest.t_ns.copy(), newest.value, *others)

    # --- inside

    def _reserve(self, patients: int) -> None:
        self.columns.reserve(patients)
        self.points.columns.reserve(patients)

    def _slots(self, pool: Rings, name: Rows, row: Rows) -> NDArray[np.int64]:
        """The slots of series, in which each series' samples stand together; those that had none get one."""
        slots = self.columns["slot"][name, row].astype(np.int64)
        new = np.flatnonzero(slots == 0)
        if len(new):
            first = np.append(True, (np.diff(name[new]) != 0) | (np.diff(row[new]) != 0))
            given = pool.slots(int(first.sum()))
            self.columns.put("slot", (name[new[first]], row[new[first]]), given)
            slots[new] = given[np.cumsum(first) - 1]
        return slots

    def _tracked_of(self, pool: Rings, one: "_Ordered", slots: NDArray[np.int64]) -> "_Tracked":
        """Of these samples those that courses are made of, with the slots of the courses."""
        which = np.flatnonzero(one.good & (self._course_number[one.name] >= 0))
        slots = slots[which]
        mine = pool.known(slots, COURSE)
        new = np.flatnonzero(mine == 0)
        if len(new):
            first = _first(slots[new])
            given = self.courses.slots(int(first.sum()))
            pool.tell(slots[new[first]], COURSE, given)
            mine[new] = given[np.cumsum(first) - 1]
            self.course_columns.reserve(self.courses.length)
        return _Tracked(mine, self._course_number[one.name[which]], one.t_ns[which], one.value[which])

    def _track(self, slots: NDArray[np.int64], number: Rows, t_ns: Times, value: Floats) -> None:
        touched = self.courses.put(slots, t_ns, value, np.ones(len(slots), np.bool_)).slots
        if len(touched) < len(slots):
            number = number[_first(slots)]
        t_ns, value, _ = self.courses.samples(touched, course.SAMPLES)
        far = (t_ns < t_ns[-1] - course.REACH_NS) & (t_ns != NEVER)
        if far.any():
            t_ns[far], value[far] = NEVER, np.nan
        seen = course.track(t_ns.T, value.T, self._usual.take(number))
        numbers = np.stack((seen.count, seen.mean, seen.sd, seen.rise, seen.fall, seen.slope), axis=1)
        self.course_columns.put("numbers", touched, numbers)

    def _scored_of(
        self, pool: Rings, one: "_Ordered", slots: NDArray[np.int64], newest: Newest, now_ns: int
    ) -> "_Scored":
        """What NEWS2 counts of these series, where it looks at them."""
        first = slice(None) if len(newest.slots) == len(slots) else np.flatnonzero(_first(slots))
        parameter, row = self._parameter[one.name[first]], one.row[first]
        which = np.flatnonzero(parameter >= 0)
        return self._scored(pool, newest.of(which), parameter[which], row[which], now_ns)

    def _scored(self, pool: Rings, newest: Newest, parameter: Rows, row: Rows, now_ns: int) -> "_Scored":
        """The newest good one of the newest 4 up to now."""
        t_ns, value = newest.t_ns, newest.value
        other = np.flatnonzero(~newest.good | (t_ns > now_ns))  # mostly the newest is the answer
        if len(other):
            ahead = row[t_ns > now_ns]
            if len(ahead):
                self.points.columns.put("ahead", ahead, True)
            t_ns, value = t_ns.copy(), value.copy()
            t_ns[other], value[other] = _newest_good(pool, newest.slots[other], now_ns)
        return _Scored(parameter, row, t_ns, value)


class _Ordered(NamedTuple):
    """Samples [N] in order of name, patient, time, value and trust."""

    name: Rows
    row: Rows
    t_ns: Times
    value: Floats
    good: Bools


class _Scored(NamedTuple):
    """What counts of NEWS2 parameters now."""

    parameter: Rows
    row: Rows
    t_ns: Times
    value: Floats


class _Tracked(NamedTuple):
    """Samples of courses; `number`: of the channel among the tracked."""

    slots: NDArray[np.int64]
    number: Rows
    t_ns: Times
    value: Floats


def _newest_good(pool: Rings, slots: NDArray[np.int64], now_ns: int) -> tuple[Times, Floats]:
    """The newest good sample [N] of the newest 4 up to now, in rings where later ones may stand before it."""
    t_ns, value, trusted = pool.samples(slots, pool.size)
    come = (t_ns <= now_ns) & (t_ns != NEVER)
    place = np.cumsum(come[::-1], axis=0)[::-1]  # 1 is the newest that has come
    good = trusted & come & (place <= _NEWS2_SAMPLES)
    where = pool.size - 1 - good[::-1].argmax(axis=0), np.arange(len(slots))
    some = good.any(axis=0)
    return np.where(some, t_ns[where], NEVER), np.where(some, value[where], np.nan)


_NO_COURSE = np.array([0.0, *[np.nan] * 5])


def _size(name: str, need: Need) -> int:
    for size in SIZES:
        if need.samples <= size:
            return size
    raise ValueError(f"{name!r}: a rule looks at {need.samples} samples, and a ring holds {MOST}: ask for fewer")


def _numbers(names: Sequence[str], among: Sequence[str]) -> Rows:
    return np.array([among.index(name) if name in among else -1 for name in names], np.intp)


def _plausible(names: Iterable[str]) -> tuple[Floats, Floats]:
    known = [CHANNELS.get(name) for name in names]
    return (
        np.array([-np.inf if one is None else one.low for one in known]),
        np.array([np.inf if one is None else one.high for one in known]),
    )


def _first(numbers: NDArray[np.int64]) -> Bools:
    """Where a number stands that the one before is not."""
    first = np.empty(len(numbers), np.bool_)
    first[:1] = True
    np.not_equal(numbers[1:], numbers[:-1], out=first[1:])
    return first


def _once(rows: Rows) -> Rows:
    """Each once, in order."""
    rows = np.sort(rows)
    return rows[_first(rows)]
