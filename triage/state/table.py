"""`State`: what is known of every patient, batches in, changed patients out.

A patient is a row, a name (a channel or an event) a number, and each (name, row) that ever had a sample a slot in the
rings, just large enough for the rules that look at it. A row says since when the state has been told everything of it
(`since_ns`); before that, it knows that it does not know.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from triage.contract import Bools, Track
from triage.grid import Need, Samples
from triage.state.batch import Batch, Plausible, batch, firsts, numbers
from triage.state.columns import Column, Columns, Log, Words
from triage.state.courses import BLANK, Courses, behind, readings
from triage.state.people import NOTHING, People, Rows
from triage.state.rings import MOST, Newest, Rings, Slots, Told, blank
from triage.state.scores import Scores

SIZES = (8, 32, 128, MOST)
"""Rings come in these sizes."""


class State:
    """`needs`: what is looked at (`triage.grid.needs`). Raises ValueError where that is more than rings can hold.

    `further_ns`: of these names everything is told from so much earlier than of the others. `scores`: keep NEWS2.
    """

    def __init__(
        self,
        needs: Mapping[str, Need],
        patients: int = 0,
        further_ns: Mapping[str, int] | None = None,
        scores: bool = False,
    ) -> None:
        self.names = tuple(needs)
        self.needs = dict(needs)
        self.size_of = {name: _size(name, need) for name, need in needs.items()}
        self.tracked = tuple(name for name, need in needs.items() if need.course)
        self._number = {name: number for number, name in enumerate(self.names)}
        self.sizes = np.array(list(self.size_of.values()), np.int64)
        self._course_number = numbers(self.names, self.tracked)
        self._tracked = np.array([self._number[name] for name in self.tracked], np.intp)
        self._plausible = Plausible(self.names)

        self.log = Log()
        self.rings = Rings(self.log)
        self.courses = Courses(self.rings, self.tracked)
        self.scores = Scores(self.log, self.rings, self.names, self.sizes, self._slots_of) if scores else None
        """NEWS2 of everybody, for whoever asked for it."""
        self.columns = Columns(
            self.log,
            slot=Column(np.int32, np.zeros(len(self.names))),
            since_ns=Column(np.int64, NOTHING),
            touched=Column(np.bool_, np.zeros(len(self.tracked))),
        )
        self.people = People(self.columns, further_ns or {})
        self._reserve(patients)

    @property
    def nbytes(self) -> int:
        """What the arrays take in memory, room for more patients with them."""
        scores = self.scores.points.columns.nbytes if self.scores else 0
        return self.rings.line.nbytes + self.columns.nbytes + scores

    def serves(self, name: str, need: Need) -> bool:
        """Whether the state was made for a rule that needs so much of a name."""
        known = self.needs.get(name)
        return known is not None and need.samples <= self.size_of[name] and known.course >= need.course

    # --- who there is

    def add(self, patients: Sequence[str], since_ns: int = NOTHING) -> Rows:
        """Give each a row, blank where they have none yet; returns the rows. All is told of them since then."""
        new = self.people.without(patients)
        self._reserve(self.people.lacks(len(new)))
        self.people.add(new, since_ns)
        return self.people.rows(patients)

    def remove(self, patients: Sequence[str]) -> None:
        """Forget them; their rows are given to others. Cannot be undone. Raises KeyError for one who has no row."""
        rows = self.people.rows(patients)
        self.clear(rows)
        if self.scores:
            self.scores.points.remove(rows)
        self.people.remove(patients)

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
        one = batch(samples, len(self.names), self._plausible)
        if len(one.name):
            slots, size, number = self._slots(one), self.sizes.take(one.name), self._course_number.take(one.name)
            told = Told(slots, size, np.zeros(len(slots), np.bool_), *one[2:])
            newer = self.rings.put(told.and_also(readings(told, number >= 0)))
            self._touch(one.row, number)
            if self.scores:
                self.scores.put(one.name, one.row, self._ends(told, newer[: len(slots)]), now_ns)
        return one.row.compress(firsts(one.row))

    def clear(self, rows: Rows) -> None:
        """Nothing is known of these patients any more: something was withdrawn, and they are to be told anew."""
        for number, size in enumerate(self.sizes.tolist()):
            slots = self._slots_of(number, rows)
            self.rings.clear(slots[slots > 0], self._blank(number, size))
        self.columns.put("since_ns", rows, NOTHING)
        self.columns.put("touched", rows, False)
        if self.scores:
            self.scores.points.forget(rows)

    def fill(self, rows: Rows, since_ns: int, samples: Samples, now_ns: int) -> None:
        """All there is of these patients since then, and nothing else."""
        self.clear(rows)
        self.columns.put("since_ns", rows, since_ns)
        self.take(samples, now_ns)

    # --- what is known

    def slots(self, name: str, rows: Rows) -> Slots:
        """Where the rings of a name are, 0 of whom there is none."""
        return self._slots_of(self._number[name], rows)

    def make_courses(self, names: Sequence[str], rows: Rows) -> None:
        """Make the courses of these names of those patients who were told of since."""
        if not self.tracked:
            return
        touched = self.columns["touched"].take(rows, axis=0)
        if len(names) < len(self.tracked):
            touched[:, [name not in names for name in self.tracked]] = False
        who, number = np.divmod(np.flatnonzero(touched), len(self.tracked))
        if len(who):
            row, name = rows.take(who), self._tracked.take(number)
            slots = self.columns.take("slot", name, row).astype(np.int64)
            (there,) = slots.nonzero()  # not where the series came with a batch that was undone
            self.courses.make(behind(slots, self.sizes.take(name)).take(there), number.take(there))
            self._mark(number, row, False)

    def track(self, name: str, rows: Rows) -> Track:
        """The courses of one of the tracked, as of their newest readings."""
        self.make_courses([name], rows)
        return self.courses.told(behind(self.slots(name, rows), self.size_of[name]))

    # --- inside

    def _reserve(self, patients: int) -> None:
        self.columns.reserve(patients)
        if self.scores:
            self.scores.points.columns.reserve(patients)

    def _slots_of(self, number: int, rows: Rows) -> Slots:
        return self.columns.take("slot", number, rows).astype(np.int64)

    def _blank(self, number: int, size: int) -> Words:
        """The words of a series in which there is nothing."""
        return np.concatenate((blank(size), BLANK)) if self._course_number[number] >= 0 else blank(size)

    def _slots(self, one: Batch) -> Slots:
        """The slots of the series; those that had none get one."""
        slots: Slots = self.columns.take("slot", one.name, one.row).astype(np.int64)
        (new,) = (slots == 0).nonzero()
        for number in np.unique(one.name[new]).tolist():
            mine = new[one.name[new] == number]
            slots[mine] = self.rings.new(self._blank(number, int(self.sizes[number])), len(mine))
        if len(new):
            self.columns.put_at("slot", one.name[new], one.row[new], slots[new])
        return slots

    def _touch(self, row: Rows, number: Rows) -> None:
        """The courses of these series, -1 for one that is not tracked, are to be made."""
        (tracked,) = (number >= 0).nonzero()
        self._mark(number.take(tracked), row.take(tracked), True)

    def _mark(self, number: Rows, row: Rows, touched: bool) -> None:
        """Whatever is undone: a course is made again that was, or would have been."""
        self.columns.put_for_good("touched", number, row, touched)
        self.log.remember(lambda: self.columns.put_for_good("touched", number, row, True))

    def _ends(self, told: Told, newer: Bools) -> Newest:
        """What the rings end in now. `newer`: those where what was told is."""
        last = np.cumsum(told.counts) - 1
        t_ns, value, good = told.t_ns.take(last), told.value.take(last), told.good.take(last)
        if not newer.all():
            late = np.flatnonzero(~newer)
            its = self.rings.newest(told.slots[late], told.size[late])
            t_ns[late], value[late], good[late] = its.t_ns, its.value, its.good
        return Newest(told.slots, told.size, t_ns, value, good)


def _size(name: str, need: Need) -> int:
    for size in SIZES:
        if need.samples <= size:
            return size
    raise ValueError(f"{name!r}: a rule looks at {need.samples} samples, and a ring holds {MOST}: ask for fewer")
