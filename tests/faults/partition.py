"""Row 4: between a home and the server every packet vanishes in silence, for a while, twice.

The gateway runs in one network, broker and server in another, and the street between them is closed
(`tests.faults.street`). Both are set as they are by default. The server must show the gateway as offline; when the
street is open again, the gateway must be back soon, however long it was closed, and bring what it has kept.

The first time, the broker is left alone; it will miss the gateway too and publish its last will. The second time the
broker is killed in the same moment. With it dies every last will that it was given, so none will ever be published: the
missing-data alarm must come all the same, and so must the sign of being offline.
"""

import asyncio
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from gateway.tasks import ended
from tests.faults.kills import loaded, until_stored
from tests.faults.ledger import compare, looking_into, sound, stored
from tests.faults.load import flow
from tests.faults.report import Result
from tests.faults.street import Street, street
from tests.faults.town import Plan, Town

PER_S = 50
SHOWN_S = 50.0
BACK_S = 5.0
ALARM_S = 110.0
"""The alarm is due after 90 s of silence, and the last sign of life may have come 20 s earlier or just now."""
LONGER_S = (1.0, 12.0)
"""The street stays closed for so long after that."""
_GATEWAY = "home-1"
_LOOK_S = 0.05


async def run(folder: Path, seed: int) -> Result:
    """Close the street twice, then count."""
    draw = random.Random(seed)
    with street() as between:
        plan = Plan(
            folder, "mosquitto", (_GATEWAY,), host=between.house_address, hasty=False,
            within={_GATEWAY: between.home, "server": between.house},
        )  # fmt: skip
        town = Town(plan)
        async with loaded(plan) as (ledger, sources), town.running():
            flowing = asyncio.create_task(flow(sources, PER_S))
            try:
                await until_stored(plan.database, set(ledger.records()))
                shown_s, closed_s, back_s = await _closed(between, plan, _is_offline, draw)
                await until_stored(plan.database, set(ledger.records()))
                await asyncio.sleep(draw.uniform(0, 5))
                killed = town.end_broker(signal.SIGKILL)
                closing = asyncio.create_task(_closed(between, plan, _has_alarm, draw))
                unwilled_s = await _until(lambda: _is_offline(plan.database), ALARM_S)
                alarm_s, long_s, again_s = await closing
            finally:
                await ended([flowing])
            await until_stored(plan.database, set(ledger.records()))
            measured = ledger.records()
    count = compare(measured, stored(plan.database))
    well = killed and max(shown_s, unwilled_s) <= SHOWN_S and max(back_s, again_s) <= BACK_S and alarm_s < ALARM_S
    return Result(
        "silent partition",
        count.whole and sound(plan.database) and well,
        count,
        (
            f"shown as offline after {shown_s:.1f} s; closed for {closed_s:.0f} s, back {back_s:.1f} s after",
            f"without any last will: shown after {unwilled_s:.1f} s, missing-data alarm after {alarm_s:.1f} s;"
            f" closed for {long_s:.0f} s, back {again_s:.1f} s after",
        ),
    )


async def _closed(
    between: Street, plan: Plan, noticed: Callable[[Path], bool], draw: random.Random
) -> tuple[float, float, float]:
    """Close the street until it is noticed, and somewhat longer; open it, until what was kept begins to arrive.

    Returns when it was noticed, how long it was closed, and how long after that the gateway was heard again.
    """
    between.close()
    closed_s = time.monotonic()
    noticed_s = await _until(lambda: noticed(plan.database), ALARM_S)
    await asyncio.sleep(draw.uniform(*LONGER_S))
    heard_ns = _heard_ns(plan.database)
    between.open()
    open_s = time.monotonic()
    back_s = await _until(lambda: _heard_ns(plan.database) > heard_ns, ALARM_S)
    return noticed_s, open_s - closed_s, back_s


async def _until(condition: Callable[[], bool], most_s: float) -> float:
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < most_s and not await asyncio.to_thread(condition):
        await asyncio.sleep(_LOOK_S)
    return time.monotonic() - begun_s


def _is_offline(database: Path) -> bool:
    with looking_into(database) as db:
        return db.execute("SELECT online FROM gateways WHERE id = ?", (_GATEWAY,)).fetchone() == (0,)


def _heard_ns(database: Path) -> int:
    with looking_into(database) as db:
        return int(db.execute("SELECT last_heard_ns FROM gateways WHERE id = ?", (_GATEWAY,)).fetchone()[0] or 0)


def _has_alarm(database: Path) -> bool:
    with looking_into(database) as db:
        found = db.execute("SELECT reasons FROM alarms WHERE kind = 'technical'").fetchall()
    return any(reason["rule"] == "gateway_silent" for (reasons,) in found for reason in msgspec.json.decode(reasons))
