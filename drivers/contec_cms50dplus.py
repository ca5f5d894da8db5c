"""Contec CMS50D+ pulse oximeters on USB, in the two protocols that share the name.

The old model sends the BCI packet (`_bci.py`) 60 times a second, unasked, at 19200 baud with odd parity.

Version 4.6 speaks at 115200 baud and turns the idea round: the first byte of a packet, its type, alone has bit 7 clear.
The byte after it carries the bit 7 that the following bytes had to give up, bit 0 for the first of them:

    01  high bits  state, waveform, bar graph, pulse rate, SpO2, perfusion (2 bytes)

A request is `7d 81`, what is asked, and six times 80. Live data (A1) ends unless AF, "still here", is sent in time.
Packets of other types answer requests and are passed over.

Neither model has a clock that is known to be right, and the recordings in their memories (old: `f5 f5`; 4.6: A6) carry
no name or number. They are left where they are: a reading of an unknown night that comes again with each connection
would be worse than none. So is the perfusion of 4.6, whose unit the maker does not tell.

Source: no public specification; the bytes of several owners, and what they mean, as collected for this project.
"""

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._bci import NO_PULSE, NO_SPO2, Bci, number
from drivers._oximetry import CHANNELS, EachSecond, lost
from drivers._packets import Lost, Packets
from drivers.contract import Card, Link, Out, Rx, Serial, Tx
from vitals.clock import NS

LIVE = re.compile(rb"\x01[\x80-\xff]{8}")
LIVE_SIZE = 9
ANSWERS = re.compile(rb"([\x02-\x7f][\x80-\xff]+)+")
ASK_LIVE, STILL_HERE = 0xA1, 0xAF
STILL_HERE_NS = 5 * NS

SEARCHED_TOO_LONG = 0x10  # state
SEARCHING = 0x80  # waveform


class OldCms50dPlus:
    """Reads one oximeter of the old model for one connection."""

    card: ClassVar[Card] = Card(
        name="contec-cms50dplus",
        maker="Contec",
        model="CMS50D+ (19200 baud)",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(19_200, parity="O"),
        source="packets of the BCI protocol",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._stream = Bci()

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return ()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        return self._stream.feed(rx)


class Cms50dPlus46:
    """Reads one oximeter of version 4.6 for one connection."""

    card: ClassVar[Card] = Card(
        name="contec-cms50dplus-46",
        maker="Contec",
        model="CMS50D+ version 4.6 (115200 baud)",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(115_200),
        source="packets recorded by owners",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._packets = Packets(LIVE_SIZE, LIVE.match)
        self._each_second = EachSecond()
        self._said_ns = 0

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for live data."""
        self._said_ns = now_ns
        return [_ask(ASK_LIVE)]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete, and now and then that we are still here."""
        for found in self._packets.feed(rx.data):
            if isinstance(found, Lost):
                if not ANSWERS.fullmatch(found.data):
                    yield lost(rx, found)
                continue
            if not self._each_second.done(rx.t_ns):
                yield from self._live(Rx(rx.pipe, found, rx.t_ns))
            if abs(rx.t_ns - self._said_ns) >= STILL_HERE_NS:
                self._said_ns = rx.t_ns
                yield _ask(STILL_HERE)

    def _live(self, rx: Rx) -> Iterator[Out]:
        state, waveform, _bar, pulse_rate, spo2, *_perfusion = unpacked(rx.data)
        status = ("poor_signal",) if state & SEARCHED_TOO_LONG or waveform & SEARCHING else ()
        yield from self._each_second.take(rx, number(spo2, NO_SPO2), number(pulse_rate, NO_PULSE), status)


def unpacked(packet: bytes) -> bytes:
    """The bytes after the first two of a packet of version 4.6, each with its own bit 7 again."""
    high = packet[1]
    return bytes(byte & 0x7F | (high >> at & 1) << 7 for at, byte in enumerate(packet[2:]))


def _ask(what: int) -> Tx:
    return Tx("serial", bytes((0x7D, 0x81, what)) + b"\x80" * 6)
