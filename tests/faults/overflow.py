"""Row 2: a broker whose queue runs over while the consumer is dead.

The broker here is one that others run: mosquitto with room for 1,000 messages of an absent client. The server is
killed, and a crowd of heartbeats, as from a thousand other homes, fills its queue to the brim, so that the broker
throws away what the gateways of the load send, and answers PUBACK all the same. Then the server returns, for a moment,
and is killed again while it reads what is left. How many messages the broker threw away it says itself ($SYS).
"""

import asyncio
import random
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.tasks import ended
from server.broker import accounts, mosquitto
from tests.faults.kills import PER_S, loaded, until_stored
from tests.faults.ledger import compare, sound, stored
from tests.faults.load import flow
from tests.faults.report import Result
from tests.faults.town import Plan, Town, answers
from tests.mqtt import end
from vitals import wire
from vitals.wire import Health

QUEUE = 1_000
CROWD = 1_500
DEATHS = 3
AWAY_S = 6.0
"""Longer than the uplink waits before it sends a batch again: what was thrown away once is thrown away twice."""
_HERD, _WATCHER = "home-crowd", "watcher"
_DROPPED = "$SYS/broker/publish/messages/dropped"
_WAIT_S = 30.0
_CONFIG = """user root
listener {port} 127.0.0.1
allow_anonymous false
password_file passwords
acl_file acl
use_username_as_clientid true
set_tcp_nodelay true
max_inflight_messages 100
max_queued_messages {queue}
sys_interval 1
"""


async def run(folder: Path, seed: int) -> Result:
    """Let it run over DEATHS times, then count."""
    draw = random.Random(seed)
    plan = Plan(folder, "external", ("home-1", "home-2"), accounts=(_HERD,))
    town = Town(plan)
    async with loaded(plan) as (ledger, sources):
        with _Broker(plan) as broker:
            await broker.until_up()
            async with town.running():
                flowing = asyncio.create_task(flow(sources, PER_S))
                try:
                    for _ in range(DEATHS):
                        await asyncio.sleep(draw.uniform(0.2, 1.5))  # it reads what is left in its queue
                        await town.server.end(signal.SIGKILL)
                        await asyncio.to_thread(_crowd, plan)
                        await asyncio.sleep(AWAY_S)
                        await town.server.start()
                        await town.server.until_ready()
                    back_s = time.monotonic()
                    drained_s = await until_stored(plan.database, set(ledger.records())) - back_s
                finally:
                    await ended([flowing])
                await until_stored(plan.database, set(ledger.records()))
                dropped = await asyncio.to_thread(_dropped, plan)
                measured = ledger.records()
    count = compare(measured, stored(plan.database))
    return Result(
        "queue overflow",
        count.whole and sound(plan.database) and dropped > 0,
        count,
        (
            f"the broker had room for {QUEUE:,} and threw {dropped:,} messages away, in {DEATHS} deaths of the server",
            f"drained {drained_s:.1f} s after the server was ready again, under {PER_S} records/s",
        ),
    )


class _Broker:
    """A mosquitto with a small queue, in the folder `broker` of the plan."""

    def __init__(self, plan: Plan) -> None:
        self._port = plan.port
        self._folder = plan.folder / "broker"
        self._folder.mkdir(parents=True, exist_ok=True)
        hashed = accounts.hash_password(plan.password, iterations=10)
        names = (*plan.gateways, *plan.accounts, "server", _WATCHER)
        acl = f"{accounts.mosquitto_acl('server')}\nuser {_WATCHER}\ntopic read $SYS/#\n"
        (self._folder / "passwords").write_text("".join(f"{name}:{hashed}\n" for name in names), encoding="utf-8")
        (self._folder / "passwords").chmod(0o600)
        (self._folder / "acl").write_text(acl, encoding="utf-8")
        (self._folder / "acl").chmod(0o600)
        text = _CONFIG.format(port=plan.port, queue=QUEUE)
        (self._folder / "mosquitto.conf").write_text(text, encoding="utf-8")

    def __enter__(self) -> "_Broker":
        program = mosquitto.find()
        assert program is not None
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-c", "mosquitto.conf"], cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait()

    async def until_up(self) -> None:
        async with asyncio.timeout(_WAIT_S):
            while not await answers(self._port):  # noqa: ASYNC110 - another process: nothing here to wait for
                await asyncio.sleep(0.05)


def _client(plan: Plan, name: str) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=MQTTProtocolVersion.MQTTv311)
    client.username_pw_set(name, plan.password)
    client.max_inflight_messages_set(QUEUE)
    client.max_queued_messages_set(0)
    return client


def _crowd(plan: Plan) -> None:
    """CROWD heartbeats, each of which the broker says that it has taken."""
    client = _client(plan, _HERD)
    client.connect("127.0.0.1", plan.port)
    client.loop_start()
    sent = [
        client.publish(wire.up(_HERD, "health"), wire.encode(Health(_HERD, "e", time.time_ns(), "crowd", 0)), qos=1)
        for _ in range(CROWD)
    ]
    for one in sent:
        one.wait_for_publish(_WAIT_S)
    end(client)


def _dropped(plan: Plan) -> int:
    """How many messages the broker says it has thrown away."""
    heard: list[int] = []
    client = _client(plan, _WATCHER)
    client.on_connect = lambda client, *_: client.subscribe(_DROPPED)
    client.on_message = lambda _client, _userdata, message: heard.append(int(message.payload))
    client.connect("127.0.0.1", plan.port)
    until_s = time.monotonic() + _WAIT_S
    while not heard and time.monotonic() < until_s:
        client.loop(0.2)
    end(client)
    return heard[0] if heard else 0
