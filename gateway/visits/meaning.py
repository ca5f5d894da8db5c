"""What a driver makes of a burst: what is to be stored of it, and what is to be sent, and when. Pure.

A driver that raises has a bug. What it told before that counts; the packet it failed on is kept as a fault.
"""

import math
from collections import Counter
from collections.abc import Sequence

from drivers.contract import Bookmark, Driver, Out, Rx, Tx
from gateway.spool.raw import Kept
from gateway.spool.rows import Heard
from vitals.block import Block
from vitals.errors import HjemvaktError
from vitals.events import Event, Fault

MOST_FAULT_BYTES = 256


class DriverBug(HjemvaktError):
    """A driver raised, which it must never do."""


class Meaning:
    """What a burst meant: what is to be stored of it, and what is to be sent when that is done."""

    def __init__(self, device: str) -> None:
        self._device = device
        self.heard: list[Heard] = []
        self.bookmark: str | None = None
        self.held: list[Tx] = []
        self.sent = False
        self.sensible = False
        self.told: int | None = None
        """The number of the last packet that told something."""
        self.told_before: int | None = None
        """The same, not counting the packet taken last."""
        self.count = 0
        """How many things the packet taken last told."""

    def take(self, packet: Kept, outs: list[Out]) -> list[Tx]:
        """What the driver made of the packet; returns what is to be sent at once."""
        self.told_before, self.count = self.told, 0
        now: list[Tx] = []
        for out in outs:
            self.sensible = self.sensible or not isinstance(out, Fault)
            if isinstance(out, Tx):
                (self.held if self.held or out.after_stored else now).append(out)
                self.sent = True
                continue
            self.told = packet.n
            if isinstance(out, Bookmark):
                self._turn_page(packet, out)
            else:
                self._hear(packet, out)
        return now

    def _turn_page(self, packet: Kept, bookmark: Bookmark) -> None:
        if packet.tried is None:  # else the device has been read further since
            self.bookmark = bookmark.text

    def _hear(self, packet: Kept, what: Block | Event | Fault) -> None:
        self.count += 1
        if self.count > packet.told:  # else it was stored before the driver failed on this packet
            self.heard.append(Heard(self._device, packet.rx.t_ns, sound(what), packet.rx.mono_ns))


def fed(driver: Driver, rx: Rx) -> tuple[list[Out], Exception | None]:
    """What the driver made of a packet, up to where it raised."""
    outs: list[Out] = []
    try:
        outs.extend(driver.feed(rx))
    except Exception as error:  # noqa: BLE001 - the boundary at which a driver's bug must stop
        return outs, error
    return outs, None


def failed(device: str, error: Exception) -> DriverBug:
    """What to raise of it."""
    return DriverBug(f"the driver of {device} failed ({type(error).__name__}: {error})", "report it with the fault")


def bug(device: str, error: Exception, t_ns: int, data: bytes = b"", pipe: str = "") -> Heard:
    """A driver's bug as a row, with the bytes it failed on, if it was fed any."""
    fault = Fault("driver bug", f"{type(error).__name__}: {error}"[:500], t_ns, pipe, data[:MOST_FAULT_BYTES])
    return Heard(device, t_ns, fault)


def sound(out: Block | Event | Fault) -> Block | Event | Fault:
    """The same, or a fault: a block must have as many values as times, at least one, and each finite."""
    if isinstance(out, Fault) and len(out.data) > MOST_FAULT_BYTES:
        return Fault(out.code, out.text, out.t_ns, out.pipe, out.data[:MOST_FAULT_BYTES], out.channel)
    if not isinstance(out, Block):
        return out
    if out.value and len(out.value) == len(out.t_ns) and all(math.isfinite(value) for value in out.value):
        return out
    t_ns = out.t_ns[0] if out.t_ns else 0
    return Fault(
        "driver bug", f"a block of {len(out.t_ns)} times and values {out.value}"[:500], t_ns, "", b"", out.channel
    )


def summary(heard: Sequence[Heard]) -> str:
    """What was stored, by kind; never the values."""
    names = Counter(
        one.what.channel if isinstance(one.what, Block) else one.what.kind if isinstance(one.what, Event) else "fault"
        for one in heard
    )
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())
