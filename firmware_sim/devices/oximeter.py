"""A fingertip pulse oximeter: Pulse Oximeter Service (1822) 1.0, spot-check with a memory.

A measurement made while a central listens is indicated at once. All others wait in memory until the central asks for
them through the Record Access Control Point; they are then flagged "from measurement storage". Reading deletes
nothing. By default a record that was confirmed once is not reported again; with `keeps_delivered` every report tells
everything, as many real oximeters do, and it is the receiver who must know a record when it sees it again.

Spot-check packet (2A5E), here always 19 bytes: flags, SpO2 and pulse rate (SFLOAT), Date Time, Measurement Status
(u16), Device and Sensor Status (u24), Pulse Amplitude Index (SFLOAT, %).
"""

from collections.abc import Sequence
from typing import Any

from firmware_sim.body import Truth
from firmware_sim.device import Can, Happening, Pipe, Refused, Send
from firmware_sim.devices import _gatt
from firmware_sim.devices._spot import Record, SpotDevice
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing

SERVICE, SPOT, FEATURES, ACCESS = "1822", "2a5e", "2a60", "2a52"

HAS_TIME, HAS_STATUS, HAS_SENSOR, HAS_AMPLITUDE, CLOCK_UNSET = 0x01, 0x02, 0x04, 0x08, 0x10
FULLY_QUALIFIED, FROM_STORAGE = 1 << 8, 1 << 9
LOW_PERFUSION = 1 << 5
_WEAK_PERFUSION = 0.5

_FEATURES = 0b0100_1111
"""Measurement Status, Sensor Status, storage, timestamp, Pulse Amplitude Index; no continuous measurement."""

REPORT, DELETE, ABORT, COUNT, COUNT_IS, RESPONSE = 1, 2, 3, 4, 5, 6
NO_OPERATOR, ALL = 0, 1
SUCCESS, NO_SUCH_REQUEST, BAD_OPERATOR, NO_SUCH_OPERATOR, BAD_OPERAND, NO_RECORDS = 1, 2, 3, 4, 5, 6


class Oximeter(SpotDevice):
    """The firmware. `keeps_delivered`: a report tells every record in memory, delivered or not."""

    name = "SimOx"
    model = "SimOx 1"
    advertised = (SERVICE,)
    measurement = SPOT
    pipes = (
        Pipe(SERVICE, SPOT, Can.INDICATE),
        Pipe(SERVICE, FEATURES, Can.READ),
        Pipe(SERVICE, ACCESS, Can.WRITE | Can.INDICATE),
        *_gatt.COMMON_PIPES,
    )

    def __init__(self, *, keeps_delivered: bool = False, **common: Any) -> None:
        super().__init__(**common)
        self._keeps_delivered = keeps_delivered

    def _measure(self, t_ns: int, truth: Truth) -> tuple[bytes, bytes, Happening]:
        spo2 = min(100, round(truth.spo2 + 0.6 * swing(self._seed, "spo2", t_ns)))
        pulse_rate = round(truth.pulse_rate + 1.5 * swing(self._seed, "pulse_rate", t_ns))
        live, stored = (
            spot(
                spo2,
                pulse_rate,
                self.clock.read_ns(t_ns),
                status=FULLY_QUALIFIED | origin,
                perfusion_index=truth.perfusion_index,
                clock_is_set=self.clock.is_set,
            )
            for origin in (0, FROM_STORAGE)
        )
        return live, stored, Happening(t_ns, "measured", {"spo2": spo2, "pulse_rate": pulse_rate})

    def read(self, pipe: str, t_ns: int) -> bytes:
        if pipe == FEATURES:
            return (
                _FEATURES.to_bytes(2, "little")
                + (FULLY_QUALIFIED | FROM_STORAGE).to_bytes(2, "little")
                + LOW_PERFUSION.to_bytes(3, "little")
            )
        return super().read(pipe, t_ns)

    def write(self, pipe: str, data: bytes, t_ns: int) -> None:
        if pipe == ACCESS:
            self._access(data)
        else:
            super().write(pipe, data, t_ns)

    def _access(self, request: bytes) -> None:
        if not request:
            raise Refused(_gatt.INVALID_LENGTH, "an empty request")
        if not {SPOT, ACCESS} <= self._subscribed:
            raise Refused(_gatt.IMPROPERLY_CONFIGURED, "enable the indications of 2A5E and 2A52 first")
        if any(send.pipe == ACCESS for send in self._queue) and request[0] != ABORT:
            raise Refused(_gatt.ALREADY_IN_PROGRESS, "a report is under way")
        self._queue.extend(self._answer(request))

    def _answer(self, request: bytes) -> Sequence[Send]:
        code = request[0]
        operator = request[1] if len(request) > 1 else NO_OPERATOR
        if code not in (REPORT, DELETE, ABORT, COUNT):
            return (_response(code, NO_SUCH_REQUEST),)
        if code == ABORT:
            self._queue.clear()
            return (_response(code, SUCCESS if operator == NO_OPERATOR else BAD_OPERATOR),)
        if operator != ALL:
            return (_response(code, BAD_OPERATOR if operator == NO_OPERATOR else NO_SUCH_OPERATOR),)
        if len(request) > 2:
            return (_response(code, BAD_OPERAND),)
        told = self._to_report()
        if code == COUNT:
            return (Send(ACCESS, bytes((COUNT_IS, NO_OPERATOR)) + len(told).to_bytes(2, "little")),)
        if not told:
            return (_response(code, NO_RECORDS),)
        if code == DELETE:
            self.records = []
            return (_response(code, SUCCESS),)
        return (*(Send(SPOT, record.stored, record.number) for record in told), _response(code, SUCCESS))

    def _to_report(self) -> list[Record]:
        return [record for record in self.records if self._keeps_delivered or not record.delivered]


def spot(
    spo2: float,
    pulse_rate: float,
    device_ns: int,
    *,
    status: int,
    perfusion_index: float,
    clock_is_set: bool = True,
) -> bytes:
    """A spot-check packet: SpO2 in %, pulse rate in /min, the device's calendar, Measurement Status, amplitude in %."""
    flags = HAS_TIME | HAS_STATUS | HAS_SENSOR | HAS_AMPLITUDE | (0 if clock_is_set else CLOCK_UNSET)
    sensor = LOW_PERFUSION if perfusion_index < _WEAK_PERFUSION else 0
    return (
        bytes((flags,))
        + _gatt.sfloat(spo2)
        + _gatt.sfloat(pulse_rate)
        + _gatt.date_time(device_ns)
        + status.to_bytes(2, "little")
        + sensor.to_bytes(3, "little")
        + _gatt.sfloat(perfusion_index, 2)
    )


def _response(request: int, code: int) -> Send:
    return Send(ACCESS, bytes((RESPONSE, NO_OPERATOR, request, code)))


def _made(making: Making) -> Oximeter:
    return Oximeter(keeps_delivered=making.keeps_delivered, **making.spot)


KINDS = (Kind("oximeter", "Pulse oximeter with the standard Bluetooth service", "plx-1822", "air", "oximeter", _made),)
