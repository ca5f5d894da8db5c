"""The network between homes and server: a broker that may lose, double, delay, damage and forget, and links to it.

It is worse than any real one: what travels over one connection may come out of order, be lost although the connection
holds, or come again. The server's session is persistent and bounded; the gateways' are not. When the broker dies it
forgets everything, the server's session too.

`Link` stands where the gateway has its paho client: the gateway's own code decides what is sent over it and when.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vitals import wire
from vitals.clock import Clock
from vitals.errors import LinkError
from vitals.wire import State

Message = tuple[str, bytes]
MOST_WAITING = 400
"""Messages that the broker keeps for the server; what comes on top is lost, as with mosquitto's limit."""

_SLOW_S = 90.0


@dataclass
class Weather:
    """How bad it is: the chance of each misfortune for a message. All 0: it is perfect."""

    lost: float = 0.0
    doubled: float = 0.0
    slow: float = 0.0
    damaged: float = 0.0

    @classmethod
    def drawn(cls, draw: random.Random) -> "Weather":
        """None of each, a little, or much."""
        return cls(*(draw.choice((0.0, most / 4, most)) for most in (0.15, 0.2, 0.15, 0.04)))


class Broker:
    """One broker. `heard` is told of each message it takes in; `woken` when the server has something to fetch."""

    def __init__(self, loop: asyncio.AbstractEventLoop, draw: random.Random, counts: Counter[str]) -> None:
        self._loop = loop
        self._draw = draw
        self._counts = counts
        self._life = 0
        self.up = True
        self.weather = Weather()
        self.waiting: deque[Message] = deque()
        self.links: dict[str, Link] = {}
        self.cut_off: set[str] = set()
        """Gateways that do not reach it now."""
        self.woken: Callable[[], None] = lambda: None
        self.published: Callable[[str, bytes], None] = lambda topic, payload: None
        self.damaged: Callable[[str, bytes], None] = lambda topic, payload: None
        self.delivered: Callable[[str, str, bytes], None] = lambda name, topic, payload: None

    def connect(
        self,
        name: str,
        config: object,
        protocol: object,
        hears: Mapping[str, Callable[[bytes], None]],
        clock: Clock,
        *more: object,
    ) -> "Link":
        """In the place of `gateway.uplink.broker.Broker`; no gateway here has been claimed, so nothing is sealed."""
        return Link(self, name, hears, clock)

    def crash(self) -> None:
        """It dies, with all that it had."""
        self.up = False
        self._life += 1
        self._counts["messages a dying broker forgot"] += len(self.waiting)
        self.waiting.clear()
        for link in list(self.links.values()):
            link.lose("the broker died", will=False)

    def start(self) -> None:
        self.up = True

    def cut(self, name: str) -> None:
        """The gateway's line breaks; the broker says its last will."""
        if name in self.links:
            self.links[name].lose("the line broke", will=True)

    def reached_by(self, name: str) -> bool:
        return self.up and name not in self.cut_off

    def up_from(self, topic: str, payload: bytes) -> None:
        """A gateway has sent this."""
        self.published(topic, payload)
        for delay_s in self._fate():
            sent = self._maybe_damaged(topic, payload)
            self._loop.call_later(delay_s, self._arrive, self._life, topic, sent)

    def down_to(self, topic: str, payload: bytes) -> None:
        """The server has sent this."""
        for delay_s in self._fate():
            self._loop.call_later(delay_s, self._hand_out, self._life, topic, payload)

    def _arrive(self, life: int, topic: str, payload: bytes) -> None:
        if life != self._life or not self.up:
            self._counts["messages lost with the broker"] += 1
        elif len(self.waiting) >= MOST_WAITING:
            self._counts["messages beyond the broker's queue"] += 1
        else:
            self.waiting.append((topic, payload))
            self.woken()

    def _hand_out(self, life: int, topic: str, payload: bytes) -> None:
        name = wire.gateway_of(topic)
        link = self.links.get(name)
        if life == self._life and self.up and link is not None:
            self.delivered(name, topic, payload)
            link.hear(topic, payload)
        else:
            self._counts["answers nobody was there for"] += 1

    def _fate(self) -> list[float]:
        """After how many seconds each copy arrives; none where it is lost."""
        weather, draw = self.weather, self._draw
        if draw.random() < weather.lost:
            self._counts["messages lost on the way"] += 1
            return []
        copies = 1
        if draw.random() < weather.doubled:
            copies += draw.randint(1, 2)
            self._counts["messages doubled"] += copies - 1
        return [self._delay_s() for _ in range(copies)]

    def _delay_s(self) -> float:
        if self._draw.random() < self.weather.slow:
            self._counts["messages overtaken"] += 1
            return self._draw.uniform(0.1, _SLOW_S)
        return self._draw.uniform(0.001, 0.02)

    def _maybe_damaged(self, topic: str, payload: bytes) -> bytes:
        """Cut short, or with a byte in it that is in no text: what a receiver can see to be damaged."""
        if self._draw.random() >= self.weather.damaged:
            return payload
        self._counts["messages damaged"] += 1
        self.damaged(topic, payload)
        place = self._draw.randrange(1, len(payload))
        return payload[:place] if self._draw.random() < 0.5 else payload[:place] + b"\xff" + payload[place + 1 :]


class Link:
    """One connection of one gateway."""

    def __init__(self, broker: Broker, name: str, hears: Mapping[str, Callable[[bytes], None]], clock: Clock) -> None:
        self._broker = broker
        self._name = name
        self._hears = hears
        self._clock = clock
        self._lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._opened = False

    async def open(self) -> None:
        await asyncio.sleep(0.01)
        if not self._broker.reached_by(self._name):
            raise LinkError("the broker is not reached", "it is tried again")
        if self._name in self._broker.links:
            self._broker.links[self._name].lose("taken over", will=False)
        self._broker.links[self._name] = self
        self._opened = True
        self.publish(wire.state(self._name), self._state(online=True))

    def check(self) -> None:
        if self._lost.done():
            raise LinkError("the connection was lost", "it is tried again")

    def on_lost(self, call: Callable[[], None]) -> None:
        self._lost.add_done_callback(lambda _: call())

    def publish(self, topic: str, payload: bytes, **options: Any) -> None:
        if self._opened and not self._lost.done():
            self._broker.up_from(topic, payload)

    async def close(self) -> None:
        if self._opened and not self._lost.done():
            self.publish(wire.state(self._name), self._state(online=False))
            self.lose("goodbye", will=False)

    def lose(self, why: str, *, will: bool) -> None:
        """It breaks."""
        if self._broker.links.get(self._name) is self:
            del self._broker.links[self._name]
        if not self._lost.done():
            self._lost.set_result(why)
            if will:
                self._broker.up_from(wire.state(self._name), self._state(online=False))

    def hear(self, topic: str, payload: bytes) -> None:
        if topic in self._hears:
            self._hears[topic](payload)

    def _state(self, *, online: bool) -> bytes:
        return wire.encode(State(self._name, online, self._clock.now_ns()))
