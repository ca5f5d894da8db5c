"""Medicine dispensers that speak Hjemvakt's open protocol on a serial line (docs/reference/dispenser-protocol.md).

The device keeps an append-only log and frees an entry only when the gateway acknowledges it. So everything here turns
on one number, `_last`: the last entry up to which nothing is missing.

    entry _last + 1       yielded; `_last` moves on
    an earlier one        sent again because our acknowledgement was lost: not yielded, but acknowledged again
    a later one           something between was lost on the line: not taken, and read again from `_last` + 1

An acknowledgement names `_last` and nothing else, goes out behind the bookmark that says the same, and only after all
that is on disk (`after_stored`). So it never passes a gap, and a gateway that dies at any moment begins again where
its disk ends. Only HELLO, with `oldest_seq` beyond `_last` + 1, moves `_last` over a hole: the device has nothing there
any more, and the hole is kept as a Fault with its numbers.

A read is answered under its own tag, so entries still under way from an earlier one are told from a new gap; a read
that found the same gap twice asks HELLO what there still is. What gets lost beyond that (a request, the end of a read)
the heartbeat brings to light: its `newest_seq` is ahead of `_last`, and nothing has moved since the one before.

Time. An entry of the current start is dated by its uptime, which no setting of the clock disturbs; its calendar time is
preferred while the two agree (a quartz drifts), because it is finer than the serial line's delay. An entry of an
earlier start has only its calendar time, corrected as `_device_clock` explains. One without, or flagged as not
trusted, gets the time of arrival and `clock_unset`.

Source: docs/reference/dispenser-protocol.md, version 1.
"""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import msgspec

from drivers._cobs import Damage, Frames, frame
from drivers._device_clock import DeviceClock
from drivers._gatt import Misfit, Reader
from drivers._reading import Number, Stamp, reading
from drivers.contract import Bookmark, Card, Link, Out, Rx, Serial, Tx
from vitals.clock import MS, NS
from vitals.events import DISPENSER, Event, Fault

VERSION = 1
PIPE = "serial"

HELLO_GET, READ_FROM, ACK_UPTO, TIME_SET = 0x01, 0x02, 0x03, 0x05
HELLO, EVENT, ACKED, TIME, READ_DONE, SCHEDULE, HEARTBEAT, ERROR = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0xFF
ERRORS = {1: "unknown type", 2: "bad body", 3: "another log", 4: "busy"}
OTHER_LOG = 3

ACK_EVERY = 32
"""Entries of a long read after which they are acknowledged, so that a cut costs little."""
DAY_NS = 86_400 * NS
WRAP_NS = 2**32 * MS
UNKNOWN_BATTERY = 0xFF

FLAGS = {0: "time_critical", 1: "on_battery", 2: "clock_untrusted"}
# What `value` means, by type. Of the other types it says nothing, and is kept as `value` where it is not 0.
VALUES = {
    3: "after_due_s", 4: "after_due_s", 5: "window_min", 6: "delay_min", 7: "early_min", 8: "doses_inside",
    9: "doses_left", 12: "maker_code", 15: "maker_code", 16: "battery_percent", 19: "reset_cause", 20: "step_s",
    22: "lost_entries",
}  # fmt: skip


class _Hello(msgspec.Struct, frozen=True):
    """What the device said of itself, and when (`t_ns`, the gateway's clock)."""

    t_ns: int
    log_id: int
    boot_id: int
    oldest: int
    newest: int
    utc: int
    uptime_ms: int
    battery: int


class Dispenser:
    """Reads one dispenser for one connection. Bookmark: `<log id, hex>:<last entry> <memory of the clock>`."""

    card: ClassVar[Card] = Card(
        name="hjemvakt-dispenser",
        maker="any",
        model="medicine dispenser with the open protocol, version 1",
        link=Link.SERIAL,
        channels=("battery",),
        events=tuple(f"dispenser.{name}" for name in DISPENSER.values()),
        serial=Serial(115_200),
        source="docs/reference/dispenser-protocol.md",
    )

    def __init__(self, bookmark: str = "") -> None:
        self._log_id, self._last, memory = _parsed(bookmark)
        self._clock = DeviceClock(memory)
        self._frames = Frames()
        self._told: _Hello | None = None
        self._acked = 0
        self._tag = 0
        self._reading = False
        self._gap_after: int | None = None
        self._last_at_heartbeat = -1
        self._battery = UNKNOWN_BATTERY
        self._handlers = {
            HELLO: self._on_hello,
            EVENT: self._on_event,
            READ_DONE: self._on_read_done,
            HEARTBEAT: self._on_heartbeat,
            ERROR: self._on_error,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask who is there; all else follows from the answer."""
        return [_tx(HELLO_GET, bytes((VERSION,)))]

    def feed(self, rx: Rx) -> Iterator[Out]:
        """What these bytes of the stream complete."""
        for found in self._frames.feed(rx.data):
            if isinstance(found, Damage):
                yield Fault(found.code, found.text, rx.t_ns, rx.pipe, found.data)
                continue
            try:
                yield from self._packet(rx.t_ns, found)
            except Misfit as misfit:
                yield Fault(misfit.code, str(misfit), rx.t_ns, rx.pipe, found)

    def _packet(self, t_ns: int, payload: bytes) -> Iterator[Out]:
        packet = Reader(payload)
        kind, tag = packet.u8(), packet.u8()
        rx = Rx(PIPE, payload, t_ns)
        if kind in self._handlers:
            yield from self._handlers[kind](rx, tag, packet)
        elif kind not in (ACKED, TIME, SCHEDULE):  # answers that change nothing
            yield Fault("unknown packet", f"packet of type {kind:#04x}", t_ns, PIPE, payload)

    def _on_hello(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        version = packet.u8()
        if version != VERSION:
            text = f"the device speaks version {version} of the protocol, this driver version {VERSION}"
            yield Fault("unknown packet", text, rx.t_ns, rx.pipe, rx.data)
            return
        log_id, boot_id, oldest, newest, utc, uptime_ms = (packet.u32() for _ in range(6))
        told = _Hello(rx.t_ns, log_id, boot_id, oldest, newest, utc, uptime_ms, packet.u8())
        packet.take(packet.u8())  # the serial number, in words
        packet.end()
        self._told = told
        yield from self._told_battery(rx, told.battery)
        yield from self._find_place(rx, told)
        yield from self._set_clock(told)
        yield self._read()

    def _find_place(self, rx: Rx, told: _Hello) -> Iterator[Out]:
        """Where in the device's log we stand."""
        before_oldest = max(told.oldest - 1, 0)
        self._acked = before_oldest
        if told.log_id != self._log_id:  # a new device, or one whose memory was erased
            self._log_id, self._last, self._clock = told.log_id, before_oldest, DeviceClock()
        elif told.newest < self._last:
            text = f"entry {self._last} was read, but the newest is now {told.newest}: the log was rolled back"
            yield Fault("gap", text, rx.t_ns, rx.pipe, rx.data)
            self._last = before_oldest
        elif before_oldest > self._last:
            text = f"entries {self._last + 1} to {before_oldest} were overwritten before they could be read"
            yield Fault("gap", text, rx.t_ns, rx.pipe, rx.data)
            self._last = before_oldest

    def _set_clock(self, told: _Hello) -> Iterator[Out]:
        self._clock = DeviceClock(self._clock.memory)
        self._clock.read(told.utc * NS if told.utc else None, told.t_ns)
        if self._clock.off:
            yield self._bookmark()
        if self._clock.off or not told.utc:
            self._clock.set(told.t_ns)
            yield _tx(TIME_SET, _u32((told.t_ns + NS // 2) // NS), after_stored=True)

    def _on_event(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        seq, boot_id, utc, uptime_ms = (packet.u32() for _ in range(4))
        kind, compartment, dose_id = packet.u8(), packet.u8(), packet.u16()
        count, flags, value = packet.u8(), packet.u8(), packet.s16()
        packet.end()
        told = self._told
        if told is None:
            return  # its log is not known yet; the device keeps it, and it is read after HELLO
        if seq > self._last + 1:
            yield from self._missed(rx, tag, f"entry {seq} came where {self._last + 1} was due")
            return
        if seq == self._last + 1:
            data = _named(kind, compartment, dose_id, count, flags, value)
            t_ns = self._date(rx.t_ns, seq, boot_id, utc, uptime_ms, trusted=not flags & 4)
            if t_ns is None:
                data["clock_unset"] = 1
            name = DISPENSER.get(kind, f"type_{kind}")
            record = f"{told.log_id:08x}:{seq}"
            yield Event(f"dispenser.{name}", rx.t_ns if t_ns is None else t_ns, data, record, utc * NS if utc else None)
            self._last = seq
        if not self._reading or self._last - self._acked >= ACK_EVERY:
            yield from self._acknowledge()
        if boot_id != told.boot_id and seq > told.newest:
            yield from self.hello(rx.t_ns)  # it has started anew since HELLO

    def _on_read_done(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        next_seq = packet.u32()
        packet.end()
        if self._told is None:
            return  # the end of a read that another connection asked for
        if next_seq > self._last + 1:
            yield from self._missed(rx, tag, f"the read ended at {next_seq} but {self._last + 1} did not come")
            return
        self._reading = False
        yield from self._acknowledge()

    def _on_heartbeat(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        uptime_ms, newest, battery = packet.u32(), packet.u32(), packet.u8()
        packet.end()
        yield from self._told_battery(rx, battery)
        told = self._told
        if told is None or _started_anew(told, rx.t_ns, uptime_ms) or rx.t_ns - told.t_ns > DAY_NS:
            yield from self.hello(rx.t_ns)  # once a day too: the clocks drift apart
        elif newest <= self._last:
            self._reading = False
            if self._last > self._acked:
                yield from self._acknowledge()
        elif not self._reading or self._last == self._last_at_heartbeat:
            yield self._read()
        self._last_at_heartbeat = self._last

    def _on_error(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        request, code = packet.u8(), packet.u8()
        packet.end()
        text = f"the device refused request {request:#04x}: {ERRORS.get(code, f'code {code}')}"
        yield Fault("refused", text, rx.t_ns, rx.pipe, rx.data)
        if code == OTHER_LOG:
            yield from self.hello(rx.t_ns)

    def _missed(self, rx: Rx, tag: int, text: str) -> Iterator[Out]:
        """Ask again for the entry after `_last`; say so once."""
        if self._reading and tag != self._tag:
            return  # still under way from before the last request, whose answer will bring it
        if self._gap_after == self._last:
            self._gap_after = None
            self._tag = _next(self._tag)  # the rest of this answer is of no use
            yield from self.hello(rx.t_ns)
            return
        self._gap_after = self._last
        yield Fault("gap", f"{text}; reading again", rx.t_ns, rx.pipe, rx.data)
        yield self._read()

    def _read(self) -> Tx:
        self._tag = _next(self._tag)
        self._reading = True
        return _tx(READ_FROM, _u32(self._last + 1), self._tag)

    def _acknowledge(self) -> Iterator[Out]:
        if self._last and self._log_id is not None:
            self._acked = self._last
            yield self._bookmark()
            yield _tx(ACK_UPTO, _u32(self._log_id) + _u32(self._last), after_stored=True)

    def _bookmark(self) -> Bookmark:
        return Bookmark(f"{self._log_id:08x}:{self._last} {self._clock.memory}".rstrip())

    def _told_battery(self, rx: Rx, percent: int) -> Iterator[Out]:
        if percent not in (self._battery, UNKNOWN_BATTERY):
            yield reading("battery", Number(float(percent)), rx, Stamp(rx.t_ns))
        self._battery = percent

    def _date(self, now_ns: int, seq: int, boot_id: int, utc: int, uptime_ms: int, trusted: bool) -> int | None:
        """When the entry was written, in ns; None when that cannot be known."""
        told = self._told
        assert told is not None
        utc_ns = utc * NS if utc and trusted else None
        if boot_id == told.boot_id:
            return _by_uptime(now_ns, _uptime_ns(told, now_ns) - uptime_ms * MS, utc_ns)
        if utc_ns is None:
            return None
        return self._clock.date(utc_ns, now_ns, stored=seq <= told.newest)


def _by_uptime(now_ns: int, age_ns: int, utc_ns: int | None) -> int:
    """The time `age_ns` ago, or `utc_ns` where it agrees. Uptime counts anew every 49.7 days, so both are modulo that.

    An age a little below 0 is an entry as new as the answer it came with: it is now.
    """
    age_ns %= WRAP_NS
    if age_ns > WRAP_NS - 60 * NS:
        age_ns = 0
    if utc_ns is not None:
        apart_ns = (now_ns - age_ns - utc_ns + WRAP_NS // 2) % WRAP_NS - WRAP_NS // 2
        drift_ns = min(2 * NS + (now_ns - utc_ns) // 10_000, 60 * NS)
        if abs(apart_ns) <= drift_ns:
            return utc_ns
    return now_ns - age_ns


def _uptime_ns(told: _Hello, now_ns: int) -> int:
    """What the device's uptime must be now, had it not wrapped."""
    return told.uptime_ms * MS + now_ns - told.t_ns


def _started_anew(told: _Hello, now_ns: int, uptime_ms: int) -> bool:
    """Whether the uptime is not that of the start HELLO told of: off by more than a minute, modulo its wrap."""
    apart_ns = (_uptime_ns(told, now_ns) - uptime_ms * MS + WRAP_NS // 2) % WRAP_NS - WRAP_NS // 2
    return abs(apart_ns) > 60 * NS


def _named(
    kind: int, compartment: int, dose_id: int, count: int, flags: int, value: int
) -> dict[str, int | float | str]:
    """An entry's numbers by name; a compartment or dose of 0 is none, and stays out."""
    data: dict[str, int | float | str] = {"count": count}
    if compartment:
        data["compartment"] = compartment
    if dose_id:
        data["dose_id"] = dose_id
    for bit, name in FLAGS.items():
        if flags >> bit & 1:
            data[name] = 1
    if kind in VALUES:
        data[VALUES[kind]] = value
    elif value:
        data["value"] = value
    return data


def _parsed(bookmark: str) -> tuple[int | None, int, str]:
    """Log id, last entry, memory of the clock; an empty bookmark, or one not ours, is that of a new device."""
    mark, _, memory = bookmark.partition(" ")
    log_id, _, last = mark.partition(":")
    try:
        return int(log_id, 16), int(last), memory
    except ValueError:
        return None, 0, ""


def _next(tag: int) -> int:
    """The next tag of a request; 0 is for what is sent unasked."""
    return tag % 255 + 1


def _u32(number: int) -> bytes:
    return (number & 0xFFFFFFFF).to_bytes(4, "little")


def _tx(kind: int, body: bytes, tag: int = 0, *, after_stored: bool = False) -> Tx:
    return Tx(PIPE, frame(bytes((kind, tag)) + body), after_stored)
