"""Xiaomi's bathroom scales, which tell the weight in their adverts and are never connected to.

    Mi Scale 1 and 2 (181D)        status u8, weight u16, date and time (7 bytes)
    Mi Body Composition (181B)     unit u8, status u8, date and time (7 bytes), impedance u16, weight u16

Little-endian. Weight is a count of 5 g, of 0.01 lb, or of 0.01 jin (500 g). Bits of the status: 0 pounds, 4 jin (in the
composition scale both stand in the unit's byte), 1 impedance measured (composition), 5 stable, 7 stepped off.

The story of a weighing: the person steps on, and the load climbs; it is stable, and from then on date and weight stand
still; the composition scale adds the impedance; the person steps off; a while later the scale is off the air.
"""

from typing import Literal

import msgspec

from firmware_sim.device import Happening, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing
from vitals.clock import NS

WEIGHT, COMPOSITION = "181d", "181b"

STABLE, REMOVED = 1 << 5, 1 << 7
HAS_IMPEDANCE = 1 << 1
NO_IMPEDANCE = 0xFFFF
_OHM = 480
STATUS_OF = {"kg": 0x02, "lb": 0x03, "jin": 0x12}
"""Bits of the unit; bit 1 is set in all of them."""
COUNTS_PER_KG = {"kg": 200.0, "lb": 100 / 0.453_592_37, "jin": 200.0}
_COUNT_STEPS = {"kg": 10, "lb": 10, "jin": 5}
"""What the display shows: 0.05 kg, 0.1 lb, 0.05 jin."""

_STABLE_NS, _IMPEDANCE_NS, _OFF_NS, _ASLEEP_NS = 4 * NS, 7 * NS, 12 * NS, 20 * NS


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unit`: what the scale is set to."""

    unit: Literal["kg", "lb", "jin"] = "kg"


class MiScale:
    """The firmware of Mi Scale 1 and 2."""

    name = "MI_SCALE"
    service = WEIGHT

    def __init__(self, making: Making) -> None:
        options = making.options or Options()
        assert isinstance(options, Options), "load() checks a kind's options"
        self.unit = options.unit
        self._seed = making.seed
        self._clock = making.clock
        self._routine = making.routine
        self._on_ns = making.routine.next_ns(making.on_ns - 1)
        ends = (making.battery.empty_ns, making.routine.until_ns)
        self._silent_ns = min(t_ns for t_ns in ends if t_ns is not None)
        self._silent = False
        self._stage = -1
        self._count = 0
        self._dated_ns = 0

    @property
    def wake_ns(self) -> int | None:
        if self._silent:
            return None
        moment = self._next_ns()
        return self._silent_ns if moment is None else min(moment, self._silent_ns)

    def _next_ns(self) -> int | None:
        """When the next stage of a weighing begins."""
        if self._on_ns is None:
            return None
        return self._on_ns + (0, _STABLE_NS, _IMPEDANCE_NS, _OFF_NS, _ASLEEP_NS)[self._stage + 1]

    def update(self, t_ns: int, truth_at: TruthAt) -> list[Happening]:
        happenings: list[Happening] = []
        while (moment := self.wake_ns) is not None and moment <= t_ns:
            if moment >= self._silent_ns:
                self._silent = True
                happenings.append(Happening(moment, "fell silent"))
                continue
            self._stage += 1
            if self._stage <= _IS_STABLE:
                self._dated_ns = self._clock.read_ns(moment)
                self._count = self._counted(moment, truth_at) if self._stage else 0
            if self._stage == _IS_STABLE:
                happenings.append(Happening(moment, "weighed", {"weight": self._shown_kg()}))
            if self._stage == _IS_ASLEEP:
                self._stage = -1
                self._on_ns = self._routine.next_ns(moment)
        return happenings

    def _counted(self, t_ns: int, truth_at: TruthAt) -> int:
        step = _COUNT_STEPS[self.unit]
        kg = truth_at(t_ns).weight + 0.04 * swing(self._seed, "weight", t_ns)
        return round(kg * COUNTS_PER_KG[self.unit] / step) * step

    def _shown_kg(self) -> float:
        """What stands on the display, in kg."""
        return round(self._count / COUNTS_PER_KG[self.unit], 3)

    def advert(self) -> tuple[str, bytes] | None:
        if self._silent or self._stage < 0:
            return None
        return self.service, self._data(stable=self._stage >= _IS_STABLE, removed=self._stage >= _IS_REMOVED)

    def _data(self, *, stable: bool, removed: bool) -> bytes:
        status = STATUS_OF[self.unit] | (STABLE if stable else 0) | (REMOVED if removed else 0)
        return weighing(status, self._count, self._dated_ns)


class CompositionScale(MiScale):
    """The firmware of Mi Body Composition Scale 1 and 2."""

    name = "MIBFS"
    service = COMPOSITION

    def _data(self, *, stable: bool, removed: bool) -> bytes:
        ohm = _OHM if self._stage >= _IS_MEASURED else None
        return composition(STATUS_OF[self.unit], self._count, self._dated_ns, ohm, stable=stable, removed=removed)


_IS_STABLE, _IS_MEASURED, _IS_REMOVED, _IS_ASLEEP = 1, 2, 3, 4
"""Stages of a weighing; 0 is the climb, -1 none."""


def weighing(status: int, count: int, dated_ns: int) -> bytes:
    """The service data of 181D."""
    return bytes((status,)) + count.to_bytes(2, "little") + _gatt.date_time(dated_ns)


def composition(unit: int, count: int, dated_ns: int, ohm: int | None, *, stable: bool, removed: bool) -> bytes:
    """The service data of 181B; `ohm`: the impedance, None before it is measured."""
    status = (STABLE if stable else 0) | (REMOVED if removed else 0) | (0 if ohm is None else HAS_IMPEDANCE) | 0x04
    impedance = (NO_IMPEDANCE if ohm is None else ohm).to_bytes(2, "little")
    return bytes((unit, status)) + _gatt.date_time(dated_ns) + impedance + count.to_bytes(2, "little")


KINDS = (
    Kind("mi-scale", "Xiaomi Mi Scale 1 and 2", "xiaomi-scale", "advert", "scale", MiScale, Options),
    Kind(
        "mi-composition-scale", "Xiaomi Mi Body Composition Scale", "xiaomi-scale", "advert", "scale",
        CompositionScale, Options,
    ),
)  # fmt: skip
