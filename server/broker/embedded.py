"""amqtt inside this process, in a thread and an event loop of its own: for where mosquitto is not installed.

It speaks MQTT 3.1.1 and keeps nothing over a restart, which the protocol above allows for. Six of its habits are
mended here, each against a version that is pinned in pyproject.toml:
- it reads a CONNECT of MQTT 5 as one of 3.1.1, misses its end and waits for ever for more; here it is given the packet
  and no more, so that a client of MQTT 5 is hung up on at once and tries 3.1.1;
- it looks a session up by client id before it asks for the password, and lets the newcomer's name replace the old
  one, so anybody could take over a session; here the password comes first and the client id is the user name;
- it sends every newcomer the retained messages of everybody's subscriptions; here only of the client's own;
- it hands a message round while walking the living table of subscriptions, and drops it for whoever has not had it yet
  when somebody comes or goes meanwhile; here it walks a copy;
- it publishes a last will without asking the access list; here a will that may not be published is refused entry;
- it leaves the socket of a client open that hangs up while it is being answered; here every connection ends by closing
  its own.
"""

# mypy: disable-error-code="import-untyped,misc"
# amqtt comes without types.

import asyncio
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from amqtt.adapters import BufferReader, ReaderAdapter, WriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from server.broker import Endpoint, accounts
from server.identity.authority import Papers
from vitals.errors import LinkError

log = logging.getLogger(__name__)

START_S = 10.0
STOP_S = 10.0
CONNECT_S = 10.0
MOST_CONNECT = 4096
"""Bytes of a CONNECT; ours have a name, a password and a will."""


class Gatekeeper(BaseAuthPlugin, BaseTopicPlugin):
    """amqtt's plugin for passwords and topics: `server.broker.accounts` in its terms."""

    @dataclass
    class Config:
        """`accounts`: user name to password hash. `server`: the name that may do everything."""

        server: str = ""
        accounts: dict[str, str] = field(default_factory=dict)

    config: Config

    async def authenticate(self, *, session: Session) -> bool:
        kept = self.config.accounts.get(session.username or "")
        return kept is not None and accounts.verify(session.password or "", kept)

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        if session is None or not session.username or not topic or action is None:
            return False
        return accounts.allowed(self.config.server, session.username, action.value, topic)


class _Subscriptions(dict[str, list[tuple[Session, int]]]):
    """Filter to subscribers; walking over it walks over how it is now."""

    def items(self) -> Any:
        return [(pattern, list(subscribers)) for pattern, subscribers in super().items()]


class _Broker(Broker):
    def __init__(self, config: BrokerConfig) -> None:
        super().__init__(config)
        self._subscriptions = _Subscriptions()

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        try:
            await super().stream_connected(reader, writer, listener_name)
        except OSError as error:
            log.debug("a client was gone before it was answered (%s)", error)
        finally:
            writer.transport.abort()  # what was to be said has been; of an orderly end nothing is left to abort

    async def _initialize_client_session(
        self, reader: ReaderAdapter, writer: WriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[BrokerProtocolHandler, Session]:
        try:
            async with asyncio.timeout(CONNECT_S):
                packet = BufferReader(await _first_packet(reader))
            handler, session = await BrokerProtocolHandler.init_from_connect(packet, writer, self.plugins_manager)
        except (AMQTTError, MQTTError, NoDataError, TimeoutError, ValueError, UnicodeDecodeError) as error:
            await writer.close()
            raise AMQTTError(f"no usable CONNECT ({error})") from error
        if not await self._may_enter(session):
            handler.attach(session, reader, writer)
            await handler.mqtt_connack_authorize(False)
            await writer.close()
            raise AMQTTError("refused")
        session.client_id = session.username
        return handler, await self._resumed(session)

    async def _may_enter(self, session: Session) -> bool:
        if not await self._authenticate(session, self.listeners_config["default"]):
            return False
        return not session.will_flag or await self._topic_filtering(session, session.will_topic or "", Action.PUBLISH)

    async def _resumed(self, session: Session) -> Session:
        """The kept session of this client with the newcomer's will, or the newcomer's own where none is kept."""
        client_id = session.client_id or ""
        session.parent = 0
        kept, _ = self._sessions.get(client_id, (None, None))
        if kept is None or kept.clean_session or session.clean_session:
            await self._delete_session(client_id)
            return session
        for name in ("will_flag", "will_message", "will_topic", "will_qos", "will_retain", "keep_alive"):
            setattr(kept, name, getattr(session, name))
        kept.parent = 1
        return kept

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        subscribers = self._subscriptions.get(subscription[0], [])
        if any(one.client_id == session.client_id for one, _ in subscribers):
            await super()._publish_retained_messages_for_subscription(subscription, session)


async def _first_packet(reader: ReaderAdapter) -> bytes:
    """One MQTT packet with its header; raises NoDataError when the client is gone, ValueError for one too long."""
    head = bytearray(await _exactly(reader, 2))
    while head[-1] & 0x80 and len(head) < 5:
        head += await _exactly(reader, 1)
    length = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(head[1:]))
    if length > MOST_CONNECT:
        raise ValueError(f"a first packet of {length} bytes")
    return bytes(head) + await _exactly(reader, length)


async def _exactly(reader: ReaderAdapter, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = await reader.read(count - len(data))
        if not more:
            raise NoDataError("the client is gone")
        data += more
    return data


class Embedded:
    """An amqtt that answers on `endpoint`; raises LinkError when it does not come up."""

    name = "embedded"

    def __init__(self, endpoint: Endpoint, gateways: Mapping[str, str]) -> None:
        self.endpoint = endpoint
        for noisy in ("amqtt", "transitions"):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._accounts = {**gateways, endpoint.username: accounts.hash_password(endpoint.password)}
        self._loop = asyncio.new_event_loop()
        self._failed: Exception | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._thread.start()
        if not self._ready.wait(START_S) or self._failed:
            self.stop()
            raise LinkError(f"the embedded broker did not start ({self._failed})", "free its port or set another")

    def problem(self) -> str | None:
        return None if self._thread.is_alive() else "the embedded broker has stopped"

    def renew(self, papers: Papers) -> None:
        raise LinkError("the embedded broker knows no certificates", "use mosquitto")

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_S)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            broker = _Broker(self._config())
            await broker.start()
        except Exception as error:  # noqa: BLE001  handed to the thread that waits for us
            self._failed = error
            return
        finally:
            self._ready.set()
        await self._stop.wait()
        await broker.shutdown()

    def _config(self) -> BrokerConfig:
        keeper = {"server": self.endpoint.username, "accounts": self._accounts}
        return BrokerConfig(
            listeners={"default": ListenerConfig(bind=f"{self.endpoint.host}:{self.endpoint.port}")},
            plugins={f"{Gatekeeper.__module__}.{Gatekeeper.__qualname__}": keeper},
        )
