"""Row 9: every clock is wrong in its own way, no record is merged with another or dropped, and time is put right.

Gateways whose clocks are an hour ahead (as one that takes summer time for UTC), an hour behind, in 1970, or drift by
five minutes in an hour, each read devices with calendars that are an hour off, unset, in 1970, or drifting as much.
Every device makes two records in the same millisecond, again and again, alike in all but their numbers.

A record that a wrong clock dates into the future is filed at its true time, or else in quarantine, whole. A gateway in
1970 must leave its devices alone, with all they have recorded and the calendars they have.

Then the server goes away, the devices go on for a while, and every gateway is told the time: it is started again with
the right clock, in the same boot. When the server is back, what was received by the wrong clocks must be filed within
ERROR_S of when it was made. A calendar that drifts while a device is read is no matter of ours: it is told apart.

Two gateways nobody ever tells the time: one is an hour behind to the end, the other in 1970. They were claimed, so
their seals prove which answer of the server they heard, and everything of theirs must be filed as well as the rest.
"""

import asyncio
import contextlib
import itertools
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from tests.faults.kills import GIVE_UP_S
from tests.faults.ledger import Ledger, compare, looking_into, sound, stored
from tests.faults.load import Source
from tests.faults.report import Result
from tests.faults.town import Part, Plan, Town, write_gateway
from vitals.clock import NS
from vitals.events import Event
from vitals.seal import fresh
from vitals.wire import Row

PAIRS = 100
PAUSE_S = 0.05
_HOUR_NS = 3_600 * NS
_DRIFT = 300 / 3_600
_DRIFT_PPM = _DRIFT * 1e6
_LOOK_S = 0.2
_UNSET = "in-1970"
_UNTOLD = "untold-"
_UNTOLD_BEHIND, _UNTOLD_UNSET = f"{_UNTOLD}behind", f"{_UNTOLD}in-1970"
ERROR_S = 2.0
PAIRS_AWAY = 40
SETTLE_S = 2.0
"""So long a gateway may take to have on its disk what its devices told last."""
_TIMES = "SELECT device, record, t_ns, received_ns, shift_ns FROM events WHERE record LIKE '%:%'"


def _gateways(now_ns: int) -> dict[str, dict[str, float | int]]:
    return {
        "right": {},
        "hour-ahead": {"origin_ns": _HOUR_NS},
        "hour-behind": {"start_ns": _HOUR_NS},
        _UNSET: {"start_ns": now_ns},
        "drifts-fast": {"speed": 1 + _DRIFT, "start_ns": now_ns, "origin_ns": now_ns},
        "drifts-slow": {"speed": 1 - _DRIFT, "start_ns": now_ns, "origin_ns": now_ns},
        _UNTOLD_BEHIND: {"start_ns": _HOUR_NS},
        _UNTOLD_UNSET: {"start_ns": now_ns},
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


def _calendar_of(plan: Plan, now_ns: int) -> dict[str, tuple[float, float, bool]]:
    """By device: each gateway's read two kinds."""
    names = [device for gateway in plan.gateways for device in plan.devices(gateway)]
    return dict(zip(names, itertools.cycle(_calendars(now_ns)), strict=False))


async def run(folder: Path) -> Result:
    """Make pairs of records, then count."""
    now_ns = time.time_ns()
    clocks = _gateways(now_ns)
    plan = Plan(
        folder, "auto", tuple(clocks), clocks={name: clock for name, clock in clocks.items() if clock},
        keys={name: fresh() for name in clocks if name.startswith(_UNTOLD)},
    )  # fmt: skip
    ledger = _Timed(folder / "ledger")
    town = Town(plan)
    with _devices(plan, ledger, now_ns) as sources:
        async with town.running():
            await _make_pairs(sources, PAIRS)
            await _until_whole(plan, ledger, sources)
            kept = _left_alone(sources)
            calendars = {source.name: (source.calendar_ns - time.time_ns()) / NS for source in sources}
            await town.server.end(signal.SIGTERM)
            for gateway in town.gateways:  # the devices' calendars are read and set anew, by clocks still wrong
                await _restart(gateway)
            begun = ledger.count
            await _make_pairs(sources, PAIRS_AWAY)
            await asyncio.sleep(SETTLE_S)
            away = set(ledger.records()[begun:])
            told = [gateway for gateway in town.gateways if not gateway.name.startswith(_UNTOLD)]
            for gateway in told:
                await gateway.end(signal.SIGTERM)
                write_gateway(replace(plan, clocks={}), gateway.name)
            await town.server.start()
            await town.server.until_ready()
            for gateway in told:
                await gateway.start()
            await _until_whole(plan, ledger, sources, left=0)
    measured = ledger.records()
    ledger.close()
    filed, aside = stored(plan.database), _set_aside(plan.database)
    count = compare(measured, filed + aside)
    calendar_of = _calendar_of(plan, now_ns)
    untold = {record for record in measured if record.startswith(_UNTOLD)}
    received, dated, drifting = _errors_s(plan.database, ledger.true_ns, away - untold, calendar_of)
    behind, _, _ = _errors_s(plan.database, ledger.true_ns, away & untold, calendar_of)
    _, borrowed, _ = _errors_s(plan.database, ledger.true_ns, untold, calendar_of)
    where = Counter(record.partition("-box-")[0] for record in aside)
    wrong = ", ".join(f"{name} {off_s:+.0f} s" for name, off_s in calendars.items() if abs(off_s) > 5)
    return Result(
        "wrong clocks",
        count.whole and sound(plan.database) and bool(kept) and 0 <= max(received, dated, behind, borrowed) <= ERROR_S,
        count,
        (
            f"{len(filed):,} filed; {len(aside):,} in quarantine, whole: {dict(where) or 'none'}",
            f"{len(kept):,} left on the devices of the gateway that did not know the time, until it did",
            f"device calendars that were more than 5 s off before it was told: {wrong or 'none'}",
            f"{len(away - untold):,} records received by wrong clocks, corrected after they were set: received within "
            f"{received:.2f} s, made within {dated:.2f} s ({drifting:.2f} s by calendars that drift)",
            f"{len(untold):,} of two gateways that nobody ever told the time, corrected by the server's answers: "
            f"received within {behind:.2f} s, made within {borrowed:.2f} s",
        ),
    )


class _Timed(Ledger):
    """The same, and when each record was made."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.true_ns: dict[str, int] = {}

    def note(self, record: str) -> None:
        super().note(record)
        self.true_ns[record] = time.time_ns()


async def _make_pairs(sources: list[Source], pairs: int) -> None:
    for _ in range(pairs):
        for source in sources:
            source.open_lid(2)
        await asyncio.sleep(PAUSE_S)


async def _until_whole(plan: Plan, ledger: Ledger, sources: list[Source], left: int | None = None) -> None:
    """Wait until every record is somewhere; with `left` 0 none may be on a device any more."""
    until_s = time.monotonic() + GIVE_UP_S
    while time.monotonic() < until_s:
        await asyncio.sleep(_LOOK_S)
        there = stored(plan.database) + _set_aside(plan.database)
        there += _left_alone(sources) if left is None else []
        if not compare(ledger.records(), there).lost:
            return


async def _restart(gateway: Part) -> None:
    await gateway.end(signal.SIGTERM)
    await gateway.start()
    await gateway.until_ready()


def _errors_s(
    database: Path, true_ns: Mapping[str, int], records: set[str], calendars: Mapping[str, tuple[float, float, bool]]
) -> tuple[float, float, float]:
    """The worst error of the times of receipt, and of measurement by calendars that do not drift, and that do."""
    received, dated, drifting = [-1.0], [-1.0], [0.0]
    with looking_into(database) as db:
        for device, name, t_ns, received_ns, shift_ns in db.execute(_TIMES):
            record = f"{device} {name}"
            if record not in records:
                continue
            if not device.startswith((_UNSET, _UNTOLD_UNSET)):  # what waited in a device came when it was fetched
                received.append(abs(received_ns + shift_ns - true_ns[record]) / NS)
            (drifting if calendars[device][1] else dated).append(abs(t_ns - true_ns[record]) / NS)
    return max(received), max(dated), max(drifting)


@contextlib.contextmanager
def _devices(plan: Plan, ledger: Ledger, now_ns: int) -> Iterator[list[Source]]:
    sources = [
        Source(name, number, plan.line(name), ledger, offset_s=offset_s, drift_ppm=drift_ppm, is_set=is_set)
        for number, (name, (offset_s, drift_ppm, is_set)) in enumerate(_calendar_of(plan, now_ns).items(), 1)
    ]
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
