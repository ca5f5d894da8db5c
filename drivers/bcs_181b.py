"""Body composition scales of the Bluetooth Body Composition Service (181B).

    flags u16 | body fat u16 | date 7 | user u8 | basal metabolism, muscle %, muscle mass, fat-free mass, soft lean
                               bit 1    bit 2     mass, water, impedance, weight, height: u16 each, bits 3 to 11

Bit 0 says pounds and inches. Masses are counts of 5 g or 0.01 lb; a pound becomes kilograms here, once, rounded to the
gram, so that different counts stay different. FFFF in place of the body fat says that it could not be measured (shoes
on); 0 or FFFF elsewhere is no number either. Height is something a person typed in, and is left out.

Two packets. What does not fit into one comes in a second (bit 12 in both), which repeats the body fat but never date or
user. The first fills up in the order of the fields; for two to be needed it must hold a date, a user or the basal
metabolism. So a packet of several without any of these is a second one: its body fat is not told again, and its time
and user are those of the packet before. It carries no name of its own, so the device's time is what it is known by.

`_device_clock` holds the reasoning about clocks, `wss_181d` that about scales: nothing is asked for, and a measurement
that was kept looks like a fresh one.

Source: Body Composition Service 1.0.1, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers._reading import Missing, Number, Stamp, reading
from drivers._status_bits import user_word
from drivers.contract import Card, Link, Out, Rx, Tx

MEASUREMENT, FEATURES, BATTERY = "2a9c", "2a9b", "2a19"

POUNDS, DATE, USER, METABOLISM, HEIGHT, SEVERAL = 1, 1 << 1, 1 << 2, 1 << 3, 1 << 11, 1 << 12
FIRST = DATE | USER | METABOLISM
NO_NUMBER = {0: "0: it was not measured", 0xFFFF: "FFFF: it could not be measured"}
KG_PER_LB = 0.45359237
MASS = 0
"""Stands for the steps of a mass, which depend on its unit."""

# Bit -> channel, counts per unit, decimals; in the order of the fields.
FIELDS = {
    3: ("basal_metabolism", 1, 0),
    4: ("muscle", 10, 1),
    5: ("muscle_mass", MASS, 3),
    6: ("fat_free_mass", MASS, 3),
    7: ("soft_lean_mass", MASS, 3),
    8: ("body_water", MASS, 3),
    9: ("impedance", 10, 1),
    10: ("weight", MASS, 3),
}


class BodyCompositionScale:
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="bcs-181b",
        maker="any",
        model="body composition scale with the standard Bluetooth service",
        link=Link.BLE,
        channels=("body_fat", *(channel for channel, _, _ in FIELDS.values()), "battery"),
        services=("181b",),
        notify=(MEASUREMENT,),
        read=(CLOCK, FEATURES, BATTERY),
        source="Bluetooth Body Composition Service 1.0.1",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = CurrentTime(bookmark)
        self._first: Stamp | None = None
        self._handlers = {
            MEASUREMENT: self._measurement,
            FEATURES: self._features,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock, where the scale has one."""
        return self._clock.setting(now_ns)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        flags = packet.u16()
        body_fat = _number(packet.u16(), 10, 1)
        device_ns = packet.date_time() if flags & DATE else None
        user = packet.u8() if flags & USER else None
        counts = {bit: packet.u16() for bit in FIELDS if flags >> bit & 1}
        if flags & HEIGHT:
            packet.u16()
        packet.end()
        second = flags & SEVERAL and not flags & FIRST
        stamp = self._first if second else None
        if stamp is None:
            stamp = self._clock.stamp(rx, device_ns, user_word(user))
        self._first = msgspec.structs.replace(stamp, record=None) if flags & SEVERAL and not second else None
        if not second:
            yield reading("body_fat", body_fat, rx, stamp)
        for bit, count in counts.items():
            channel, steps, decimals = FIELDS[bit]
            number = _mass(count, bool(flags & POUNDS)) if steps == MASS else _number(count, steps, decimals)
            yield reading(channel, number, rx, stamp)

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # What the scale can do, each measurement's own flags say; only the length is checked.
        packet.u32()
        packet.end()
        yield from ()


def _number(count: int, steps: int, decimals: int) -> Number | Missing:
    return Missing(NO_NUMBER[count]) if count in NO_NUMBER else Number(count / steps, decimals)


def _mass(count: int, pounds: bool) -> Number | Missing:
    """Kilograms."""
    if count in NO_NUMBER:
        return Missing(NO_NUMBER[count])
    return Number(round(count * KG_PER_LB / 100, 3) if pounds else count / 200, 3)
