"""Contec CMS50D+ pulse oximeters of version 4.6, on USB at 115200 baud.

The first byte of a packet, its type, alone has bit 7 clear, and each type has its size. The byte after it carries the
bit 7 that the following bytes had to give up, bit 0 for the first of them. A request is `7d 81`, what is asked, and six
bytes more:

    a1 live     01: state, waveform, bar graph, pulse rate, SpO2, perfusion (2 bytes), 60 times a second
    a2 no more  0c
    a4 length   08: user, segment, bytes of the recording (4, little-endian)
    a5 begin    07: user, segment, century, year, month, day;  12: user, segment, hour, minute, second
    a6 samples  0f: SpO2 and pulse rate, three times;  or 09: SpO2, pulse rate, perfusion (2 bytes)
    b2, b1      set the date (century, year, month, day, weekday) and the time (hour, minute, second)
    af          still here: live data ends without it
    any         0b: what was asked, and why it is not done (0: it was)

*Live* is asked for in each greeting: a device that was switched off has forgotten, and is as silent as one that is off.

*The recording* in its memory (of the first user; models with several are left at that) is fetched when there is nothing
to miss: at the first live packet without a finger after a silence. Each question follows from the answer to the one
before, and live is asked for again at the end; an answer that does not come is a silence, and ends in a greeting. A
recording of which the beginning and the length are known from the last visit is not fetched.

*Its time.* The clock can be set and not be read, so what it said when a recording began tells nothing of when that was,
unless we set it ourselves before. So it is set at each fetching, to UTC, and from then on a beginning after that, which
does not put the end into the future, is believed. Somebody who sets the clock by hand afterwards makes it wrong by as
much. `_recording.py` says what becomes of the others.

The perfusion is left out, for the maker does not tell its unit.

Source: no specification by the maker is public; its V7.0 protocol as albertcbraun/CMS50FW, bmartin427/CMS50,
timegrid/CMS50Dplus7 and the loaders of SleepyHead describe it.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import msgspec

from drivers import _recording
from drivers._bci import NO_PULSE, NO_SPO2, number
from drivers._gatt import EPOCH, YEARS
from drivers._oximetry import CHANNELS, EachSecond, lost
from drivers._packets import LONGEST, Lost
from drivers._reading import Missing, Number
from drivers._recording import Known, Sample
from drivers.contract import Bookmark, Card, Link, Out, Rx, Serial, Tx
from vitals.clock import NS
from vitals.events import Fault

LIVE, DATE, LENGTH, WITH_PERFUSION, FEEDBACK, FREE, SAMPLES, TIME = 0x01, 0x07, 0x08, 0x09, 0x0B, 0x0C, 0x0F, 0x12
SIZES = {
    0x01: 9, 0x02: 9, 0x03: 9, 0x04: 9, 0x05: 9, 0x06: 4, 0x07: 8, 0x08: 8, 0x09: 6, 0x0A: 4, 0x0B: 4, 0x0C: 2,
    0x0D: 3, 0x0E: 3, 0x0F: 8, 0x10: 3, 0x11: 9, 0x12: 8, 0x13: 9, 0x14: 9, 0x15: 9,
}  # fmt: skip
"""Bytes of a packet, by its type."""

ASK_LIVE, ASK_NO_LIVE, ASK_LENGTH, ASK_BEGAN, ASK_SAMPLES = 0xA1, 0xA2, 0xA4, 0xA5, 0xA6
STILL_HERE, SET_TIME, SET_DATE = 0xAF, 0xB1, 0xB2
DONE = 0
STILL_HERE_NS = 5 * NS
SILENCE_NS = 10 * NS

PROBE_ERROR, SEARCHED_TOO_LONG = 0x80, 0x10  # state
SEARCHING = 0x80  # waveform

SOLD_SINCE_NS = 1_262_304_000 * NS
"""2010-01-01: an earlier date is that of a clock which was never set."""
SLACK_NS = 60 * NS
"""A cheap clock is wrong by so much after some months."""
MOST_BYTES = 400_000


class _Memory(msgspec.Struct, frozen=True):
    """The bookmark: the recording of the last visit, when it began by the device's clock, and when we set that."""

    known: Known = Known()
    began_ns: int | None = None
    set_ns: int | None = None

    @property
    def text(self) -> str:
        return f"{self.known.text} {_word(self.began_ns)} {_word(self.set_ns)}"


class Cms50dPlus46:
    """Reads one oximeter for one connection. Bookmark: `<name> <samples> <began, ns> <clock set, ns>`."""

    card: ClassVar[Card] = Card(
        name="contec-cms50dplus-46",
        maker="Contec",
        model="CMS50D+ version 4.6 (115200 baud)",
        link=Link.SERIAL,
        channels=CHANNELS,
        serial=Serial(115_200),
        silence_s=SILENCE_NS / NS,
        source="packets recorded by owners; the maker's V7.0 protocol as open drivers describe it",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._memory = _parsed(bookmark)
        self._packets = _SizedPackets(SIZES)
        self._each_second = EachSecond()
        self._said_ns = 0
        self._heard_ns: int | None = None
        self._wanted = False
        self._fetching: _Fetching | None = None
        self._handlers = {
            LIVE: self._live,
            FREE: self._stopped,
            LENGTH: self._length,
            DATE: self._began,
            TIME: self._began,
            SAMPLES: self._samples,
            WITH_PERFUSION: self._samples,
            FEEDBACK: self._feedback,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for live data."""
        self._said_ns = now_ns
        self._fetching = None
        return [_ask(ASK_LIVE)]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete, and now and then that we are still here."""
        if self._heard_ns is None or abs(rx.t_ns - self._heard_ns) >= SILENCE_NS:
            self._wanted = True
        self._heard_ns = rx.t_ns
        for found in self._packets.feed(rx.data):
            if isinstance(found, Lost):
                yield lost(rx, found)
                continue
            if found[0] in self._handlers:
                yield from self._handlers[found[0]](Rx(rx.pipe, found, rx.t_ns))
            if abs(rx.t_ns - self._said_ns) >= STILL_HERE_NS:
                self._said_ns = rx.t_ns
                yield _ask(STILL_HERE)

    def _live(self, rx: Rx) -> Iterator[Out]:
        state, waveform, _bar, pulse_rate, spo2, *_perfusion = unpacked(rx.data)
        idle = bool(state & PROBE_ERROR)
        if not self._each_second.done(rx.t_ns):
            status = ("poor_signal",) if state & SEARCHED_TOO_LONG or waveform & SEARCHING else ()
            yield from self._each_second.take(rx, *_numbers(spo2, pulse_rate, idle=idle), status)
        if self._wanted and idle:
            self._wanted = False
            self._fetching = _Fetching()
            yield _ask(ASK_NO_LIVE)

    # Fetching the recording: each answer asks the next question

    def _stopped(self, rx: Rx) -> Iterator[Out]:
        if self._fetching and self._fetching.size is None:
            yield _ask(ASK_LENGTH)

    def _length(self, rx: Rx) -> Iterator[Out]:
        fetching = self._fetching
        if fetching is None or fetching.size is not None:
            return
        fetching.size = int.from_bytes(unpacked(rx.data)[2:6], "little")
        if fetching.size > MOST_BYTES:
            text = f"a recording of {fetching.size} bytes, which is more than a memory holds: the line changed it"
            yield Fault("short packet", text, rx.t_ns, rx.pipe, rx.data)
            yield from self._live_again()
        elif fetching.size == 0:
            yield from self._all_told(rx)
        else:
            yield _ask(ASK_BEGAN)

    def _began(self, rx: Rx) -> Iterator[Out]:
        fetching = self._fetching
        if fetching is None or not fetching.size:
            return
        fetching.began[rx.data[0]] = unpacked(rx.data)[2:]
        if len(fetching.began) < 2:
            return
        if fetching.began_ns is not None and self._is_known(fetching):
            yield from self._set_clock(rx)
        else:
            yield _ask(ASK_SAMPLES)

    def _is_known(self, fetching: "_Fetching") -> bool:
        memory = self._memory
        return memory.began_ns == fetching.began_ns and fetching.size in (
            2 * memory.known.count,
            4 * memory.known.count,
        )

    def _samples(self, rx: Rx) -> Iterator[Out]:
        if self._fetching and self._fetching.size and self._fetching.take(rx.data):
            yield from self._all_told(rx)

    def _feedback(self, rx: Rx) -> Iterator[Out]:
        asked, why = unpacked(rx.data)
        if self._fetching is None:
            return
        if asked in (ASK_NO_LIVE, ASK_LENGTH, ASK_SAMPLES):
            yield from self._refused(rx)
        elif asked == ASK_BEGAN:
            yield _ask(ASK_SAMPLES)
        elif asked == SET_DATE and why == DONE:
            yield _ask(SET_TIME, *_time(self._fetching.set_ns))
        elif asked in (SET_DATE, SET_TIME):
            set_ns = self._fetching.set_ns if why == DONE else None
            self._memory = msgspec.structs.replace(self._memory, set_ns=set_ns)
            yield Bookmark(self._memory.text)
            yield from self._live_again()

    def _refused(self, rx: Rx) -> Iterator[Out]:
        """It says that it cannot tell a recording; one that never could has none."""
        if not self._memory.known.name:
            self._memory = _Memory(_recording.found(()), None, self._memory.set_ns)
            yield Bookmark(self._memory.text)
        yield from self._set_clock(rx)

    def _all_told(self, rx: Rx) -> Iterator[Out]:
        """The recording is whole, or there is none."""
        fetching = self._fetching
        assert fetching is not None
        samples, began_ns = fetching.samples, fetching.began_ns
        before = self._memory.known
        if before.name and began_ns not in (None, self._memory.began_ns):
            before = _recording.found(())  # it began at another time, so it is another, however alike
        yield from _recording.told(rx, samples, before, self._dated(rx, samples, began_ns), began_ns)
        self._memory = _Memory(_recording.found(samples), began_ns, self._memory.set_ns)
        yield Bookmark(self._memory.text)
        yield from self._set_clock(rx)

    def _dated(self, rx: Rx, samples: Sequence[Sample], began_ns: int | None) -> int | None:
        """When a recording began, in ns; None when the clock that says it is not known to be right."""
        set_ns = self._memory.set_ns
        if began_ns is None or set_ns is None or began_ns < set_ns - SLACK_NS:
            return None
        return began_ns if began_ns + len(samples) * NS <= rx.t_ns + SLACK_NS else None

    def _set_clock(self, rx: Rx) -> Iterator[Out]:
        assert self._fetching is not None
        self._fetching.set_ns = rx.t_ns
        yield Tx("serial", _request(SET_DATE, *_date(rx.t_ns)), after_stored=True)

    def _live_again(self) -> Iterator[Out]:
        self._fetching = None
        yield _ask(ASK_LIVE)


class _Fetching:
    """A recording on its way: `size` in bytes, `began` by type of packet, and what came of it."""

    def __init__(self) -> None:
        self.size: int | None = None
        self.began: dict[int, bytes] = {}
        self.samples: list[Sample] = []
        self.set_ns = 0
        self._bytes = 0

    @property
    def began_ns(self) -> int | None:
        """The device's calendar when the recording began, as if it were UTC; None where it says nothing of use."""
        if len(self.began) < 2:
            return None
        century, year_of_it, month, day = self.began[DATE][:4]
        hour, minute, second = self.began[TIME][:3]
        year = 100 * century + year_of_it
        if year not in YEARS:
            return None
        try:
            date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        except ValueError:
            return None
        began_ns = (date - EPOCH) // timedelta(seconds=1) * NS
        return began_ns if began_ns >= SOLD_SINCE_NS else None

    def take(self, packet: bytes) -> bool:
        """A packet of samples; whether it was the last. The end of it may be filling."""
        body = unpacked(packet)
        step = 4 if packet[0] == WITH_PERFUSION else 2
        for at in range(0, len(body), step):
            if self._bytes < (self.size or 0):
                self.samples.append((body[at], body[at + 1]))
                self._bytes += step
        return self._bytes >= (self.size or 0)


class _SizedPackets:
    """A stream of packets whose first byte, alone with bit 7 clear, tells their size; else as `_packets.Packets`."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        self._sizes = sizes
        self._open = b""
        self._lost = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Lost]:
        """What is complete with `data`; the start of an unfinished packet is kept."""
        data = self._open + data
        at = 0
        while at < len(data):
            size = self._sizes.get(data[at], 0)
            packet = data[at : at + size]
            if size and all(byte >= 0x80 for byte in packet[1:]):
                if len(packet) < size:
                    break
                if self._lost:
                    yield self._given_up()
                yield packet
                at += size
            else:
                self._lost.append(data[at])
                at += 1
                if len(self._lost) == LONGEST:
                    yield self._given_up()
        self._open = data[at:]

    def _given_up(self) -> Lost:
        lost = Lost(bytes(self._lost))
        self._lost.clear()
        return lost


def unpacked(packet: bytes) -> bytes:
    """The bytes after the first two of a packet, each with its own bit 7 again."""
    high = packet[1]
    return bytes(byte & 0x7F | (high >> at & 1) << 7 for at, byte in enumerate(packet[2:]))


def _numbers(spo2: int, pulse_rate: int, *, idle: bool) -> tuple[Number | Missing, Number | Missing]:
    if idle:
        none = Missing("a sensor error: no finger, or no sensor")
        return none, none
    return number(spo2, NO_SPO2), number(pulse_rate, NO_PULSE)


def _ask(what: int, *more: int) -> Tx:
    return Tx("serial", _request(what, *more))


def _request(what: int, *more: int) -> bytes:
    return bytes((0x7D, 0x81, what, *(0x80 | byte for byte in more))).ljust(9, b"\x80")


def _date(t_ns: int) -> tuple[int, ...]:
    """Century, year, month, day, weekday (0 Sunday) of a time in ns."""
    date = EPOCH + timedelta(seconds=t_ns // NS)
    return date.year // 100, date.year % 100, date.month, date.day, date.isoweekday() % 7


def _time(t_ns: int) -> tuple[int, ...]:
    time = EPOCH + timedelta(seconds=t_ns // NS)
    return time.hour, time.minute, time.second


def _word(t_ns: int | None) -> str:
    return "-" if t_ns is None else str(t_ns // NS)


def _ns(word: str) -> int | None:
    return int(word[:11]) * NS if word.isascii() and word.isdecimal() else None


def _parsed(bookmark: str) -> _Memory:
    """The bookmark; one that is empty, or not ours, is that of a device that was never visited."""
    words = bookmark.split(" ")
    if len(words) != 4:
        return _Memory()
    return _Memory(_recording.known(" ".join(words[:2])), _ns(words[2]), _ns(words[3]))
