"""The server's ear: a paho client with a persistent session, and a thread that stores what it hears.

The order is what makes it safe: store, commit, send the application acknowledgement, and only then the PUBACK. What
could not be stored is not acknowledged at all: the thread tries again, and after a crash the broker and the gateway
both send it again.

Messages are gathered for a moment, since one commit and one look of the rules cost as much for a thousand rows as for
one: for as long as the last of them took, so that homes that each tell of little do not take the processor from
everything else. Under load whatever has come meanwhile is taken together: the more there is, the less each costs.

The acknowledgement goes out at QoS 0, on the same connection as the PUBACK after it. If it does not arrive at the
broker, neither does the PUBACK, and the broker brings the message again; if it does not arrive at the gateway, that
sends the rows again after seconds, as it does whatever became of its acknowledgement. Either way it is answered anew.

What comes on the alarm lane is stored before everything that waits (`server.ingest.waiting`). The PUBACKs go out in the
order in which the messages came all the same, as MQTT demands (4.6.0-2).
"""

import logging
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from server import trouble
from server.broker import Endpoint
from server.ingest.parcel import Message
from server.ingest.reader import Reader
from server.ingest.store import Early
from server.ingest.waiting import Gathered, Heard, Waiting
from vitals.wire import ROOT, retained

log = logging.getLogger(__name__)

TOPICS = [(f"{ROOT}/+/up/#", 1), (f"{ROOT}/+/state", 1)]
GATHER_S = (0.005, 0.04)
"""So long at least and at most."""
INFLIGHT = 1_000
STOP_S = 10.0
_FOREVER = 0xFFFF_FFFF
_RETRY_S = (0.2, 5.0)

Receive = Callable[[Sequence[Message], Sequence[Early]], list[Message]]


class Inbox:
    """Hands what the gateways send to `receive`, with what `reader` has read of it, and what `receive` returns back to
    them."""

    def __init__(self, endpoint: Endpoint, receive: Receive, reader: Reader | None = None) -> None:
        self._receive = receive
        self._endpoint = endpoint
        self._waiting = Waiting(reader)
        self._come: deque[Heard] = deque()
        """As they came: what is to be answered with a PUBACK next."""
        self._count = 0
        self._connection = 0
        self._took_s = 0.0
        self._listening = threading.Event()
        self._failure: str | None = None
        self._stopping = threading.Event()
        self._client = _client(endpoint)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._listening.set()
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._thread = threading.Thread(target=self._work, name="ingest", daemon=True)

    def start(self) -> None:
        """Connect, now or when the broker answers, and begin."""
        self._thread.start()
        more: dict[str, Any] = {}
        if self._endpoint.mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = _FOREVER
            properties.ReceiveMaximum = INFLIGHT
            more = {"clean_start": False, "properties": properties}
        self._client.connect_async(self._endpoint.host, self._endpoint.port, keepalive=30, **more)
        self._client.loop_start()

    def publish(self, messages: Sequence[Message]) -> None:
        """Send these now, or not at all while the broker is away: whoever sends them does so again."""
        if self._listening.is_set():
            for topic, payload in messages:
                self._client.publish(topic, payload, qos=1, retain=retained(topic))

    def wait_until_listening(self, timeout_s: float) -> bool:
        """Wait until what is published from now on will be heard; False if that takes longer."""
        return self._listening.wait(timeout_s)

    def stop(self) -> None:
        """Finish what is being stored; the rest stays with the broker."""
        self._stopping.set()
        self._waiting.close()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # paho itself leaves its wake-up pair open until the garbage is collected

    def failing(self) -> bool:
        """Whether what comes cannot be stored now; it is tried again until it can."""
        return self._failure is not None

    def problem(self) -> str | None:
        """What is wrong with it now, or None."""
        if self._failure:
            return f"readings cannot be stored: {self._failure}"
        if not self._thread.is_alive() and not self._stopping.is_set():
            return "the thread that stores readings has stopped"
        return None if self._listening.is_set() else "not connected to the broker"

    def _on_connect(
        self, client: mqtt.Client, _userdata: object, _flags: object, code: ReasonCode, _properties: Properties | None
    ) -> None:
        if code.is_failure:
            log.error("the broker refuses the server: %s", code)
            return
        self._connection += 1
        client.subscribe(TOPICS)

    def _on_disconnect(self, *_: object) -> None:
        self._listening.clear()

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        self._count += 1
        one = Heard(self._count, self._connection, message.mid, (message.topic, bytes(message.payload)))
        self._come.append(one)
        self._waiting.put(one)

    def _work(self) -> None:
        stored: set[int] = set()
        while not self._stopping.is_set():
            batch = self._waiting.gather(min(max(GATHER_S[0], self._took_s), GATHER_S[1]))
            if batch.heard and self._store(batch):
                stored.update(one.number for one in batch.heard)
                while self._come and self._come[0].number in stored:
                    one = self._come.popleft()
                    stored.remove(one.number)
                    if one.connection == self._connection:
                        self._client.ack(one.packet_id, 1)

    def _store(self, batch: Gathered) -> bool:
        """Store them and answer, trying until it succeeds; False if we were stopped first."""
        pause_s, messages = _RETRY_S[0], [one.message for one in batch.heard]
        while not self._stopping.is_set():
            began_s = time.monotonic()
            try:
                answers = self._receive(messages, batch.early)
            except Exception as error:  # noqa: BLE001 - whatever it is, the readings must not be lost for it
                self._failure = trouble.report(log, self._failure, error, f"storing {len(messages)} messages")
                self._stopping.wait(pause_s)
                pause_s = min(pause_s * 2, _RETRY_S[1])
                continue
            self._took_s = time.monotonic() - began_s
            if self._failure:
                log.info("messages are stored again")
                self._failure = None
            for topic, payload in answers:
                self._client.publish(topic, payload, qos=0)
            return True
        return False


class _Client(mqtt.Client):
    """Its thread outlives what it stumbles over. paho's own ends then, and hears nothing for ever, on a connection that
    still looks well."""

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        while True:
            try:
                return super().loop_forever(timeout, retry_first_connection)
            except Exception:
                log.exception("the server stumbled over what the broker said, and connects anew")
                self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_PROTOCOL)
                time.sleep(_RETRY_S[0])


def _client(endpoint: Endpoint) -> mqtt.Client:
    version = MQTTProtocolVersion.MQTTv5 if endpoint.mqtt5 else MQTTProtocolVersion.MQTTv311
    client = _Client(
        CallbackAPIVersion.VERSION2, client_id=endpoint.username, protocol=version, manual_ack=True,
        clean_session=None if endpoint.mqtt5 else False,
    )  # fmt: skip
    client.username_pw_set(endpoint.username, endpoint.password)
    client.max_inflight_messages_set(INFLIGHT)
    client.reconnect_delay_set(1, 10)
    client.on_socket_open = _without_delay
    return client


def _without_delay(_client: mqtt.Client, _userdata: object, wire: Any) -> None:
    """paho leaves Nagle's algorithm on, which holds every acknowledgement back for a while."""
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
