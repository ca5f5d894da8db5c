"""How fast a gateway empties its spool: rows a second, through a real mosquitto, to a server that only acknowledges.

The server here is a stub in a process of its own that reads each batch and acknowledges its rows at once, so what is
measured is the gateway: the spool's reading, the uplink's sending, the releases with their commits. Beside it, what the
same rows take when they are only read from the spool, and when they are only released.

    python benchmarks/bench_drain.py [--rows 100000]
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from multiprocessing import get_context
from multiprocessing.synchronize import Event as Started
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import msgspec
import paho.mqtt.client as mqtt
import psutil
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.asked import asked
from gateway.clock.hub import HubClock
from gateway.clock.steady import steady_ns
from gateway.config.model import UplinkConfig
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.uplink.sending import Uplink
from server.broker import mosquitto
from tests.ports import free_port
from vitals import wire
from vitals.block import Block
from vitals.clock import RunningClock

PUT = 500
NAME = "home-01"
GIVE_UP_S = 60.0
_CONFIG = "user root\nlistener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n"


class _Seen(msgspec.Struct):
    seq: int


class _Batch(msgspec.Struct):
    epoch: str
    rows: list[_Seen]


def acknowledge(port: int, ready: Started) -> None:
    """The stub: for ever, in its own process."""

    def on_message(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        batch = msgspec.json.decode(message.payload, type=_Batch)
        ranges = ((batch.rows[0].seq, batch.rows[-1].seq),)
        client.publish(wire.down(NAME, "ack"), wire.encode(wire.Ack(batch.epoch, ranges, 0)), qos=1)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, "server", protocol=MQTTProtocolVersion.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe([(wire.up("+", lane), 1) for lane in wire.Lane])
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = on_message
    client.connect("127.0.0.1", port)
    client.loop_forever()


async def filled(path: Path, rows: int) -> Spool:
    """A spool with so many readings of one value, as an oximeter tells them."""
    spool = await Spool.open(path)
    now_ns, mono_ns = time.time_ns(), steady_ns()
    for first in range(0, rows, PUT):
        await spool.put(
            [
                Heard("oxi-0001", now_ns + n, Block("spo2", (now_ns + n,), (97.0,), record=f"a1b2:{n}"), mono_ns + n)
                for n in range(first, min(first + PUT, rows))
            ]
        )
    return spool


async def emptied(spool: Spool) -> None:
    async with asyncio.timeout(GIVE_UP_S):
        while spool.status.queued:  # noqa: ASYNC110 - what is measured must not be told
            await asyncio.sleep(0.005)


async def drained_s(folder: Path, port: int, rows: int) -> tuple[float, float, float]:
    """Seconds until the spool is empty, the processor's seconds of that, and how many MB the process grew by."""
    spool = await filled(folder / "drain.sqlite", rows)

    def health() -> wire.Health:
        return wire.Health(NAME, spool.epoch, time.time_ns(), "bench", spool.status.queued)

    uplink = Uplink(NAME, UplinkConfig(port=port), spool, HubClock(RunningClock()), 3600, health)
    process = psutil.Process()
    before = process.memory_info().rss
    begun_s, cpu_s = time.perf_counter(), time.process_time()
    running = asyncio.create_task(uplink.run())
    await emptied(spool)
    took_s, cpu_s = time.perf_counter() - begun_s, time.process_time() - cpu_s
    grown = (process.memory_info().rss - before) / 1e6
    running.cancel()
    await asyncio.wait([running])
    await spool.close()
    return took_s, cpu_s, grown


async def read_s(folder: Path, rows: int) -> tuple[float, float]:
    """Seconds to read all rows by themselves, then to release them by themselves."""
    spool = await filled(folder / "read.sqlite", rows)
    begun_s, after = time.perf_counter(), 0
    while taken := await spool.take(after, 2_000, urgent=False):
        after = taken[-1].seq
    read_at_s = time.perf_counter()
    for first in range(1, rows + 1, wire.MAX_ROWS):
        spool.release([(first, first + wire.MAX_ROWS - 1)])
        if first // wire.MAX_ROWS % 8 == 7:
            await spool.flushed()
    await spool.flushed()
    released_s = time.perf_counter() - read_at_s
    await spool.close()
    return read_at_s - begun_s, released_s


def main() -> None:
    rows = asked(rows=(100_000, 2_000)).rows
    program = mosquitto.find()
    if program is None:
        print("LEFT OUT: mosquitto is not installed")
        return
    with tempfile.TemporaryDirectory(prefix="hjemvakt-") as name:
        folder, port = Path(name), free_port()
        (folder / "mosquitto.conf").write_text(_CONFIG.format(port=port))
        broker = subprocess.Popen([program, "-c", str(folder / "mosquitto.conf")], stderr=subprocess.DEVNULL)
        context: Any = get_context("spawn")
        ready = context.Event()
        stub = context.Process(target=acknowledge, args=(port, ready), daemon=True)
        try:
            time.sleep(0.5)
            stub.start()
            if not ready.wait(GIVE_UP_S):
                raise SystemExit("the stub did not come up")
            read, released = asyncio.run(read_s(folder, rows))
            took, cpu, grown = asyncio.run(drained_s(folder, port, rows))
        finally:
            stub.kill()
            stub.join()
            broker.terminate()
            broker.wait()
    print(f"{rows:,} rows: drained in {took:.2f} s, {rows / took:,.0f} rows/s, {rows / took / 50_000:.2f} of the goal;")
    print(f"  {cpu:.2f} s of the gateway's processor time, {rows / cpu:,.0f} rows for each;")
    print(
        f"  read alone {rows / read:,.0f} rows/s, released alone {rows / released:,.0f} rows/s; grew by {grown:.1f} MB"
    )


if __name__ == "__main__":
    main()
