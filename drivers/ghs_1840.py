"""Sensors of the Bluetooth Generic Health Sensor Service (1840): any instrument, by the codes of ISO/IEEE 11073-10101.

An observation (`_acom.py`) says itself what it is and in which unit; what has a channel here is told, and a number of
which no channel is known is a fault, once in a connection for each kind. It comes in segments, each behind a byte:

    bit 0  the first segment      bit 1  the last      2-7  a counter, that goes on from segment to segment

Live ones (2B8B) are sent once that is asked for at the control point (2BF4), where there is one. Stored ones (2BDD)
have their record's number (u32) before them, and are asked for at the Record Access Control Point; here that answers
a combined report (07) with 08 and the count, and numbers have four bytes.

*Nothing twice.* The bookmark is the newest record read, its number and a digest of it. Records from that one on are
asked for, itself included: if it comes back as it was, the numbering goes on, and it is not told again; if not, the
device has started anew, and all are asked for. Live and stored, an observation is named by its time, so that one that
comes both ways is one.

Source: Generic Health Sensor Service 1.0; Elapsed Time Service 1.0; units and kinds from ISO/IEEE 11073-10101.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from hashlib import blake2b
from types import MappingProxyType
from typing import ClassVar

from drivers import _acom, _elapsed_time
from drivers import _record_access as racp
from drivers._acom import About, Observed
from drivers._elapsed_time import ElapsedTime
from drivers._gatt import Misfit, Reader, battery_level, dispatch
from drivers._glucose import GRAMS_PER_MOL
from drivers._reading import Missing, Number, Stamp, reading
from drivers._status_bits import user_word, words
from drivers.contract import Bookmark, Card, Link, Out, Rx, Tx
from vitals.channels import CHANNELS
from vitals.events import Fault

LIVE, STORED, CONTROL, BATTERY = "2b8b", "2bdd", "2bf4", "2a19"
START_LIVE = bytes((0x01,))
COMBINED, COMBINED_DONE = 0x07, 0x08
ALL, FROM, BY_NUMBER = 0x01, 0x03, 0x01
UNKNOWN_REQUEST = 2
FIRST, LAST = 0x01, 0x02
COUNTERS = 64
LONGEST = 65_540
"""Bytes of an observation: its length has 16 bits."""

KINDS: Mapping[int, str] = MappingProxyType(
    {channel.mdc: channel.name for channel in CHANNELS.values() if channel.mdc is not None and not channel.wave}
    | {149546: "pulse_rate"}  # of a cuff
    | dict.fromkeys((160188, 160192, 160196, 160200, 160204, 160212, 160364, 160368), "glucose")
)
"""MDC code of what is observed -> channel."""

SAMPLE_WORDS = {
    160184: "sample_capillary_blood",
    160188: "sample_capillary_plasma",
    160192: "sample_venous_blood",
    160196: "sample_venous_plasma",
    160200: "sample_arterial_blood",
    160204: "sample_arterial_plasma",
    160212: "sample_interstitial",
    160364: "sample_blood",
    160368: "sample_plasma",
}

# MDC code of a unit -> the channel's unit it can become, factor, what is subtracted before, decimals to add.
UNITS: dict[int, tuple[str, float, float, int]] = {
    544: ("%", 1, 0, 0),
    2720: ("/min", 1, 0, 0),
    2784: ("/min", 1, 0, 0),  # breaths
    3872: ("mm[Hg]", 1, 0, 0),
    3843: ("mm[Hg]", 7.500_617, 0, 1),  # kPa
    6048: ("Cel", 1, 0, 0),
    4416: ("Cel", 5 / 9, 32, 1),  # °F
    1731: ("kg", 1, 0, 0),
    1728: ("kg", 0.001, 0, 3),
    1760: ("kg", 0.453_592_37, 0, 1),  # lb
    4722: ("mmol/L", 1, 0, 0),
    2130: ("mmol/L", 10 / GRAMS_PER_MOL, 0, 2),  # mg/dL
    1952: ("kg/m2", 1, 0, 0),
    3072: ("L/min", 1, 0, 0),
    1600: ("L", 1, 0, 0),
    2194: ("ms", 1, 0, 0),
}

STATUS_WORDS = {1: "questionable", 3: "calibration", 4: "demo_data", 5: "estimated"}


class _Asked(Enum):
    NOTHING = 0
    FROM_LAST = 1
    EVERYTHING = 2


class GenericHealthSensor:
    """Reads one sensor for one connection. Bookmark: `<number>:<digest> <memory of the clock>`."""

    card: ClassVar[Card] = Card(
        name="ghs-1840",
        maker="any",
        model="sensor with the Bluetooth Generic Health Sensor Service",
        link=Link.BLE,
        channels=(*dict.fromkeys(KINDS.values()), "battery"),
        services=("1840",),
        notify=(LIVE, STORED, racp.PIPE, CONTROL),
        read=(_elapsed_time.PIPE, BATTERY),
        source="Bluetooth Generic Health Sensor Service 1.0",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._last, memory = _parsed(bookmark)
        self._clock = ElapsedTime(memory)
        self._segments = {LIVE: _Segments(), STORED: _Segments()}
        self._asked = _Asked.NOTHING
        self._code = COMBINED
        self._goes_on = False
        self._newest = ""
        self._unknown: set[int] = set()
        self._handlers = {
            LIVE: self._segment,
            STORED: self._segment,
            racp.PIPE: self._record_access,
            CONTROL: self._control,
            _elapsed_time.PIPE: self._elapsed_time,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for what is stored, and for what is measured while we are there."""
        what = _Asked.FROM_LAST if self._last else _Asked.EVERYTHING
        return [*self._clock.first_setting(now_ns), self._ask(what), Tx(CONTROL, START_LIVE, if_there=True)]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    # Observations

    def _segment(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        whole = self._segments[rx.pipe].take(rx.data)
        if whole is None:
            return
        packet = Reader(whole)
        rx = Rx(rx.pipe, whole, rx.t_ns)
        number = packet.u32() if rx.pipe == STORED else None
        known = number is not None and self._is_known(number, whole)
        observed = list(_acom.observations(packet))
        packet.end()
        if not known:
            for one in observed:
                yield from self._observed(rx, one, number)

    def _is_known(self, number: int, whole: bytes) -> bool:
        """Whether this record is the one the last visit ended with; the newest is remembered."""
        name = f"{number}:{blake2b(whole, digest_size=8).hexdigest()}"
        self._newest = max(self._newest, name, key=_number)
        known = self._asked is _Asked.FROM_LAST and name == self._last
        self._goes_on = self._goes_on or known
        return known

    def _observed(self, rx: Rx, one: Observed, number: int | None) -> Iterator[Out]:
        channel = KINDS.get(one.kind)
        if one.about.status & _acom.SETTING:
            return
        if channel is None:
            if one.kind not in self._unknown:
                self._unknown.add(one.kind)
                text = f"an observation of the kind {one.kind} (MDC), for which there is no channel"
                yield Fault("unknown packet", text, rx.t_ns, rx.pipe, rx.data)
            return
        yield reading(channel, _converted(channel, one), rx, self._stamp(rx, one.kind, one.about, number))

    def _stamp(self, rx: Rx, kind: int, about: About, number: int | None) -> Stamp:
        said = words(about.status, STATUS_WORDS) + user_word(about.patient)
        sample = (SAMPLE_WORDS[kind],) if kind in SAMPLE_WORDS else ()
        stored = ("stored",) if number is not None else ()
        return self._clock.stamp(rx, about.time, stored + said + sample, number)

    # Control points

    def _ask(self, what: _Asked) -> Tx:
        self._asked, self._goes_on, self._newest = what, False, ""
        if what is _Asked.EVERYTHING:
            return Tx(racp.PIPE, bytes((self._code, ALL)), if_there=True)
        number = _number(self._last).to_bytes(4, "little")
        return Tx(racp.PIPE, bytes((self._code, FROM, BY_NUMBER)) + number, if_there=True)

    def _record_access(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        code = _ended(packet)
        asked, self._asked = self._asked, _Asked.NOTHING
        if asked is _Asked.NOTHING:
            return  # the end of a request that another connection made
        if code == UNKNOWN_REQUEST and self._code == COMBINED:
            self._code = 0x01  # a report that is not combined, as in other services
            yield self._ask(asked)
        elif asked is _Asked.FROM_LAST and (code in (racp.NONE, *racp.CANNOT_FILTER) or not self._goes_on):
            yield self._ask(_Asked.EVERYTHING)
        elif code not in (racp.DONE, racp.NONE):
            yield racp.refused(code, rx)
        else:
            if self._newest:
                self._last = self._newest
                yield self._bookmark()
            yield from self._clock.setting(rx.t_ns)

    def _control(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        """80 is done; a sensor that cannot be asked sends live what it sends."""
        packet.take(1)
        yield from ()

    def _elapsed_time(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        for out in self._clock.heard(rx, packet):
            yield self._bookmark() if isinstance(out, Bookmark) else out

    def _bookmark(self) -> Bookmark:
        return Bookmark(" ".join(part for part in (self._last, self._clock.memory) if part))


class _Segments:
    """Puts the segments of one pipe together."""

    def __init__(self) -> None:
        self._parts: bytes | None = None
        self._next = 0

    def take(self, data: bytes) -> bytes | None:
        """What is whole with this segment; raises Misfit for one that does not follow on the last."""
        if not data:
            raise Misfit("short packet", "a segment without its header")
        header, body = data[0], data[1:]
        counter = header >> 2
        parts, in_turn, self._next = self._parts, counter == self._next, (counter + 1) % COUNTERS
        self._parts = None
        if header & FIRST:
            parts = b""
        elif parts is None or not in_turn:
            raise Misfit("short packet", f"segment {counter} of an observation of which one before it was lost")
        whole = parts + body
        if len(whole) > LONGEST:
            raise Misfit("long packet", f"an observation of more than {LONGEST} bytes")
        if header & LAST:
            return whole
        self._parts = whole
        return None


def _ended(packet: Reader) -> int:
    """The code that ends a request: of `06 00 <request> <code>`, or done for `08 00 <count>`."""
    operation, _operator = packet.u8(), packet.u8()
    if operation == COMBINED_DONE:
        packet.u32()
        packet.end()
        return racp.DONE
    if operation != 0x06:
        raise Misfit("unknown packet", f"record access answer {operation:#04x}")
    _request, code = packet.u8(), packet.u8()
    packet.end()
    return code


def _converted(channel: str, one: Observed) -> Number | Missing:
    """The number in the unit of `channel`, or why there is none."""
    if one.about.status & (_acom.INVALID | _acom.NOT_AVAILABLE):
        return Missing("a number that it calls invalid")
    if isinstance(one.number, Missing):
        return one.number
    unit, factor, less, more = UNITS.get(one.unit, ("", 1, 0, 0))
    if unit != CHANNELS[channel].unit:
        return Missing(f"a number in the unit {one.unit} (MDC), which is none of {CHANNELS[channel].unit}")
    if factor == 1:
        return one.number
    decimals = one.number.decimals + more
    return Number(round((one.number.value - less) * factor, decimals), decimals)


def _number(name: str) -> int:
    """The number of the record called `name`; -1 for none."""
    return int(name.partition(":")[0] or -1)


def _parsed(bookmark: str) -> tuple[str, str]:
    """The newest record's name and the memory of the clock; text that is not understood counts as nothing."""
    first, _, rest = bookmark.partition(" ")
    number, colon, _digest = first.partition(":")
    known = colon and number.isascii() and number.isdecimal() and len(number) <= 10 and int(number) < 1 << 32
    return (first, rest) if known else ("", bookmark)
