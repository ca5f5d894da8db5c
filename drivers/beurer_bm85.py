"""Beurer BM 85 blood pressure monitors: the standard service (1810), with the end of the packet turned round.

Flags, pressures and date are as the service says. What follows is not: the pulse and the status have their high byte
first, and the byte for the user stands between them always, whether the flags promise it or not. Read plainly, a pulse
of 63 becomes -256000.

The monitor works out no mean pressure and sends 0 for it. It ignores a subscription that comes sooner than 50 ms after
the connection, so the link is asked to settle first.

Source: Blood Pressure Service 1.1.1; a public description and capture (derdilla/blood-pressure-monitor-fl, change 735).
"""

from collections.abc import Iterator
from typing import ClassVar

from drivers._blood_pressure import CHANNELS, DATE, PULSE, STATUS, Measurement, pressures, readings, status_words
from drivers._current_time import PIPE as CLOCK
from drivers._gatt import Reader, decimal_float
from drivers._reading import Missing, Number
from drivers.bps_1810 import BATTERY, FEATURES, MEASUREMENT, BloodPressureMonitor
from drivers.contract import Card, Link, Out, Rx


class Bm85(BloodPressureMonitor):
    """Reads one monitor for one connection."""

    card: ClassVar[Card] = Card(
        name="beurer-bm85",
        maker="Beurer",
        model="BM 85",
        link=Link.BLE,
        channels=(*CHANNELS, "battery"),
        services=("1810",),
        local_names=("BM85", "BM 85"),
        notify=(MEASUREMENT,),
        read=(CLOCK, FEATURES, BATTERY),
        settle_s=0.1,
        source="Bluetooth Blood Pressure Service 1.1.1; derdilla/blood-pressure-monitor-fl 735, as a description",
    )

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        measured = _decode(packet)
        yield from readings(measured, rx, self._clock.stamp(rx, measured.device_ns, measured.all_words))


def _decode(packet: Reader) -> Measurement:
    flags = packet.u8()
    systolic, diastolic, mean = pressures(packet, flags)
    device_ns = packet.date_time() if flags & DATE else None
    pulse = decimal_float(_u16(packet), mantissa_bits=12, exponent_bits=4) if flags & PULSE else None
    user = packet.u8()
    bits = _u16(packet) if flags & STATUS else 0
    packet.end()
    return Measurement(systolic, diastolic, _mean(mean), device_ns, pulse, user, status_words(bits))


def _mean(mean: Number | Missing) -> Number | Missing:
    return Missing("0: it works out no mean") if mean == Number(0.0) else mean


def _u16(packet: Reader) -> int:
    return int.from_bytes(packet.take(2), "big")
