"""A Nonin 3230 finger oximeter: ten bytes a second by Nonin's own service, high byte first.

    0A, status, battery (0.1 V), pulse amplitude (0.01 %, u16), seconds it has been on (u16), SpO2, pulse rate (u16)

127 and 511 stand for no SpO2 and no pulse. Status bits: 0 the display shows the same, 1 weak signal, 2 SmartPoint (the
value is vouched for), 3 searching for a pulse, 4 the finger lies right, 5 low battery, 6 encrypted link.

A finger that is put in switches it on. It searches, then shows a value, and vouches for it when it has seen enough and
nothing moves. When the finger is gone it says so for some seconds and sleeps.

Source: Nonin's example application for the 3230; a public description (andreasdri/nonin-3230-ble).
"""

from collections.abc import Iterator

import msgspec

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, TruthAt
from firmware_sim.devices import _gatt
from firmware_sim.devices._finger import CableOximeter, Shown
from firmware_sim.devices._worn import CableDevice
from firmware_sim.kinds import Kind, Making
from vitals.clock import NS

SERVICE = "46a970e0-0d5f-11e2-8b5e-0002a5d5c51b"
MEASUREMENT = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b"

AS_SHOWN, WEAK, SMART_POINT, SEARCHING, LIES_RIGHT, LOW_BATTERY = (1 << bit for bit in range(6))
NO_SPO2, NO_PULSE = 127, 511
VOUCHES_AFTER_S = 14
SAYS_SO_S = 8

_SIZE = 10
_LOW_PERCENT = 10
_FULL_DECIVOLT, _EMPTY_DECIVOLT = 30, 21


class Sensor(CableOximeter):
    """The oximeter itself, without its radio."""

    pace_s = 1.0

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._battery = making.battery
        self._on_ns: int | None = None
        self._last_finger_ns = 0
        self._amplitude = 0
        self._t_ns = 0

    def _measured(self, t_ns: int, truth: Truth) -> tuple[int, int]:
        self._amplitude = round(truth.perfusion_index * 100)
        return super()._measured(t_ns, truth)

    def _go_to(self, moment: int, truth_at: TruthAt) -> Iterator[Happening]:
        for happening in super()._go_to(moment, truth_at):
            measured = {"perfusion_index": self._amplitude / 100} if happening.data else {}
            yield msgspec.structs.replace(happening, data=happening.data | measured)

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        self._t_ns = t_ns
        if self.shown.finger:
            self._on_ns = self._in_ns if self._in_ns is not None else t_ns
            self._last_finger_ns = t_ns
        if t_ns < self._last_finger_ns + SAYS_SO_S * NS:
            yield from super().tick(t_ns, truth_at)

    def _said(self, shown: Shown) -> bytes:
        percent = self._battery.level(self._t_ns)
        seconds = (self._t_ns - (self._on_ns or self._t_ns)) // NS
        status = AS_SHOWN | (LIES_RIGHT if shown.finger else 0) | (LOW_BATTERY if percent < _LOW_PERCENT else 0)
        if shown.spo2 is None or shown.pulse_rate is None:
            return packet(status | SEARCHING, _decivolt(percent), 0, seconds, NO_SPO2, NO_PULSE)
        status |= WEAK if shown.weak or shown.moved else 0
        status |= SMART_POINT if seconds >= VOUCHES_AFTER_S and not shown.moved else 0
        return packet(status, _decivolt(percent), self._amplitude, seconds, shown.spo2, shown.pulse_rate)


class Nonin3230(CableDevice):
    """The firmware."""

    name = "Nonin3230_502644321"
    model = "3230"
    advertised = (SERVICE,)
    cable = Sensor
    stream = MEASUREMENT
    pace_s = Sensor.pace_s
    pipes = (Pipe(SERVICE, MEASUREMENT, Can.NOTIFY), *_gatt.CLOCKLESS_PIPES)


def packet(status: int, decivolt: int, amplitude: int, seconds: int, spo2: int, pulse_rate: int) -> bytes:
    """The ten bytes; `amplitude` in 0.01 %."""
    return (
        bytes((_SIZE, status, decivolt))
        + amplitude.to_bytes(2, "big")
        + (seconds & 0xFFFF).to_bytes(2, "big")
        + bytes((spo2,))
        + pulse_rate.to_bytes(2, "big")
    )


def _decivolt(percent: int) -> int:
    return round(_EMPTY_DECIVOLT + (_FULL_DECIVOLT - _EMPTY_DECIVOLT) * percent / 100)


KINDS = (Kind("nonin-3230", "Nonin 3230 finger oximeter", "nonin-3230", "air", "oximeter", Nonin3230),)
