"""A real broker, a server of a few lines, and a driver that says what a test wants it to say."""

import asyncio
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from drivers.contract import Bookmark, Card, Link, Out, Rx, Serial, Tx
from gateway.spool import Spool
from vitals import wire
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.events import Fault

PASSWORD = "correct-horse"
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
T0_NS = 1_790_000_000_000_000_000


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def pulse(value: float, record: str | None = None) -> Block:
    return Block("pulse_rate", (T0_NS,), (value,), record=record)


class Broker:
    """A mosquitto on a free loopback port, with accounts `home-01` and `server` and an ACL."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._config = folder / "mosquitto.conf"
        passwords, acl = folder / "passwords", folder / "acl"
        passwords.write_text("".join(f"{name}:{PASSWORD}\n" for name in ("home-01", "server")))
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True)
        acl.write_text(
            "user server\ntopic readwrite hjemvakt/1/#\n"
            "pattern write hjemvakt/1/%u/up/#\npattern write hjemvakt/1/%u/state\npattern read hjemvakt/1/%u/down/#\n"
        )
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
            f"password_file {passwords}\nacl_file {acl}\nset_tcp_nodelay true\nmax_queued_messages 0\n"
        )

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if b"running" in line:
                return
        raise AssertionError("mosquitto did not start")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stderr is not None
            self._process.stderr.close()
            self._process = None


@pytest.fixture(scope="session")
def lasting_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests that do not kill it."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that a test may kill and start again."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


class Server:
    """Commits what it is sent, and acknowledges it when told to."""

    def __init__(self, broker: Broker, *, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.rows: dict[tuple[str, int], wire.Row] = {}
        self.batches: list[tuple[str, wire.Batch]] = []
        self.states: list[wire.State] = []
        self.healths: list[wire.Health] = []
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "server", protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=True
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.username_pw_set("server", PASSWORD)
        self._subscribed = asyncio.Event()
        self._client.on_connect = lambda client, *_: client.subscribe(f"{wire.ROOT}/#", qos=1)
        self._client.on_subscribe = lambda *_: self._loop.call_soon_threadsafe(self._subscribed.set)
        self._client.on_message = lambda _, __, m: self._loop.call_soon_threadsafe(self._heard, m.topic, m.payload)
        self._port = broker.port

    async def start(self) -> "Server":
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port)
        self._client.loop_start()
        await self._subscribed.wait()
        return self

    async def stop(self) -> None:
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
        await asyncio.sleep(0)

    def _heard(self, topic: str, payload: bytes) -> None:
        kind = topic.split("/")[-1]
        if kind in (wire.Lane.OBS, wire.Lane.BACKLOG):
            batch = wire.decode(payload, wire.Batch)
            self.batches.append((kind, batch))
            self.rows |= {(batch.epoch, row.seq): row for row in batch.rows}
            if self.acknowledges:
                self.acknowledge(batch)
        elif kind == "health":
            self.healths.append(wire.decode(payload, wire.Health))
        elif kind == "state":
            self.states.append(wire.decode(payload, wire.State))
        task = self._loop.create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    def acknowledge(self, batch: wire.Batch, epoch: str | None = None) -> None:
        ranges = tuple((row.seq, row.seq) for row in batch.rows)
        self.say(batch.gateway, wire.encode(wire.Ack(epoch or batch.epoch, ranges, T0_NS)))

    def say(self, gateway: str, payload: bytes) -> None:
        self._client.publish(wire.down(gateway, "ack"), payload, qos=1)

    async def until(self, holds: Callable[["Server"], bool], timeout_s: float = 15) -> None:
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: holds(self))

    def values(self) -> list[float]:
        """The values of all blocks, in order of seq."""
        return [row.what.value[0] for _, row in sorted(self.rows.items()) if isinstance(row.what, Block)]


@pytest.fixture
async def server(lasting_broker: Broker) -> AsyncIterator[Server]:
    server = await Server(lasting_broker).start()
    yield server
    await server.stop()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    yield spool
    await spool.close()


@pytest.fixture
def clock() -> RunningClock:
    return RunningClock()


class Scripted:
    """A driver of one word per packet: `p72` a pulse, `b72` a pulse and its release, `m9` a bookmark, `!` a bug."""

    card: ClassVar[Card] = Card(
        name="scripted",
        maker="test",
        model="script",
        link=Link.BLE,
        services=("1822",),
        notify=("2a5f",),
        read=("2a19",),
        quiet_s=0.2,
        channels=("pulse_rate",),
    )
    bookmarks: ClassVar[list[str]] = []

    def __init__(self, bookmark: str = "") -> None:
        self.bookmarks.append(bookmark)

    def hello(self, now_ns: int) -> Sequence[Tx]:
        return [Tx("2a52", b"hello")]

    def feed(self, rx: Rx) -> Iterator[Out]:
        for word in rx.data.decode().split():
            yield from self._word(word, rx)

    def _word(self, word: str, rx: Rx) -> Iterator[Out]:
        rest = word[1:]
        match word[0]:
            case "p":
                yield pulse(float(rest))
            case "b":
                yield pulse(float(rest))
                yield Tx("2a52", f"ack {rest}".encode(), after_stored=True)
            case "t":
                yield Tx("2a52", rest.encode())
            case "m":
                yield Bookmark(rest)
            case "l":
                yield Block("battery", (rx.t_ns,), (float(rest),))
            case "f":
                yield Fault("short packet", rest, rx.t_ns, rx.pipe, rx.data)
            case _:
                raise RuntimeError(f"no such word: {word}")


class OnSerial(Scripted):
    card: ClassVar[Card] = Card(
        name="on-serial", maker="test", model="script", link=Link.SERIAL, serial=Serial(115200), channels=("pulse_rate",)
    )

    def hello(self, now_ns: int) -> Sequence[Tx]:
        return [Tx("serial", b"hello\n")]


@pytest.fixture(autouse=True)
def _forget_bookmarks() -> None:
    Scripted.bookmarks.clear()
