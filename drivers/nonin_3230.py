"""Nonin 3230 finger oximeters, and the WristOx2 3150 BLE, by Nonin's own service: ten bytes a second.

    length u8 | status u8 | battery 0.1 V u8 | pulse amplitude 0.01 % u16 | seconds u16 | SpO2 u8 | pulse rate u16

High byte first. 127 (SpO2) and 511 (pulse rate) mean that there is none. The counter is the seconds since the oximeter
was switched on, not a time; the reading is of the moment it arrives.

Status bits: 0 the display shows just this, 1 weak signal, 2 SmartPoint (the algorithm vouches for the value; until then
it is an early estimate), 3 searching for a pulse, 4 CorrectCheck (the finger lies right, or the sensor is plugged in),
5 low battery, 6 the link is encrypted.

The voltage is left out: what it means in percent depends on the cells, and the battery service (2A19) says it.

Source: Nonin's example application for the 3230 (2013) and public decoders of the service (andreasdri/nonin-3230-ble).
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._gatt import Misfit, Reader, battery_level, dispatch
from drivers._oximetry import CHANNELS, EachSecond
from drivers._reading import Missing, Number, Stamp, reading
from drivers._status_bits import words
from drivers.contract import Card, Link, Out, Rx, Tx

MEASUREMENT, BATTERY = "0aad7ea0-0d60-11e2-8e3c-0002a5d5c51b", "2a19"

NO_SPO2, NO_PULSE = 127, 511
# Some bits are a word when they are set, and some when they are not.
WORDS_IF_SET = {1: "poor_signal", 3: "poor_signal", 5: "low_battery"}
WORDS_IF_CLEAR = {2: "estimated", 4: "questionable"}


class Nonin3230:
    """Reads one oximeter for one connection."""

    card: ClassVar[Card] = Card(
        name="nonin-3230",
        maker="Nonin",
        model="3230, and WristOx2 3150 BLE",
        link=Link.BLE,
        channels=(*CHANNELS, "perfusion_index", "battery"),
        services=("46a970e0-0d5f-11e2-8b5e-0002a5d5c51b",),
        notify=(MEASUREMENT,),
        read=(BATTERY,),
        quiet_s=5.0,
        source="Nonin's example application for the 3230; andreasdri/nonin-3230-ble, as a description of the service",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._each_second = EachSecond(thin=False)
        self._handlers = {MEASUREMENT: self._measurement, BATTERY: battery_level}

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it tells what it has by itself."""
        return []

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        length, status, _decivolts = packet.u8(), packet.u8(), packet.u8()
        amplitude, _seconds = _u16(packet), _u16(packet)
        spo2, pulse_rate = _number(packet.u8(), NO_SPO2), _number(_u16(packet), NO_PULSE)
        packet.end()
        if length != len(rx.data):
            raise Misfit("unknown packet", f"{len(rx.data)} bytes that call themselves {length}")
        said = _said(status)
        yield from self._each_second.take(rx, spo2, pulse_rate, said)
        if isinstance(pulse_rate, Number):
            yield reading("perfusion_index", Number(amplitude / 100, 2), rx, Stamp(rx.t_ns, status=said))


def _said(status: int) -> tuple[str, ...]:
    """The status words."""
    return words(status, WORDS_IF_SET) + words(~status, WORDS_IF_CLEAR)


def _number(raw: int, none: int) -> Number | Missing:
    return Missing(f"{raw}: no measurement") if raw == none else Number(float(raw))


def _u16(packet: Reader) -> int:
    return int.from_bytes(packet.take(2), "big")
