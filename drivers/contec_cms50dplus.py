"""Contec CMS50D+ pulse oximeters of the old model, on USB at 19200 baud with odd parity.

Live it sends the BCI packet (`_bci.py`) 60 times a second, unasked, for as long as it is switched on: it switches
itself off some seconds after the finger has left. `f5 f5` makes it send the recording in its memory instead, and
`f6 f6 f6` goes back to live:

    f2 80 00, three times                     here it comes
    80+bits 20-14, 80+bits 13-7, bits 6-0     its length in bytes, less one
    f0+bit 7 of the pulse, 80+bits 6-0, SpO2  one sample for each second

*When it is fetched.* A recording of a night takes more than half a minute, in which nothing live can be heard. So it is
asked for when there is nothing to miss: at the first packet without a finger after the device was silent, which is
after it was switched on, or the cable put back. If it does not come to its end, silence makes the session greet the
device, and the greeting is `f6 f6 f6`; a recording that was damaged on the way is dropped. In both cases the next
time it is switched on is the next try.

The device has no clock; `_recording.py` says whose a recording is, and when it was made.

Source: no public specification; the protocol as atbrask/CMS50Dplus and the wiki of Apnea Board describe it.
"""

import re
from collections.abc import Generator, Iterator, Sequence
from typing import ClassVar

from drivers import _recording
from drivers._bci import Bci, no_finger
from drivers._oximetry import CHANNELS
from drivers._packets import Lost
from drivers._recording import Sample
from drivers.contract import Bookmark, Card, Link, Out, Rx, Serial, Tx
from vitals.clock import NS
from vitals.events import Fault

DOWNLOAD, LIVE = Tx("serial", b"\xf5\xf5"), Tx("serial", b"\xf6\xf6\xf6")
PREAMBLE = b"\xf2\x80\x00" * 3
LENGTH = re.compile(rb"[\x80-\xff][\x80-\xff][\x00-\x7f]")
SAMPLE = re.compile(rb"[\xf0\xf1][\x80-\xff][\x00-\x7f]")
TRIPLET = 3
MOST_SAMPLES = 100_000
"""A day has 86,400 seconds, which fill the memory."""

SILENCE_NS = 10 * NS
ANSWERS_WITHIN_NS = 10 * NS


class OldCms50dPlus:
    """Reads one oximeter for one connection. Bookmark: `Known.text`."""

    card: ClassVar[Card] = Card(
        name="contec-cms50dplus",
        maker="Contec",
        model="CMS50D+ (19200 baud)",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(19_200, parity="O"),
        silence_s=SILENCE_NS / NS,
        source="packets of the BCI protocol; atbrask/CMS50Dplus and Apnea Board for the memory",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._known = _recording.known(bookmark)
        self._live = Bci()
        self._held = b""
        self._download: _Download | None = None
        self._wanted = False
        self._asked_ns: int | None = None
        self._heard_ns: int | None = None

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing, for it talks unasked; back to live where it fell silent in the middle of a recording."""
        if self._download is None:
            return ()
        self._download = None
        return (LIVE,)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        if self._heard_ns is None or abs(rx.t_ns - self._heard_ns) >= SILENCE_NS:
            self._wanted = True
        self._heard_ns = rx.t_ns
        data = rx.data
        while data:
            if self._download is None:
                data = yield from self._part_of_live(rx, data)
            else:
                data = yield from self._part_of_download(rx, self._download, data)

    def _part_of_live(self, rx: Rx, data: bytes) -> Generator[Out, None, bytes]:
        """Takes `data` up to the end of a preamble; returns the rest."""
        data, self._held = self._held + data, b""
        live, preamble, rest = data.partition(PREAMBLE)
        if not preamble:
            live, self._held = _without_start_of_preamble(data)
        for found in self._live.found(live):
            yield from self._live.take(rx, found)
            if not isinstance(found, Lost):
                yield from self._memory(rx, idle=no_finger(found))
        if preamble:
            self._live.break_off()
            self._asked_ns = None
            self._download = _Download()
        return rest

    def _memory(self, rx: Rx, *, idle: bool) -> Iterator[Out]:
        """Ask for the recording where nothing is missed by it; what goes on live instead of answering has none."""
        if self._wanted and idle:
            self._wanted = False
            self._asked_ns = rx.t_ns
            yield DOWNLOAD
        elif self._asked_ns is not None and abs(rx.t_ns - self._asked_ns) >= ANSWERS_WITHIN_NS:
            self._asked_ns = None
            if not self._known.name:
                yield from self._remember(())

    def _part_of_download(self, rx: Rx, download: "_Download", data: bytes) -> Generator[Out, None, bytes]:
        """Takes `data` up to the end of a recording; returns the rest."""
        rest = download.feed(data)
        if download.damage:
            yield Fault("short packet", f"{download.damage}; it stays in the memory", rx.t_ns, rx.pipe)
        elif download.whole:
            yield from _recording.told(rx, download.samples, self._known)
            yield from self._remember(download.samples)
        else:
            return rest
        self._download = None
        yield LIVE
        return rest

    def _remember(self, samples: Sequence[Sample]) -> Iterator[Out]:
        self._known = _recording.found(samples)
        yield Bookmark(self._known.text)


class _Download:
    """A recording on its way: its length, then its samples. `damage`: why it is no good, once it is not."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.damage = ""
        self._count: int | None = None
        self._open = bytearray()

    @property
    def whole(self) -> bool:
        return self._count is not None and len(self.samples) >= self._count

    def feed(self, data: bytes) -> bytes:
        """Takes what belongs to it, and returns the rest."""
        for at, byte in enumerate(data, 1):
            self._open.append(byte)
            if len(self._open) == TRIPLET:
                self._triplet(bytes(self._open))
            if self.damage or self.whole:
                return data[at:]
        return b""

    def _triplet(self, data: bytes) -> None:
        self._open.clear()
        high, low, last = data
        if self._count is None:
            self._count = (((high & 0x7F) << 14 | (low & 0x7F) << 7 | last) + 1) // TRIPLET
            if not LENGTH.match(data) or self._count > MOST_SAMPLES:
                self.damage = "the length of a recording was damaged on the line"
        elif SAMPLE.match(data):
            self.samples.append((last, (high & 1) << 7 | low & 0x7F))
        elif not self.samples and high < 0x80:  # one owner's device has a byte more between length and samples
            self._open += data[1:]
        else:
            self.damage = f"a recording was damaged on the line after {len(self.samples)} of {self._count} samples"


def _without_start_of_preamble(data: bytes) -> tuple[bytes, bytes]:
    """`data`, and what at its end may be the start of a preamble."""
    for size in range(min(len(PREAMBLE) - 1, len(data)), 0, -1):
        if data.endswith(PREAMBLE[:size]):
            return data[:-size], data[-size:]
    return data, b""
