"""Continuous glucose monitors of the Bluetooth Continuous Glucose Monitoring Service (181F).

A notification (2AA7) holds one record or several, each beginning with its size:

    size u8 | flags u8 | mg/dL SFLOAT | minutes u16 | status, calibration, warning u8 | trend, quality SFLOAT | CRC u16
                                                      bit 7   bit 6        bit 5        bit 0  bit 1

The CRC is there when the size is two more than the flags ask for. mg/dL becomes mmol/L with two decimals more. Trend
(mg/dL in a minute) and quality (%) are the monitor's own reckoning of a value; they follow it as an event
`glucose.trend` of the same time, with `mmol_l_per_min` and `quality_percent`. The warnings that compare the glucose
with levels set on the monitor are left out: only "beyond what it can measure" says something of the number.

Time is minutes since the session began. When that was stands in 2AAA, with its time zone, as a collector once wrote it;
how many minutes ago it was by now, in the status (2AA9). The two should agree. Where they do not by two minutes, the
status is right, for it needs no clock, and what 2AAA said is kept as the device's time. Where 2AAA is unset the status
alone serves, and without either the time is that of arrival: `clock_unset`. The count of a stopped session stands still
and is not used.

The bookmark is the session (its beginning in UTC, for 2AAA is written anew when summer time ends) and the minutes of
its newest record. Later records of the same session are asked for, or all, and nothing is deleted. One that came
damaged is whole in the monitor, so the bookmark does not pass it. A record is known by the device's time: minutes come
round again.

Without 2AAA a record is known by nothing but its time, and a count that is good to a minute would date it otherwise at
each connection, and each would seem a new one. So the beginning that was counted first is bookmarked, with a `~`, and
holds for as long as the count agrees with it to SAME_NS, for which no crystal is too bad. That and the minute name the
record: after a connection that broke before the bookmark it comes again, and is one.

Source: Continuous Glucose Monitoring Service 1.0.2, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from drivers import _record_access as racp
from drivers._crc16_reflected import crc16_reflected
from drivers._current_time import iso
from drivers._gatt import EPOCH, Misfit, Reader, battery_level, dispatch
from drivers._glucose import GRAMS_PER_MOL, sample_words
from drivers._reading import Missing, Number, Stamp, reading
from drivers._status_bits import words
from drivers.contract import Bookmark, Card, Link, Out, Rx, Tx
from vitals.clock import NS
from vitals.events import Event, Fault

MEASUREMENT, FEATURES, STATUS, START, BATTERY = "2aa7", "2aa8", "2aa9", "2aaa", "2a19"

MIN_NS = 60 * NS
AGREE_NS = 2 * MIN_NS
SAME_NS = 10 * MIN_NS
COUNTED = "~"
TREND, QUALITY, WARNING, CALIBRATION, STATE = 1, 1 << 1, 1 << 5, 1 << 6, 1 << 7
SHORTEST = 6
TREND_EVENT = "glucose.trend"
SESSION_STOPPED = 1
CRC_SUPPORTED = 1 << 12
UNKNOWN_ZONE, UNKNOWN_DST = -128, 255

# Bits of the three octets as one number: status from 0, calibration and temperature from 8, warning from 16.
STATUS_WORDS = {
    0: "questionable",  # the session was stopped
    1: "low_battery",
    2: "questionable",  # wrong type of sensor
    3: "questionable",  # sensor malfunction
    5: "questionable",  # device fault
    11: "questionable",  # calibration required
    12: "questionable",  # too warm for a valid result
    13: "questionable",  # too cold for a valid result
    22: "below_range",
    23: "above_range",
}


class ContinuousGlucoseMonitor:
    """Reads one monitor for one connection. Bookmark: `<beginning of the session, UTC>@<minutes>`."""

    card: ClassVar[Card] = Card(
        name="cgm-181f",
        maker="any",
        model="continuous glucose monitor with the standard Bluetooth service",
        link=Link.BLE,
        channels=("glucose", "battery"),
        events=(TREND_EVENT,),
        services=("181f",),
        notify=(MEASUREMENT, racp.PIPE),
        read=(START, STATUS, FEATURES, BATTERY),
        source="Bluetooth Continuous Glucose Monitoring Service 1.0.2",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._read_until = bookmark
        self._session = _Session(bookmark.rpartition("@")[0])
        self._sample: tuple[str, ...] = ()
        self._newest: int | None = None
        self._damaged = False
        self._limited = False
        self._caught_up = False
        self._handlers = {
            MEASUREMENT: self._measurements,
            START: self._start,
            STATUS: self._status,
            FEATURES: self._features,
            racp.PIPE: self._record_access,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask for the records of this session after the bookmark, or for all."""
        session, _, minutes = self._read_until.rpartition("@")
        known = session and session == self._session.name and minutes.isascii() and minutes.isdecimal()
        newest = int(minutes[:5]) if known else racp.LAST_NUMBER
        self._limited = newest < racp.LAST_NUMBER
        return [Tx(racp.PIPE, racp.at_least(newest + 1) if self._limited else racp.ALL)]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurements(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        for record in list(_records(rx.data)):
            yield from self._measurement(rx, record)
        if self._caught_up:
            yield from self._bookmark()

    def _measurement(self, rx: Rx, record: bytes) -> Iterator[Out]:
        if not _whole(record, _size(record[1])):
            self._damaged = True
            yield _bad_checksum(rx)
            return
        packet = Reader(record)
        _size_said, flags = packet.u8(), packet.u8()
        glucose, minutes = _mmol(packet.sfloat()), packet.u16()
        bits = 0
        for mask, shift in ((STATE, 0), (CALIBRATION, 8), (WARNING, 16)):
            bits |= packet.u8() << shift if flags & mask else 0
        trend, quality = (packet.sfloat() if flags & mask else None for mask in (TREND, QUALITY))
        if not self._damaged:
            self._newest = max(minutes, self._newest or 0)
        stamp = self._session.stamp(rx, minutes, words(bits, STATUS_WORDS) + self._sample)
        yield reading("glucose", glucose, rx, stamp)
        reckoning = _reckoning(trend, quality)
        if reckoning:
            yield Event(TREND_EVENT, stamp.t_ns, reckoning, stamp.record, stamp.device_t_ns)

    def _start(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        began_ns = packet.date_time()
        zone, dst = (packet.u8() ^ 0x80) - 0x80, packet.u8()
        if not _ended_well(packet, rx, 9):
            yield _bad_checksum(rx)
            return
        quarters = (0 if zone == UNKNOWN_ZONE else zone) + (0 if dst == UNKNOWN_DST else dst)
        self._session.told(began_ns, quarters * 15 * MIN_NS)

    def _status(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        minutes, bits = packet.u16(), packet.u24()
        if not _ended_well(packet, rx, 5):
            yield _bad_checksum(rx)
        elif not bits & SESSION_STOPPED and self._session.counted(rx.t_ns - minutes * MIN_NS):
            self._newest = None
            yield Bookmark(f"{self._session.name}@")

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        features, sample, said = packet.u24(), packet.u8(), packet.u16()
        packet.end()
        if features & CRC_SUPPORTED and said != crc16_reflected(rx.data[:4]):
            yield _bad_checksum(rx)
            return
        self._sample = sample_words(sample)

    def _record_access(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        code = racp.answer(packet)
        if self._limited and code in racp.CANNOT_FILTER:
            self._limited = False
            yield Tx(racp.PIPE, racp.ALL)
        elif code in (racp.DONE, racp.NONE):
            self._caught_up = True
            yield from self._bookmark()
        else:
            yield racp.refused(code, rx)

    def _bookmark(self) -> Iterator[Out]:
        """Where something came, of a session that has a name."""
        if self._newest is not None and self._session.name:
            yield Bookmark(f"{self._session.name}@{self._newest}")


class _Session:
    """When the session began: as the device tells it (a clock), and as its count of minutes has it (no clock)."""

    def __init__(self, bookmarked: str) -> None:
        self.name = ""
        self._bookmarked = bookmarked
        self._told_ns: int | None = None
        self._zone_ns = 0
        self._counted_ns: int | None = None

    def told(self, began_ns: int | Missing, zone_ns: int) -> None:
        """2AAA: local time, and how far that is ahead of UTC."""
        if not isinstance(began_ns, Missing):
            self.name, self._told_ns, self._zone_ns = iso(began_ns - zone_ns), began_ns, zone_ns

    def counted(self, began_ns: int) -> bool:
        """2AA9, in the gateway's time. Whether it gives a session without 2AAA a name it did not have yet."""
        self._counted_ns = began_ns
        if self._told_ns is not None:
            return False
        first_ns = _counted_first(self.name or self._bookmarked)
        if first_ns is None or abs(first_ns - began_ns) > SAME_NS:
            first_ns = began_ns - began_ns % NS
        self._counted_ns = first_ns
        self.name = COUNTED + iso(first_ns)
        return self.name != self._bookmarked

    def stamp(self, rx: Rx, minutes: int, status: tuple[str, ...]) -> Stamp:
        """The time of a record."""
        after_ns = minutes * MIN_NS
        device_ns = None if self._told_ns is None else self._told_ns + after_ns
        name = f"{self.name}@{minutes}" if self.name else None
        began_ns = self._began_ns()
        if began_ns is None or began_ns + after_ns > rx.t_ns + AGREE_NS:
            return Stamp(rx.t_ns, device_ns, name, ("clock_unset", *status))
        if device_ns is None:
            return Stamp(began_ns + after_ns, None, name, ("clock_unset", *status))
        return Stamp(began_ns + after_ns, device_ns, status=status)

    def _began_ns(self) -> int | None:
        """The beginning in UTC. A count is good to a minute, so a clock that agrees with it is the better one."""
        if self._told_ns is None:
            return self._counted_ns
        told_ns = self._told_ns - self._zone_ns
        if self._counted_ns is None or abs(self._counted_ns - told_ns) <= AGREE_NS:
            return told_ns
        return self._counted_ns


def _counted_first(name: str) -> int | None:
    """The beginning in the name of a session that was only counted; None for any other text."""
    try:
        began = datetime.fromisoformat(name.removeprefix(COUNTED)) if name.startswith(COUNTED) else None
    except ValueError:
        return None
    if began is None or began.tzinfo is not None:
        return None
    return (began.replace(tzinfo=UTC) - EPOCH) // timedelta(seconds=1) * NS


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a notification; raises Misfit when sizes, flags and length disagree."""
    at = 0
    while at < len(data) or not data:
        size = data[at] if data else 0
        if size < SHORTEST or at + size > len(data):
            raise Misfit("short packet", f"a record at byte {at} says {size} bytes, {len(data) - at} are left")
        record = data[at : at + size]
        needed = _size(record[1])
        if size not in (needed, needed + 2):
            code = "short packet" if size < needed else "long packet"
            raise Misfit(code, f"a record at byte {at} says {size} bytes, its flags ask for {needed}")
        yield record
        at += size


def _size(flags: int) -> int:
    """Bytes of a record with these flags, without a CRC."""
    octets = (flags & (WARNING | CALIBRATION | STATE)).bit_count()
    return SHORTEST + octets + 2 * (flags & (TREND | QUALITY)).bit_count()


def _whole(data: bytes, size: int) -> bool:
    """Whether the CRC after `size` bytes fits them, or there is none."""
    return len(data) == size or int.from_bytes(data[size:], "little") == crc16_reflected(data[:size])


def _ended_well(packet: Reader, rx: Rx, size: int) -> bool:
    """Takes the CRC if there is one, and says whether it fits."""
    if len(rx.data) > size:
        packet.u16()
    packet.end()
    return _whole(rx.data, size)


def _bad_checksum(rx: Rx) -> Fault:
    return Fault("bad checksum", "the E2E-CRC does not fit the bytes before it", rx.t_ns, rx.pipe, rx.data)


def _reckoning(trend: Number | Missing | None, quality: Number | Missing | None) -> dict[str, int | float | str]:
    """What a record says beside its value; a special number says nothing."""
    data: dict[str, int | float | str] = {}
    if isinstance(trend, Number):
        mmol = _mmol(trend)
        assert isinstance(mmol, Number)
        data["mmol_l_per_min"] = mmol.value
    if isinstance(quality, Number):
        data["quality_percent"] = quality.value
    return data


def _mmol(mg_dl: Number | Missing) -> Number | Missing:
    if isinstance(mg_dl, Missing):
        return mg_dl
    decimals = mg_dl.decimals + 2
    return Number(round(mg_dl.value * 10 / GRAMS_PER_MOL, decimals), decimals)
