"""The account of one device over all its connections: what it tells is stored through here, and what is known by that.

What is known is for the heartbeat and for a monitor; it begins anew with each start of the hub.
"""

import logging
from collections import Counter
from collections.abc import Sequence

from drivers.contract import Driver
from gateway.spool.raw import Change
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.visits.meaning import summary
from gateway.visits.orders import Orders
from gateway.visits.packets import Bytes
from vitals.block import Block
from vitals.clock import Clock
from vitals.errors import LinkError
from vitals.events import Fault
from vitals.wire import DeviceHealth

log = logging.getLogger(__name__)


class Account:
    """`link` is one of `never`, `idle`, `connected` and `lost`; `orders` None for a device that takes none."""

    def __init__(
        self, device: str, driver: type[Driver], spool: Spool, clock: Clock, orders: Orders | None = None
    ) -> None:
        self.device = device
        self.driver = driver
        self.card = driver.card
        self.clock = clock
        self.orders = orders if driver.card.orders else None
        self.packets = Bytes(spool, device)
        self.link = "never"
        self.faults: Counter[str] = Counter()
        self._spool = spool
        self._last_seen_ns: int | None = None
        self._battery: float | None = None
        self._rows = 0

    def health(self) -> DeviceHealth:
        """The device's line of the heartbeat."""
        return DeviceHealth(
            self.device, self.card.name, self.link, self._last_seen_ns, self._battery, self._rows, self.faults.total(),
            self.card.orders,
        )  # fmt: skip

    def seen(self, t_ns: int) -> None:
        """Something of it arrived then."""
        self._last_seen_ns = t_ns

    def lost(self, error: LinkError) -> None:
        """It cannot be talked to; in the log that is said once, and again when it was there in between."""
        log.log(logging.DEBUG if self.link == "lost" else logging.WARNING, "%s: %s", self.device, error)
        self.link = "lost"

    async def bookmark(self) -> str:
        """How far the device was read, as last kept."""
        return await self._spool.bookmark(self.device)

    async def keep(self, heard: Sequence[Heard], bookmark: str | None = None, packets: Change | None = None) -> None:
        """Store, and learn from what passes; raises StoreError."""
        self.faults.update(one.what.code for one in heard if isinstance(one.what, Fault))
        ended = self.orders.ended_by(heard) if self.orders else []
        await self._spool.put(heard, {} if bookmark is None else {self.device: bookmark}, ended, packets)
        if self.orders:
            self.orders.forgotten(ended)
        self._rows += sum(not isinstance(one.what, Fault) for one in heard)
        for one in heard:
            if isinstance(one.what, Block) and one.what.channel == "battery" and one.what.value:
                self._battery = one.what.value[-1]
        if heard:
            log.info("%s: stored %s", self.device, summary(heard))
