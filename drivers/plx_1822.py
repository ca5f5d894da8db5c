"""Pulse oximeters of the Bluetooth Pulse Oximeter Service (1822): spot checks, stored spot checks, a running display.

A spot check (2A5E) is a reading with a time of its own; the device keeps those it could not deliver and gives them when
asked over the Record Access Control Point (2A52). A continuous measurement (2A5F) is what the display shows now and has
no time but that of its arrival.

Two status fields say what to think of a value. Most bits become a word beside it; two say that there is no measurement
at all, and then the numbers in the packet are not looked at.

Time. The clock (2A2B) is read first and set in `hello`, then the stored records are asked for; `_device_clock` knows
which record was stamped before and which after. The status bit "from measurement storage" decides where the device
sends it; without it a record counts as live if its time fits the moments since the clock was set. A device without a
time, or that says its clock is not set, gets the time of arrival and `clock_unset`; what its clock said is kept.

Nothing is ever deleted on the device, so a stored record comes again at each connection: its name is the device's own
time, and the same record is always the same (channel, device time, value, name).

Source: Pulse Oximeter Service 1.0.1, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Card, Link, Out, Rx, Tx
from vitals.events import Fault

SPOT, CONTINUOUS, FEATURES, RACP, BATTERY = "2a5e", "2a5f", "2a60", "2a52", "2a19"

ALL_RECORDS = bytes((0x01, 0x01))
HAS_STORAGE = 1 << 2

# Bits of Measurement Status, then of Device and Sensor Status, that put a word beside the value.
MEASUREMENT_WORDS = {
    6: "estimated",  # early estimate
    9: "stored",
    10: "demo_data",
    11: "demo_data",  # for testing
    12: "calibration",
    14: "questionable",
}
NO_MEASUREMENT = {13: "no measurement (it calls it unavailable)", 15: "an invalid measurement (it says so itself)"}
SENSOR_WORDS = {
    1: "questionable",  # equipment malfunction
    2: "poor_signal",  # signal processing irregularity
    3: "poor_signal",  # inadequate signal
    4: "poor_signal",
    5: "low_perfusion",
    6: "poor_signal",  # erratic signal
    7: "poor_signal",  # no pulse in the signal
    8: "questionable",  # questionable pulse
    10: "poor_signal",  # interference
    11: "questionable",  # not on a finger
    12: "questionable",  # unknown sensor
    13: "motion",  # sensor displaced
    14: "questionable",  # sensor malfunction
    15: "questionable",  # sensor disconnected
}
# A record access request ends well when all were sent, or when there were none; a device without storage says 2.
RACP_FINE = {1, 6, 2}
RACP_WHY = {3: "bad operator", 4: "operator not supported", 5: "bad operand", 7: "abort failed", 8: "not completed"}


class PulseOximeter:
    """Reads one pulse oximeter for one connection."""

    card: ClassVar[Card] = Card(
        name="plx-1822",
        maker="any",
        model="pulse oximeter with the standard Bluetooth service",
        link=Link.BLE,
        channels=("spo2", "pulse_rate", "perfusion_index", "battery"),
        services=("1822",),
        notify=(SPOT, CONTINUOUS, RACP),
        read=(CLOCK, FEATURES, BATTERY),
        source="Bluetooth Pulse Oximeter Service 1.0.1",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = CurrentTime(bookmark)
        self._has_storage = True
        self._handlers = {
            SPOT: self._spot,
            CONTINUOUS: self._continuous,
            FEATURES: self._features,
            RACP: self._record_access,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock where there is one, then ask for what is stored."""
        stored = [Tx(RACP, ALL_RECORDS)] if self._has_storage else []
        return [*self._clock.setting(now_ns), *stored]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _spot(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        flags = packet.u8()
        spo2, pulse = packet.sfloat(), packet.sfloat()
        device_ns = packet.date_time() if flags & 1 else None
        words, none = _status(packet, measurement=flags & 2, sensor=flags & 4)
        perfusion = packet.sfloat() if flags & 8 else None
        packet.end()
        stamp = self._clock.stamp(rx, device_ns, words, unset=bool(flags & 16))
        yield from _readings(rx, stamp, none, spo2, pulse, perfusion)

    def _continuous(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        flags = packet.u8()
        spo2, pulse = packet.sfloat(), packet.sfloat()
        # The fast and slow averages are the same quantity filtered otherwise; the normal one is the reading.
        packet.take(4 * (flags & 3).bit_count())
        words, none = _status(packet, measurement=flags & 4, sensor=flags & 8)
        perfusion = packet.sfloat() if flags & 16 else None
        packet.end()
        yield from _readings(rx, Stamp(rx.t_ns, status=words), none, spo2, pulse, perfusion)

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # The support fields that may follow tell nothing that the measurements' own flags do not.
        self._has_storage = bool(packet.u16() & HAS_STORAGE)
        yield from ()

    def _record_access(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        operation, _operator = packet.u8(), packet.u8()
        if operation != 0x06:
            yield Fault("unknown packet", f"record access answer {operation:#04x}", rx.t_ns, rx.pipe, rx.data)
            return
        _request, code = packet.u8(), packet.u8()
        packet.end()
        if code not in RACP_FINE:
            why = RACP_WHY.get(code, "a code this driver does not know")
            text = f"stored records were not all sent ({code}: {why}); the next connection asks again"
            yield Fault("refused", text, rx.t_ns, rx.pipe, rx.data)


def _status(packet: Reader, measurement: int, sensor: int) -> tuple[tuple[str, ...], Missing | None]:
    """The words for the status fields the flags promise, and why there is no measurement, if there is none."""
    measured = packet.u16() if measurement else 0
    sensed = packet.u24() if sensor else 0
    words = _words(measured, MEASUREMENT_WORDS) + _words(sensed, SENSOR_WORDS)
    none = _words(measured, NO_MEASUREMENT)
    return tuple(dict.fromkeys(words)), Missing(none[0]) if none else None


def _words(bits: int, table: dict[int, str]) -> list[str]:
    return [word for bit, word in table.items() if bits >> bit & 1]


def _readings(
    rx: Rx,
    stamp: Stamp,
    none: Missing | None,
    spo2: Number | Missing,
    pulse: Number | Missing,
    perfusion: Number | Missing | None,
) -> Iterator[Out]:
    yield reading("spo2", none or spo2, rx, stamp)
    yield reading("pulse_rate", none or pulse, rx, stamp)
    if perfusion is not None:
        yield reading("perfusion_index", none or perfusion, rx, stamp)
