"""The clock of a Generic Health Sensor (2BF2), and the time of each observation, in nine bytes:

    flags u8 | time u48 | source u8 | zone s8 (quarters of an hour ahead of UTC)

    flags   bit 0  ticks from some moment of the device's own, else a time of day since 2000
            bit 1  the time is UTC, else local
            2-3    unit: 1 s, 0.1 s, 1 ms, 0.1 ms
            bit 4  the zone says something
            bit 5  of the clock as it runs now, else of one that has been set or has started anew since

2BF2 has two bytes more, of which bit 0 of the first says that the clock needs to be set. It is set only where it needs
to be or is off, in its own format, for a device may refuse both another format and a source worse than its own.

A time of day becomes UTC where the device says how, and `_device_clock` corrects it. Ticks are dated by how many there
were when the clock was read. Of an earlier timeline only those times are known that belong to an epoch remembered from
an earlier visit; the others get the time of arrival and `clock_unset`. For that to be true a clock that is off is set
after the records were fetched (`setting`): setting it makes all of them ones of an earlier timeline. One that was never
set has stamped nothing of use, and is set first (`first_setting`).

Source: Elapsed Time Service 1.0; GATT Specification Supplement, Elapsed Time.
"""

from collections.abc import Iterator, Sequence

import msgspec

from drivers._current_time import iso
from drivers._device_clock import DeviceClock
from drivers._gatt import Reader
from drivers._reading import Stamp
from drivers.contract import Bookmark, Out, Rx, Tx
from vitals.clock import NS

PIPE = "2bf2"

TICKS, UTC, ZONE_USED, CURRENT = 0x01, 0x02, 0x10, 0x20
UNITS_NS = (NS, NS // 10, NS // 1000, NS // 10_000)
EPOCH_NS = 946_684_800 * NS
"""2000-01-01."""
QUARTER_NS = 15 * 60 * NS
NEEDS_SETTING = 0x01
NETWORK = 1
MOST_NS = 7_258_118_400 * NS
"""2200-01-01; what lies beyond is no time of a measurement."""


class Elapsed(msgspec.Struct, frozen=True):
    """A time as a device says it."""

    flags: int
    count: int
    source: int
    quarters: int

    @property
    def unit_ns(self) -> int:
        return UNITS_NS[self.flags >> 2 & 3]

    @property
    def is_ticks(self) -> bool:
        return bool(self.flags & TICKS)

    @property
    def is_current(self) -> bool:
        return bool(self.flags & CURRENT)

    @property
    def ahead_ns(self) -> int:
        """How far it is ahead of UTC, where the device says so."""
        return self.quarters * QUARTER_NS if self.flags & (UTC | ZONE_USED) == ZONE_USED else 0

    @property
    def device_ns(self) -> int | None:
        """A time of day in ns since 1970, in UTC where the device says how; None for one that is not usable."""
        t_ns = EPOCH_NS + self.count * self.unit_ns - self.ahead_ns
        return t_ns if not self.is_ticks and t_ns < MOST_NS else None

    def at(self, t_ns: int) -> bytes:
        """`t_ns` in the same format."""
        count = max(0, (t_ns + self.ahead_ns - EPOCH_NS) // self.unit_ns)
        return bytes((self.flags | CURRENT, *count.to_bytes(6, "little"), NETWORK, self.quarters & 0xFF))


def elapsed(packet: Reader) -> Elapsed:
    """The next nine bytes."""
    flags, count = packet.u8(), int.from_bytes(packet.take(6), "little")
    source, quarters = packet.u8(), (packet.u8() ^ 0x80) - 0x80
    return Elapsed(flags, count, source, quarters)


class ElapsedTime(DeviceClock):
    """Reads, sets and remembers the clock of one device; `memory` is the driver's bookmark."""

    def __init__(self, memory: str = "") -> None:
        super().__init__(memory)
        self._found: Elapsed | None = None
        self._needs_setting = False
        self._tick_zero_ns: int | None = None

    def heard(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        """The handler of pipe 2bf2. What it is off is bookmarked before it is set."""
        found, status, _capabilities = elapsed(packet), packet.u8(), packet.u8()
        packet.end()
        self._found = found
        if found.is_ticks:
            self._tick_zero_ns = rx.t_ns - found.count * found.unit_ns
            return
        self._needs_setting = bool(status & NEEDS_SETTING)
        self.read(None if self._needs_setting else found.device_ns, rx.t_ns)
        if self.off:
            yield Bookmark(self.memory)

    def first_setting(self, now_ns: int) -> Sequence[Tx]:
        """What sets the clock where the device says that it needs to be set."""
        return self.setting(now_ns) if self._needs_setting else []

    def setting(self, now_ns: int) -> Sequence[Tx]:
        """What sets the clock, where it has to be: not before its old offset is on disk."""
        if self._found is None or self._found.is_ticks or not (self.off or self._needs_setting):
            return []
        self.set(now_ns)
        self._needs_setting = False
        return [Tx(PIPE, self._found.at(now_ns + self._found.unit_ns // 2), after_stored=True)]

    def stamp(self, rx: Rx, said: Elapsed | None, words: tuple[str, ...], number: int | None) -> Stamp:
        """The time of an observation; `number` is that of its record, where it was stored."""
        stored = number is not None
        name = f"#{number}" if stored else None
        if said is None:
            return Stamp(rx.t_ns, None, name, ("clock_unset", *words) if stored else words)
        if said.is_ticks:
            return self._stamp_of_ticks(rx, said, words, name)
        device_ns = said.device_ns
        if device_ns is None:
            return Stamp(rx.t_ns, None, name, ("clock_unset", *words))
        name = f"{iso(device_ns)}.{device_ns % NS:09d}".rstrip("0").rstrip(".")
        t_ns = None
        if not said.is_current:
            t_ns = self._date_of_earlier(device_ns)
        elif not self._needs_setting:
            t_ns = self.date(device_ns, rx.t_ns, stored=stored)
        if t_ns is None:
            return Stamp(rx.t_ns, device_ns, name, ("clock_unset", *words))
        return Stamp(t_ns, device_ns, name, words)

    def _date_of_earlier(self, device_ns: int) -> int | None:
        return next((device_ns + past.offset_ns for past in reversed(self._past) if past.holds(device_ns)), None)

    def _stamp_of_ticks(self, rx: Rx, said: Elapsed, words: tuple[str, ...], name: str | None) -> Stamp:
        if self._tick_zero_ns is None or not said.is_current:
            return Stamp(rx.t_ns, None, name, ("clock_unset", *words))
        t_ns = self._tick_zero_ns + said.count * said.unit_ns
        return Stamp(min(t_ns, rx.t_ns), None, name, words)
