"""The contract between a session and whatever carries bytes to its device.

A link turns a radio or a port into a `Connection`: bytes with the time they arrived, one place to send, one way to
end. Bytes that arrived before a connection broke are still delivered; only then does `receive` say that it is gone.
The links alone know bleak, Bumble and the serial library.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from drivers.contract import Rx
from vitals.errors import LinkError

MOST_WAITING = 10_000
"""Packets held for a session that is behind (its disk stalls) before the connection is given up."""


class NoPipe(LinkError):
    """The device has no such pipe; the connection is as good as before."""


class Connection(Protocol):
    """One open connection to one device. BLE: the card's pipes are subscribed and read."""

    def waiting(self) -> list[Rx]:
        """What has arrived and was not handed out yet; does not wait."""

    async def receive(self) -> list[Rx]:
        """At least one packet, in the order of arrival; raises LinkError when the connection is gone."""

    async def send(self, pipe: str, data: bytes) -> None:
        """Send; returns when the layer below has taken it. Raises NoPipe, LinkError."""

    async def close(self) -> None:
        """End the connection; never raises, and may be called twice."""


Open = Callable[[], Awaitable[Connection]]
"""Opens a connection; raises LinkError."""

Ask = Callable[[], Awaitable[int | None]]
"""Asks a person for the six digits that a device shows while it is paired; None: there are none."""

Visit = Callable[[Open], Awaitable[bool]]
"""Open, talk, close; True when all went well (see `gateway.visits.session.Session.visit`)."""


class Inbox:
    """What has arrived on a connection, filled by the link's callbacks and emptied by a session.

    What arrives after the end (two callbacks may overtake each other) is delivered all the same.
    """

    def __init__(self) -> None:
        self._packets: list[Rx] = []
        self._end: LinkError | None = None
        self._news = asyncio.Event()

    def put(self, rx: Rx) -> None:
        if len(self._packets) >= MOST_WAITING:
            self.end(LinkError("packets arrive faster than the disk takes them", "see to the disk"))
            return
        self._packets.append(rx)
        self._news.set()

    def lead(self, packets: Sequence[Rx]) -> None:
        """Put these before all that waits."""
        self._packets[:0] = packets
        self._news.set()

    def end(self, error: LinkError) -> None:
        """The connection is over; the first reason given is kept."""
        self._end = self._end or error
        self._news.set()

    @property
    def waits(self) -> bool:
        """Whether anything has arrived that was not handed out yet."""
        return bool(self._packets)

    @property
    def ended(self) -> LinkError | None:
        return self._end

    def waiting(self) -> list[Rx]:
        packets, self._packets = self._packets, []
        return packets

    async def receive(self) -> list[Rx]:
        while not self._packets:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        return self.waiting()
