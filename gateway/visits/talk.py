"""One connection to one device: the driver's contract, carried out to the letter.

What arrives is fed to the driver in bursts (everything that came while the last burst was written), and a burst is
written as one:

    its bytes            on disk before the driver sees them (`gateway.spool.raw`)
    rows and bookmarks   gathered, in order, for one `put`, which also forgets the bytes they came from
    Tx                   sent at once, until the first that is `after_stored`; from there on held in order until the
                         put is durable, then sent

Only one put is under way at a time. If the spool refuses it, nothing after it is stored and nothing is released: the
connection ends, and the device, which still has its records, will offer them again.

What arrived is told even if the connection broke meanwhile and nothing can be sent any more: the device may have
forgotten it already.

A device that *streams* would cost a transaction for each few bytes. After IDLE_BURSTS more bursts that told and asked
nothing than bursts that did, the next is gathered for STREAM_GATHER_S.

*Orders* (`gateway.visits.orders`) are handed to a driver that takes them once the device has said something sensible in
this connection, each when it is on disk as sent; one that an earlier connection sent is recalled instead.

*When the hub's clock is set* meanwhile, what came is told in the time of before (`gateway.visits.frame`), and the
connection ends: the next begins with the new time.
"""

import asyncio

from drivers.contract import Driver, Link, Obedient, Rx, Tx
from gateway.links.contract import Connection, NoPipe
from gateway.spool.raw import Kept
from gateway.visits.account import Account
from gateway.visits.frame import Frame
from gateway.visits.meaning import DriverBug, Meaning, bug, failed, fed
from gateway.visits.orders import as_order
from gateway.visits.packets import Reading
from vitals.errors import LinkError

HELLO_AGAIN_S = 10.0
"""Seconds of the wall between hellos to a serial device that has not said anything sensible yet."""
IDLE_BURSTS = 8
STREAM_GATHER_S = 1.0
"""In the clock's seconds."""


class Talk:
    """A conversation over an open connection.

    `reading`: how far its driver has come; `heard`: whether the device has said anything sensible.
    """

    def __init__(self, account: Account, connection: Connection) -> None:
        self._account = account
        self._connection = connection
        self._handed: set[str] = set()
        """The orders that this connection's driver knows of."""
        self._gone: LinkError | None = None
        self._frame = Frame(account.clock)
        self._idle = 0
        self.reading = Reading(account.device)
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
                if self._account.card.link is not Link.SERIAL:
                    return
                await self._greet(driver)
            else:
                await self._digest(driver, burst)
                if self._idle > IDLE_BURSTS:
                    await asyncio.sleep(self.gather_s)

    async def _order(self, driver: Driver) -> None:
        """Hand the driver the device's orders, after a sign of life: what is sent into silence can never be known."""
        orders = self._account.orders
        if orders is None or not self.heard or not isinstance(driver, Obedient):
            return
        for entry in orders.of(self._account.device):
            if entry.id in self._handed:
                continue
            self._handed.add(entry.id)
            hand = driver.recall
            if entry.step == "received":
                if not await orders.sending(entry):
                    continue
                hand = driver.order
            now_ns = self._account.clock.now_ns()
            try:
                asked = list(hand(as_order(entry, orders.now_ns()), now_ns))
            except Exception as error:
                raise await self._kept(error) from error
            for tx in asked:
                await self._connection.send(tx.pipe, tx.data)

    async def _receive(self, patience_s: float | None) -> list[Rx]:
        """What has arrived, or nothing when it is an order that has come; raises TimeoutError."""
        if self._account.orders is None:
            async with asyncio.timeout(patience_s):
                return await self._connection.receive()
        news = self._account.orders.news(self._account.device)
        receiving = asyncio.ensure_future(self._connection.receive())
        ordered = asyncio.ensure_future(news.wait())
        try:
            await asyncio.wait((receiving, ordered), timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if receiving.done() and not receiving.exception():  # it is no longer in the inbox
                self._account.packets.keep_soon(receiving.result())
            raise
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
        if self._account.card.link is not Link.SERIAL:
            return self._account.card.quiet_s
        return self._account.card.silence_s if self.heard else HELLO_AGAIN_S

    @property
    def gather_s(self) -> float:
        """How long a stream is gathered, in seconds of the wall."""
        return STREAM_GATHER_S / self._account.clock.speed

    async def made_driver(self) -> Driver:
        """A new one, with the bookmark; raises DriverBug."""
        bookmark = await self._account.bookmark()
        try:
            return self._account.driver(bookmark)
        except Exception as error:
            raise await self._kept(error) from error

    async def _greet(self, driver: Driver) -> None:
        try:
            greetings = list(driver.hello(self._account.clock.now_ns()))
        except Exception as error:
            raise await self._kept(error) from error
        for tx in greetings:
            await self._sent(tx)

    async def _kept(self, error: Exception) -> DriverBug:
        """Store a bug that no packet caused; returns what to raise."""
        await self._account.keep([bug(self._account.device, error, self._account.clock.now_ns())])
        return failed(self._account.device, error)

    async def _digest(self, driver: Driver, burst: list[Rx]) -> None:
        """Keep a burst and feed it to the driver; raises LinkError when what it asked could not be sent."""
        burst = [self._frame.placed(rx) for rx in burst]
        if burst:
            self._account.seen(burst[-1].t_ns)
            await self.understand(driver, await self._account.packets.keep(burst))
        if self._frame.jumped and not self._gone:
            self._gone = LinkError("the hub's clock was set", "the device is read anew, by the new time")
        if self._gone:
            raise self._gone

    async def understand(self, driver: Driver, burst: list[Kept]) -> None:
        """Feed what is on disk, store what it means, release what is stored; raises StoreError, DriverBug."""
        meaning = Meaning(self._account.device)
        error: Exception | None = None
        for one in burst:
            outs, error = fed(driver, one.rx)
            for tx in meaning.take(one, outs):
                await self._send(tx)
            if error is not None:
                break
        self.heard = self.heard or meaning.sensible
        self._idle = max(0, self._idle + (-1 if meaning.told or meaning.sent else 1))
        if error is None:
            packets = self.reading.done(burst[0].n, burst[-1].n, meaning.told)
        else:
            meaning.heard.append(bug(self._account.device, error, one.rx.t_ns, one.rx.data, one.rx.pipe))
            packets = self.reading.failed(burst[0].n, meaning.told_before, one.n, max(one.told, meaning.count))
        await self._account.keep(meaning.heard, meaning.bookmark, packets)
        for tx in meaning.held:
            await self._send(tx)
        if error is not None:
            raise failed(self._account.device, error) from error

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
