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
from pathlib import Path

from gateway.tasks import ended
from tests.faults.kills import loaded, until_stored
from tests.faults.ledger import compare, looking_into, sound, stored, technical_alarms
from tests.faults.load import flow
from tests.faults.report import Result
from tests.faults.street import Street, street
from tests.faults.town import Plan, Town, until

PER_S = 50
SHOWN_S = 50.0
BACK_S = 5.0
ALARM_S = 110.0
"""The alarm is due after 90 s of silence, and the last sign of life may have come 20 s earlier or just now."""
LONGER_S = (1.0, 8.0)
"""The street stays closed for so long after that."""
_GATEWAY = "home-1"


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
                between.close()
                shown_s = await until(lambda: _is_offline(plan.database), ALARM_S)
                first = await _opened(between, plan, draw)
                await until_stored(plan.database, set(ledger.records()))
                between.close()
                killed = town.end_broker(signal.SIGKILL)
                unwilled_s = await until(lambda: _is_offline(plan.database), ALARM_S)
                alarm_s = unwilled_s + await until(lambda: "gateway_silent" in technical_alarms(plan.database), ALARM_S)
                second = await _opened(between, plan, draw)
            finally:
                await ended([flowing])
            await until_stored(plan.database, set(ledger.records()))
            measured = ledger.records()
    count = compare(measured, stored(plan.database))
    well = killed and max(shown_s, unwilled_s) <= SHOWN_S and max(first, second) <= BACK_S and alarm_s < ALARM_S
    return Result(
        "silent partition",
        count.whole and sound(plan.database) and well,
        count,
        (
            f"shown as offline after {shown_s:.1f} s; back {first:.1f} s after the street was open again",
            f"without any last will: shown after {unwilled_s:.1f} s, missing-data alarm after {alarm_s:.1f} s;"
            f" back {second:.1f} s after",
        ),
    )


async def _opened(between: Street, plan: Plan, draw: random.Random) -> float:
    """Open the street, some while from now; returns how long it took until the gateway was heard again."""
    await asyncio.sleep(draw.uniform(*LONGER_S))
    heard_ns = _heard_ns(plan.database)
    between.open()
    return await until(lambda: _heard_ns(plan.database) > heard_ns, ALARM_S)


def _is_offline(database: Path) -> bool:
    with looking_into(database) as db:
        return db.execute("SELECT online FROM gateways WHERE id = ?", (_GATEWAY,)).fetchone() == (0,)


def _heard_ns(database: Path) -> int:
    with looking_into(database) as db:
        return int(db.execute("SELECT last_heard_ns FROM gateways WHERE id = ?", (_GATEWAY,)).fetchone()[0] or 0)
