"""Contec's CMS50D+ finger oximeters on a cable, in the two protocols that share the name, with one recording in memory.

It switches itself off a while after the finger has left. Some uses are recorded instead of told: the cable is pulled
out, the recording started, and afterwards the cable put back. A recording has one sample of SpO2 and pulse rate a
second, from the moment the finger is in; 0 and 0 while there are no numbers. It stays until the next takes its place.

The old model, 19200 baud and odd parity, is never spoken to but for its memory. Live it sends the BCI packet
(`bci.py`) 60 times a second. `f5 f5` makes it send the recording instead, and `f6 f6 f6` goes back to live:

    f2 80 00, three times                     here it comes
    80+bits 20-14, 80+bits 13-7, bits 6-0     its length in bytes, less one
    f0+bit 7 of the pulse, 80+bits 6-0, SpO2  for each second

What it answers when there is no recording is not known; here it goes on live.

Version 4.6, 115200 baud, speaks in packets: a type (bit 7 clear), then bytes with bit 7 set, of which the first holds
the bit 7 of those that follow, bit 0 for the first. It is asked with type 7d, what for, and six bytes more:

    a1 live   01: state, waveform, bar graph, pulse rate, SpO2, perfusion (2)    60 times a second
    a2, a7 no more live, no more storage          0c, no bytes
    a4 length of the recording (user, segment)    08: user, segment, bytes (4)
    a5 when it began                              07: user, segment, century, year, month, day
                                                  12: user, segment, hour, minute, second, 0
    a6 the recording                              0f: SpO2 and pulse rate, three times, until all is said
    af still here: live ends without it
    b1 hour minute second, b2 century year month day weekday    sets the clock
    else, or nothing there                        0b: what was asked, the reason it was not done (0: it was)
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from typing import Annotated, TypeVar

import msgspec

from firmware_sim.device import Happening, TruthAt
from firmware_sim.devices import bci
from firmware_sim.devices._finger import OUT, SEARCHES_NS, STAYS_NS, CableOximeter, Shown
from firmware_sim.kinds import Kind, Making
from firmware_sim.noise import swing
from vitals.clock import NS

_T = TypeVar("_T")

ON_AFTER_NS = 25 * NS
LIVE_PACKETS = 6
"""In a tenth of a second."""
STILL_HERE_TICKS = 100

SAMPLES_A_TICK, STORED_PACKETS_A_TICK = 64, 144
"""What the line carries in a tenth of a second."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`record_every`: each so-many-th use is recorded away from the cable; 0: none is."""

    record_every: Annotated[int, msgspec.Meta(ge=0)] = 0


class Recording(msgspec.Struct, frozen=True):
    """`began_ns`: as the device's calendar had it. `samples`: SpO2 and pulse rate, one pair a second."""

    began_ns: int
    samples: tuple[tuple[int, int], ...]


class _Cms50dPlus(CableOximeter):
    """What the two have in common. `on`: whether it is switched on; `plugged`: whether the cable is in."""

    pace_s = 0.1

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        options = making.options or Options()
        assert isinstance(options, Options), "load() checks a kind's options"
        self.recording: Recording | None = None
        self.on = False
        self.plugged = True
        self._clock = making.clock
        self._record_every = options.record_every
        self._uses = 0
        self._off_ns: int | None = None
        self._saying: Iterator[bytes] | None = None

    @property
    def wake_ns(self) -> int | None:
        wake_ns = super().wake_ns
        return wake_ns if wake_ns is None or self._off_ns is None else min(wake_ns, self._off_ns)

    def _go_to(self, moment: int, truth_at: TruthAt) -> Iterator[Happening]:
        if self._off_ns is not None and moment >= self._off_ns:
            self._switch_off()
            return
        for happening in super()._go_to(moment, truth_at):
            match happening.what:
                case "finger in":
                    self._uses += 1
                    self.on, self._off_ns = True, None
                    self.plugged = self._record_every == 0 or self._uses % self._record_every != 0
                    yield happening
                case "measured" if not self.plugged:
                    yield Happening(moment, "measured off the cable")
                    self.recording = self._recorded(moment)
                case "finger out":
                    self._off_ns = moment + ON_AFTER_NS
                    yield happening
                    if not self.plugged:
                        self.plugged = True
                        yield Happening(moment, "recorded", {"seconds": STAYS_NS // NS})
                case "fell silent":
                    self._switch_off()
                    yield happening
                case _:
                    yield happening

    def _switch_off(self) -> None:
        self.on, self._off_ns, self._saying = False, None, None

    def _recorded(self, shown_ns: int) -> Recording:
        """The whole of a use whose numbers came at `shown_ns`, a little different each second."""
        spo2, pulse_rate = self.shown.spo2 or 0, self.shown.pulse_rate or 0
        none = ((0, 0),) * (SEARCHES_NS // NS)
        some = (
            (min(100, spo2 + _beside(self._seed, "spo2", t_ns)), pulse_rate + _beside(self._seed, "pulse_rate", t_ns))
            for t_ns in range(shown_ns, shown_ns + STAYS_NS - SEARCHES_NS, NS)
        )
        return Recording(self._clock.read_ns(shown_ns - SEARCHES_NS), (*none, *some))

    def receive(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        if self.on and self.plugged and not self._silent:
            yield from self._heard(data, t_ns)

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        if not self.on or not self.plugged or self._silent:
            return
        if self._saying is not None:
            part = next(self._saying, None)
            if part is not None:
                yield part
                return
            self._saying = None
        yield self._said(self._seen(t_ns))

    def _heard(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        raise NotImplementedError


class OldCms50dPlus(_Cms50dPlus):
    """The old model."""

    DOWNLOAD, LIVE = b"\xf5\xf5", b"\xf6\xf6\xf6"

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._open = b""

    def _heard(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        self._open = (self._open + data)[-len(self.LIVE) :]
        if self._open.endswith(self.DOWNLOAD):
            self._saying = iter(stored(self.recording)) if self.recording else None
            self._open = b""
        elif self._open.endswith(self.LIVE):
            self._saying = None
            self._open = b""
        yield from ()

    def _said(self, shown: Shown) -> bytes:
        return b"".join(bci.packet(shown, 20 + 9 * number) for number in range(LIVE_PACKETS))


def stored(recording: Recording) -> list[bytes]:
    """A recording as the old model sends it, a tenth of a second of the line in each part."""
    length = 3 * len(recording.samples) - 1
    head = b"\xf2\x80\x00" * 3 + bytes((0x80 | length >> 14, 0x80 | length >> 7 & 0x7F, length & 0x7F))
    parts = [
        b"".join(bytes((0xF0 | pulse >> 7, 0x80 | pulse & 0x7F, spo2)) for spo2, pulse in samples)
        for samples in _parts(recording.samples, SAMPLES_A_TICK)
    ]
    return [head, *parts]


class Ask(IntEnum):
    """What version 4.6 is asked for."""

    LIVE = 0xA1
    NO_LIVE = 0xA2
    LENGTH = 0xA4
    BEGAN = 0xA5
    STORED = 0xA6
    NO_STORED = 0xA7
    STILL_HERE = 0xAF
    SET_TIME = 0xB1
    SET_DATE = 0xB2


class Tell(IntEnum):
    """What it says."""

    LIVE = 0x01
    DATE = 0x07
    LENGTH = 0x08
    FEEDBACK = 0x0B
    FREE = 0x0C
    STORED = 0x0F
    TIME = 0x12


ASKED = 0x7D
SIZE = 9
DONE, UNSUPPORTED, UNKNOWN = 0x00, 0x05, 0xFF
PROBE_ERROR = 0x80
SEARCHING = 0x80
NO_PERFUSION = 0xFFFF


class Cms50dPlus46(_Cms50dPlus):
    """Version 4.6."""

    def __init__(self, making: Making) -> None:
        super().__init__(making)
        self._open = b""
        self._live_ticks = 0
        self._date = (20, 26, 1, 1)

    def _switch_off(self) -> None:
        super()._switch_off()
        self._live_ticks = 0
        self._open = b""

    def tick(self, t_ns: int, truth_at: TruthAt) -> Iterator[bytes]:
        if self._saying is None and not self._live_ticks:
            return
        self._live_ticks = max(0, self._live_ticks - 1)
        yield from super().tick(t_ns, truth_at)

    def _heard(self, data: bytes, t_ns: int) -> Iterator[bytes]:
        self._open += data
        while len(self._open) >= SIZE:
            request, self._open = self._open[:SIZE], self._open[SIZE:]
            if request[0] != ASKED:
                self._open = request[1:] + self._open
                continue
            what, *more = unpacked(request)
            yield from self._answer(what, more, t_ns)

    def _answer(self, what: int, more: list[int], t_ns: int) -> Iterator[bytes]:
        recording = self.recording
        match what:
            case Ask.LIVE:
                self._live_ticks = STILL_HERE_TICKS
            case Ask.STILL_HERE:
                self._live_ticks = STILL_HERE_TICKS if self._live_ticks else 0
            case Ask.NO_LIVE | Ask.NO_STORED:
                self._live_ticks, self._saying = 0, None
                yield packed(Tell.FREE)
            case Ask.LENGTH:
                length = 2 * len(recording.samples) if recording else 0
                yield packed(Tell.LENGTH, 0, 0, *length.to_bytes(4, "little"))
            case Ask.BEGAN if recording:
                began = datetime.fromtimestamp(recording.began_ns // NS, UTC)
                yield packed(Tell.DATE, 0, 0, began.year // 100, began.year % 100, began.month, began.day)
                yield packed(Tell.TIME, 0, 0, began.hour, began.minute, began.second, 0)
            case Ask.STORED if recording:
                self._saying = iter(_stored_46(recording))
            case Ask.SET_DATE:
                self._date = (more[0], more[1], more[2], more[3])
                yield packed(Tell.FEEDBACK, what, DONE)
            case Ask.SET_TIME:
                self._clock.set(t_ns, _calendar_ns(self._date, more))
                yield packed(Tell.FEEDBACK, what, DONE)
            case _:
                yield packed(Tell.FEEDBACK, what, UNKNOWN if what in (Ask.BEGAN, Ask.STORED) else UNSUPPORTED)

    def _said(self, shown: Shown) -> bytes:
        return b"".join(live(shown, 20 + 9 * number) for number in range(LIVE_PACKETS))


def live(shown: Shown, wave: int = 0) -> bytes:
    """A live packet of version 4.6; `wave` 0 to 127."""
    if not shown.finger:
        shown, wave = OUT, 0
    return packed(
        Tell.LIVE,
        bci.signal(shown) if shown.finger else PROBE_ERROR,
        wave | (SEARCHING if shown.searching else 0),
        wave >> 3,
        0xFF if shown.pulse_rate is None else shown.pulse_rate,
        0x7F if shown.spo2 is None else shown.spo2,
        *NO_PERFUSION.to_bytes(2, "little"),
    )


def _stored_46(recording: Recording) -> Iterator[bytes]:
    """A recording as version 4.6 sends it; the last packet is filled up with zeros."""
    triples = [(*triple, (0, 0), (0, 0))[:3] for triple in _parts(recording.samples, 3)]
    for part in _parts(triples, STORED_PACKETS_A_TICK):
        yield b"".join(packed(Tell.STORED, *(number for pair in triple for number in pair)) for triple in part)


def packed(type_: int, *body: int) -> bytes:
    """A packet of version 4.6."""
    high = sum((byte >> 7) << at for at, byte in enumerate(body))
    return bytes((type_, 0x80 | high, *(0x80 | byte for byte in body)))


def unpacked(packet: bytes) -> bytes:
    """The body of a packet of version 4.6."""
    return bytes(byte & 0x7F | (packet[1] >> at & 1) << 7 for at, byte in enumerate(packet[2:]))


def _calendar_ns(date: tuple[int, int, int, int], time: list[int]) -> int:
    century, year, month, day = date
    hour, minute, second, *_ = time
    return int(datetime(100 * century + year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * NS


def _beside(seed: int, channel: str, t_ns: int) -> int:
    """-1, 0 or 1."""
    return round(1.4 * swing(seed, "recorded", channel, t_ns))


def _parts(whole: Sequence[_T], size: int) -> Iterator[tuple[_T, ...]]:
    for at in range(0, len(whole), size):
        yield tuple(whole[at : at + size])


KINDS = (
    Kind(
        "cms50dplus", "Contec CMS50D+ oximeter (19200 baud), on a serial line", "contec-cms50dplus", "serial",
        "oximeter", OldCms50dPlus, Options,
    ),
    Kind(
        "cms50dplus-46", "Contec CMS50D+ oximeter, version 4.6, on a serial line", "contec-cms50dplus-46", "serial",
        "oximeter", Cms50dPlus46, Options,
    ),
)  # fmt: skip
