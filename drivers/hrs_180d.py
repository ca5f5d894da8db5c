"""Heart rate monitors of the Bluetooth Heart Rate Service (180D): a belt or a watch, about once a second.

    flags u8 | rate u8, or u16 with bit 0 | energy u16 kJ | R–R intervals u16, 1/1024 s, to the end of the packet
                                            bit 3           bit 4

Nothing is stored and there is no clock: a packet is about the moment it arrives. The intervals are in the order of the
beats, so the last ends then, and each before it ends where the next began. A packet's intervals are one Block, the time
of each being the beat that ends it; one that no heart makes is a fault and leaves its gap.

Bit 2 says that the monitor can tell whether it touches the skin, bit 1 that it does. What is measured without contact
is `questionable`. A rate of 0 is no rate: the monitor has found no heart. That is told once, and again only after the
next rate, for a belt in a drawer may say it once a second. Energy counts up from when the monitor was last reset, and
stays at 65535 when it can go no further.

Source: Heart Rate Service 1.0, GATT Specification Supplement.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

from drivers._gatt import Reader, battery_level, dispatch
from drivers._reading import Missing, Number, Stamp, reading
from drivers.contract import Card, Link, Out, Rx, Tx
from vitals.block import Block
from vitals.clock import NS

MEASUREMENT, BATTERY = "2a37", "2a19"

TICKS_PER_S = 1024
NO_CONTACT = 2
"""Bits 1 and 2 as a number: contact can be told, and there is none."""
NO_RATE = Missing("0: it has found no heart")


class HeartRateMonitor:
    """Reads one monitor for one connection."""

    card: ClassVar[Card] = Card(
        name="hrs-180d",
        maker="any",
        model="heart rate monitor with the standard Bluetooth service",
        link=Link.BLE,
        channels=("heart_rate", "rr_interval", "energy", "battery"),
        services=("180d",),
        notify=(MEASUREMENT,),
        read=(BATTERY,),
        source="Bluetooth Heart Rate Service 1.0",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._told_absent = False
        self._handlers = {MEASUREMENT: self._measurement, BATTERY: battery_level}

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Nothing to ask: it sends as soon as the gateway subscribes."""
        return []

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What one packet means."""
        return dispatch(self._handlers, rx)

    def _measurement(self, rx: Rx, packet: Reader) -> Iterator[Out]:
        flags = packet.u8()
        rate = packet.u16() if flags & 1 else packet.u8()
        energy_kj = packet.u16() if flags & 8 else None
        intervals = [packet.u16() for _ in range(_intervals(flags, len(rx.data)))]
        packet.end()
        words = ("questionable",) if flags >> 1 & 3 == NO_CONTACT else ()
        stamp = Stamp(rx.t_ns, status=words)
        absent, self._told_absent = self._told_absent, not rate
        if rate or not absent:
            yield reading("heart_rate", Number(float(rate)) if rate else NO_RATE, rx, stamp)
        if energy_kj is not None:
            yield reading("energy", Number(float(energy_kj)), rx, stamp)
        yield from _beats(intervals, rx, words)


def _intervals(flags: int, size: int) -> int:
    """How many a packet of `size` bytes must hold: as many as fit, but one; half of one will prove too short."""
    before = 2 + (flags & 1) + (flags >> 2 & 2)
    return max(1, (size - before + 1) // 2) if flags & 16 else 0


def _beats(ticks: Sequence[int], rx: Rx, words: tuple[str, ...]) -> Iterator[Out]:
    """The intervals as one Block, and a Fault for each that is none."""
    good: list[Block] = []
    for place, count in enumerate(ticks):
        ends_ns = rx.t_ns - sum(ticks[place + 1 :]) * NS // TICKS_PER_S
        # 1/1024 s is less than a millisecond: a decimal keeps different counts different.
        ms = Number(round(count * 1000 / TICKS_PER_S, 1), 1)
        one = reading("rr_interval", ms, rx, Stamp(ends_ns, status=words))
        if isinstance(one, Block):
            good.append(one)
        else:
            yield one
    if good:
        t_ns = tuple(one.t_ns[0] for one in good)
        yield Block("rr_interval", t_ns, tuple(one.value[0] for one in good), 1, words)
