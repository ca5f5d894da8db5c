"""What keeping a device's bytes before reading them costs the spool: each burst with and without, in the same run.

A burst is what arrived while the last one was written; its rows and the forgetting of its bytes are one transaction,
the bytes themselves another. Run with `python benchmarks/bench_spool.py`.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from drivers.contract import Rx
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.visits.packets import Bytes, Reading
from vitals.block import Block

START_NS = 1_795_248_000 * 10**9
DEVICE = "oxi-0001"
PACKETS = (1, 100)


async def without(spool: Spool, size: int, bursts: int) -> None:
    for number in range(bursts):
        await spool.put(_heard(number, size))


async def with_bytes(spool: Spool, size: int, bursts: int) -> None:
    raw, reading = Bytes(spool, DEVICE), Reading(DEVICE)
    await raw.left()
    for number in range(bursts):
        burst = [Rx("2a5f", bytes(7), START_NS + number * size + one) for one in range(size)]
        kept = await raw.keep(burst)
        await spool.put(_heard(number, size), packets=reading.done(kept[0].n, kept[-1].n, kept[-1].n))


def _heard(number: int, size: int) -> list[Heard]:
    times = (START_NS + number * size + one for one in range(size))
    return [Heard(DEVICE, t_ns, Block("spo2", (t_ns,), (97.0,))) for t_ns in times]


async def _seconds(way: Callable[[Spool, int, int], Awaitable[None]], size: int, bursts: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        spool = await Spool.open(Path(folder) / "spool.sqlite")
        begun = time.perf_counter()
        await way(spool, size, bursts)
        took = time.perf_counter() - begun
        await spool.close()
    return took


def main() -> None:
    bursts = asked(bursts=(100, 5)).bursts
    for size in PACKETS:
        bare, kept = (asyncio.run(_seconds(way, size, bursts)) / bursts * 1e3 for way in (without, with_bytes))
        print(
            f"bursts of {size:3} packets: {bare:6.1f} ms without their bytes, {kept:6.1f} ms with: × {kept / bare:.2f},"
            f" {size / kept * 1e3:7,.0f} packets/s"
        )


if __name__ == "__main__":
    main()
