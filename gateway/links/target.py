"""A configured device as its radio knows it, and what it told that nobody has taken yet.

*What has arrived is never taken back.* A device may send all it has within milliseconds, be confirmed by the stack
below us, and hang up before the visit has begun. What it told waits here, from connection to connection, and is
delivered though there is nobody to talk to any more (`Gone`). A device that is only listened to is never talked to
(`Overheard`).
"""

import asyncio

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from drivers.catalogue import short_uuid
from drivers.contract import Card, Link, Rx
from gateway.clock.steady import steady_ns
from gateway.links.contract import Inbox, Visit
from gateway.links.recovery import BondHistory
from vitals.errors import LinkError


class Target:
    """A configured device: its address, its card, and the session that visits it. `name` is what people call it."""

    def __init__(self, address: str, card: Card, visit: Visit, name: str = "") -> None:
        self.address = address.upper()
        self.name = name or self.address
        self.card = card
        self.visit = visit
        self.advertised = asyncio.Event()
        """It advertised, or told something: it is worth a visit."""
        self.device: BLEDevice | None = None
        self.rssi_dbm = -127
        self.inbox = Inbox()
        self.bond = BondHistory(needs_person=card.pair == "passkey")
        self.pipes_forgotten = False

    def hear(self, device: BLEDevice, advert: AdvertisementData, t_ns: int) -> None:
        """An advert of this device, received at `t_ns`: worth a visit, unless it should tell something and does not."""
        self.device, self.rssi_dbm = device, advert.rssi
        if self.card.link is Link.ADVERT:
            told = {f"advert:{short_uuid(uuid)}": data for uuid, data in advert.service_data.items()}
            packets = [Rx(pipe, bytes(told[pipe]), t_ns, steady_ns()) for pipe in self.card.notify if pipe in told]
            if not packets:
                return
            for packet in packets:
                self.inbox.put(packet)
        self.advertised.set()

    def told(self, pipe: str, data: bytes, t_ns: int) -> None:
        """It told something on a pipe (a UUID), whether or not anybody visits."""
        for ours in self.card.notify:
            if short_uuid(ours) == short_uuid(pipe):
                self.inbox.put(Rx(ours, data, t_ns, steady_ns()))
                self.advertised.set()

    def open_inbox(self) -> Inbox:
        """The inbox for a new connection; what waits in an old one is in it."""
        if self.inbox.ended:
            before, self.inbox = self.inbox.waiting(), Inbox()
            self.inbox.lead(before)
        return self.inbox


class Overheard:
    """A device that is only listened to, as a connection without a way back.

    What it told waits with the target, from visit to visit; taking it is what ends `advertised`, so that an advert that
    comes while a visit ends begins the next.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def waiting(self) -> list[Rx]:
        self._target.advertised.clear()
        return self._target.inbox.waiting()

    async def receive(self) -> list[Rx]:
        burst = await self._target.inbox.receive()
        self._target.advertised.clear()
        return burst

    async def send(self, pipe: str, data: bytes) -> None:
        raise LinkError(f"{self._target.address} is only listened to: nothing was sent to {pipe}", "mend its driver")

    async def close(self) -> None:
        self._target.open_inbox()


class Gone:
    """A device that told something and went before it could be visited: what it told, and nobody to talk to."""

    def __init__(self, target: Target) -> None:
        self._address = target.address
        self._inbox = target.inbox
        self._inbox.end(self._error())

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        raise self._error()

    async def close(self) -> None:
        """Nothing is open."""

    def _error(self) -> LinkError:
        return LinkError(f"{self._address} has gone already", "it is visited when it advertises again")
