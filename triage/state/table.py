"""`State`: what is known of every patient, batches in, changed patients out.

A patient is a row, a name (a channel or an event) a number, and each (name, row) that ever had a sample a slot in a
ring just large enough for the rules that look at it. A row says since when the state has been told everything of it
(`since_ns`); before that, it knows that it does not know.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from triage import course
from triage.contract import NEVER, Floats, Times, Track
from triage.grid import Need, Samples
from triage.rules.news2 import PARAMETERS
from triage.state.columns import Column, Columns, Log
from triage.state.points import Points, Totals
from triage.state.rings import MOST, Put, Rings
from vitals.channels import CHANNELS

Rows = NDArray[np.intp]

SIZES = (8, 32, MOST)
"""Rings come in these sizes."""

ALWAYS = int(NEVER)
"""`since_ns` of a patient of whom everything is told; NOTHING of one who has yet to be filled."""
NOTHING = int(np.iinfo(np.int64).max)

_NEWS2_SAMPLES = 4
"""So many of a parameter the rule looks at for the newest good one."""


class State:
    """`needs`: what is looked at (`triage.grid.needs`). Raises ValueError where that is more than rings can hold."""

    def __init__(self, needs: Mapping[str, Need], patients: int = 0) -> None:
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
            course=Column(np.int32, 0, (len(self.tracked),)),
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
        rings = sum(pool.columns.nbytes for pool in (*self.pools.values(), self.courses))
        return rings + self.course_columns.nbytes + self.points.columns.nbytes + self.columns.nbytes

    def __contains__(self, patient: str) -> bool:
        return patient in self._rows

    def rows(self, patients: Iterable[str]) -> Rows:
        """Their rows. Raises KeyError for one who has none."""
        return np.array([self._rows[patient] for patient in patients], np.intp)

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
        for size, pool in self.pools.items():
            mine = np.flatnonzero(sizes == size)
            if len(mine):
                whose = name[mine], row[mine]
                slots = self._slots(self.columns, "slot", pool, *whose)
                self._scored(
                    pool, *_first_of(slots, *whose), pool.put(slots, t_ns[mine], value[mine], good[mine]), now_ns
                )
        tracked = np.flatnonzero(good & (self._course_number[name] >= 0))
        if len(tracked):
            self._tracked(self._course_number[name[tracked]], row[tracked], t_ns[tracked], value[tracked])
        return np.unique(row)

    def clear(self, rows: Rows) -> None:
        """Nothing is known of these patients any more: something was withdrawn, and they are to be told anew."""
        for number, name in enumerate(self.names):
            self.pool_of[name].clear(self.columns["slot"][number, rows])
        for number in range(len(self.tracked)):
            slots = self.columns["course"][number, rows]
            self.courses.clear(slots)
            self.course_columns.put("numbers", slots[slots > 0], _NO_COURSE)
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
                slots = self.columns["slot"][number, ahead]
                parameter = np.full(len(ahead), self._parameter[number])
                self._newest_good(self.pool_of[name], slots, parameter, ahead, now_ns)
        return np.union1d(ahead, self.points.expire(now_ns))

    def totals(self) -> Totals:
        """NEWS2 of every row, as of when it was last written or expired."""
        return self.points.totals(self.patients)

    def track(self, number: int, rows: Rows) -> Track:
        """The courses of one of `tracked`, as of their newest readings."""
        slots = self.columns["course"][number, rows]
        samples = self.courses.columns["samples"]
        size = self.courses.size
        count, *others = self.course_columns["numbers"][slots].T.copy()
        value = samples[slots, 2 * size - 1].view(np.float64)
        return Track(count, samples[slots, size - 1], value, *others)

    # --- inside

    def _reserve(self, patients: int) -> None:
        self.columns.reserve(patients)
        self.points.columns.reserve(patients)

    def _slots(self, columns: Columns, which: str, pool: Rings, number: Rows, row: Rows) -> NDArray[np.int64]:
        """The slots of series, in which each series' samples stand together; those that had none get one."""
        slots = columns[which][number, row].astype(np.int64)
        new = np.flatnonzero(slots == 0)
        if len(new):
            first = np.append(True, (np.diff(number[new]) != 0) | (np.diff(row[new]) != 0))
            given = pool.slots(int(first.sum()))
            columns.put(which, (number[new[first]], row[new[first]]), given)
            slots[new] = given[np.cumsum(first) - 1]
        return slots

    def _tracked(self, number: Rows, row: Rows, t_ns: Times, value: Floats) -> None:
        slots = self._slots(self.columns, "course", self.courses, number, row)
        self.course_columns.reserve(self.courses.columns.length)
        put = self.courses.put(slots, t_ns, value, np.ones(len(slots), np.bool_))
        which, _ = _first_of(slots, number, row)
        seen = course.track(put.t_ns, put.value, self._usual.take(which))
        numbers = np.stack((seen.count, seen.mean, seen.sd, seen.rise, seen.fall, seen.slope), axis=1)
        self.course_columns.put("numbers", put.slots, numbers)

    def _scored(self, pool: Rings, name: Rows, row: Rows, put: Put, now_ns: int) -> None:
        parameter = self._parameter[name]
        scored = np.flatnonzero(parameter >= 0)
        if len(scored):
            self._newest_good(pool, put.slots[scored], parameter[scored], row[scored], now_ns)

    def _newest_good(self, pool: Rings, slots: NDArray[np.int64], parameter: Rows, row: Rows, now_ns: int) -> None:
        """Score these series by what NEWS2 would look at: the newest good one of the newest 4 up to now."""
        size, seen = pool.size, _NEWS2_SAMPLES
        ahead = row[pool.columns["samples"][slots, size - 1] > now_ns]
        if len(ahead):  # Behind what is yet to come stands what counts.
            seen = size
            self.points.columns.put("ahead", ahead, True)
        t_ns = pool.columns["samples"][slots, size - seen : size]
        come = t_ns <= now_ns
        good = pool.trusted(pool.columns["good"][slots], seen) & come & (t_ns != NEVER)
        good &= np.cumsum(come[:, ::-1], axis=1)[:, ::-1] <= _NEWS2_SAMPLES
        place = seen - 1 - good[:, ::-1].argmax(axis=1)
        some = good.any(axis=1)
        series = np.arange(len(slots))
        value = pool.columns["samples"][slots, 2 * size - seen + place].view(np.float64)
        self.points.set(
            parameter, row, np.where(some, t_ns[series, place], NEVER), np.where(some, value, np.nan), now_ns
        )


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


def _first_of(slots: NDArray[np.int64], number: Rows, row: Rows) -> tuple[Rows, Rows]:
    """Number and row of each slot, once."""
    first = np.append(True, slots[1:] != slots[:-1])
    return number[first], row[first]
