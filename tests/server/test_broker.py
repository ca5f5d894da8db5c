"""One contract for every broker: who gets in, and what each may say and hear."""

import gc
import os
import queue
import signal
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from server import broker
from server.broker import Running, accounts
from server.config import Broker as BrokerConfig
from tests.mqtt import end
from vitals.errors import LinkError

WAIT_S = 10
HASHES = {name: accounts.hash_password(f"{name}-secret", iterations=10) for name in ("gw-a", "gw-b")}


@pytest.fixture(params=["mosquitto", "embedded"], scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Running]:
    config = BrokerConfig(kind=request.param, port=free_port())
    started = broker.start(config, HASHES, tmp_path_factory.mktemp("broker"))
    yield started
    started.stop()


class Client:
    """A client that remembers what it was told."""

    def __init__(
        self,
        running: Running,
        name: str,
        password: str,
        *,
        client_id: str = "",
        will: str = "",
        clean: bool = True,
        comes_back: bool = False,
    ) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._connected: queue.Queue[ReasonCode] = queue.Queue()
        self._subscribed: queue.Queue[list[ReasonCode]] = queue.Queue()
        self._published: queue.Queue[int] = queue.Queue()
        self.mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=client_id or name, protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=clean, reconnect_on_failure=comes_back,
        )  # fmt: skip
        if name:
            self.mqtt.username_pw_set(name, password)
        if will:
            self.mqtt.will_set(will, b"will", qos=1)
        self.mqtt.on_connect = self._on_connect
        self.mqtt.on_subscribe = self._on_subscribe
        self.mqtt.on_publish = self._on_publish
        self.mqtt.on_message = lambda _c, _u, message: self.heard.put((message.topic, message.payload))
        self.mqtt.connect(running.endpoint.host, running.endpoint.port)
        self.mqtt.loop_start()
        self.entered = self.enters()

    def enters(self) -> bool:
        """Wait for the next answer to a CONNECT: whether it let us in."""
        return not self._connected.get(timeout=WAIT_S).is_failure

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        end(self.mqtt)

    def vanish(self) -> None:
        """Lose the connection without a word of goodbye."""
        self.mqtt.loop_stop()
        self.mqtt._reset_sockets()

    def subscribe(self, topic: str) -> None:
        self.mqtt.subscribe(topic, qos=1)
        self._subscribed.get(timeout=WAIT_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish and wait for the PUBACK (which MQTT 3.1.1 sends for a refused message too)."""
        self.mqtt.publish(topic, payload, qos=1, retain=retain)
        self._published.get(timeout=WAIT_S)

    def next(self) -> tuple[str, bytes]:
        return self.heard.get(timeout=WAIT_S)

    def _on_connect(self, _c: mqtt.Client, _u: object, _f: object, code: ReasonCode, _p: Properties | None) -> None:
        self._connected.put(code)

    def _on_subscribe(
        self, _c: mqtt.Client, _u: object, _m: int, codes: list[ReasonCode], _p: Properties | None
    ) -> None:
        self._subscribed.put(codes)

    def _on_publish(self, _c: mqtt.Client, _u: object, mid: int, _r: ReasonCode, _p: Properties | None) -> None:
        self._published.put(mid)


def server(running: Running) -> Client:
    return Client(running, running.endpoint.username, running.endpoint.password)


def gateway(running: Running, name: str, **more: object) -> Client:
    return Client(running, name, f"{name}-secret", **more)  # type: ignore[arg-type]


def test_the_right_password_gets_in_and_nothing_else_does(running: Running) -> None:
    with gateway(running, "gw-a") as right:
        assert right.entered
    for name, password in (("gw-a", "wrong"), ("gw-a", ""), ("nobody", "gw-a-secret"), ("", "")):
        with Client(running, name, password, client_id="stranger") as stranger:
            assert not stranger.entered, f"{name!r} with {password!r} got in"


def test_what_a_gateway_sends_reaches_the_server_and_the_answer_comes_back(running: Running) -> None:
    with server(running) as ours, gateway(running, "gw-a") as home:
        ours.subscribe("hjemvakt/1/#")
        home.subscribe("hjemvakt/1/gw-a/down/#")
        home.publish("hjemvakt/1/gw-a/up/obs", b"readings")
        assert ours.next() == ("hjemvakt/1/gw-a/up/obs", b"readings")
        ours.publish("hjemvakt/1/gw-a/down/ack", b"stored")
        assert home.next() == ("hjemvakt/1/gw-a/down/ack", b"stored")


def test_a_gateway_cannot_speak_for_another_nor_for_the_server(running: Running) -> None:
    with server(running) as ours, gateway(running, "gw-a") as home:
        ours.subscribe("hjemvakt/1/#")
        for topic in ("gw-b/up/obs", "gw-b/state", "gw-b/down/ack", "gw-a/down/ack", "gw-ab/up/obs", "gw-a/upper"):
            home.publish(f"hjemvakt/1/{topic}", b"false")
        home.publish("hjemvakt/1/gw-a/up/obs", b"true")
        assert ours.next() == ("hjemvakt/1/gw-a/up/obs", b"true")


def test_a_gateway_cannot_read_what_is_said_to_another(running: Running) -> None:
    with server(running) as ours, gateway(running, "gw-a") as home:
        for topic in ("hjemvakt/1/gw-b/down/ack", "hjemvakt/1/gw-b/down/#", "hjemvakt/1/+/down/#", "hjemvakt/1/#", "#"):
            home.subscribe(topic)
        home.subscribe("hjemvakt/1/gw-a/down/#")
        ours.publish("hjemvakt/1/gw-b/down/ack", b"for the other")
        ours.publish("hjemvakt/1/gw-a/down/ack", b"for this one")
        assert home.next() == ("hjemvakt/1/gw-a/down/ack", b"for this one")


def test_a_retained_state_is_for_the_server_only(running: Running) -> None:
    with gateway(running, "gw-b") as home:
        home.publish("hjemvakt/1/gw-b/state", b"online", retain=True)
    with server(running) as ours:
        ours.subscribe("hjemvakt/1/+/state")
        assert ours.next() == ("hjemvakt/1/gw-b/state", b"online")
        with gateway(running, "gw-a") as home:
            home.subscribe("hjemvakt/1/gw-a/down/#")
            ours.publish("hjemvakt/1/gw-a/down/ack", b"first heard")
            assert home.next() == ("hjemvakt/1/gw-a/down/ack", b"first heard")
        ours.publish("hjemvakt/1/gw-b/state", b"", retain=True)


def test_the_last_will_speaks_for_its_own_gateway_and_for_no_other(running: Running) -> None:
    with server(running) as ours:
        ours.subscribe("hjemvakt/1/#")
        liar = gateway(running, "gw-a", will="hjemvakt/1/gw-b/state")
        if liar.entered:
            liar.vanish()
        honest = gateway(running, "gw-a", will="hjemvakt/1/gw-a/state")
        honest.vanish()
        assert ours.next() == ("hjemvakt/1/gw-a/state", b"will")


def test_nobody_takes_over_anothers_session_by_its_client_id(running: Running) -> None:
    """Neither a stranger nor a gateway that calls itself `server` disturbs the server's session or gets its mail."""
    name = running.endpoint.username
    with Client(running, name, running.endpoint.password, clean=False) as ours:
        ours.subscribe("hjemvakt/1/#")
        with Client(running, "nobody", "wrong", client_id=name, clean=False) as stranger:
            assert not stranger.entered
        with gateway(running, "gw-a", client_id=name, clean=False) as home:
            assert home.entered
            home.publish("hjemvakt/1/gw-a/up/obs", b"mine")
            assert ours.next() == ("hjemvakt/1/gw-a/up/obs", b"mine")
            assert home.heard.empty()


def test_a_persistent_session_keeps_what_was_sent_while_the_server_was_away(running: Running) -> None:
    name, password = running.endpoint.username, running.endpoint.password
    with Client(running, name, password, clean=False) as ours:
        ours.subscribe("hjemvakt/1/#")
    with gateway(running, "gw-a") as home:
        home.publish("hjemvakt/1/gw-a/up/obs", b"meanwhile")
    with Client(running, name, password, clean=False) as ours:
        assert ours.next() == ("hjemvakt/1/gw-a/up/obs", b"meanwhile")


def test_a_taken_port_is_said_in_words(running: Running, tmp_path: Path) -> None:
    config = BrokerConfig(kind=running.name, port=running.endpoint.port)  # type: ignore[arg-type]
    with pytest.raises(LinkError, match="port"):
        broker.start(config, HASHES, tmp_path)


def test_a_mosquitto_that_dies_is_started_again(tmp_path: Path, free_port: Callable[[], int]) -> None:
    started = broker.start(BrokerConfig(kind="mosquitto", port=free_port()), HASHES, tmp_path)
    try:
        with Client(started, "gw-a", "gw-a-secret", comes_back=True) as home:
            os.kill(started.pid, signal.SIGKILL)  # type: ignore[attr-defined]
            assert home.enters(), "after a moment the gateway is back in"
        assert started.problem() is None
    finally:
        started.stop()
    assert started.problem() is not None


def test_the_mosquitto_of_a_killed_server_is_stopped_by_the_next(tmp_path: Path, free_port: Callable[[], int]) -> None:
    config = BrokerConfig(kind="mosquitto", port=free_port())
    orphan = broker.start(config, HASHES, tmp_path)
    orphan._stopping.set()  # type: ignore[attr-defined]  # its server no longer looks after it
    heir = broker.start(config, HASHES, tmp_path)
    try:
        assert orphan.problem() is not None
        with server(heir) as ours:
            assert ours.entered
    finally:
        heir.stop()


def test_mosquittos_files_are_its_own(tmp_path: Path, free_port: Callable[[], int]) -> None:
    broker.start(BrokerConfig(kind="mosquitto", port=free_port()), HASHES, tmp_path).stop()
    assert (tmp_path / "passwords").stat().st_mode & 0o777 == 0o600
    assert "gw-a-secret" not in (tmp_path / "passwords").read_text()


def test_a_password_is_known_by_its_hash_and_a_malformed_hash_knows_none() -> None:
    kept = accounts.hash_password("åpen dør", iterations=101)
    assert accounts.verify("åpen dør", kept)
    assert accounts.well_formed(kept)
    assert not accounts.verify("open door", kept)
    for broken in ("", "åpen dør", "$6$1$AA==$AA==", "$7$x$AA==$AA==", "$7$0$AA==$AA==", "$7$101$!!$AA=="):
        assert not accounts.verify("åpen dør", broken)
        assert not accounts.well_formed(broken)


def test_a_client_of_mqtt_5_is_let_in_or_sent_away_at_once(running: Running) -> None:
    """Never left waiting: a gateway tries 3.1.1 when it is hung up on."""
    outcome: queue.Queue[str] = queue.Queue()
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2, "gw-a", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
    )
    client.username_pw_set("gw-a", "gw-a-secret")
    client.will_set("hjemvakt/1/gw-a/state", b"gone", qos=1)
    client.on_connect = lambda *_: outcome.put("let in")
    client.on_disconnect = lambda *_: outcome.put("sent away")
    client.connect(running.endpoint.host, running.endpoint.port)
    client.loop_start()
    assert outcome.get(timeout=WAIT_S) == {"mosquitto": "let in", "embedded": "sent away"}[running.name]
    end(client)


def test_a_client_that_is_gone_before_it_is_answered_leaves_no_socket_behind(running: Running) -> None:
    """Hung up on with a reset, at every step of getting in; what is left open would be a warning at the collection."""
    connect, subscribe = (
        _connect_packet("gw-b", "gw-b-secret"),
        b"\x82\x1f\x00\x01\x00\x1ahjemvakt/1/gw-b/down/ack/\x01",
    )
    for sent in (b"", connect[:9], connect, connect + subscribe, connect + b"\xf0\xff\xff\xff\xff"):
        for _ in range(20):
            with socket.create_connection((running.endpoint.host, running.endpoint.port)) as wire:
                wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                wire.sendall(sent)
    with server(running) as ours:  # behind the others: by its answer the broker has been through with them
        ours.subscribe("hjemvakt/1/#")
    gc.collect()


def _connect_packet(name: str, password: str) -> bytes:
    """CONNECT of MQTT 3.1.1: clean session, a will, a name and a password."""
    texts = (name, f"hjemvakt/1/{name}/state", "will", name, password)
    body = b"\x00\x04MQTT\x04\xce\x00\x3c" + b"".join(struct.pack("!H", len(one)) + one.encode() for one in texts)
    return bytes((0x10, len(body))) + body


def test_clients_that_come_and_go_cost_no_one_a_message(running: Running) -> None:
    with server(running) as ours, gateway(running, "gw-a") as home:
        ours.subscribe("hjemvakt/1/#")
        home.subscribe("hjemvakt/1/gw-a/down/ack")
        stop = threading.Event()

        def come_and_go() -> None:
            while not stop.is_set():
                with gateway(running, "gw-b") as passing:
                    passing.subscribe("hjemvakt/1/gw-b/down/ack")

        others = threading.Thread(target=come_and_go)
        others.start()
        try:
            sent = [str(number).encode() for number in range(150)]
            for payload in sent:
                ours.publish("hjemvakt/1/gw-a/down/ack", payload)
            assert {home.next()[1] for _ in sent} == set(sent)
        finally:
            stop.set()
            others.join()
