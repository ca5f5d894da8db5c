"""One device, from connection to connection.

A new driver is made for each, with the bookmark the spool last kept, and talks (`gateway.visits.talk`) until the device
is quiet or gone. What a crash, a full spool or a bug left as bytes is fed to a fresh driver, with nobody to send to,
before the next connection (`catch_up`).

A driver that raises has a bug. Its bytes are kept as a fault, and in full for a mended driver; the connection ends and
is tried again later with growing pauses; the neighbours, who have sessions of their own, do not notice.
"""

import logging

from drivers.contract import Driver, Link, Rx
from gateway.links.contract import Open
from gateway.spool.raw import Kept
from gateway.spool.store import Spool
from gateway.visits.account import Account
from gateway.visits.meaning import DriverBug
from gateway.visits.orders import Orders
from gateway.visits.talk import Talk
from vitals.clock import Clock
from vitals.errors import LinkError, StoreError
from vitals.wire import DeviceHealth

log = logging.getLogger(__name__)


class Session:
    """The visits to one device. `account`: what is known of it over all of them."""

    def __init__(
        self, device: str, driver: type[Driver], spool: Spool, clock: Clock, orders: Orders | None = None
    ) -> None:
        self.device = device
        self.card = driver.card
        self.account = Account(device, driver, spool, clock, orders)

    def health(self) -> DeviceHealth:
        """The device's line of the heartbeat."""
        return self.account.health()

    async def visit(self, open_connection: Open) -> bool:
        """Open, talk until the device is quiet or gone, close. True when it went well: no need to wait long."""
        well = await self.catch_up() and await self._visit(open_connection)
        return await self.catch_up() and well

    async def catch_up(self) -> bool:
        """Read what was left as bytes; False when that is not possible now."""
        try:
            while self.account.packets.any_left and (left := await self.account.packets.left()):
                await self._reread(left)
        except (StoreError, DriverBug) as error:
            log.error("%s: %s", self.device, error)
            return False
        return True

    async def _reread(self, left: list[Kept]) -> None:
        """Feed them to a fresh driver. On a bug the packet is set aside, and the rest is left for the next turn."""
        log.info("%s: %d packets from before are read", self.device, len(left))
        talk = Talk(self.account, _Nobody())
        driver = await talk.made_driver()
        try:
            await talk.understand(driver, left)
        except DriverBug as error:
            log.error("%s: %s", self.device, error)
        else:
            await self.account.keep((), packets=talk.reading.over())

    async def _visit(self, open_connection: Open) -> bool:
        try:
            connection = await open_connection()
        except LinkError as error:
            self.account.lost(error)
            return False
        log.info("%s: connected", self.device)
        self.account.link = "connected"
        talk = Talk(self.account, connection)
        try:
            await talk.run()
        except LinkError as error:
            if self.card.link is Link.SERIAL or not talk.heard:
                self.account.lost(error)
                return talk.heard
            log.info("%s: the device ended the connection", self.device)
        except (StoreError, DriverBug) as error:
            log.error("%s: %s", self.device, error)
            self.account.packets.any_left = True
            return False
        finally:
            if self.account.link == "connected":
                self.account.link = "idle"
            try:
                await connection.close()
            finally:
                late = connection.waiting()
                self.account.packets.keep_soon(late)
        if not late:  # else it may complete what told nothing yet: they are read together
            self.account.packets.forget_soon(talk.reading.over())
        return True


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
