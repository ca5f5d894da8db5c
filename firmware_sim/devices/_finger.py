"""A finger in an oximeter on a cable: for two minutes whenever the routine says, and out otherwise.

    out        no finger: the oximeter goes on talking and has no numbers
    searching  the first seconds: a finger, and no numbers yet
    shown      numbers; they stand still until the finger leaves, as those of a person who sits still nearly do
    moved      for some seconds of some measurements: the numbers are held, and doubted

What it says is a stream that belongs to the wire: a kind of oximeter turns `Shown` into the bytes of one tick. What
nobody listened to is gone, so a measurement of before it was switched on never was.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec

from firmware_sim.body import Truth
from firmware_sim.device import Happening, TruthAt
from firmware_sim.kinds import Making
from firmware_sim.noise import share, swing
from vitals.clock import NS

SEARCHES_NS = 8 * NS
STAYS_NS = 120 * NS
_MOVES_FROM_NS, _MOVES_UNTIL_NS = 40 * NS, 46 * NS
_MOVES_IN = 0.3
"""In this share of measurements the finger moves."""
_WEAK_PERFUSION = 0.5


class Shown(msgspec.Struct, frozen=True):
    """What the display shows. No numbers: `spo2` (%) and `pulse_rate` (/min) are None."""

    finger: bool = False
    spo2: int | None = None
    pulse_rate: int | None = None
    moved: bool = False
    weak: bool = False

    @property
    def searching(self) -> bool:
        """A finger, and no numbers yet."""
        return self.finger and self.spo2 is None


OUT = Shown()


class CableOximeter:
    """An Instrument; a kind of oximeter adds `_said`."""

    pace_s: ClassVar[float | None]

    def __init__(self, making: Making) -> None:
        self.shown = OUT
        self._seed = making.seed
        self._routine = making.routine
        self._in_ns = making.routine.next_ns(making.on_ns - 1)
        ends = (making.battery.empty_ns, making.routine.until_ns)
        self._silent_ns = min(t_ns for t_ns in ends if t_ns is not None)
        self._silent = False

    # Time

    @property
    def wake_ns(self) -> int | None:
        return None if self._silent else min(self._silent_ns, *self._moments(self._in_ns))

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings: list[Happening] = []
        while not self._silent and (moment := self.wake_ns) is not None and moment <= t_ns:
            happenings.extend(self._go_to(moment, truth_at))
        return happenings

    def _moments(self, in_ns: int | None) -> Iterator[int]:
        """What of the measurement that begins at `in_ns` is still to come."""
        if in_ns is None:
            return
        if not self.shown.finger:
            yield in_ns
        elif self.shown.spo2 is None:
            yield in_ns + SEARCHES_NS
        else:
            yield in_ns + STAYS_NS

    def _go_to(self, moment: int, truth_at: TruthAt) -> Iterator[Happening]:
        if moment >= self._silent_ns:
            self._silent, self.shown = True, OUT
            yield Happening(moment, "fell silent")
        elif not self.shown.finger:
            self.shown = Shown(finger=True)
            yield Happening(moment, "finger in")
        elif self.shown.spo2 is None:
            spo2, pulse_rate = self._measured(moment, truth_at(moment))
            weak = truth_at(moment).perfusion_index < _WEAK_PERFUSION
            self.shown = Shown(True, spo2, pulse_rate, weak=weak)
            yield Happening(moment, "measured", {"spo2": spo2, "pulse_rate": pulse_rate})
        else:
            self.shown = OUT
            self._in_ns = self._routine.next_ns(moment)
            yield Happening(moment, "finger out")

    def _measured(self, t_ns: int, truth: Truth) -> tuple[int, int]:
        spo2 = min(100, round(truth.spo2 + 0.6 * swing(self._seed, "spo2", t_ns)))
        return spo2, round(truth.pulse_rate + 1.5 * swing(self._seed, "pulse_rate", t_ns))

    # The line

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        """It hears nothing."""
        yield from ()

    def unasked(self) -> Iterator[bytes]:
        yield from ()

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        if not self._silent:
            yield self._said(self._seen(t_ns))

    def _seen(self, t_ns: int) -> Shown:
        """What is shown, and whether the finger moves just now."""
        if self.shown.spo2 is None or self._in_ns is None or share(self._seed, "moves", self._in_ns) >= _MOVES_IN:
            return self.shown
        moved = _MOVES_FROM_NS <= t_ns - self._in_ns < _MOVES_UNTIL_NS
        return msgspec.structs.replace(self.shown, moved=moved)

    def _said(self, shown: Shown) -> bytes:
        """The bytes of one tick."""
        raise NotImplementedError
