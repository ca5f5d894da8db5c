"""Xiaomi Mi Scales 1 and 2: scales that tell their weight to whoever listens, and are never connected to.

From the first step on the platform until it goes to sleep the scale puts what it shows into the service data of its
adverts, several times a second. Two layouts, little-endian:

    Mi Scale 1 and Smart Scale 2 (181d)    status u8, weight u16, date (7 bytes)
    Body Composition Scale 1 and 2 (181b)  unit u8, status u8, date (7 bytes), impedance u16, weight u16

*When there is a weighing.* While the weight still moves the status lacks "stable"; once the person has stepped off it
has "removed", and the old weight goes on being told, even at the next wake-up, until a new load comes. So a weighing
is what is stable and not removed, and it is happening now: its time is that of its arrival. What the scale's own clock
said (local time, if it was ever set; it begins in 1970) is kept beside it and names the record.

*One weighing, many adverts.* The date stands still from the moment the weight is stable, so the same weight with the
same date, give or take the seconds in which the impedance is added, is the same weighing and is told once. The bookmark
holds the last one, for a scale that is still awake when the gateway starts anew.

Weight is a count of 5 g, or of 0.01 lb. A jin is 500 g and counted in hundredths, which is 5 g again: it needs no case
of its own. Impedance alone is no measurement of anything a nurse reads, and is left out.

Source: public descriptions of the adverts (custom-components/ble_monitor, openScale); no document of the maker's.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from drivers._current_time import iso
from drivers._gatt import Reader, dispatch
from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Bookmark, Card, Link, Out, Rx, Tx
from vitals.clock import NS

WEIGHT, COMPOSITION = "advert:181d", "advert:181b"

POUNDS, STABLE, REMOVED = 1 << 0, 1 << 5, 1 << 7
KG_PER_LB = 0.45359237
SAME_NS = 20 * NS
SOLD_SINCE_NS = 1_420_070_400 * NS
"""2015-01-01: an earlier date is that of a clock which was never set."""


class _Weighing(msgspec.Struct, frozen=True):
    """What tells one weighing from the next: its moment (the scale's, or that of arrival, in ns) and the bare count."""

    moment_ns: int
    count: int
    pounds: bool

    def same(self, other: "_Weighing | None") -> bool:
        if other is None or (self.count, self.pounds) != (other.count, other.pounds):
            return False
        return abs(self.moment_ns - other.moment_ns) <= SAME_NS


class MiScale:
    """Listens to one scale for as long as it is awake."""

    card: ClassVar[Card] = Card(
        name="xiaomi-scale",
        maker="Xiaomi",
        model="Mi Scale 1 and 2, Mi Body Composition Scale 1 and 2",
        link=Link.ADVERT,
        channels=("weight",),
        services=("181d", "181b"),
        local_names=("MI_SCALE", "MI SCALE", "MIBCS", "MIBFS"),
        notify=(WEIGHT, COMPOSITION),
        quiet_s=10.0,
        source="custom-components/ble_monitor and openScale, as descriptions of the adverts",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._told = _parsed(bookmark)
        self._last = b""
        self._handlers = {WEIGHT: self._weight, COMPOSITION: self._composition}

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing: nobody is connected."""
        return []

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one advert means; one just like the last means nothing new."""
        if rx.data == self._last:
            return
        self._last = rx.data
        yield from dispatch(self._handlers, rx)

    def _weight(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        status, count, device_ns = packet.u8(), packet.u16(), packet.date_time()
        packet.end()
        yield from self._shown(rx, status, bool(status & POUNDS), count, device_ns)

    def _composition(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        unit, status, device_ns = packet.u8(), packet.u8(), packet.date_time()
        _impedance, count = packet.u16(), packet.u16()
        packet.end()
        yield from self._shown(rx, status, bool(unit & POUNDS), count, device_ns)

    def _shown(self, rx: Rx, status: int, pounds: bool, count: int, device_ns: int | Missing) -> Iterator[Out]:
        if not status & STABLE or status & REMOVED:
            return
        dated_ns = None if isinstance(device_ns, Missing) else device_ns
        weighing = _Weighing(rx.t_ns if dated_ns is None else dated_ns, count, pounds)
        told, self._told = self._told, weighing
        if not weighing.same(told):
            yield reading("weight", _kg(count, pounds), rx, _stamp(rx, dated_ns))
            yield Bookmark(f"{weighing.moment_ns} {count} {'lb' if pounds else 'kg'}")


def _stamp(rx: Rx, dated_ns: int | None) -> Stamp:
    if dated_ns is None:
        return Stamp(rx.t_ns, status=("clock_unset",))
    words = ("clock_unset",) if dated_ns < SOLD_SINCE_NS else ()
    return Stamp(rx.t_ns, dated_ns, iso(dated_ns), words)


def _kg(count: int, pounds: bool) -> Number:
    """Kilograms; a gram keeps counts of 0.01 lb apart."""
    return Number(round(count * KG_PER_LB / 100, 3) if pounds else count / 200, 3)


def _parsed(bookmark: str) -> _Weighing | None:
    """The weighing told last; None for an empty bookmark, or one that is not ours."""
    try:
        moment_ns, count, unit = bookmark.split(" ")
        return _Weighing(int(moment_ns), int(count), unit == "lb")
    except ValueError:
        return None
