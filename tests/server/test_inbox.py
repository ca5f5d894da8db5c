"""The whole way over a real broker: a gateway publishes, the server stores, and only then answers."""

import threading
from collections.abc import Callable, Iterator, Sequence
from socket import SHUT_RDWR, create_server

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from server import broker
from server.broker import Endpoint, Running
from server.config import Broker as BrokerConfig
from server.ingest.inbox import Inbox
from server.ingest.reader import Reader
from server.ingest.store import Early
from server.ingest.waiting import Heard
from tests.mqtt import end
from tests.server.conftest import START_NS, Town, acknowledged, spo2
from vitals.clock import NS

WAIT_S = 20
COUNT = 30


@pytest.fixture(params=["mosquitto", "embedded"])
def running(request: pytest.FixtureRequest, town: Town, free_port: Callable[[], int]) -> Iterator[Running]:
    hashes = {one.id: one.password_hash for one in town.server.municipality.gateways}
    config = BrokerConfig(kind=request.param, port=free_port())
    started = broker.start(config, hashes, town.folder / "broker")
    yield started
    started.stop()


class Gateway:
    """A gateway that publishes and remembers which rows were acknowledged."""

    def __init__(self, running: Running) -> None:
        self.stored: set[int] = set()
        self.commands: list[bytes] = []
        self._news = threading.Condition()
        self._ready = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gw-1")
        self._client.username_pw_set("gw-1", "gw-1-secret")
        self._client.on_connect = lambda client, *_: client.subscribe("hjemvakt/1/gw-1/down/#", qos=1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect(running.endpoint.host, running.endpoint.port)
        self._client.loop_start()
        assert self._ready.wait(WAIT_S)

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._client)

    def publish(self, message: tuple[str, bytes]) -> None:
        self._client.publish(*message, qos=1)

    def wait_until_stored(self, numbers: set[int]) -> None:
        with self._news:
            assert self._news.wait_for(lambda: numbers <= self.stored, WAIT_S), f"only {self.stored} of {numbers}"

    def stored_in_the_end(self, message: tuple[str, bytes], running: Running) -> None:
        """Nobody has acknowledged it: a broker that keeps it brings it again, where none does the gateway sends it."""
        if running.name == "embedded":
            self.publish(message)
        self.wait_until_stored({0})

    def wait_for_commands(self, count: int) -> list[bytes]:
        with self._news:
            assert self._news.wait_for(lambda: len(self.commands) >= count, WAIT_S)
            return list(self.commands)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        with self._news:
            if message.topic.endswith("/down/command"):
                self.commands.append(message.payload)
            for first, last in acknowledged([(message.topic, message.payload)]):
                self.stored |= set(range(first, last + 1))
            self._news.notify_all()


def test_what_the_server_says_of_its_own_accord_arrives_and_while_the_broker_is_away_nothing_piles_up(
    town: Town, running: Running
) -> None:
    inbox = Inbox(running.endpoint, town.server.receive_many)
    topic = "hjemvakt/1/gw-1/down/command"
    inbox.publish([(topic, b"too early")])
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        inbox.publish([("hjemvakt/1/gw-2/down/command", b"for another"), (topic, b"for you")])
        assert home.wait_for_commands(1) == [b"for you"]
    inbox.stop()


def test_what_a_gateway_publishes_is_stored_and_acknowledged(town: Town, running: Running) -> None:
    inbox = Inbox(running.endpoint, town.server.receive_many)
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        for n in range(30):
            home.publish(town.batch(town.rows(spo2(70 + n, START_NS + n * NS), first=n)))
        home.wait_until_stored(set(range(30)))
    assert inbox.problem() is None
    inbox.stop()
    assert town.values("eva") == [70 + n for n in range(30)]


def test_while_the_database_cannot_take_it_nothing_is_acknowledged_and_then_all_of_it(
    town: Town, running: Running
) -> None:
    full, tried = threading.Event(), threading.Event()
    full.set()

    def receive(messages: Sequence[tuple[str, bytes]], _: object) -> list[tuple[str, bytes]]:
        if full.is_set():
            tried.set()
            raise OSError("disk full")
        return town.server.receive_many(messages)

    inbox = Inbox(running.endpoint, receive)
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        home.publish(town.batch(town.rows(spo2(94, START_NS))))
        assert tried.wait(WAIT_S)
        assert home.stored == set()
        assert inbox.problem() in (None, "readings cannot be stored: OSError")
        full.clear()
        home.wait_until_stored({0})
        assert not inbox.failing()
    inbox.stop()
    assert town.values("eva") == [94]


def test_a_server_that_is_killed_before_it_stored_gets_the_message_again(town: Town, running: Running) -> None:
    """It heard the message and died. mosquitto keeps it for want of a PUBACK; the embedded broker died with the
    server, and there the gateway sends again what nobody has acknowledged."""
    tried = threading.Event()

    def dies(*_: object) -> list[tuple[str, bytes]]:
        tried.set()
        raise OSError

    first = Inbox(running.endpoint, dies)
    first.start()
    assert first.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        message = town.batch(town.rows(spo2(94, START_NS)))
        home.publish(message)
        assert tried.wait(WAIT_S)
        first.stop()
        second = Inbox(running.endpoint, town.server.receive_many)
        second.start()
        assert second.wait_until_listening(WAIT_S)
        home.stored_in_the_end(message, running)
    second.stop()
    assert town.values("eva") == [94]


def test_an_answer_that_went_down_with_the_connection_is_given_when_the_message_comes_again(
    town: Town, running: Running
) -> None:
    """It was stored, and the connection broke before anybody was told. mosquitto brings it again for want of a PUBACK;
    where the broker does not, the gateway does."""
    stored, gone = threading.Event(), threading.Event()

    def receive(messages: Sequence[tuple[str, bytes]], _: object) -> list[tuple[str, bytes]]:
        answers = town.server.receive_many(messages)
        if not stored.is_set():
            stored.set()
            inbox._client.socket().shutdown(SHUT_RDWR)  # type: ignore[union-attr]
            assert gone.wait(WAIT_S)
        return answers

    inbox = Inbox(running.endpoint, receive)
    hear = inbox._client.on_disconnect
    inbox._client.on_disconnect = lambda *told: (hear(*told), gone.set())  # type: ignore[misc]
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        message = town.batch(town.rows(spo2(94, START_NS)))
        home.publish(message)
        assert gone.wait(WAIT_S)
        assert home.stored == set()
        assert inbox.wait_until_listening(WAIT_S)
        home.stored_in_the_end(message, running)
    inbox.stop()
    assert town.values("eva") == [94]


def test_an_alarm_is_stored_before_all_that_came_before_it_and_answered_in_its_turn(running: Running) -> None:
    """The server is busy with a first message while others come, an alarm last."""
    stored: list[str] = []
    answered: list[int] = []
    busy, come, done = threading.Event(), threading.Semaphore(0), threading.Event()

    def receive(messages: Sequence[tuple[str, bytes]], _: object) -> list[tuple[str, bytes]]:
        stored.extend(payload.decode() for _, payload in messages)
        busy.set()
        if "first" in stored[-1]:
            for _ in range(42):
                assert come.acquire(timeout=WAIT_S)
        if len(stored) == 42:
            done.set()
        return []

    inbox = Inbox(running.endpoint, receive)
    hear, ack = inbox._client.on_message, inbox._client.ack
    inbox._client.on_message = lambda *heard: (hear(*heard), come.release())  # type: ignore[misc]
    inbox._client.ack = lambda number, qos: (answered.append(number), ack(number, qos))[1]  # type: ignore[method-assign]
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        home.publish(("hjemvakt/1/gw-1/up/obs", b"first"))
        assert busy.wait(WAIT_S)
        for number in range(40):
            home.publish(("hjemvakt/1/gw-1/up/backlog", b"%d" % number + bytes(20_000)))
        home.publish(("hjemvakt/1/gw-1/up/alarm", b"alarm"))
        assert done.wait(WAIT_S)
    inbox.stop()
    assert (stored[0], stored[1]) == ("first", "alarm")
    assert answered == sorted(answered)
    assert len(answered) >= 41


def test_what_waits_meanwhile_is_read_by_the_reader_and_stored_and_answered_all_the_same(
    town: Town, running: Running
) -> None:
    """The server is busy with a first message while a hub tells of a long outage."""
    busy, come = threading.Event(), threading.Semaphore(0)
    early: list[int] = []

    def receive(messages: Sequence[tuple[str, bytes]], read: Sequence[Early] = ()) -> list[tuple[str, bytes]]:
        early.extend(len(section.letters) for one in read for section in one.sections)
        if not busy.is_set():
            busy.set()
            for _ in range(COUNT):
                assert come.acquire(timeout=WAIT_S)
        return town.server.receive_many(messages, read)

    reader = Reader()
    assert reader.read([]) is None
    assert reader.ready(WAIT_S)
    inbox = Inbox(running.endpoint, receive, reader)
    hear = inbox._client.on_message
    inbox._client.on_message = lambda *heard: (hear(*heard), come.release())  # type: ignore[misc]
    inbox.start()
    assert inbox.wait_until_listening(WAIT_S)
    with Gateway(running) as home:
        home.publish(town.batch(town.rows(spo2(94, START_NS)), epoch="first"))
        assert busy.wait(WAIT_S)
        for first in range(0, 200 * COUNT, 200):
            what = [spo2(70 + n % 20, START_NS - n * NS) for n in range(first, first + 200)]
            home.publish(town.batch(town.rows(*what, first=first)))
        home.wait_until_stored(set(range(200 * COUNT)))
    inbox.stop()
    reader.stop()
    assert sum(early) > COUNT / 2
    assert len(town.values("eva")) == 200 * COUNT + 1


def test_an_ear_that_stumbles_over_what_a_broker_says_connects_anew() -> None:
    """paho's thread would end, on a connection that looks well: nothing would be heard any more, and nobody told."""
    heard = threading.Event()

    def receive(messages: Sequence[tuple[str, bytes]], _: object) -> list[tuple[str, bytes]]:
        assert messages == [("hjemvakt/1/gw-1/up/obs", b"!")]
        heard.set()
        return []

    with create_server(("127.0.0.1", 0)) as server:
        server.settimeout(WAIT_S)
        inbox = Inbox(Endpoint("127.0.0.1", server.getsockname()[1], "server", "", mqtt5=False), receive)
        inbox.start()
        for topic in (b"\xff", b"hjemvakt/1/gw-1/up/obs"):  # the first is no text
            wire, _ = server.accept()
            with wire:
                wire.settimeout(WAIT_S)
                wire.recv(1_000)
                wire.sendall(b"\x20\x02\0\0")  # CONNACK
                wire.sendall(b"\x90\x04" + wire.recv(1_000)[2:4] + b"\1\1")  # SUBACK
                wire.sendall(b"\x32" + bytes([len(topic) + 5, 0, len(topic)]) + topic + b"\0\7!")  # PUBLISH
                answer = wire.recv(1_000)
        assert heard.wait(WAIT_S)
        assert answer == b"\x40\2\0\7", "PUBACK"
        inbox.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_ear_whose_thread_has_ended_says_so() -> None:
    """Nothing would be stored any more, and the broker would still look well."""

    def receive(*_: object) -> list[tuple[str, bytes]]:
        raise SystemExit

    inbox = Inbox(Endpoint("127.0.0.1", 1, "server", "", mqtt5=True), receive)
    inbox._waiting.put(Heard(1, 0, 1, ("hjemvakt/1/gw-1/up/obs", b"{}")))
    inbox._thread.start()
    inbox._thread.join(WAIT_S)
    assert inbox.problem() == "the thread that stores readings has stopped"
