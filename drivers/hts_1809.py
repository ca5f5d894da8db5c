"""Thermometers of the Bluetooth Health Thermometer Service (1809).

    flags u8 | temperature FLOAT | date 7 | site u8
                                   bit 1    bit 2

A thermometer indicates (2A1C) a temperature when it has settled. While it settles it may notify what it shows (2A1E) in
the same layout: that is on its way to a temperature and would look like a cold patient, so it is checked and never
becomes a reading.

Bit 0 says °F. It becomes °C here, once, with one decimal more, so that different readings stay different. Where the
temperature was taken is a word beside it (`site_ear`), from the measurement, or from 2A1D where the thermometer is made
for one site only: 37.8 in the armpit is not 37.8 in the rectum.

The record is named by the thermometer's own time; `_device_clock` holds the reasoning about clocks. A measurement
without a date gets the time of arrival and `clock_unset`.

Source: Health Thermometer Service 1.0, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers._reading import Missing, Number, reading
from drivers.contract import Card, Link, Out, Rx, Tx

MEASUREMENT, SETTLING, SITE, BATTERY = "2a1c", "2a1e", "2a1d", "2a19"

SITES = {
    1: "site_armpit",
    2: "site_body",
    3: "site_ear",
    4: "site_finger",
    5: "site_gut",
    6: "site_mouth",
    7: "site_rectum",
    8: "site_toe",
    9: "site_eardrum",
}


class _Measurement(msgspec.Struct, frozen=True):
    """One packet; `celsius` in °C, None for what it does not carry."""

    celsius: Number | Missing
    device_ns: int | Missing | None
    site: int | None


class Thermometer:
    """Reads one thermometer for one connection."""

    card: ClassVar[Card] = Card(
        name="hts-1809",
        maker="any",
        model="thermometer with the standard Bluetooth service",
        link=Link.BLE,
        channels=("body_temp", "battery"),
        services=("1809",),
        notify=(MEASUREMENT, SETTLING),
        read=(CLOCK, SITE, BATTERY),
        source="Bluetooth Health Thermometer Service 1.0",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = CurrentTime(bookmark)
        self._site: int | None = None
        self._handlers = {
            MEASUREMENT: self._measurement,
            SETTLING: self._settling,
            SITE: self._only_site,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock, where the thermometer has one."""
        return self._clock.setting(now_ns)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        measured = _decode(packet)
        word = SITES.get((self._site if measured.site is None else measured.site) or 0)
        stamp = self._clock.stamp(rx, measured.device_ns, (word,) if word else ())
        yield reading("body_temp", measured.celsius, rx, stamp)

    def _settling(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # Not yet a temperature of the patient: only its length is checked.
        _decode(packet)
        yield from ()

    def _only_site(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        site = packet.u8()
        packet.end()
        self._site = site
        yield from ()


def _decode(packet: Reader) -> _Measurement:
    """A whole 2A1C or 2A1E; raises Misfit when flags and length disagree."""
    flags = packet.u8()
    temperature = packet.float32()
    device_ns = packet.date_time() if flags & 2 else None
    site = packet.u8() if flags & 4 else None
    packet.end()
    return _Measurement(_celsius(temperature) if flags & 1 else temperature, device_ns, site)


def _celsius(fahrenheit: Number | Missing) -> Number | Missing:
    if isinstance(fahrenheit, Missing):
        return fahrenheit
    decimals = fahrenheit.decimals + 1
    return Number(round((fahrenheit.value - 32) / 1.8, decimals), decimals)
