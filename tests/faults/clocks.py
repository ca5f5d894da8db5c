"""Row 9: every clock is wrong in its own way, and no record is merged with another or dropped.

Gateways whose clocks are an hour ahead, an hour behind, in 1970, or drift by five minutes in an hour, each read devices
with calendars that are an hour off, unset, in 1970, or drifting as much. Every device makes two records in the same
millisecond, again and again, alike in all but their numbers.

A record that a wrong clock dates into the future is not filed; it must be in quarantine, whole. A gateway in 1970 must
leave its devices alone, with all they have recorded and the calendars they have.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.faults.kills import GIVE_UP_S
from tests.faults.ledger import Ledger, compare, looking_into, sound, stored
from tests.faults.load import Source
from tests.faults.report import Result
from tests.faults.town import Plan, Town
from vitals.clock import NS
from vitals.events import Event
from vitals.wire import Row

PAIRS = 100
PAUSE_S = 0.05
_HOUR_NS = 3_600 * NS
_DRIFT = 300 / 3_600
_DRIFT_PPM = _DRIFT * 1e6
_LOOK_S = 0.2
_UNSET = "in-1970"


def _gateways(now_ns: int) -> dict[str, dict[str, float | int]]:
    return {
        "right": {},
        "hour-ahead": {"origin_ns": _HOUR_NS},
        "hour-behind": {"start_ns": _HOUR_NS},
        _UNSET: {"start_ns": now_ns},
        "drifts-fast": {"speed": 1 + _DRIFT, "start_ns": now_ns, "origin_ns": now_ns},
        "drifts-slow": {"speed": 1 - _DRIFT, "start_ns": now_ns, "origin_ns": now_ns},
    }


def _calendars(now_ns: int) -> list[tuple[float, float, bool]]:
    """Wrong by so many seconds, drifting by so many millionths, set."""
    return [
        (3600, 0, True),
        (-3600, 0, True),
        (-now_ns / NS, 0, True),
        (0, 0, False),
        (0, _DRIFT_PPM, True),
        (0, -_DRIFT_PPM, True),
    ]


async def run(folder: Path) -> Result:
    """Make pairs of records, then count."""
    now_ns = time.time_ns()
    clocks = _gateways(now_ns)
    plan = Plan(folder, "auto", tuple(clocks), clocks={name: clock for name, clock in clocks.items() if clock})
    ledger = Ledger(folder / "ledger")
    with _devices(plan, ledger, now_ns) as sources:
        async with Town(plan).running():
            for _ in range(PAIRS):
                for source in sources:
                    source.open_lid(2)
                await asyncio.sleep(PAUSE_S)
            until_s = time.monotonic() + GIVE_UP_S
            while time.monotonic() < until_s:
                await asyncio.sleep(_LOOK_S)
                filed, aside, kept = stored(plan.database), _set_aside(plan.database), _left_alone(sources)
                if not compare(ledger.records(), filed + aside + kept).lost:
                    break
        kept = _left_alone(sources)
        calendars = {source.name: (source.calendar_ns - time.time_ns()) / NS for source in sources}
    measured = ledger.records()
    ledger.close()
    filed, aside = stored(plan.database), _set_aside(plan.database)
    count = compare(measured, filed + aside + kept)
    where = Counter(record.partition("-box-")[0] for record in aside)
    wrong = ", ".join(f"{name} {off_s:+.0f} s" for name, off_s in calendars.items() if abs(off_s) > 5)
    return Result(
        "wrong clocks",
        count.whole and sound(plan.database),
        count,
        (
            f"{len(filed):,} filed; {len(aside):,} in quarantine, whole: {dict(where) or 'none'}",
            f"{len(kept):,} left on the devices of the gateway that does not know the time",
            f"device calendars that are more than 5 s off at the end: {wrong or 'none'}",
        ),
    )


@contextlib.contextmanager
def _devices(plan: Plan, ledger: Ledger, now_ns: int) -> Iterator[list[Source]]:
    names = [device for gateway in plan.gateways for device in plan.devices(gateway)]
    calendars = _calendars(now_ns)
    sources = []
    for number, name in enumerate(names, 1):
        offset_s, drift_ppm, is_set = calendars[number % len(calendars)]
        sources.append(
            Source(
                name, number, plan.line(name), ledger, offset_s=offset_s, drift_ppm=drift_ppm, is_set=is_set
            )
        )  # fmt: skip
    try:
        yield sources
    finally:
        for source in sources:
            source.close()


def _left_alone(sources: list[Source]) -> list[str]:
    """What the devices of the gateway in 1970 still have."""
    return [record for source in sources if source.name.startswith(_UNSET) for record in source.kept]


def _set_aside(database: Path) -> list[str]:
    """The records that could not be filed, out of the rows in quarantine."""
    with looking_into(database) as db:
        found = db.execute("SELECT data FROM quarantine WHERE reason IN ('future', 'past')").fetchall()
    rows = [msgspec.json.decode(data, type=Row) for (data,) in found]
    return [f"{row.device} {row.what.record}" for row in rows if isinstance(row.what, Event)]
