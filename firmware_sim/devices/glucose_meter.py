"""A blood glucose meter: Glucose Service (1808) 1.0, which tells its memory when it is asked (`_racp.py`).

Measurement (2A18), here 17 bytes: flags, sequence number (u16), base time (Date Time), time offset (s16, minutes),
concentration (SFLOAT, mol/L or kg/L as the meter is made), a byte of type (low nibble) and place (high nibble), status
(u16). Where the person told the meter something of it, a context (2A34) of the same number follows: flags, number,
carbohydrate (what, and SFLOAT kg), meal, tester (low nibble) and health (high nibble), medication (what, SFLOAT kg).

*Two times.* The base time is the meter's own count and numbers its records with the sequence; what the meter shows is
base time plus offset. Setting the clock moves the offset, by whole minutes, and the base time only by the rest. A meter
that was never set counts from 2000 and says "time fault"; the first setting sets the base time.

*Starting anew* (a changed battery): the memory is empty and the next number is the first again.

Now and then a person tests the meter itself with control solution: type 10, and no reading of anybody.
"""

from collections.abc import Sequence
from typing import Any

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, Send
from firmware_sim.devices import _gatt, _racp
from firmware_sim.devices._spot import Record
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import share, swing
from vitals.clock import NS

SERVICE, MEASUREMENT, CONTEXT, FEATURES = "1808", "2a18", "2a34", "2a51"

HAS_OFFSET, HAS_CONCENTRATION, IN_MOL, HAS_STATUS, HAS_CONTEXT = 0x01, 0x02, 0x04, 0x08, 0x10
WHOLE_BLOOD, CONTROL_SOLUTION = 1, 10
FINGER, ALTERNATE, CONTROL_PLACE = 1, 2, 4
BATTERY_LOW, STRIP_PULLED, TIME_FAULT = 1 << 0, 1 << 9, 1 << 11
OFFSET_OVERRUN, OFFSET_UNDERRUN = 0x7FFF, -0x8000

HAS_CARBOHYDRATE, HAS_MEAL, HAS_TESTER, HAS_MEDICATION = 0x01, 0x02, 0x04, 0x10
BREAKFAST, BEFORE_MEAL, AFTER_MEAL, SELF, NO_ISSUES, RAPID_INSULIN = 1, 1, 2, 1, 5, 1

_FEATURES = 1 << 0 | 1 << 5 | 1 << 9
"""It notices a low battery and a strip pulled too soon, and tells a time fault."""

_SIZE = 17
_MINUTE_NS = 60 * NS
_LOW_PERCENT = 10
_GRAMS_PER_MOL = 180.156


class GlucoseMeter(_racp.StoredDevice):
    """The firmware. `in_mol`: it tells mol/L, else kg/L. `anew_ns`: when it starts anew.

    A record holds the measurement and, after it, the context if there is one.
    """

    name = "SimMeter"
    model = "SimMeter 1"
    advertised = (SERVICE,)
    measurement = MEASUREMENT
    needed = frozenset((MEASUREMENT, CONTEXT, _racp.PIPE))
    in_mol = True
    pipes = (
        Pipe(SERVICE, MEASUREMENT, Can.NOTIFY),
        Pipe(SERVICE, CONTEXT, Can.NOTIFY),
        Pipe(SERVICE, FEATURES, Can.READ),
        Pipe(SERVICE, _racp.PIPE, Can.WRITE | Can.INDICATE),
        *_gatt.COMMON_PIPES,
    )

    def __init__(self, **common: Any) -> None:
        super().__init__(**common)
        self._offset_min = 0

    def _sends(self, record: Record, packet: bytes) -> Sequence[Send]:
        """Nothing: a record is told when it is asked for, and never by itself."""
        return ()

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        number = self._made + 1
        control = share(self._seed, "control", t_ns) < 0.03
        mmol = 5.6 if control else max(1.1, truth.glucose + 0.4 * swing(self._seed, "glucose", t_ns))
        place = CONTROL_PLACE if control else FINGER if share(self._seed, "place", t_ns) < 0.8 else ALTERNATE
        told = b"" if control or share(self._seed, "told", t_ns) < 0.6 else self._context(number, t_ns)
        packet = measurement(
            number,
            self.clock.read_ns(t_ns) - self._offset_min * _MINUTE_NS,
            self._offset_min,
            concentration(mmol, in_mol=self.in_mol),
            in_mol=self.in_mol,
            sample=(CONTROL_SOLUTION if control else WHOLE_BLOOD) | place << 4,
            status=self._status(t_ns),
            context_follows=bool(told),
        )
        shown = round(mmol, 1) if self.in_mol else round(_mg_dl(mmol) * 10 / _GRAMS_PER_MOL, 2)
        happening = Happening(t_ns, "measured", {"glucose": shown})
        return packet + told, packet + told, Happening(t_ns, "control test") if control else happening

    def _status(self, t_ns: int) -> int:
        status = BATTERY_LOW if self._battery.level(t_ns) < _LOW_PERCENT else 0
        status |= STRIP_PULLED if share(self._seed, "strip", t_ns) < 0.02 else 0
        return status | (0 if self.clock.is_set else TIME_FAULT)

    def _context(self, number: int, t_ns: int) -> bytes:
        after = share(self._seed, "after", t_ns) < 0.5
        grams, milligrams = (round(20 + 60 * share(self._seed, what, t_ns)) for what in ("grams", "milligrams"))
        return context(number, AFTER_MEAL if after else BEFORE_MEAL, grams if after else None, milligrams)

    def _report(self, records: Sequence[Record]) -> Sequence[Send]:
        sends = []
        for record in records:
            sends.append(Send(MEASUREMENT, record.stored[:_SIZE]))
            if len(record.stored) > _SIZE:
                sends.append(Send(CONTEXT, record.stored[_SIZE:]))
        return sends

    def read(self, pipe: str, t_ns: int) -> bytes:
        return _FEATURES.to_bytes(2, "little") if pipe == FEATURES else super().read(pipe, t_ns)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        shown_ns, was_set = self.clock.read_ns(t_ns), self.clock.is_set
        super().write(pipe, data, t_ns)
        if was_set:
            self._offset_min += round((self.clock.read_ns(t_ns) - shown_ns) / _MINUTE_NS)


def concentration(mmol: float, *, in_mol: bool) -> bytes:
    """mmol/L as the SFLOAT a meter writes: 0.1 mmol/L in mol/L, or whole mg/dL in kg/L."""
    return _gatt.sfloat(round(mmol, 1) / 1000, 4) if in_mol else _gatt.sfloat(_mg_dl(mmol) / 100_000, 5)


def _mg_dl(mmol: float) -> int:
    return round(mmol * _GRAMS_PER_MOL / 10)


def measurement(
    number: int,
    base_ns: int,
    offset_min: int,
    amount: bytes,
    *,
    in_mol: bool,
    sample: int,
    status: int,
    context_follows: bool,
) -> bytes:
    """A measurement; `base_ns` and `offset_min` give what the meter showed, `amount` is an SFLOAT, `sample` the byte
    of type and place."""
    flags = HAS_OFFSET | HAS_CONCENTRATION | HAS_STATUS
    flags |= (IN_MOL if in_mol else 0) | (HAS_CONTEXT if context_follows else 0)
    return (
        bytes((flags,))
        + number.to_bytes(2, "little")
        + _gatt.date_time(base_ns)
        + max(OFFSET_UNDERRUN, min(OFFSET_OVERRUN, offset_min)).to_bytes(2, "little", signed=True)
        + amount
        + bytes((sample,))
        + status.to_bytes(2, "little")
    )


def context(number: int, meal: int, carbohydrate_g: int | None, insulin_mg: int) -> bytes:
    """A context: what was eaten (if anything), the meal, that the person tested and is well, and the insulin."""
    eaten = b"" if carbohydrate_g is None else bytes((BREAKFAST,)) + _gatt.sfloat(carbohydrate_g / 1000, 3)
    flags = HAS_MEAL | HAS_TESTER | HAS_MEDICATION | (HAS_CARBOHYDRATE if eaten else 0)
    return (
        bytes((flags,))
        + number.to_bytes(2, "little")
        + eaten
        + bytes((meal, SELF | NO_ISSUES << 4, RAPID_INSULIN))
        + _gatt.sfloat(insulin_mg / 1_000_000, 6)
    )


def _made(making: Making) -> GlucoseMeter:
    return GlucoseMeter(anew_ns=making.sequence_reset_ns, **making.spot)


KINDS = (
    Kind(
        "glucose-meter",
        "Blood glucose meter with the standard Bluetooth service",
        "gls-1808",
        "air",
        "glucose_meter",
        _made,
    ),
)
