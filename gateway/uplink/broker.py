"""One connection to a broker: a paho client of its own, and the bridge from paho's thread to the event loop.

paho runs in its own thread; its callbacks do nothing but hand over. TCP_NODELAY is set because small batches one way
and small acknowledgements the other are the worst case of Nagle's algorithm. A connection whose packets are not
answered for SILENT_S is dead, whatever the silence is due to.

How an attempt failed decides what comes next (`gateway.uplink`): nobody answered (`Silence`), the broker hung up on a
connection that was well (`HungUp`), or it does not speak this MQTT (`ProtocolRefused`).
"""

import asyncio
import contextlib
import errno
import logging
import math
import random
import socket
from collections.abc import Callable, Mapping
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config.model import UplinkConfig
from gateway.identity.seals import Seals
from gateway.identity.secure import Secure
from vitals import wire
from vitals.clock import Clock
from vitals.errors import LinkError
from vitals.wire import State

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
_SILENT = 141
"""The reason that paho gives when the broker has not answered for longer than it may."""
_NO_WAY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL)
_WATCHED = {"TCP_USER_TIMEOUT": round(SILENT_S * 1000), "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 2}
"""An idle connection is asked after 10 s, and given up when the questions too are left unanswered for SILENT_S."""

log = logging.getLogger(__name__)


class HungUp(LinkError):
    """The broker ended a connection that was well, and so everybody's."""


class ProtocolRefused(Exception):
    """The broker does not speak this protocol, or hung up before it answered."""


class Silence(LinkError):
    """Nobody answered, not even to say no: the network between is away, or the machine at its other end."""


class Broker:
    """One connection to the broker: a paho client and the bridge from its thread."""

    def __init__(
        self,
        name: str,
        config: UplinkConfig,
        protocol: MQTTProtocolVersion,
        hears: Mapping[str, Callable[[bytes], None]],
        clock: Clock,
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
        """Connect, subscribe, say that the gateway is online. Raises LinkError, ProtocolRefused."""
        where = f"{self._config.host}:{self._config.port}"
        try:
            await asyncio.to_thread(self._client.connect, self._config.host, self._config.port, KEEPALIVE_S)
        except (OSError, ValueError) as error:
            kind = Silence if is_silence(error) else LinkError
            raise kind(f"the broker {where} is not reached ({error})", "it is tried again") from error
        self._client.loop_start()
        answer = await self._first(self._answer, where)
        if answer is None or answer.value == _UNSUPPORTED_PROTOCOL:
            certificate = ", or does not take our certificate" if self._secure else ""
            raise ProtocolRefused(f"the broker {where} hung up, or does not speak this MQTT{certificate}")
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
                raise ProtocolRefused(f"the broker {where} does not answer")
            raise LinkError(f"the broker {where} does not answer", "it is tried again")
        return awaited.result() if awaited.done() else None

    def check(self) -> None:
        """Raises LinkError when the connection is lost, or paho's thread has died and would never say so."""
        if self._lost.done():
            raise self._lost.result()
        if self._client._thread is None:
            raise _lost(LinkError, "the thread that attended to it has ended")

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
        kind = LinkError if reason.value == _SILENT else HungUp
        self._hand_over(_resolve, self._lost, _lost(kind, str(reason)))

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


def _lost(kind: type[LinkError], why: str) -> LinkError:
    return kind(f"the connection to the broker was lost ({why})", "it is tried again")


def is_silence(error: Exception) -> bool:
    """No answer, no route, or no name for the address; not a refusal."""
    return isinstance(error, TimeoutError | socket.gaierror) or getattr(error, "errno", None) in _NO_WAY


def _tune(client: Client, userdata: Any, sock: Any) -> None:
    """No waiting for more to send; and the connection ends when nothing of ours is answered for SILENT_S."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _WATCHED.items():
        if hasattr(socket, name):  # Linux has them all
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


async def knock(host: str, port: int) -> bool:
    """Returns when the machine there answers, be it with a no; whether it did not at first."""
    silent = False
    while True:
        try:
            async with asyncio.timeout(KNOCK_S):
                _, writer = await asyncio.open_connection(host, port)
        except OSError as error:
            if not is_silence(error):
                return silent
        else:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            return silent
        silent = True
        await asyncio.sleep(random.uniform(0, KNOCK_PAUSE_S))


def first_protocol(config: UplinkConfig) -> MQTTProtocolVersion:
    """What is tried first."""
    return MQTTProtocolVersion.MQTTv311 if config.protocol == 3 else MQTTProtocolVersion.MQTTv5


def spoken(protocol: MQTTProtocolVersion) -> str:
    """Its name, for people."""
    return "5" if protocol is MQTTProtocolVersion.MQTTv5 else "3.1.1"
