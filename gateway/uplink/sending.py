"""From the spool to the server, over a broker that may lose anything.

A row stays in the spool until the server itself says, in an application acknowledgement of this spool's epoch, that
it is committed. The broker's PUBACK is never taken for that: it only says that the broker has read the message.

What goes next, and what is under way, is `gateway.uplink.window`'s to know. The backlog is read ahead, some batches at
a time: the spool's thread is busy committing. A batch that is sent again says anew when it is sent
(`gateway.uplink.batch`).

An acknowledgement without the right seal (`gateway.identity.seals`), or of what is not under way, is ignored and
counted.

*The server is heard* by its acknowledgements: it answers each heartbeat with one, if only of no rows. That we are
connected to a broker says nothing about it, and neither does what somebody without its seal says in its name.
`silent_s` is what `gateway.home.local` goes by.

*Connecting.* Each attempt has a paho client of its own, so nothing of a dead connection lives on. A broker that says
no, or does not finish what it began, has enough to do: waits before the next attempt have full jitter and grow, and are
reset once a connection lasted STABLE_S; one that hangs up on all of its fleet is given the time that this needs to come
back. Where nobody answers at all, the network is away: knocking costs nobody anything, and goes on at short intervals
until somebody opens (decision 0017). With `protocol = "auto"` MQTT 5 is tried first; a broker that refuses it, or hangs
up on it, is tried with 3.1.1, and what worked is remembered. The connection itself is `gateway.uplink.broker`'s.
"""

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import msgspec
from paho.mqtt.enums import MQTTProtocolVersion

from gateway.backoff import Backoff
from gateway.clock.hub import HubClock
from gateway.clock.steady import steady_ns
from gateway.config.model import UplinkConfig
from gateway.identity.seals import Seals
from gateway.identity.secure import Secure
from gateway.spool.rows import Stored
from gateway.spool.store import Spool
from gateway.uplink.answered import Answered
from gateway.uplink.batch import encoded
from gateway.uplink.broker import Broker, HungUp, ProtocolRefused, Silence, first_protocol, knock, spoken
from gateway.uplink.window import MAX_ROWS, Flight, Window, head
from vitals import wire
from vitals.errors import ConfigError, LinkError, WireError
from vitals.wire import Ack, Health, Lane

AHEAD_ROWS = 2_000
STABLE_S = 30.0
ANSWER_S = 10.0
"""So long are rows held back for the first answer of all: a server that takes longer takes no rows either."""

log = logging.getLogger(__name__)


class Uplink:
    """`run()` for ever. `health` makes the heartbeat; `on_command` and `on_config` are given what comes under
    `down/command` and `down/config`, as it came: whether it is the server's word they look themselves.

    `hear` and `say` are for the hub's other matters with the server. `secure` makes connections safe.

    A command may come twice or never: whoever takes it tells the server by a row, and the server repeats it until then.
    """

    def __init__(
        self,
        name: str,
        config: UplinkConfig,
        spool: Spool,
        clock: HubClock,
        heartbeat_s: float,
        health: Callable[[], Health],
        on_command: Callable[[bytes], None] = lambda payload: None,
        on_config: Callable[[bytes], None] = lambda payload: None,
        seals: Seals | None = None,
        secure: Secure | None = None,
    ) -> None:
        self._name = name
        self._seals = seals or Seals()
        self._ack_topic = wire.down(name, "ack")
        self._hears = {
            self._ack_topic: self._on_ack,
            wire.down(name, "command"): on_command,
            wire.down(name, "config"): on_config,
        }
        self._secure = secure
        self._broker: Broker | None = None
        self._config = config
        self._spool = spool
        self._clock = clock
        self._heartbeat_s = heartbeat_s / clock.speed
        self._beat_s = self._began_s = 0.0
        self._health = health
        self._wake = asyncio.Event()
        self._protocol = first_protocol(config)
        self._window = Window(0)
        self._ahead: deque[Stored] = deque()
        self._heard_s: float | None = None
        self._answered = Answered(clock.speed)
        self.ignored_acks = 0
        self.connections = 0
        self.connected = asyncio.Event()
        spool.on_stored = self._wake.set

    def hear(self, what: str, call: Callable[[bytes], None]) -> None:
        """Give `call` what comes under `down/<what>`; to be said before `run`."""
        self._hears[wire.down(self._name, what)] = call

    def say(self, what: str, payload: bytes) -> None:
        """Publish under `up/<what>` if there is a connection. It may come twice or never."""
        if self._broker is not None:
            self._broker.publish(wire.up(self._name, what), payload)

    def connect_anew(self) -> None:
        """End the connection, if there is one, and make another: the hub's identity is a new one."""
        if self._broker is not None:
            self._broker.give_up("the identity is a new one")

    def silent_s(self) -> float | None:
        """Seconds of the wall since the server itself said anything; None: never yet."""
        return None if self._heard_s is None else asyncio.get_running_loop().time() - self._heard_s

    async def run(self) -> None:
        """Connect and serve, again and again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._config.reconnect_max_s)
        knocked = False
        while True:
            began_s, hung_up = loop.time(), False
            try:
                await self._connection()
            except (LinkError, ConfigError) as error:  # the password file may be away while a person mends it
                log.warning("%s", error)
                hung_up = isinstance(error, HungUp)
                if isinstance(error, Silence) and not knocked:
                    if await knock(self._config.host, self._config.port):
                        backoff.reset()  # the network was away: what failed before was due to that
                    knocked = True
                    continue
            except ProtocolRefused as error:
                if self._turn_protocol():
                    log.info("%s; trying MQTT %s", error, spoken(self._protocol))
                    continue
                log.warning("%s", error)
            knocked = False
            if loop.time() - began_s >= STABLE_S:
                backoff.reset()
            if hung_up and self._secure:
                backoff.hung_up(self._secure.spread_s())
            await asyncio.sleep(backoff.next_s())

    def beat_every(self, heartbeat_s: float) -> None:
        """Send a heartbeat now, and from now on at this interval, in the clock's time."""
        self._heartbeat_s = heartbeat_s / self._clock.speed
        self._beat_s = 0.0
        self._wake.set()

    async def _connection(self) -> None:
        """One connection from start to end; raises LinkError when it ends, ProtocolRefused."""
        self._seals.refresh()
        broker = Broker(
            self._name, self._config, self._protocol, self._hears, self._clock, self._seals, self._secure
        )  # fmt: skip
        try:
            await broker.open()
            self._broker = broker
            log.info("connected to %s:%d, MQTT %s", self._config.host, self._config.port, spoken(self._protocol))
            self._window = Window(self._spool.status.last_seq)
            self._ahead.clear()
            self.connections += 1
            self.connected.set()
            await self._serve(broker)
        finally:
            self._broker = None
            self.connected.clear()
            await broker.close()

    async def _serve(self, broker: "Broker") -> None:
        loop = asyncio.get_running_loop()
        self._beat_s = self._began_s = loop.time()
        self._wake.set()
        broker.on_lost(self._wake.set)
        while True:
            until_s = min(self._beat_s, self._window.next_due_s() or self._beat_s, self._held_s()) - loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until_s)):
                    await self._wake.wait()
            self._wake.clear()
            broker.check()
            if loop.time() >= self._beat_s:
                self._seals.refresh()
                heard_ns, since_ns = self._answered.says(steady_ns())
                mark = self._clock.ask() if self._seals.sealing else 0
                beat = msgspec.structs.replace(self._health(), heard_ns=heard_ns, since_ns=since_ns, mark=mark)
                broker.publish(wire.up(self._name, "health"), wire.encode(beat), lasts_s=self._heartbeat_s)
                self._beat_s = loop.time() + self._heartbeat_s
            if self._held_s() < math.inf:
                continue
            await self._fill(broker)
            for flight in self._window.due(loop.time()):
                self._send(broker, flight)

    def _held_s(self) -> float:
        """Until when rows are held back; infinite where they are not.

        Before the first answer a batch could not prove when it is sent, and the times of a hub whose clock is behind
        would be stored as told. The first heartbeat's answer takes a round trip.
        """
        until_s = self._began_s + ANSWER_S
        held = self._seals.sealing and not self._answered.any and asyncio.get_running_loop().time() < until_s
        return until_s if held else math.inf

    async def _fill(self, broker: "Broker") -> None:
        """Publish until the window is full or nothing waits; what is urgent first, each time anew."""
        while await self._sent_one(broker):
            pass

    async def _sent_one(self, broker: "Broker") -> bool:
        for lane, after_seq, up_to in self._window.lanes(self._spool.status):
            rows = await self._next(lane, after_seq, up_to)
            if rows:
                self._send(broker, self._window.add(lane, rows))
                return True
            self._window.exhausted(lane, up_to)
        return False

    async def _next(self, lane: Lane, after_seq: int, up_to: int) -> Sequence[Stored]:
        """The lane's next batch."""
        if lane is not Lane.BACKLOG:
            return head(await self._spool.take(after_seq, MAX_ROWS, up_to, urgent=lane is Lane.ALARM))
        if len(self._ahead) < MAX_ROWS:
            after_seq = self._ahead[-1].seq if self._ahead else after_seq
            self._ahead.extend(await self._spool.take(after_seq, AHEAD_ROWS, up_to, urgent=False))
        rows = head(list(islice(self._ahead, MAX_ROWS)))
        for _ in rows:
            self._ahead.popleft()
        return rows

    def _send(self, broker: "Broker", flight: Flight) -> None:
        flight.sent_s = asyncio.get_running_loop().time()
        broker.publish(
            wire.up(self._name, flight.lane), encoded(flight.rows, self._name, self._spool, self._clock, self._answered)
        )

    def _on_ack(self, payload: bytes) -> None:
        try:
            ack = wire.decode(self._seals.unsealed(self._ack_topic, payload), Ack)
        except WireError as error:
            self.ignored_acks += 1
            log.warning("an acknowledgement was ignored: %s", error)
            return
        self._heard_s = asyncio.get_running_loop().time()
        if self._seals.sealing:
            self._clock.answered(ack.mark, ack.server_ns)
        if self._answered.heard(ack.server_ns, steady_ns()):
            self._beat_s = 0.0  # what was sent so far proved nothing
            self._wake.set()
        released = self._window.acknowledge(ack.ranges) if ack.epoch == self._spool.epoch else []
        if not ack.ranges:  # the answer to a heartbeat
            return
        if not released:
            self.ignored_acks += 1
            return
        self._spool.release(released)
        self._wake.set()

    def _turn_protocol(self) -> bool:
        """Change to the other protocol where that is allowed; True when the change is from 5, which costs no wait."""
        if self._config.protocol != "auto":
            return False
        was_5 = self._protocol is MQTTProtocolVersion.MQTTv5
        self._protocol = MQTTProtocolVersion.MQTTv311 if was_5 else MQTTProtocolVersion.MQTTv5
        return was_5
