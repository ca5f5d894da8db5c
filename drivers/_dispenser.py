"""The conversation with a dispenser that speaks the open protocol, in payloads. For every link.

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
the heartbeat brings to light: its `newest_seq` is ahead of `_last`, and nothing has moved since the one before; or an
acknowledgement was not confirmed (ACKED), and goes out again.

*Orders* (`_dispenser_orders`). The end of an order is an entry too, and its id comes just before it (ORDER_STATE). An
entry whose id was lost counts as not come, and is read again, so both are on disk before either is acknowledged. It is
told twice: `dispenser.order_done` as part of the log, `order.done` as the outcome. A log that is read again after a
crash repeats both; the outcome is named by the order's id (its record), so whoever keeps it keeps one.

"It never reached the device" may only be said by the device that the order was for. So before any order goes out, the
log it goes to stands in the bookmark; and where another log is found, the bookmark keeps when (`:<seconds>`), and for a
day "never seen" means unknown.

Time. An entry of the current start is dated by its uptime, which no setting of the clock disturbs; its calendar time is
preferred while the two agree (a quartz drifts), because it is finer than the serial line's delay. An entry of an
earlier start has only its calendar time, corrected as `_device_clock` explains. One without, or flagged as not
trusted, gets the time of arrival and `clock_unset`.

Source: docs/reference/dispenser-protocol.md, version 1.1.
"""

from collections.abc import Iterator, Sequence
from itertools import cycle

from drivers._device_clock import DeviceClock
from drivers._dispenser_orders import Orders, Request
from drivers._dispenser_words import (
    ACK_UPTO,
    ACKED,
    CLOCK_NOT_TRUSTED,
    ENTRY_ENDS,
    ERROR,
    ERRORS,
    EVENT,
    HEARTBEAT,
    HELLO,
    HELLO_GET,
    ORDER_STATE,
    OTHER_LOG,
    READ_DONE,
    READ_FROM,
    SCHEDULE,
    TIME,
    TIME_SET,
    VERSION,
    Entry,
    Hello,
    OrderState,
    entry,
    hello,
    order_state,
    outcome,
    u32,
    why,
)
from drivers._gatt import Misfit, Reader
from drivers._reading import Number, Stamp, reading
from drivers.contract import OUTCOMES, Bookmark, Order, Out, Rx, Tx
from vitals.clock import MS, NS
from vitals.events import DISPENSER, Event, Fault

CHANNELS = ("battery",)
EVENTS = (*(f"dispenser.{name}" for name in DISPENSER.values()), *(f"order.{how}" for how in OUTCOMES))

ACK_EVERY = 32
"""Entries of a long read after which they are acknowledged, so that a cut costs little."""
DAY_NS = 86_400 * NS
WRAP_NS = 2**32 * MS
UNKNOWN_BATTERY = 0xFF
NAME_TRIES = 4
"""Times that the end of an order is read before it is taken without the order's id."""
MOST_NAMED = 64


class Dialogue:
    """Reads one dispenser for one connection; a driver is this with a card, `feed` and `_tx`.

    Bookmark: `<log id, hex>:<last entry>[:<when another log was found, s>] <memory of the clock>`.
    """

    def __init__(self, bookmark: str = "") -> None:
        self._log_id, self._last, self._changed_s, memory = _parsed(bookmark)
        self._clock = DeviceClock(memory)
        self._told: Hello | None = None
        self._acked = 0
        self._released = 0
        self._tags = cycle(range(1, 256))
        self._tag = 0
        self._reading = False
        self._gap_after: int | None = None
        self._last_at_heartbeat = -1
        self._battery = UNKNOWN_BATTERY
        self._orders = Orders(self._tags)
        self._named: dict[int, OrderState] = {}
        self._unnamed = (0, 0)
        self._handlers = {
            HELLO: self._on_hello,
            EVENT: self._on_event,
            READ_DONE: self._on_read_done,
            HEARTBEAT: self._on_heartbeat,
            SCHEDULE: self._on_schedule,
            ORDER_STATE: self._on_order_state,
            ACKED: self._on_acked,
            ERROR: self._on_error,
        }

    def hello(self, now_ns: int) -> Sequence[Tx]:
        """Ask who is there; all else follows from the answer."""
        return [self._who()]

    def order(self, order: Order, now_ns: int) -> Sequence[Tx]:
        """Send it, now or once the device has said who it is."""
        return self._given(order, now_ns, recalled=False)

    def recall(self, order: Order, now_ns: int) -> Sequence[Tx]:
        """Ask what became of it, now or once the device has said who it is."""
        return self._given(order, now_ns, recalled=True)

    def heard(self, rx: Rx) -> Iterator[Out]:
        """What one payload means."""
        try:
            packet = Reader(rx.data)
            kind, tag = packet.u8(), packet.u8()
            if kind in self._handlers:
                yield from self._handlers[kind](rx, tag, packet)
            elif kind != TIME:  # an answer that changes nothing
                yield Fault("unknown packet", f"packet of type {kind:#04x}", rx.t_ns, rx.pipe, rx.data)
        except Misfit as misfit:
            yield Fault(misfit.code, str(misfit), rx.t_ns, rx.pipe, rx.data)

    def _tx(self, payload: bytes, after_stored: bool) -> Tx:
        """The payload as the link carries it."""
        raise NotImplementedError

    # Who is there

    def _on_hello(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        version = packet.u8()
        if version != VERSION:
            text = f"the device speaks version {version} of the protocol, this driver version {VERSION}"
            yield Fault("unknown packet", text, rx.t_ns, rx.pipe, rx.data)
            return
        told = self._told = hello(packet, rx.t_ns)
        yield from self._told_battery(rx, told.battery)
        yield from self._find_place(rx, told)
        yield from self._set_clock(told)
        yield self._read()
        yield from self._carried(self._orders.waiting(told, rx.t_ns))

    def _find_place(self, rx: Rx, told: Hello) -> Iterator[Out]:
        """Where in the device's log we stand."""
        before_oldest = max(told.oldest - 1, 0)
        self._acked = self._released = before_oldest
        if told.log_id != self._log_id:  # a new device, or one whose memory was erased
            self._changed_s = rx.t_ns // NS if self._log_id is not None else None
            self._log_id, self._last, self._clock = told.log_id, before_oldest, DeviceClock()
            self._named.clear()
            yield self._bookmark()
        elif told.newest < self._last:
            text = f"entry {self._last} was read, but the newest is now {told.newest}: the log was rolled back"
            yield Fault("gap", text, rx.t_ns, rx.pipe, rx.data)
            self._last, self._changed_s = before_oldest, rx.t_ns // NS
            yield self._bookmark()
        elif before_oldest > self._last:
            text = f"entries {self._last + 1} to {before_oldest} were overwritten before they could be read"
            yield Fault("gap", text, rx.t_ns, rx.pipe, rx.data)
            self._last = before_oldest

    def _set_clock(self, told: Hello) -> Iterator[Out]:
        self._clock = DeviceClock(self._clock.memory)
        self._clock.read(told.utc * NS if told.utc else None, told.t_ns)
        if self._clock.off:
            yield self._bookmark()
        if self._clock.off or not told.utc:
            self._clock.set(told.t_ns)
            yield self._send(TIME_SET, u32((told.t_ns + NS // 2) // NS), after_stored=True)

    # The log

    def _on_event(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        one = entry(packet)
        told = self._told
        if told is None:
            return  # its log is not known yet; the device keeps it, and it is read after HELLO
        if one.seq > self._last + 1:
            yield from self._missed(rx, tag, f"entry {one.seq} came where {self._last + 1} was due")
            return
        if one.seq == self._last + 1:
            if self._lacks_name(one, tag):
                yield from self._missed(rx, tag, f"entry {one.seq} ends an order and came without its id")
                return
            yield from self._take(rx, told, one)
        if not self._reading or self._last - self._acked >= ACK_EVERY:
            yield from self._acknowledge()
        if one.boot_id != told.boot_id and one.seq > told.newest:
            yield self._who()  # it has started anew since HELLO

    def _take(self, rx: Rx, told: Hello, one: Entry) -> Iterator[Out]:
        """The entry after `_last`, and the outcome of an order where it is one."""
        named = self._named.pop(one.seq, None)
        data = one.data
        t_ns = self._date(rx.t_ns, told, one)
        if t_ns is None:
            data["clock_unset"] = 1
            t_ns = rx.t_ns
        how = ENTRY_ENDS.get(one.kind)
        if how and named:
            data["order"] = f"{named.id:016x}"
        yield Event(f"dispenser.{one.name}", t_ns, data, f"{told.log_id:08x}:{one.seq}", one.device_t_ns)
        if how and named:
            self._orders.ended(named.id)
            yield outcome(named.id, how, why(how, named.reason), t_ns, one.device_t_ns)
        elif how:
            yield Fault("gap", f"entry {one.seq} ends an order, and its id never came", rx.t_ns, rx.pipe, rx.data)
        self._last = one.seq

    def _lacks_name(self, one: Entry, tag: int) -> bool:
        """Whether it ends an order whose id has not come, and may still come by reading again."""
        if one.kind not in ENTRY_ENDS or one.seq in self._named:
            return False
        seq, tries = self._unnamed
        if not self._is_late(tag):
            self._unnamed = (one.seq, tries + 1 if seq == one.seq else 1)
        return self._unnamed != (one.seq, NAME_TRIES)

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

    def _on_acked(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        self._released = packet.u32()
        packet.end()
        yield from ()

    def _on_heartbeat(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        uptime_ms, newest, battery = packet.u32(), packet.u32(), packet.u8()
        packet.end()
        yield from self._told_battery(rx, battery)
        told = self._told
        if told is None or _started_anew(told, rx.t_ns, uptime_ms) or rx.t_ns - told.t_ns > DAY_NS:
            yield self._who()  # once a day too: the clocks drift apart
        elif newest <= self._last:
            self._reading = False
            if self._last > self._released:
                yield from self._acknowledge()  # not yet, or what said so was lost
        elif not self._reading or self._last == self._last_at_heartbeat:
            yield self._read()
        self._last_at_heartbeat = self._last
        if told is not None:
            yield from self._carried(self._orders.overdue())

    def _on_error(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        request, code = packet.u8(), packet.u8()
        packet.end()
        if self._orders.is_answer(tag):
            erased = self._was_erased(rx.t_ns)
            yield from self._carried(self._orders.error(tag, request, code, erased=erased, t_ns=rx.t_ns))
            return
        text = f"the device refused request {request:#04x}: {ERRORS.get(code, f'code {code}')}"
        yield Fault("refused", text, rx.t_ns, rx.pipe, rx.data)
        if code == OTHER_LOG:
            yield self._who()

    def _missed(self, rx: Rx, tag: int, text: str) -> Iterator[Out]:
        """Ask again for the entry after `_last`; say so once."""
        if self._is_late(tag):
            return  # the answer to the last request will bring it
        if self._gap_after == self._last:
            self._gap_after = None
            self._tag = next(self._tags)  # the rest of this answer is of no use
            yield self._who()
            return
        self._gap_after = self._last
        yield Fault("gap", f"{text}; reading again", rx.t_ns, rx.pipe, rx.data)
        yield self._read()

    def _is_late(self, tag: int) -> bool:
        """Whether it was still under way when the read that is being answered was asked for."""
        return self._reading and tag != self._tag

    def _who(self) -> Tx:
        return self._send(HELLO_GET, bytes((VERSION,)))

    def _read(self) -> Tx:
        self._tag = next(self._tags)
        self._reading = True
        return self._send(READ_FROM, u32(self._last + 1), self._tag)

    def _acknowledge(self) -> Iterator[Out]:
        if self._last and self._log_id is not None:
            self._acked = self._last
            yield self._bookmark()
            yield self._send(ACK_UPTO, u32(self._log_id) + u32(self._last), after_stored=True)

    def _bookmark(self) -> Bookmark:
        changed = "" if self._changed_s is None else f":{self._changed_s}"
        return Bookmark(f"{self._log_id:08x}:{self._last}{changed} {self._clock.memory}".rstrip())

    # Orders

    def _given(self, order: Order, now_ns: int, *, recalled: bool) -> Sequence[Tx]:
        self._orders.give(order, now_ns, recalled=recalled)
        if self._told is None:
            return []
        return [out for out in self._carried(self._orders.waiting(self._told, now_ns)) if isinstance(out, Tx)]

    def _on_order_state(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        told = order_state(packet)
        if self._told is None:
            return
        if told.seq > self._last:
            if len(self._named) >= MOST_NAMED:
                self._named.clear()
            self._named[told.seq] = told
        erased = self._was_erased(rx.t_ns)
        yield from self._orders.state(told, read_upto=self._last, erased=erased, t_ns=rx.t_ns)

    def _on_schedule(self, rx: Rx, tag: int, packet: Reader) -> Iterator[Out]:
        result, fingerprint = packet.u8(), packet.take(8)
        packet.end()
        yield from self._carried(self._orders.schedule(tag, result, fingerprint, rx.t_ns))

    def _carried(self, asked: Iterator[Request | Event] | Iterator[Request] | Iterator[Event]) -> Iterator[Tx | Event]:
        """Requests as they are sent. The log they go to is on disk before they are."""
        for one in asked:
            if isinstance(one, Request):
                yield self._send(one.kind, one.body, one.tag, after_stored=True)
            else:
                yield one

    def _was_erased(self, now_ns: int) -> bool:
        """Whether the device lately lost its memory, and with it what it had done."""
        return self._changed_s is not None and now_ns - self._changed_s * NS < DAY_NS

    # Numbers

    def _send(self, kind: int, body: bytes, tag: int = 0, *, after_stored: bool = False) -> Tx:
        return self._tx(bytes((kind, tag)) + body, after_stored)

    def _told_battery(self, rx: Rx, percent: int) -> Iterator[Out]:
        if percent not in (self._battery, UNKNOWN_BATTERY):
            yield reading("battery", Number(float(percent)), rx, Stamp(rx.t_ns))
        self._battery = percent

    def _date(self, now_ns: int, told: Hello, one: Entry) -> int | None:
        """When the entry was written, in ns; None when that cannot be known."""
        utc_ns = None if one.flags & CLOCK_NOT_TRUSTED else one.device_t_ns
        if one.boot_id == told.boot_id:
            return _by_uptime(now_ns, told.uptime_ns(now_ns) - one.uptime_ms * MS, utc_ns)
        if utc_ns is None:
            return None
        return self._clock.date(utc_ns, now_ns, stored=one.seq <= told.newest)


def _by_uptime(now_ns: int, age_ns: int, utc_ns: int | None) -> int:
    """The time `age_ns` ago, or `utc_ns` where it agrees. Uptime counts anew every 49.7 days, so both are modulo that.

    An age a little below 0 is an entry as new as the answer it came with: it is now.
    """
    age_ns %= WRAP_NS
    if age_ns > WRAP_NS - 60 * NS:
        age_ns = 0
    if utc_ns is not None:
        apart_ns = (now_ns - age_ns - utc_ns + WRAP_NS // 2) % WRAP_NS - WRAP_NS // 2
        # A calendar cuts off up to a second, and the line takes its while: what is farther off than that is wrong.
        drift_ns = min(3 * NS // 2 + (now_ns - utc_ns) // 10_000, 60 * NS)
        if abs(apart_ns) <= drift_ns:
            return utc_ns
    return now_ns - age_ns


def _started_anew(told: Hello, now_ns: int, uptime_ms: int) -> bool:
    """Whether the uptime is not that of the start HELLO told of: off by more than a minute, modulo its wrap."""
    apart_ns = (told.uptime_ns(now_ns) - uptime_ms * MS + WRAP_NS // 2) % WRAP_NS - WRAP_NS // 2
    return abs(apart_ns) > 60 * NS


def _parsed(bookmark: str) -> tuple[int | None, int, int | None, str]:
    """Log id, last entry, when the log was another, memory of the clock; text not ours is that of a new device."""
    mark, _, memory = bookmark.partition(" ")
    log_id, _, numbers = mark.partition(":")
    last, _, changed_s = numbers.partition(":")
    try:
        return int(log_id, 16), int(last), int(changed_s) if changed_s else None, memory
    except ValueError:
        return None, 0, None, ""
