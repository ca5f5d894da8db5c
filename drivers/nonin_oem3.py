"""Nonin OEM III pulse oximeter modules in three of their serial data formats, which are chosen at the module.

Formats 2 and 7 send 75 frames a second of five bytes, the last the sum of the others; 25 frames are a packet:

    format 2   01, status, waveform, data, sum
    format 7   status, waveform (2 bytes), data, sum

The data byte means what its place in the packet says, and the first frame has the SYNC bit. Told are the averages over
four beats: heart rate in frames 1 and 2, SpO2 in frame 3. The module also sends these held for a display (20, 21; 9),
the averages over eight beats (14, 15; 16), and those for a display (22, 23; 17): never to be mixed into one series.
Artifact and perfusion are flagged only while there is a pulse, so a packet has the flags of all its frames. A packet
that lost a byte is not told at all: what came next in it could be taken for what was lost.

Format 8 sends one packet of three bytes a second, no sum; its first byte alone has bit 7 set. Nonin's oximeters with a
radio (4100, 3150) send a fourth byte in what they call format 8, a second status of their own: it is passed over.

511 is no heart rate and 127 no SpO2. With no sensor, or no finger in it, numbers are not looked at.

Source: Nonin OEM III Module Specification and Technical Information; drphrozen/javautilityclasses for the fourth byte.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import ClassVar

from drivers._oximetry import CHANNELS, EachSecond, lost
from drivers._packets import IsPacket, Lost, Packets
from drivers._reading import Missing, Number
from drivers.contract import Card, Link, Out, Rx, Serial, Tx
from vitals.events import Fault

FRAMES = 25
FRAME_SIZE = 5
DATA = 3
"""Where in a frame, of either format, the data byte is."""
HR_MSB, HR_LSB, SPO2 = 0, 1, 2
"""The frames (from 0) of the four-beat averages."""
NO_HEART_RATE, NO_SPO2 = 511, 127

# Status of formats 2 and 7. Both perfusion bits together mean yellow: a middling pulse, which is good enough.
SYNC, GREEN, RED, SENSOR_ALARM, OUT_OF_TRACK, ARTIFACT, NO_SENSOR = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40
FRAME_WORDS = {ARTIFACT: "motion", OUT_OF_TRACK: "poor_signal"}

# Status of format 8. Its two lowest bits are the highest of the heart rate; 08 is marginal perfusion.
PACKET_WORDS = {0x04: "motion", 0x20: "poor_signal", 0x10: "low_perfusion"}
SHORT_PACKET = re.compile(rb"[\x80-\xff][\x00-\x7f]{2}")


def _card(data_format: int) -> Card:
    return Card(
        name=f"nonin-oem3-format{data_format}",
        maker="Nonin",
        model=f"OEM III module, serial data format {data_format}",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(9600),
        source="Nonin OEM III Module Specification and Technical Information",
    )


class _Framed:
    """Formats 2 and 7, which differ in how a frame is known and where in it the status is."""

    def __init__(self, is_frame: IsPacket, status_at: int) -> None:
        self._stream = Packets(FRAME_SIZE, is_frame)
        self._each_second = EachSecond()
        self._status_at = status_at
        self._frames: list[bytes] | None = None  # None: out of step, until a first frame

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return ()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self._stream.feed(rx.data):
            if isinstance(found, Lost):
                self._frames = None
                yield lost(rx, found)
            else:
                yield from self._frame(rx, found)

    def _frame(self, rx: Rx, frame: bytes) -> Iterator[Out]:
        if frame[self._status_at] & SYNC:
            if self._frames:
                yield _incomplete(rx, self._frames)
            self._frames = [frame]
        elif self._frames:
            self._frames.append(frame)
            if len(self._frames) == FRAMES:
                packet, self._frames = self._frames, []
                yield from self._packet(rx, packet)
        elif self._frames is not None:
            yield _incomplete(rx, [frame])
            self._frames = None

    def _packet(self, rx: Rx, frames: list[bytes]) -> Iterator[Out]:
        if self._each_second.done(rx.t_ns):
            return
        flags = 0
        weak = False
        for frame in frames:
            status = frame[self._status_at]
            flags |= status
            weak = weak or status & (RED | GREEN) == RED
        heart_rate = (frames[HR_MSB][DATA] & 3) << 7 | frames[HR_LSB][DATA] & 0x7F
        no_sensor = flags & (NO_SENSOR | SENSOR_ALARM)
        spo2, pulse_rate = _numbers(frames[SPO2][DATA], heart_rate, bool(no_sensor))
        status_words = _words(flags, FRAME_WORDS) + (("low_perfusion",) if weak else ())
        yield from self._each_second.take(Rx(rx.pipe, b"".join(frames), rx.t_ns), spo2, pulse_rate, status_words)


def _is_frame_2(data: bytes, at: int) -> bool:
    return data[at] == 1 and data[at + 1] >= 0x80 and _sum_fits(data, at)


def _is_frame_7(data: bytes, at: int) -> bool:
    return data[at] >= 0x80 and _sum_fits(data, at)


def _sum_fits(data: bytes, at: int) -> bool:
    return (data[at] + data[at + 1] + data[at + 2] + data[at + 3]) & 0xFF == data[at + 4]


class Format2(_Framed):
    """Reads one module in serial data format 2 for one connection."""

    card: ClassVar[Card] = _card(2)

    def __init__(self, bookmark: str = "") -> None:
        super().__init__(_is_frame_2, status_at=1)


class Format7(_Framed):
    """Reads one module in serial data format 7 for one connection."""

    card: ClassVar[Card] = _card(7)

    def __init__(self, bookmark: str = "") -> None:
        super().__init__(_is_frame_7, status_at=0)


class Format8:
    """Reads one module in serial data format 8 for one connection."""

    card: ClassVar[Card] = _card(8)

    def __init__(self, bookmark: str = "") -> None:
        self._stream = Packets(3, SHORT_PACKET.match)
        self._each_packet = EachSecond(thin=False)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return ()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self._stream.feed(rx.data):
            if isinstance(found, Lost):
                if not _is_second_status(found):
                    yield lost(rx, found)
                continue
            status, heart_rate, spo2 = found
            numbers = _numbers(spo2, (status & 3) << 7 | heart_rate, bool(status & NO_SENSOR))
            yield from self._each_packet.take(Rx(rx.pipe, found, rx.t_ns), *numbers, _words(status, PACKET_WORDS))


def _is_second_status(found: Lost) -> bool:
    """Whether what stands between two packets is the fourth byte of a kin of the module."""
    return len(found.data) == 1 and found.data[0] < 0x80


def _numbers(spo2: int, heart_rate: int, no_sensor: bool) -> tuple[Number | Missing, Number | Missing]:
    """SpO2 and heart rate, or why there is none."""
    if no_sensor:
        none = Missing("a sensor alarm: no sensor, or no finger in it")
        return none, none
    return _number(spo2 & 0x7F, NO_SPO2), _number(heart_rate, NO_HEART_RATE)


def _number(raw: int, none: int) -> Number | Missing:
    return Missing(f"{raw}, which means none") if raw == none else Number(float(raw))


def _words(status: int, words: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(word for bit, word in words.items() if status & bit)


def _incomplete(rx: Rx, frames: list[bytes]) -> Fault:
    text = f"{len(frames)} of the {FRAMES} frames of a packet: the line lost the others"
    return Fault("short packet", text, rx.t_ns, rx.pipe, b"".join(frames))
