"""Blood pressure monitors of the Bluetooth Blood Pressure Service (1810).

A monitor indicates (2A35) what it has: the measurement just made, or all it kept, as soon as the gateway subscribes.
While the cuff deflates it may notify the pressure in it (2A36) in the same layout. That is the pressure of a cuff, not
of a person: it is checked and never becomes a reading, though its only number stands where the systolic does.

A measurement that failed is sent as NaN: a fault `no value`, for each number of its own. So is the mean of a monitor
that does not work it out. Status bits become words beside the values: the cuff was loose, the arm moved or lay wrong,
the pulse was irregular or beyond what the monitor can count.

Users of a shared monitor are told apart by its own numbering: the status word `user_1`. The record is named by the
monitor's own time; `_device_clock` holds the reasoning about clocks. A measurement without a date gets the time of
arrival and `clock_unset`.

Source: Blood Pressure Service 1.1.1, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._blood_pressure import CHANNELS, decode, readings
from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers.contract import Card, Link, Out, Rx, Tx

MEASUREMENT, CUFF, FEATURES, BATTERY = "2a35", "2a36", "2a49", "2a19"


class BloodPressureMonitor:
    """Reads one monitor for one connection."""

    card: ClassVar[Card] = Card(
        name="bps-1810",
        maker="any",
        model="blood pressure monitor with the standard Bluetooth service",
        link=Link.BLE,
        channels=(*CHANNELS, "battery"),
        services=("1810",),
        notify=(MEASUREMENT, CUFF),
        read=(CLOCK, FEATURES, BATTERY),
        source="Bluetooth Blood Pressure Service 1.1.1",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = CurrentTime(bookmark)
        self._handlers = {
            MEASUREMENT: self._measurement,
            CUFF: self._cuff,
            FEATURES: self._features,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock, where the monitor has one."""
        return self._clock.setting(now_ns)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        measured = decode(packet)
        yield from readings(measured, rx, self._clock.stamp(rx, measured.device_ns, measured.all_words))

    def _cuff(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # The pressure in the cuff, not in the person: only its length is checked.
        decode(packet)
        yield from ()

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # What the monitor can see, each measurement's own status says; only the length is checked.
        packet.u16()
        packet.end()
        yield from ()
