"""One device, from connection to connection: the driver's contract, carried out to the letter.

A new driver is made for each connection, with the bookmark the spool last kept. What arrives is fed to it in bursts
(everything that came while the last burst was written), and a burst is written as one:

    rows and bookmarks   gathered, in order, for one `put`
    Tx                   sent at once, until the first that is `after_stored`; from there on held in order until the
                         put is durable, then sent

Only one put is under way at a time. If the spool refuses it, nothing after it is stored and nothing is released: the
connection ends, and the device, which still has its records, will offer them again.

A driver that raises has a bug. Its bytes are kept as a fault, the connection ends and is tried again later with
growing pauses; the neighbours, who have sessions of their own, do not notice.
"""

import asyncio
import logging
import math
from collections import Counter

from drivers.contract import Bookmark, Driver, Link, Out, Rx, Tx
from gateway.link import Connection, Open
from gateway.spool import Heard, Spool
from vitals.block import Block
from vitals.clock import Clock
from vitals.errors import HjemvaktError, LinkError, StoreError
from vitals.events import Event, Fault
from vitals.wire import DeviceHealth

HELLO_AGAIN_S = 10.0
"""Seconds of the wall between hellos to a serial device that has not said anything sensible yet."""
MOST_FAULT_BYTES = 256

log = logging.getLogger(__name__)


class DriverBug(HjemvaktError):
    """A driver raised, which it must never do."""


class Session:
    """What is known of one device over all its connections; `health()` tells it."""

    def __init__(self, device: str, driver: type[Driver], spool: Spool, clock: Clock) -> None:
        self.device = device
        self.card = driver.card
        self.driver = driver
        self._spool = spool
        self._clock = clock
        self._link = "never"
        self._last_seen_ns: int | None = None
        self._battery: float | None = None
        self._rows = 0
        self._faults = 0

    def health(self) -> DeviceHealth:
        """The device's line of the heartbeat."""
        return DeviceHealth(
            self.device, self.card.name, self._link, self._last_seen_ns, self._battery, self._rows, self._faults
        )

    async def visit(self, open_connection: Open) -> bool:
        """Open, talk until the device is quiet or gone, close. True when it went well: no need to wait long."""
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
            return False
        finally:
            if self._link == "connected":
                self._link = "idle"
            await connection.close()
        return True

    def _lost(self, error: LinkError) -> None:
        log.log(logging.DEBUG if self._link == "lost" else logging.WARNING, "%s: %s", self.device, error)
        self._link = "lost"

    async def bookmark(self) -> str:
        """How far the device was read, as last kept."""
        return await self._spool.bookmark(self.device)

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def seen(self, t_ns: int) -> None:
        self._last_seen_ns = t_ns

    async def keep(self, heard: list[Heard], bookmark: str | None) -> None:
        """Store, and learn from what passes; raises StoreError."""
        self._faults += sum(isinstance(one.what, Fault) for one in heard)
        await self._spool.put(heard, {} if bookmark is None else {self.device: bookmark})
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
        self.heard = False

    async def run(self) -> None:
        """Until the device is quiet (BLE); raises LinkError when it is gone, StoreError, DriverBug."""
        driver = await self._made_driver()
        await self._digest(driver, self._connection.waiting())
        await self._greet(driver)
        while True:
            try:
                async with asyncio.timeout(self._patience_s()):
                    burst = await self._connection.receive()
            except TimeoutError:
                if self._session.card.link is not Link.SERIAL:
                    return
                await self._greet(driver)
            else:
                await self._digest(driver, burst)

    def _patience_s(self) -> float | None:
        if self._session.card.link is not Link.SERIAL:
            return self._session.card.quiet_s
        return None if self.heard else HELLO_AGAIN_S

    async def _made_driver(self) -> Driver:
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
            await self._connection.send(tx.pipe, tx.data)

    async def _kept(self, error: Exception) -> DriverBug:
        """Store a bug that no packet caused; returns what to raise."""
        await self._session.keep([self._bug(error, b"", "", self._session.now_ns())], None)
        return _bug_error(self._session.device, error)

    async def _digest(self, driver: Driver, burst: list[Rx]) -> None:
        """Feed a burst, store what it means, release what is stored."""
        heard: list[Heard] = []
        bookmark: str | None = None
        held: list[Tx] = []
        bug: Exception | None = None
        for rx in burst:
            self._session.seen(rx.t_ns)
            outs, bug = _fed(driver, rx)
            for out in outs:
                match out:
                    case Bookmark(text):
                        bookmark = text
                    case Tx() if held or out.after_stored:
                        held.append(out)
                    case Tx():
                        await self._connection.send(out.pipe, out.data)
                    case _:
                        heard.append(Heard(self._session.device, rx.t_ns, _sound(out)))
                self.heard = self.heard or not isinstance(out, Fault)
            if bug is not None:
                heard.append(self._bug(bug, rx.data, rx.pipe, rx.t_ns))
                break
        await self._session.keep(heard, bookmark)
        for tx in held:
            await self._connection.send(tx.pipe, tx.data)
        if bug is not None:
            raise _bug_error(self._session.device, bug) from bug

    def _bug(self, error: Exception, data: bytes, pipe: str, t_ns: int) -> Heard:
        fault = Fault("driver bug", f"{type(error).__name__}: {error}"[:500], t_ns, pipe, data[:MOST_FAULT_BYTES])
        return Heard(self._session.device, t_ns, fault)


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
