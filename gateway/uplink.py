"""From the spool to the server, over a broker that may lose anything.

A row stays in the spool until the server itself says, in an application acknowledgement of this spool's epoch, that
it is committed. The broker's PUBACK is never taken for that: it only says that the broker has read the message.

*Two lanes.* When a connection comes up, rows that were already waiting are the backlog; rows stored from then on are
live. Live rows go first, and one place of the window is kept for them, so that a fresh reading never queues behind a
week of old ones.

*The window.* At most WINDOW batches are unacknowledged; each holds at most MAX_ROWS rows and BATCH_BYTES. A batch that
is not wholly acknowledged within RESEND_S is published again, unchanged; the server recognises rows it has by
(gateway, epoch, seq). Only rows of the window are released: an acknowledgement of anything else is ignored and counted.

*Connecting.* Each attempt has a paho client of its own, so nothing of a dead connection lives on. A broker that says
no, or does not finish what it began, has enough to do: waits before the next attempt have full jitter and grow, and
are reset once a connection lasted STABLE_S. Where nobody answers at all, the network is away: knocking costs nobody
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
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.backoff import Backoff
from gateway.config import Tls, UplinkConfig
from gateway.spool import Spool, Stored
from vitals import wire
from vitals.clock import Clock
from vitals.errors import ConfigError, LinkError, WireError
from vitals.wire import Ack, Health, Lane, State

WINDOW = 8
BACKLOG_WINDOW = WINDOW - 1
MAX_ROWS = wire.MAX_ROWS
BATCH_BYTES = 60_000
RESEND_S = 4.0
STABLE_S = 30.0
CONNECT_S = 10.0
GOODBYE_S = 2.0
KEEPALIVE_S = 30
SILENT_S = 10.0
KNOCK_S = 4.0
"""So long is waited for the broker's machine to answer at all."""
KNOCK_PAUSE_S = 1.0
MOST_QUEUED = 64
"""Messages paho may hold that the broker has not taken; more would only be copies of the window."""
_UNSUPPORTED_PROTOCOL = 132
_ENVELOPE_BYTES = 256
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
    v: int = wire.VERSION


class _Flight:
    """A published batch and the rows of it that are not acknowledged."""

    def __init__(self, lane: Lane, rows: Sequence[Stored], payload: bytes) -> None:
        self.lane = lane
        self.unacknowledged = [row.seq for row in rows]
        self.payload = payload
        self.sent_s = 0.0

    def acknowledge(self, ranges: Iterable[tuple[int, int]]) -> list[int]:
        """Take these out; returns what was taken."""
        taken: list[int] = []
        for low, high in ranges:
            first, last = bisect_left(self.unacknowledged, low), bisect_right(self.unacknowledged, high)
            taken += self.unacknowledged[first:last]
            del self.unacknowledged[first:last]
        return sorted(taken)


class Window:
    """What is under way, and what to send next: the uplink's core, without a network or a clock.

    Made anew for each connection; `boundary` is the highest seq that was waiting when it came up.
    """

    def __init__(self, boundary: int) -> None:
        self._boundary = boundary
        self._live_seq = boundary
        self._backlog_seq = 0
        self.flights: list[_Flight] = []

    def add(self, lane: Lane, rows: Sequence[Stored], payload: bytes) -> _Flight:
        """Put a batch of rows, taken from the head of a lane, in the window."""
        flight = _Flight(lane, rows, payload)
        self.flights.append(flight)
        if lane is Lane.OBS:
            self._live_seq = rows[-1].seq
        else:
            self._backlog_seq = rows[-1].seq
        return flight

    def lanes(self) -> list[tuple[Lane, int, int | None]]:
        """The lanes that have a place in the window, in order of precedence: lane, after which seq, up to which."""
        free: list[tuple[Lane, int, int | None]] = []
        if len(self.flights) < WINDOW:
            free.append((Lane.OBS, self._live_seq, None))
        if len(self.flights) < BACKLOG_WINDOW and self._backlog_seq < self._boundary:
            free.append((Lane.BACKLOG, self._backlog_seq, self._boundary))
        return free

    def exhausted(self, lane: Lane) -> None:
        """The lane has no more rows. Only the backlog can end; live rows keep coming."""
        if lane is Lane.BACKLOG:
            self._backlog_seq = self._boundary

    def acknowledge(self, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """Ranges of rows of the window that are now committed, to be released."""
        taken = [seq for flight in self.flights for seq in flight.acknowledge(ranges)]
        self.flights = [flight for flight in self.flights if flight.unacknowledged]
        return as_ranges(sorted(taken))

    def due(self, now_s: float) -> list[_Flight]:
        """Batches that have waited RESEND_S for their acknowledgement."""
        return [flight for flight in self.flights if now_s - flight.sent_s >= RESEND_S]

    def next_due_s(self) -> float | None:
        return min((flight.sent_s + RESEND_S for flight in self.flights), default=None)


def as_ranges(seqs: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as inclusive ranges: 1 2 3 7 → (1, 3) (7, 7)."""
    ranges: list[tuple[int, int]] = []
    for seq in seqs:
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    return ranges


def head(rows: Sequence[Stored]) -> Sequence[Stored]:
    """As many rows from the start as fit one message, and at least one."""
    room = BATCH_BYTES - _ENVELOPE_BYTES
    for index, row in enumerate(rows):
        room -= len(row.json) + 1
        if room < 0 and index:
            return rows[:index]
    return rows


class Uplink:
    """`run()` for ever. `health` makes the heartbeat; `on_command` is given what comes under `down/command`.

    A command may come twice or never: whoever takes it tells the server by a row, and the server repeats it until then.
    """

    def __init__(
        self,
        name: str,
        config: UplinkConfig,
        spool: Spool,
        clock: Clock,
        heartbeat_s: float,
        health: Callable[[], Health],
        on_command: Callable[[bytes], None] = lambda payload: None,
    ) -> None:
        self._name = name
        self._hears = {wire.down(name, "ack"): self._on_ack, wire.down(name, "command"): on_command}
        self._config = config
        self._spool = spool
        self._clock = clock
        self._heartbeat_s = heartbeat_s / clock.speed
        self._health = health
        self._wake = asyncio.Event()
        self._protocol = _first_protocol(config)
        self._window = Window(0)
        self.ignored_acks = 0
        self.connections = 0
        self.connected = asyncio.Event()
        spool.on_stored = self._wake.set

    async def run(self) -> None:
        """Connect and serve, again and again."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._config.reconnect_max_s)
        knocked = False
        while True:
            began_s = loop.time()
            try:
                await self._connection()
            except (LinkError, ConfigError) as error:  # the password file may be away while a person mends it
                log.warning("%s", error)
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
            await asyncio.sleep(backoff.next_s())

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
        broker = _Broker(self._name, self._config, self._protocol, self._hears, self._clock)
        try:
            await broker.open()
            log.info("connected to %s:%d, MQTT %s", self._config.host, self._config.port, _spoken(self._protocol))
            self._window = Window(self._spool.status.last_seq)
            self.connections += 1
            self.connected.set()
            await self._serve(broker)
        finally:
            self.connected.clear()
            await broker.close()

    async def _serve(self, broker: "_Broker") -> None:
        loop = asyncio.get_running_loop()
        beat_s = loop.time()
        self._wake.set()
        broker.on_lost(self._wake.set)
        while True:
            until_s = min(beat_s, self._window.next_due_s() or beat_s) - loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, until_s)):
                    await self._wake.wait()
            self._wake.clear()
            broker.check()
            if loop.time() >= beat_s:
                broker.publish(wire.up(self._name, "health"), wire.encode(self._health()), lasts_s=self._heartbeat_s)
                beat_s = loop.time() + self._heartbeat_s
            await self._fill(broker)
            for flight in self._window.due(loop.time()):
                self._send(broker, flight)

    async def _fill(self, broker: "_Broker") -> None:
        """Publish until the window is full or nothing waits; live rows first, each time anew."""
        while await self._sent_one(broker):
            pass

    async def _sent_one(self, broker: "_Broker") -> bool:
        for lane, after_seq, up_to in self._window.lanes():
            rows = head(await self._spool.take(after_seq, MAX_ROWS, up_to))
            if rows:
                self._send(broker, self._window.add(lane, rows, self._encoded(rows)))
                return True
            self._window.exhausted(lane)
        return False

    def _encoded(self, rows: Sequence[Stored]) -> bytes:
        raw = [msgspec.Raw(row.json) for row in rows]
        return msgspec.json.encode(_Encoded(self._name, self._spool.epoch, self._clock.now_ns(), raw))

    def _send(self, broker: "_Broker", flight: _Flight) -> None:
        flight.sent_s = asyncio.get_running_loop().time()
        broker.publish(wire.up(self._name, flight.lane), flight.payload)

    def _on_ack(self, payload: bytes) -> None:
        try:
            ack = wire.decode(payload, Ack)
        except WireError as error:
            self.ignored_acks += 1
            log.warning("an acknowledgement was ignored: %s", error)
            return
        released = self._window.acknowledge(ack.ranges) if ack.epoch == self._spool.epoch else []
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
    ) -> None:
        self._name = name
        self._config = config
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._hears = hears
        self._answer: asyncio.Future[ReasonCode] = self._loop.create_future()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[str] = self._loop.create_future()
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
        if self._config.tls:
            _use_tls(client, self._config.tls)
        client.will_set(wire.state(self._name), self._state(online=False), qos=1, retain=True)
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
            raise _ProtocolRefused(f"the broker {where} hung up or does not speak this MQTT")
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
            raise LinkError(f"the connection to the broker was lost ({self._lost.result()})", "it is tried again")

    def on_lost(self, call: Callable[[], None]) -> None:
        self._lost.add_done_callback(lambda _: call())

    def publish(
        self, topic: str, payload: bytes, *, retain: bool = False, lasts_s: float | None = None
    ) -> MQTTMessageInfo:
        """`lasts_s`: the broker throws it away when it could not hand it on for so long (MQTT 5 alone can).

        Hours-old heartbeats that a server finds on its return would be signs of life from a home that may be silent.
        """
        properties = None
        if lasts_s is not None and self._client.protocol is MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = math.ceil(lasts_s)
        return self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)

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
        self._hand_over(_resolve, self._lost, str(reason))

    def _on_message(self, client: Client, userdata: Any, message: MQTTMessage) -> None:
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


def _use_tls(client: Client, tls: Tls) -> None:
    try:
        client.tls_set(ca_certs=tls.ca)
    except OSError as error:
        raise ConfigError(f"the authority {tls.ca} cannot be used ({error})", "see [uplink] tls.ca") from error


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
