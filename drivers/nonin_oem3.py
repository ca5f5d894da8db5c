"""Nonin OEM III pulse oximeter modules in three of their serial data formats, which are chosen at the module.

Formats 2 and 7 send 75 frames a second of five bytes, the last the sum of the others; 25 frames are a packet:

    format 2   01, status, waveform, data, sum
    format 7   status, waveform (2 bytes), data, sum

The data byte means what its place in the packet says, and the first frame has the SYNC bit. Averages over four beats:
heart rate in frames 1 and 2, SpO2 in frame 3; these are told. The module repeats them as shown on a display (20, 21; 9),
and averaged over eight beats (14, 15; 16), and those for a display (22, 23; 17): never mixed into the same series.
Artifact and perfusion are flagged only while there is a pulse, so a packet has the flags of all its frames. A packet
that lost a byte is not told at all: what came next in it could be taken for what was lost.

Format 8 sends one packet of three bytes a second, no sum; its first byte alone has bit 7 set.

511 is no heart rate and 127 no SpO2. With no sensor, or no finger in it, numbers are not looked at.

Source: Nonin OEM III Module Specification and Technical Information.
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

    is_frame: ClassVar[IsPacket]
    status_at: ClassVar[int]

    def __init__(self, bookmark: str = "") -> None:
        self._packets = Packets(FRAME_SIZE, type(self).is_frame)
        self._each_second = EachSecond()
        self._frames: list[bytes] = []
        self._in_step = False

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: it talks unasked."""
        return ()

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self._packets.feed(rx.data):
            if isinstance(found, Lost):
                yield lost(rx, found)
                self._frames.clear()
                self._in_step = False
            else:
                yield from self._frame(rx, found)

    def _frame(self, rx: Rx, frame: bytes) -> Iterator[Out]:
        if bool(frame[self.status_at] & SYNC) == bool(self._frames):  # the first alone has SYNC
            if self._in_step:
                text = f"a packet of {len(self._frames)} frames, or without its first; {FRAMES} are whole"
                yield Fault("short packet", text, rx.t_ns, rx.pipe, b"".join(self._frames))
            self._frames.clear()
            self._in_step = bool(frame[self.status_at] & SYNC)
        if not self._frames:
            self._in_step = self._in_step or bool(frame[self.status_at] & SYNC)
            if not self._in_step:
                return
        self._frames.append(frame)
