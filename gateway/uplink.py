"""From the spool to the server, over a broker that may lose anything.

A row stays in the spool until the server itself says, in an application acknowledgement of this spool's epoch, that
it is committed. The broker's PUBACK is never taken for that: it only says that the broker has read the message.

What goes next, and what is under way, is `gateway.window`'s to know. The backlog is read ahead, some batches at a
time: the spool's thread is busy committing. A batch that is sent again says anew when it is sent, because by that the
server finds out when its rows were received (`gateway.boot`).

An acknowledgement without the right seal (`gateway.seals`), or of what is not under way, is ignored and counted.

*The server is heard* by what it says: it answers each heartbeat, if only with an acknowledgement of no rows. That we
are connected to a broker says nothing about it, and neither does what a broker has retained. `silent_s` is what
`gateway.local` goes by.

*Connecting.* Each attempt has a paho client of its own, so nothing of a dead connection lives on. A broker that says
no, or does not finish what it began, has enough to do: waits before the next attempt have full jitter and grow, and
are reset once a connection lasted STABLE_S; one that hangs up on all of its fleet is given the time that this needs to
come back. Where nobody answers at all, the network is away: knocking costs nobody
anything, and goes on at short intervals until somebody opens (decision 0017). A connection whose packets are not
answered for SILENT_S is dead, whatever the silence is due to. With `protocol = "auto"` MQTT 5 is tried
first; a broker that refuses it, or hangs up on it, is tried with 3.1.1, and what worked is remembered.

paho runs in its own thread; its callbacks do nothing but hand over to the event loop. TCP_NODELAY is set because small
batches one way and small acknowledgements the other are the worst case of Nagle's algorithm.
"""

import asyncio
import contextlib
import errno
import logging
import math
import random
import socket
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.answered import Answered
from gateway.backoff import Backoff
from gateway.boot import BOOT, steady_ns
from gateway.config import UplinkConfig
from gateway.hubclock import HubClock
from gateway.identity import Secure
from gateway.seals import Seals
from gateway.spool import Spool, Stored
from gateway.window import MAX_ROWS, Flight, Window, head
from vitals import wire
from vitals.clock import Clock
from vitals.errors import ConfigError, LinkError, WireError
from vitals.wire import Ack, Health, Lane, State

AHEAD_ROWS = 2_000
STABLE_S = 30.0
CONNECT_S = 10.0
GOODBYE_S = 2.0
ANSWER_S = 10.0
"""So long are rows held back for the first answer of all: a server that takes longer takes no rows either."""
KEEPALIVE_S = 30
SILENT_S = 10.0
KNOCK_S = 4.0
"""So long is waited for the broker's machine to answer at all."""
KNOCK_PAUSE_S = 1.0
MOST_QUEUED = 64
"""Messages paho may hold that the broker has not taken; more would only be copies of the window."""
_UNSUPPORTED_PROTOCOL = 132
_SILENT = 141
"""The reason that paho gives when the broker has not answered for longer than it may."""
_MOST_BOOTS = 16
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL)
_WATCHED = {"TCP_USER_TIMEOUT": round(SILENT_S * 1000), "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""An idle connection is asked after 10 s, and given up when the questions too are left unanswered for SILENT_S."""

log = logging.getLogger(__name__)


class _Encoded(msgspec.Struct):
    """A `wire.Batch` whose rows are already JSON; the fields and their order are the same."""

    gateway: str
    epoch: str
    sent_ns: int
    rows: list[msgspec.Raw]
    v: int
    boot: str
    mono_ns: int
    boots: list[tuple[int, str]]
    heard_ns: int
    since_ns: int


def _from_seq(boot: tuple[int, str]) -> int:
    return boot[0]


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
        self._broker: _Broker | None = None
        self._config = config
        self._spool = spool
        self._clock = clock
        self._heartbeat_s = heartbeat_s / clock.speed
        self._beat_s = self._began_s = 0.0
        self._health = health
        self._wake = asyncio.Event()
        self._protocol = _first_protocol(config)
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
                hung_up = isinstance(error, _HungUp)
                if isinstance(error, _Silence) and not knocked:
                    if await self._knock():
                        backoff.reset()  # the network was away: what failed before was due to that
                    knocked = True
                    continue
            except _ProtocolRefused as error:
                if self._turn_protocol():
                    log.info("%s; trying MQTT %s", error, _spoken(self._protocol))
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

    async def _knock(self) -> bool:
        """Returns when the broker's machine answers, be it with a no; whether it did not at first."""
        silent = False
        while True:
            try:
                async with asyncio.timeout(KNOCK_S):
                    _, writer = await asyncio.open_connection(self._config.host, self._config.port)
            except OSError as error:
                if not _is_silence(error):
                    return silent
            else:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
                return silent
            silent = True
            await asyncio.sleep(random.uniform(0, KNOCK_PAUSE_S))

    async def _connection(self) -> None:
        """One connection from start to end; raises LinkError when it ends, _ProtocolRefused."""
        self._seals.refresh()
        broker = _Broker(
            self._name, self._config, self._protocol, self._hears, self._clock, self._hear, self._seals, self._secure
        )  # fmt: skip
        try:
            await broker.open()
            self._broker = broker
            log.info("connected to %s:%d, MQTT %s", self._config.host, self._config.port, _spoken(self._protocol))
            self._window = Window(self._spool.status.last_seq)
            self._ahead.clear()
            self.connections += 1
            self.connected.set()
            await self._serve(broker)
        finally:
            self._broker = None
            self.connected.clear()
            await broker.close()

    async def _serve(self, broker: "_Broker") -> None:
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

    async def _fill(self, broker: "_Broker") -> None:
        """Publish until the window is full or nothing waits; what is urgent first, each time anew."""
        while await self._sent_one(broker):
            pass

    async def _sent_one(self, broker: "_Broker") -> bool:
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

    def _encoded(self, rows: Sequence[Stored]) -> bytes:
        raw = [msgspec.Raw(row.json) for row in rows]
        boots = self._spool.boots
        first, last = (bisect_right(boots, row.seq, key=_from_seq) for row in (rows[0], rows[-1]))
        concerned = boots[max(0, first - 1, last - _MOST_BOOTS) : last]
        mono_ns = steady_ns()
        batch = _Encoded(
            self._name, self._spool.epoch, self._clock.now_ns(), raw, wire.VERSION, BOOT, mono_ns, concerned,
            *self._answered.says(mono_ns),
        )  # fmt: skip
        return msgspec.json.encode(batch)

    def _send(self, broker: "_Broker", flight: Flight) -> None:
        flight.sent_s = asyncio.get_running_loop().time()
        broker.publish(wire.up(self._name, flight.lane), self._encoded(flight.rows))

    def _hear(self) -> None:
        self._heard_s = asyncio.get_running_loop().time()

    def _on_ack(self, payload: bytes) -> None:
        try:
            ack = wire.decode(self._seals.unsealed(self._ack_topic, payload), Ack)
        except WireError as error:
            self.ignored_acks += 1
            log.warning("an acknowledgement was ignored: %s", error)
            return
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


class _HungUp(LinkError):
    """The broker ended a connection that was well, and so everybody's."""


class _ProtocolRefused(Exception):
    """The broker does not speak this protocol, or hung up before it answered."""


class _Silence(LinkError):
    """Nobody answered, not even to say no: the network between is away, or the machine at its other end."""


class _Broker:
    """One connection to the broker: a paho client and the bridge from its thread."""

    def __init__(
        self,
        name: str,
        config: UplinkConfig,
        protocol: MQTTProtocolVersion,
        hears: Mapping[str, Callable[[bytes], None]],
        clock: Clock,
        heard: Callable[[], None],
        seals: Seals,
        secure: Secure | None = None,
    ) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._seals = seals
        self._secure = secure
        self._loop = asyncio.get_running_loop()
        self._hears = hears
        self._heard = heard
        self._answer: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[LinkError] = self._loop.create_future()
        self._goodbye: MQTTMessageInfo | None = None
        self._said_refused = False
        self._client = self._made_client(protocol)

    def _made_client(self, protocol: MQTTProtocolVersion) -> Client:
        clean = None if protocol is MQTTProtocolVersion.MQTTv5 else True  # in 5 paho asks for a clean start by itself
        client = Client(
            CallbackAPIVersion.VERSION2, self._name, clean_session=clean, protocol=protocol, reconnect_on_failure=False
        )
        client.username_pw_set(self._name, self._config.password())
        client.max_queued_messages_set(MOST_QUEUED)
        if self._secure:
            client.tls_set_context(self._secure.context())
        topic = wire.state(self._name)
        client.will_set(topic, self._seals.seal(topic, self._state(online=False)), qos=1, retain=True)
        client.on_socket_open = _tune
        client.connect_timeout = KNOCK_S
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    async def open(self) -> None:
        """Connect, subscribe, say that the gateway is online. Raises LinkError, _ProtocolRefused."""
        where = f"{self._config.host}:{self._config.port}"
        try:
            await asyncio.to_thread(self._client.connect, self._config.host, self._config.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            kind = _Silence if _is_silence(error) else LinkError
            raise kind(f"the broker {where} is not reached ({error})", "it is tried again") from error
        self._client.loop_start()
        answer = await self._first(self._answer, where)
        if answer is None or answer.value == _UNSUPPORTED_PROTOCOL:
            certificate = ", or does not take our certificate" if self._secure else ""
            raise _ProtocolRefused(f"the broker {where} hung up, or does not speak this MQTT{certificate}")
        if answer.is_failure:
            raise LinkError(f"the broker {where} refuses {self._name} ({answer})", "see the name and the password file")
        self._client.subscribe([(topic, 1) for topic in self._hears])
        await self._first(self._ready, where)
        self.check()
        self.publish(wire.state(self._name), self._state(online=True), retain=True)

    async def _first(self, awaited: "asyncio.Future[Any]", where: str) -> Any:
        """The answer, or None when the connection was lost before it; raises when neither comes."""
        await asyncio.wait([awaited, self._lost], timeout=CONNECT_S, return_when=asyncio.FIRST_COMPLETED)
        if not awaited.done() and not self._lost.done():
            if awaited is self._answer:  # an old broker may misread a CONNECT of MQTT 5 and wait for its end
                raise _ProtocolRefused(f"the broker {where} does not answer")
            raise LinkError(f"the broker {where} does not answer", "it is tried again")
        return awaited.result() if awaited.done() else None

    def check(self) -> None:
        """Raises LinkError when the connection is lost."""
        if self._lost.done():
            raise self._lost.result()

    def give_up(self, why: str) -> None:
        """As if the connection were lost."""
        _resolve(self._lost, _lost(LinkError, why))

    def on_lost(self, call: Callable[[], None]) -> None:
        self._lost.add_done_callback(lambda _: call())

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, lasts_s: float | None = None
    ) -> MQTTMessageInfo:
        """Send under our seal. `lasts_s`: what the broker could not hand on for so long it throws away (MQTT 5 alone).

        Hours-old heartbeats that a server finds on its return would be signs of life from a home that may be silent.
        """
        properties = None
        if lasts_s is not None and self._client.protocol is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = math.ceil(lasts_s)
        sealed = self._seals.seal(topic, payload)
        return self._client.publish(topic, sealed, qos=1, retain=retain, properties=properties)

    async def close(self) -> None:
        """Say that the gateway is offline, if anyone hears, and end the connection and its thread."""
        if self._ready.done() and not self._lost.done():
            goodbye = self.publish(wire.state(self._name), self._state(online=False), retain=True)
            with contextlib.suppress(ValueError, RuntimeError):
                await asyncio.to_thread(goodbye.wait_for_publish, GOODBYE_S)
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        self._client._reset_sockets()  # paho itself leaves its wake-up pair open until the garbage is collected

    def _state(self, *, online: bool) -> bytes:
        return wire.encode(State(self._name, online, self._clock.now_ns()))

    # What follows is called in paho's thread.

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._hand_over(_resolve, self._answer, reason)

    def _on_subscribe(self, client: Client, userdata: Any, mid: int, reasons: list[Any], properties: Any) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("the broker does not let %s read what it is told: see the broker's ACL", self._name)
        self._hand_over(_resolve, self._ready, None)

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        kind = LinkError if reason.value == _SILENT else _HungUp
        self._hand_over(_resolve, self._lost, _lost(kind, str(reason)))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
        if not message.retain:  # else it may be years old
            self._hand_over(self._heard)
        if message.topic in self._hears:
            self._hand_over(self._hears[message.topic], bytes(message.payload))

    def _on_publish(self, client: Client, userdata: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure and not self._said_refused:
            self._said_refused = True
            log.error("the broker refuses what %s publishes (%s): see the broker's ACL", self._name, reason)

    def _hand_over(self, call: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop has ended; so has everyone who would listen
            self._loop.call_soon_threadsafe(call, *args)


def _resolve(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _lost(kind: type[LinkError], why: str) -> LinkError:
    return kind(f"the connection to the broker was lost ({why})", "it is tried again")


def _is_silence(error: Exception) -> bool:
    """No answer, no route, or no name for the address; not a refusal."""
    return isinstance(error, TimeoutError | socket.gaierror) or getattr(error, "errno", None) in _NO_WAY


def _tune(client: Client, userdata: Any, sock: Any) -> None:
    """No waiting for more to send; and the connection ends when nothing of ours is answered for SILENT_S."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WATCHED.items():
        if hasattr(socket, name):  # Linux has them all
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _first_protocol(config: UplinkConfig) -> MQTTProtocolVersion:
    return MQTTProtocolVersion.MQTTv311 if config.protocol == 3 else MQTTProtocolVersion.MQTTv5


def _spoken(protocol: MQTTProtocolVersion) -> str:
    return "5" if protocol is MQTTProtocolVersion.MQTTv5 else "3.1.1"
