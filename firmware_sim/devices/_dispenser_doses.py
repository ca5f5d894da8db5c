"""A dispenser and its doses: what falls due, comes out, is taken or is left.

Doses fall due by the device's own calendar, so a drifting clock dispenses at the wrong time, as it would. A dose goes
DUE → PRESENTED → RETRIEVED, or MISSED when its window closes; or PRESENTED → EARLY, before its time. A dose whose time
a correction of the clock jumped over is due at once; one that was handled is not handled again when the clock is put
back.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from firmware_sim.body import DAY_NS, HOUR_NS
from firmware_sim.device import Happening
from firmware_sim.devices._dispenser_core import MAGAZINE, Act, Core
from firmware_sim.devices._dispenser_wire import ScheduledDose
from firmware_sim.devices._log import Type
from firmware_sim.noise import share
from vitals.clock import NS

PRESENTING_NS = 5 * NS
NO_DOSE_LEFT, STUCK, IS_LOCKED = 1, 2, 3
"""This maker's codes of DISPENSE_FAIL."""

_DELAY_ASKED_AFTER_NS = 60 * NS
_CONFIRMED_AFTER_NS = 15 * NS
_CLOCK_STEP_S = 2
_LOW_AT = 5
_REFILLED_AFTER_NS = 6 * HOUR_NS


class Open(msgspec.Struct):
    """A dose between DUE and its end, or one that was ordered and is at the opening.

    `due_ns` is the schedule's time in the device's calendar; `fell_due_ns` when it truly fell due, which a correction
    of the clock can set apart: the mechanism and the person go by the latter, the window by the former.
    """

    dose: ScheduledDose
    due_ns: int
    fell_due_ns: int = 0
    presented: bool = False
    delayed_min: int = 0
    ordered: bool = False

    @property
    def window_min(self) -> int:
        return self.dose.window_min + self.delayed_min

    @property
    def closes_ns(self) -> int:
        """The end of the window, in the device's calendar."""
        return self.due_ns + self.window_min * 60 * NS


class Doses(Core):
    """The schedule and the magazine."""

    def __init__(self, t_ns: int, **common: Any) -> None:
        super().__init__(t_ns, **common)
        self.open: list[Open] = []
        self._handled: set[tuple[int, int]] = set()
        self._checked_ns = self.calendar_ns
        self._refill_ns: int | None = None
        self._jam_waits = self._jammed = False
        self._fate += [(jam_ns, self._jam_next) for jam_ns in self._trouble.jam_ns if jam_ns >= t_ns]

    def _start(self, cause: int) -> None:
        self.open.clear()
        self._checked_ns = self.calendar_ns
        super()._start(cause)

    def plan(self, doses: tuple[ScheduledDose, ...]) -> None:
        """Another schedule; it holds from now on."""
        self.memory.schedule = doses
        self._checked_ns = max(self._checked_ns, self.calendar_ns)

    def set_clock(self, new_ns: int) -> None:
        """The calendar shows `new_ns` from now on."""
        old, was_set = self.utc, self._clock.is_set
        self._clock.set(self._now_ns, new_ns)
        # A day is as far as a correction reaches back for doses it jumped over; a first setting reaches nowhere.
        self._checked_ns = max(self._checked_ns, new_ns - DAY_NS) if was_set else new_ns
        self._checked_ns = min(self._checked_ns, new_ns)
        if abs(self.utc - old) >= _CLOCK_STEP_S:
            self._write(Type.CLOCK_SET, value=self.utc - old)

    # When

    def _agenda(self) -> Iterator[tuple[int, Act]]:
        yield from super()._agenda()
        if self._refill_ns is not None:
            yield self._refill_ns, self._refill
        if not self._clock.is_set:
            return
        for opened in self.open:
            yield self._next_ns(opened), partial(self._advance, opened)
        due = min(self._upcoming(), key=self._begins_ns, default=None)
        if due is not None:
            begins_ns = self._begins_ns(due)
            act = self._fall_due if begins_ns == due.due_ns else self._take_early
            yield self._clock.true_ns(begins_ns), partial(act, due)

    def _upcoming(self) -> Iterator[Open]:
        """The doses still to fall due, from a day back (a clock may be put back) to a week ahead (a weekly dose)."""
        today = self._checked_ns // DAY_NS
        for day in range(today - 1, today + 9):
            weekday = datetime.fromtimestamp(day * DAY_NS // NS, UTC).weekday()
            for dose in self.memory.schedule:
                due_ns = day * DAY_NS + dose.minute_of_day * 60 * NS
                new = due_ns > self._checked_ns and (dose.dose_id, due_ns) not in self._handled
                if new and dose.weekdays >> weekday & 1:
                    yield Open(dose, due_ns)

    def _begins_ns(self, due: Open) -> int:
        """When a dose of the schedule begins, in the device's calendar: when it is due, or taken out early."""
        early_ns = due.due_ns - self._habit.early_min * 60 * NS
        early = self._habit.early_min > 0 and early_ns > self._checked_ns
        return early_ns if early and self._chosen("early", due, self._habit.early_share) else due.due_ns

    def _next_ns(self, opened: Open) -> int:
        """When an open dose goes on, in true time."""
        if not opened.presented:
            return opened.fell_due_ns + PRESENTING_NS
        closes_ns, taken_ns = self._clock.true_ns(opened.closes_ns), self._taken_ns(opened)
        if self._is_put_off(opened):
            return min(closes_ns, opened.fell_due_ns + PRESENTING_NS + _DELAY_ASKED_AFTER_NS)
        return closes_ns if taken_ns is None else min(closes_ns, taken_ns)

    def _taken_ns(self, opened: Open) -> int | None:
        """When the person takes the dose out if the window allows, in true time; None for never."""
        until_ns = self._habit.until_ns
        if until_ns is not None and opened.fell_due_ns >= until_ns:
            return None
        part = 0.1 + 0.9 * share(self._seed, "takes", opened.due_ns, opened.dose.dose_id)
        waits_ns = opened.delayed_min * 60 * NS + round(part * self._habit.within_s * NS)
        return opened.fell_due_ns + PRESENTING_NS + waits_ns

    def _is_put_off(self, opened: Open) -> bool:
        """Whether the person is about to ask for a delay."""
        may = self._habit.delay_min > 0 and not opened.delayed_min and not opened.ordered
        willing = may and self._taken_ns(opened) is not None
        return willing and self._chosen("delay", opened, self._habit.delay_share)

    def _chosen(self, what: str, opened: Open, part: float) -> bool:
        return part > 0 and share(self._seed, what, opened.due_ns, opened.dose.dose_id) < part

    # A dose's life

    def _fall_due(self, opened: Open) -> list[Happening]:
        self._begin(opened, opened.due_ns)
        self._write(Type.DUE, opened.dose)
        if self.memory.inside == 0:
            return self._failed(opened, NO_DOSE_LEFT)
        self.open.append(opened)
        return [self._saw_dose("dose due", opened)]

    def _take_early(self, opened: Open) -> list[Happening]:
        if self.calendar_ns >= opened.due_ns or self.memory.inside == 0 or self._obstacle():
            return self._fall_due(opened)
        self._begin(opened, opened.due_ns - self._habit.early_min * 60 * NS)
        self._write(Type.PRESENTED, opened.dose)
        self._write(Type.EARLY, opened.dose, value=(opened.due_ns - self.calendar_ns) // (60 * NS))
        self._count_down()
        return [self._saw_dose("dose taken early", opened)]

    def _begin(self, opened: Open, begins_ns: int) -> None:
        self._checked_ns = max(self._checked_ns, begins_ns - 1)
        self._handled.add((opened.dose.dose_id, opened.due_ns))
        opened.fell_due_ns = self._now_ns

    def _advance(self, opened: Open) -> list[Happening]:
        if not opened.presented:
            return self._present(opened)
        taken_ns, closes_ns = self._taken_ns(opened), self._clock.true_ns(opened.closes_ns)
        if self._is_put_off(opened) and self._now_ns < closes_ns:
            opened.delayed_min = self._habit.delay_min
            self._write(Type.DELAYED, opened.dose, value=opened.delayed_min)
            return [self._saw_dose("dose delayed", opened)]
        self.open.remove(opened)
        if taken_ns is not None and taken_ns <= closes_ns:
            return self._retrieved(opened, taken_ns)
        self._write(Type.MISSED, opened.dose, value=opened.window_min)
        return [self._saw_dose("missed dose", opened)]

    def _present(self, opened: Open) -> list[Happening]:
        opened.presented = True
        obstacle = self._obstacle()
        if obstacle:
            self.open.remove(opened)
            return self._failed(opened, obstacle)
        self._write(Type.PRESENTED, opened.dose)
        self._count_down()
        return []

    def _retrieved(self, opened: Open, taken_ns: int) -> list[Happening]:
        self._write(Type.RETRIEVED, opened.dose, value=(taken_ns - opened.fell_due_ns) // NS)
        if self._habit.confirms:
            self._timers.append((self._now_ns + _CONFIRMED_AFTER_NS, partial(self._confirm, opened)))
        return [self._saw_dose("dose retrieved", opened)]

    def _confirm(self, opened: Open) -> list[Happening]:
        self._write(Type.USER_CONFIRMED, opened.dose, value=(self._now_ns - opened.fell_due_ns) // NS)
        return [self._saw_dose("dose confirmed", opened)]

    def _failed(self, opened: Open, code: int) -> list[Happening]:
        self._write(Type.DISPENSE_FAIL, opened.dose, value=code)
        return [self._saw_dose("dose failed", opened)]

    def _saw_dose(self, what: str, opened: Open) -> Happening:
        return self._saw(what, dose_id=opened.dose.dose_id, compartment=opened.dose.compartment)

    # The mechanism

    def _obstacle(self) -> int:
        """Why no dose can come out now, as a code of DISPENSE_FAIL; 0: it can. A jam that waits happens here."""
        if self.memory.locked:
            return IS_LOCKED
        if self._jam_waits:
            self._jam_waits, self._jammed = False, True
            self._write(Type.JAM)
            self._fate.append((self._now_ns + round(self._trouble.jam_cleared_after_s * NS), self._clear_jam))
        return STUCK if self._jammed else 0

    def _jam_next(self) -> list[Happening]:
        self._jam_waits = True
        return []

    def _clear_jam(self) -> list[Happening]:
        self._jammed = False
        self._write(Type.LID_OPEN)
        self._write(Type.LID_CLOSE)
        return [self._saw("jam cleared")]

    def _count_down(self) -> None:
        self.memory.inside -= 1
        if self.memory.inside in (0, _LOW_AT):
            self._write(Type.EMPTY if self.memory.inside == 0 else Type.LOW, value=self.memory.inside)
            self._refill_ns = self._refill_ns or self._now_ns + _REFILLED_AFTER_NS

    def _refill(self) -> list[Happening]:
        self._refill_ns = None
        self.memory.inside = MAGAZINE
        self._write(Type.LID_OPEN)
        self._write(Type.REFILL, value=MAGAZINE)
        self._write(Type.LID_CLOSE)
        return [self._saw("refilled")]
