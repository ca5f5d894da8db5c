"""One device, from connection to connection: the driver's contract, carried out to the letter.

A new driver is made for each connection, with the bookmark the spool last kept. What arrives is fed to it in bursts
(everything that came while the last burst was written), and a burst is written as one:

    its bytes            on disk before the driver sees them (`gateway.spool.raw`)
    rows and bookmarks   gathered, in order, for one `put`, which also forgets the bytes they came from
    Tx                   sent at once, until the first that is `after_stored`; from there on held in order until the
                         put is durable, then sent

Only one put is under way at a time. If the spool refuses it, nothing after it is stored and nothing is released: the
connection ends, and the device, which still has its records, will offer them again.

What arrived is told even if the connection broke meanwhile and nothing can be sent any more: the device may have
forgotten it already. What a crash, a full spool or a bug left as bytes is fed to a fresh driver, with nobody to send
to, before the next connection (`catch_up`).

A device that *streams* would cost a transaction for each few bytes. After IDLE_BURSTS more bursts that told and asked
nothing than bursts that did, the next is gathered for STREAM_GATHER_S.

*Orders* (`gateway.visits.orders`) are handed to a driver that takes them once the device has said something sensible in
this connection, each when it is on disk as sent; one that an earlier connection sent is recalled instead.

*When the hub's clock is set* meanwhile, what came is told in the time of before (`gateway.visits.frame`), and the
connection ends: the next begins with the new time.

A driver that raises has a bug. Its bytes are kept as a fault, and in full for a mended driver; the connection ends and
is tried again later with growing pauses; the neighbours, who have sessions of their own, do not notice.
"""

import asyncio
import logging
import math
from collections import Counter

from drivers.contract import Bookmark, Driver, Link, Obedient, Out, Rx, Tx
from gateway.links.contract import Connection, NoPipe, Open
from gateway.spool.raw import Change, Kept
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.visits.frame import Frame
from gateway.visits.orders import Orders, as_order
from gateway.visits.packets import Bytes, Reading
from vitals.block import Block
from vitals.clock import Clock
from vitals.errors import HjemvaktError, LinkError, StoreError
from vitals.events import Event, Fault
from vitals.wire import DeviceHealth

HELLO_AGAIN_S = 10.0
"""Seconds of the wall between hellos to a serial device that has not said anything sensible yet."""
MOST_FAULT_BYTES = 256
IDLE_BURSTS = 8
STREAM_GATHER_S = 1.0
"""In the clock's seconds."""

log = logging.getLogger(__name__)


class DriverBug(HjemvaktError):
    """A driver raised, which it must never do."""


class Session:
    """What is known of one device over all its connections; `health()` tells it."""

    def __init__(
        self, device: str, driver: type[Driver], spool: Spool, clock: Clock, orders: Orders | None = None
    ) -> None:
        self.device = device
        self.card = driver.card
        self.driver = driver
        self.orders = orders if driver.card.orders else None
        self._spool = spool
        self._raw = Bytes(spool, device)
        self.clock = clock
        self._link = "never"
        self._last_seen_ns: int | None = None
        self._battery: float | None = None
        self._rows = 0
        self.faults: Counter[str] = Counter()

    def health(self) -> DeviceHealth:
        """The device's line of the heartbeat."""
        return DeviceHealth(
            self.device, self.card.name, self._link, self._last_seen_ns, self._battery, self._rows, self.faults.total(),
            self.card.orders,
        )  # fmt: skip

    async def visit(self, open_connection: Open) -> bool:
        """Open, talk until the device is quiet or gone, close. True when it went well: no need to wait long."""
        well = await self.catch_up() and await self._visit(open_connection)
        return await self.catch_up() and well

    async def catch_up(self) -> bool:
        """Read what was left as bytes; False when that is not possible now."""
        try:
            while self._raw.any_left and (left := await self._raw.left()):
                await self._reread(left)
        except (StoreError, DriverBug) as error:
            log.error("%s: %s", self.device, error)
            return False
        return True

    async def _reread(self, left: list[Kept]) -> None:
        """Feed them to a fresh driver. On a bug the packet is set aside, and the rest is left for the next turn."""
        log.info("%s: %d packets from before are read", self.device, len(left))
        talk = _Talk(self, _Nobody())
        driver = await talk.made_driver()
        try:
            await talk.understand(driver, left)
        except DriverBug as error:
            log.error("%s: %s", self.device, error)
        else:
            await self._spool.put((), packets=talk.reading.over())

    async def _visit(self, open_connection: Open) -> bool:
        try:
            connection = await open_connection()
        except LinkError as error:
            self._lost(error)
            return False
        log.info("%s: connected", self.device)
        self._link = "connected"
        talk = _Talk(self, connection)
        try:
            await talk.run()
        except LinkError as error:
            if self.card.link is Link.SERIAL or not talk.heard:
                self._lost(error)
                return talk.heard
            log.info("%s: the device ended the connection", self.device)
        except (StoreError, DriverBug) as error:
            log.error("%s: %s", self.device, error)
            self._raw.any_left = True
            return False
        finally:
            if self._link == "connected":
                self._link = "idle"
            try:
                await connection.close()
            finally:
                self._raw.keep_soon(connection.waiting())
        self._raw.forget_soon(talk.reading.over())
        return True

    def _lost(self, error: LinkError) -> None:
        log.log(logging.DEBUG if self._link == "lost" else logging.WARNING, "%s: %s", self.device, error)
        self._link = "lost"

    async def bookmark(self) -> str:
        """How far the device was read, as last kept."""
        return await self._spool.bookmark(self.device)

    def now_ns(self) -> int:
        return self.clock.now_ns()

    def seen(self, t_ns: int) -> None:
        self._last_seen_ns = t_ns

    async def on_disk(self, burst: list[Rx]) -> list[Kept]:
        """The packets, kept before anybody reads them; raises StoreError."""
        return await self._raw.keep(burst)

    @property
    def gather_s(self) -> float:
        """How long a stream is gathered, in seconds of the wall."""
        return STREAM_GATHER_S / self.clock.speed

    async def keep(self, heard: list[Heard], bookmark: str | None, packets: Change | None = None) -> None:
        """Store, and learn from what passes; raises StoreError."""
        self.faults.update(one.what.code for one in heard if isinstance(one.what, Fault))
        ended = self.orders.ended_by(heard) if self.orders else []
        await self._spool.put(heard, {} if bookmark is None else {self.device: bookmark}, ended, packets)
        if self.orders:
            self.orders.forgotten(ended)
        blocks = [one.what for one in heard if isinstance(one.what, Block)]
        self._rows += sum(not isinstance(one.what, Fault) for one in heard)
        for block in blocks:
            if block.channel == "battery" and block.value:
                self._battery = block.value[-1]
        if heard:
            log.info("%s: stored %s", self.device, _summary(heard))


class _Talk:
    """One connection's worth of a session."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._connection = connection
        self._handed: set[str] = set()
        """The orders that this connection's driver knows of."""
        self._gone: LinkError | None = None
        self._frame = Frame(session.clock)
        self._idle = 0
        self.reading = Reading(session.device)
        self.heard = False

    async def run(self) -> None:
        """Until the device is quiet (BLE); raises LinkError when it is gone, StoreError, DriverBug."""
        driver = await self.made_driver()
        try:
            await self._converse(driver)
        except LinkError as error:
            self._gone = error
            await self._digest(driver, self._connection.waiting())
            raise

    async def _converse(self, driver: Driver) -> None:
        await self._digest(driver, self._connection.waiting())
        await self._greet(driver)
        while True:
            await self._order(driver)
            try:
                burst = await self._receive(self._patience_s())
            except TimeoutError:
                if self._session.card.link is not Link.SERIAL:
                    return
                await self._greet(driver)
            else:
                await self._digest(driver, burst)
                if self._idle > IDLE_BURSTS:
                    await asyncio.sleep(self._session.gather_s)

    async def _order(self, driver: Driver) -> None:
        """Hand the driver the device's orders, after a sign of life: what is sent into silence can never be known."""
        orders = self._session.orders
        if orders is None or not self.heard or not isinstance(driver, Obedient):
            return
        for entry in orders.of(self._session.device):
            if entry.id in self._handed:
                continue
            self._handed.add(entry.id)
            hand = driver.recall
            if entry.step == "received":
                if not await orders.sending(entry):
                    continue
                hand = driver.order
            now_ns = self._session.now_ns()
            try:
                asked = list(hand(as_order(entry, now_ns), now_ns))
            except Exception as error:
                raise await self._kept(error) from error
            for tx in asked:
                await self._connection.send(tx.pipe, tx.data)

    async def _receive(self, patience_s: float | None) -> list[Rx]:
        """What has arrived, or nothing when it is an order that has come; raises TimeoutError."""
        if self._session.orders is None:
            async with asyncio.timeout(patience_s):
                return await self._connection.receive()
        news = self._session.orders.news(self._session.device)
        receiving = asyncio.ensure_future(self._connection.receive())
        ordered = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait((receiving, ordered), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ordered.cancel()
            receiving.cancel()  # without effect where it is done; else what arrives stays in the inbox
        if receiving.done():
            return receiving.result()
        if not news.is_set():
            raise TimeoutError
        news.clear()
        return []

    def _patience_s(self) -> float | None:
        if self._session.card.link is not Link.SERIAL:
            return self._session.card.quiet_s
        return self._session.card.silence_s if self.heard else HELLO_AGAIN_S

    async def made_driver(self) -> Driver:
        bookmark = await self._session.bookmark()
        try:
            return self._session.driver(bookmark)
        except Exception as error:
            raise await self._kept(error) from error

    async def _greet(self, driver: Driver) -> None:
        try:
            greetings = list(driver.hello(self._session.now_ns()))
        except Exception as error:
            raise await self._kept(error) from error
        for tx in greetings:
            await self._sent(tx)

    async def _kept(self, error: Exception) -> DriverBug:
        """Store a bug that no packet caused; returns what to raise."""
        await self._session.keep([self._bug(error, b"", "", self._session.now_ns())], None)
        return _bug_error(self._session.device, error)

    async def _digest(self, driver: Driver, burst: list[Rx]) -> None:
        """Keep a burst and feed it to the driver; raises LinkError when what it asked could not be sent."""
        burst = [self._frame.placed(rx) for rx in burst]
        if burst:
            self._session.seen(burst[-1].t_ns)
            await self.understand(driver, await self._session.on_disk(burst))
        if self._frame.jumped and not self._gone:
            self._gone = LinkError("the hub's clock was set", "the device is read anew, by the new time")
        if self._gone:
            raise self._gone

    async def understand(self, driver: Driver, burst: list[Kept]) -> None:
        """Feed what is on disk, store what it means, release what is stored; raises StoreError, DriverBug."""
        meaning = _Meaning(self._session.device)
        bug: Exception | None = None
        for one in burst:
            outs, bug = _fed(driver, one.rx)
            for tx in meaning.take(one, outs):
                await self._send(tx)
            if bug is not None:
                break
        self.heard = self.heard or meaning.sensible
        self._idle = max(0, self._idle + (-1 if meaning.told or meaning.sent else 1))
        if bug is None:
            packets = self.reading.done(burst[0].n, burst[-1].n, meaning.told)
        else:
            meaning.heard.append(self._bug(bug, one.rx.data, one.rx.pipe, one.rx.t_ns))
            packets = self.reading.failed(burst[0].n, meaning.told_before, one.n, max(one.told, meaning.count))
        await self._session.keep(meaning.heard, meaning.bookmark, packets)
        for tx in meaning.held:
            await self._send(tx)
        if bug is not None:
            raise _bug_error(self._session.device, bug) from bug

    async def _send(self, tx: Tx) -> None:
        """Send, if there is anybody: what else the burst means is stored first, and then the connection ends."""
        if self._gone is None:
            try:
                await self._sent(tx)
            except LinkError as error:
                self._gone = error

    async def _sent(self, tx: Tx) -> None:
        try:
            await self._connection.send(tx.pipe, tx.data)
        except NoPipe:
            if not tx.if_there:
                raise

    def _bug(self, error: Exception, data: bytes, pipe: str, t_ns: int) -> Heard:
        fault = Fault("driver bug", f"{type(error).__name__}: {error}"[:500], t_ns, pipe, data[:MOST_FAULT_BYTES])
        return Heard(self._session.device, t_ns, fault)


class _Meaning:
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
            self.heard.append(Heard(self._device, packet.rx.t_ns, _sound(what), packet.rx.mono_ns))


class _Nobody:
    """A connection to no device, for what is read again: nothing arrives, and what is sent is dropped."""

    def waiting(self) -> list[Rx]:
        return []

    async def receive(self) -> list[Rx]:
        raise LinkError("there is no device at this end", "connect to it")

    async def send(self, pipe: str, data: bytes) -> None:
        """Nothing: the device will ask again for what it still wants to hear."""

    async def close(self) -> None:
        """Nothing."""


def _fed(driver: Driver, rx: Rx) -> tuple[list[Out], Exception | None]:
    """What the driver made of a packet, up to where it raised."""
    outs: list[Out] = []
    try:
        outs.extend(driver.feed(rx))
    except Exception as error:  # noqa: BLE001 - the boundary at which a driver's bug must stop
        return outs, error
    return outs, None


def _bug_error(device: str, error: Exception) -> DriverBug:
    return DriverBug(f"the driver of {device} failed ({type(error).__name__}: {error})", "report it with the fault")


def _sound(out: Block | Event | Fault) -> Block | Event | Fault:
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


def _summary(heard: list[Heard]) -> str:
    """What was stored, by kind; never the values."""
    names = Counter(
        one.what.channel if isinstance(one.what, Block) else one.what.kind if isinstance(one.what, Event) else "fault"
        for one in heard
    )
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in names.items())
