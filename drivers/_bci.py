"""The BCI packet: five bytes in which only the first has bit 7 set, so a lost byte costs at most one packet.

    byte 0   1, beep, falling SpO2, searched too long, signal strength (4 bits)
    byte 1   0, waveform (7 bits)
    byte 2   0, bit 7 of the pulse rate, searching, sensor error, bar graph (4 bits)
    byte 3   0, pulse rate, its lower 7 bits
    byte 4   0, SpO2 in percent

There is no sum: a bit that turned over is seen only where the number becomes impossible. FF (pulse) and 7F (SpO2) mean
that there is none; some makers write 0. Spoken by BCI's oximeters and many others, over a serial line or, cut anywhere
into notifications, over Bluetooth: `Bci` reads one connection of either kind.
"""

import re
from collections.abc import Iterator

from drivers._oximetry import EachSecond, lost
from drivers._packets import Lost, Packets
from drivers._reading import Missing, Number
from drivers.contract import Out, Rx

SIZE = 5
PACKET = re.compile(rb"[\x80-\xff][\x00-\x7f]{4}")

SEARCHED_TOO_LONG = 0x10  # byte 0
PULSE_BIT_7, SEARCHING, SENSOR_ERROR = 0x40, 0x20, 0x10  # byte 2
NO_PULSE, NO_SPO2 = (0xFF, 0), (0x7F, 0)


class Bci:
    """Reads the packets of one connection; gives `spo2` and `pulse_rate`, each at most once a second."""

    def __init__(self) -> None:
        self._packets = Packets(SIZE, PACKET.match)
        self._each_second = EachSecond()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self.found(rx.data):
            yield from self.take(rx, found)

    def found(self, data: bytes) -> Iterator[bytes | Lost]:
        """The packets that these bytes complete, and what was lost between them."""
        return self._packets.feed(data)

    def take(self, rx: Rx, found: bytes | Lost) -> Iterator[Out]:
        """What is to be told of one that was found in `rx`."""
        if isinstance(found, Lost):
            yield lost(rx, found)
        elif not self._each_second.done(rx.t_ns):
            spo2, pulse_rate, status = values(found)
            yield from self._each_second.take(Rx(rx.pipe, found, rx.t_ns), spo2, pulse_rate, status)

    def break_off(self) -> None:
        """The stream stops here and goes on elsewhere: the start of an unfinished packet is dropped."""
        self._packets = Packets(SIZE, PACKET.match)


def no_finger(packet: bytes) -> bool:
    """Whether a whole packet says that there is nothing to measure."""
    return bool(packet[2] & SENSOR_ERROR)


def values(packet: bytes) -> tuple[Number | Missing, Number | Missing, tuple[str, ...]]:
    """SpO2 in percent, pulse rate per minute and status words of a whole packet."""
    state, flags, spo2 = packet[0], packet[2], packet[4]
    pulse_rate = (flags & PULSE_BIT_7) << 1 | packet[3]
    if flags & SENSOR_ERROR:
        none = Missing("a sensor error: no finger, or no sensor")
        return none, none, ()
    status = ("poor_signal",) if flags & SEARCHING or state & SEARCHED_TOO_LONG else ()
    return number(spo2, NO_SPO2), number(pulse_rate, NO_PULSE), status


def number(raw: int, none: tuple[int, ...]) -> Number | Missing:
    """`raw`, unless it is one of those that mean `none`."""
    return Missing(f"{raw}, which means none") if raw in none else Number(float(raw))
