"""Scales of the Bluetooth Weight Scale Service (181D).

A scale indicates (2A9D) what it has: the weighing just done, or all it kept since the last connection, as soon as the
gateway subscribes. There is nothing to ask for, and no flag tells a kept weighing from a fresh one.

Time. The clock (2A2B) is read, and set in `hello`. A weighing stamped later than that moment, by the clock as it now
is, is fresh and right; any other was stamped by the clock as it was read and is corrected by what that was off
(`_device_clock` holds the reasoning, and the clock's past over several connections). A weighing that arrives before
the clock was read is taken at its word, unless its word lies in the future. One without a date, or with an impossible
one, gets the time of arrival and `clock_unset`.

Weight is a count of 5 g or of 0.01 lb. Pounds become kilograms here, once, rounded to the gram: less than half of
0.01 lb, so different counts stay different. The count FFFF says that the weighing did not succeed.

Users of a shared scale are told apart by the scale's own numbering: the status word `user_1`. Height is something a
person typed into the scale, not a measurement, and is left out.

Source: Weight Scale Service 1.0.1, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._current_time import PIPE as CLOCK
from drivers._current_time import CurrentTime
from drivers._gatt import Reader, battery_level, dispatch
from drivers._reading import Missing, Number, reading
from drivers.contract import Card, Link, Out, Rx, Tx

WEIGHT, FEATURES, BATTERY = "2a9d", "2a9e", "2a19"

UNSUCCESSFUL = 0xFFFF
UNKNOWN_USER = 0xFF
KG_PER_LB = 0.45359237


class WeightScale:
    """Reads one scale for one connection."""

    card: ClassVar[Card] = Card(
        name="wss-181d",
        maker="any",
        model="scale with the standard Bluetooth service",
        link=Link.BLE,
        channels=("weight", "bmi", "battery"),
        services=("181d",),
        notify=(WEIGHT,),
        read=(CLOCK, FEATURES, BATTERY),
        source="Bluetooth Weight Scale Service 1.0.1",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._clock = CurrentTime(bookmark)
        self._handlers = {
            WEIGHT: self._weighing,
            FEATURES: self._features,
            CLOCK: self._clock.heard,
            BATTERY: battery_level,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Set the clock, where the scale has one."""
        return self._clock.setting(now_ns)

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _weighing(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        flags = packet.u8()
        weight = _weight(packet.u16(), pounds=bool(flags & 1))
        device_ns = packet.date_time() if flags & 2 else None
        user = packet.u8() if flags & 4 else UNKNOWN_USER
        bmi, _height = (packet.u16(), packet.u16()) if flags & 8 else (None, None)
        packet.end()
        stamp = self._clock.stamp(rx, device_ns, () if user == UNKNOWN_USER else (f"user_{user}",))
        yield reading("weight", weight, rx, stamp)
        if bmi is not None and isinstance(weight, Number):
            yield reading("bmi", _bmi(bmi), rx, stamp)

    def _features(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        # What the scale can do, each weighing's own flags say; only the length is checked.
        packet.u32()
        packet.end()
        yield from ()


def _weight(count: int, pounds: bool) -> Number | Missing:
    """Kilograms. 5 g is a step of the third decimal, and a gram keeps 0.01 lb apart."""
    if count == UNSUCCESSFUL:
        return Missing("FFFF: the weighing did not succeed")
    return Number(round(count * KG_PER_LB / 100, 3) if pounds else count / 200, 3)


def _bmi(tenths: int) -> Number | Missing:
    return Number(tenths / 10, 1) if tenths else Missing("0: it knows no height for this person")
