"""Row 1: the gateway, the broker and the server are killed outright, again and again, in mid-stream.

Whose turn it is and how long it lives is drawn. What was killed is started again at once, and the next kill does not
wait for it: some come while the one before is still starting. The broker mosquitto is started again by its server; the
embedded one dies with it.

The last kills take everything at once. The load goes on, and the time is taken until every record made before them is
in the server's database: from the last kill, and from the moment when every process says again that it is ready.
"""

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.tasks import ended
from tests.faults.ledger import Ledger, compare, quarantined, sound, stored, stored_since
from tests.faults.load import Source, flow
from tests.faults.report import SAY_S, Result, say
from tests.faults.town import Plan, Town, answers

PER_S = 360
"""Records a second, through all gateways together."""
LEAST_PER_S = 300
DRAINED_S = 5.0
PAUSE_S = (0.1, 1.9)
GIVE_UP_S = 90.0
_LOOK_S = 0.1
BROKER = "broker"


async def run(folder: Path, broker: str, kills: int, seed: int) -> Result:
    """Kill so often, then count."""
    draw = random.Random(seed)
    plan = Plan(folder, broker, ("home-1", "home-2"))
    town = Town(plan)
    async with loaded(plan) as (ledger, sources), town.running():
        flowing = asyncio.create_task(flow(sources, PER_S))
        try:
            begun_s, begun = time.monotonic(), ledger.count
            killed = await _kill(town, kills, draw)
            took_s, last_s = time.monotonic() - begun_s, time.monotonic()
            rate = (ledger.count - begun) / took_s
            waiting = asyncio.create_task(until_stored(plan.database, set(ledger.records())))
            up_s = await _all_up(town) - last_s
            drained_s = await waiting - last_s
        finally:
            await ended([flowing])
        await until_stored(plan.database, set(ledger.records()))
        measured = ledger.records()
    count = compare(measured, stored(plan.database))
    whole = count.whole and sound(plan.database) and rate >= LEAST_PER_S and drained_s - up_s <= DRAINED_S
    who = ", ".join(f"{name} {times}" for name, times in sorted(killed.items()))
    return Result(
        f"kill -9, {broker}",
        whole,
        count,
        (
            f"{kills} kills ({who}) in {took_s:.0f} s under {rate:.0f} records/s",
            f"drained {drained_s:.1f} s after the last kill, {max(0.0, drained_s - up_s):.1f} s after all were up",
            f"set aside: {dict(quarantined(plan.database)) or 'nothing'}",
        ),
    )


@contextlib.asynccontextmanager
async def loaded(plan: Plan) -> AsyncIterator[tuple[Ledger, list[Source]]]:
    """The devices of every gateway on their lines, with the ledger they write."""
    ledger = Ledger(plan.folder / "ledger")
    names = [device for gateway in plan.gateways for device in plan.devices(gateway)]
    sources = [Source(name, number, plan.line(name), ledger) for number, name in enumerate(names, 1)]
    try:
        yield ledger, sources
    finally:
        for source in sources:
            source.close()
        ledger.close()


async def until_stored(database: Path, wanted: set[str]) -> float:
    """Wait until the server has stored them all, or GIVE_UP_S are over; returns when that was."""
    after_ns, give_up_s = 0, time.monotonic() + GIVE_UP_S
    while time.monotonic() < give_up_s:
        found, after_ns = await asyncio.to_thread(stored_since, database, after_ns)
        wanted -= set(found)
        if not wanted:
            break
        await asyncio.sleep(_LOOK_S)
    return time.monotonic()


async def _kill(town: Town, kills: int, draw: random.Random) -> Counter[str]:
    """Kill so often, the last time everything; returns how often whom."""
    names = [part.name for part in (*town.gateways, town.server)]
    if town.plan.broker == "mosquitto":
        names.append(BROKER)
    killed: Counter[str] = Counter()
    say_s = time.monotonic() + SAY_S
    while killed.total() < kills - len(names):
        await asyncio.sleep(draw.uniform(*PAUSE_S))
        if time.monotonic() > say_s:
            say(f"{killed.total():,} of {kills:,} kills")
            say_s = time.monotonic() + SAY_S
        name = draw.choice(names)
        killed[name] += await _killed(town, name)
    for name in names:
        killed[name] += await _killed(town, name)
    return killed


async def _killed(town: Town, name: str) -> bool:
    """Kill one and start it again; False where it is a broker that is just being started."""
    if name == BROKER:
        return town.end_broker(signal.SIGKILL)
    part = next(part for part in (*town.gateways, town.server) if part.name == name)
    await part.end(signal.SIGKILL)
    await part.start()
    return True


async def _all_up(town: Town) -> float:
    """Wait until every process says that it is ready; returns when that was."""
    for part in (*town.gateways, town.server):
        await part.until_ready()
    if town.plan.broker == "mosquitto":
        async with asyncio.timeout(GIVE_UP_S):
            while not await answers(town.plan.port):  # noqa: ASYNC110 - another process: nothing here to wait for
                await asyncio.sleep(_LOOK_S)
    return time.monotonic()
