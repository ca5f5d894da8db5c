"""A real broker, and a server of a few lines behind it."""

import asyncio
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.mqtt import end
from tests.ports import free_port
from vitals import wire
from vitals.block import Block

PASSWORD = secrets.token_hex(8)
MOSQUITTO = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
T0_NS = 1_790_000_000_000_000_000


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


class Server:
    """Commits what it is sent, and acknowledges it when told to."""

    def __init__(self, broker: Broker, *, acknowledges: bool = True) -> None:
        self.acknowledges = acknowledges
        self.rows: dict[tuple[str, int], wire.Row] = {}
        self.batches: list[tuple[str, wire.Batch]] = []
        self.states: list[wire.State] = []
        self.healths: list[wire.Health] = []
        self.lasting: dict[str, int | None] = {}
        """By kind of message, how many seconds the broker may keep the newest; None is for ever."""
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
        self._client.on_message = self._on_message
        self._port = broker.port

    async def start(self) -> "Server":
        await asyncio.to_thread(self._client.connect, "127.0.0.1", self._port)
        self._client.loop_start()
        await self._subscribed.wait()
        return self

    async def stop(self) -> None:
        await asyncio.to_thread(end, self._client)
        await asyncio.sleep(0)

    def _on_message(self, _client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        lasts_s = getattr(message.properties, "MessageExpiryInterval", None)
        self._loop.call_soon_threadsafe(self._heard, message.topic, message.payload, lasts_s)

    def _heard(self, topic: str, payload: bytes, lasts_s: int | None) -> None:
        kind = topic.split("/")[-1]
        self.lasting[kind] = lasts_s
        if kind in set(wire.Lane):
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

    def say(self, gateway: str, payload: bytes, what: str = "ack") -> None:
        """As the real one does: an acknowledgement without a receipt."""
        self._client.publish(wire.down(gateway, what), payload, qos=0 if what == "ack" else 1)

    async def leave(self, gateway: str, payload: bytes, what: str) -> None:
        """Have the broker retain it; returns when it does."""
        left = self._client.publish(wire.down(gateway, what), payload, qos=1, retain=True)
        await asyncio.to_thread(left.wait_for_publish, 10)

    async def until(self, holds: Callable[["Server"], bool], timeout_s: float = 15) -> None:
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: holds(self))

    def values(self) -> list[float]:
        """The values of all blocks, in order of seq."""
        return [row.what.value[0] for _, row in sorted(self.rows.items()) if isinstance(row.what, Block)]
