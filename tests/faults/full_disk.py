"""Row 5: the disk is full, in a home and then at the server, to the last byte, and whatever becomes free is taken.

Each part has a small file system of its own, which a neighbour fills (`tests.faults.small_disk`) under load.

    gateway   The server is away, so that what is measured has to wait. The spool must refuse and the devices keep their
              records. The server comes back while the disk is still full: what it acknowledges must be deleted, so
              that everything gets through a full disk; and it must raise a technical alarm. Then once more without
              the server, and the disk has room again: the devices must be rid of their records soon.
    server    It must stop to acknowledge, say so to a monitor, call somebody, and go on by itself when there
              is room. What it acknowledged meanwhile must be stored.

Nothing is lost and nothing doubled in either.
"""

import asyncio
import contextlib
import json
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from gateway.tasks import ended
from tests.faults.kills import loaded, until_stored
from tests.faults.ledger import Count, compare, sound, stored, technical_alarms
from tests.faults.load import Source, flow
from tests.faults.report import Result
from tests.faults.small_disk import Neighbour, small_disk
from tests.faults.town import ADMINISTRATOR, Plan, Town, until

PER_S = 200
GATEWAY_MB, SERVER_MB = 16, 48
RECOVERED_S = 10.0
REFUSING = 200
"""So many records in the devices' memories: nobody takes them any more."""
HELD_S = 8.0
"""The server's disk stays full for so long."""
CALLED_S = 30.0
"""Somebody must be called within so long."""
_WAIT_S = 60.0


async def run(folder: Path) -> Result:
    """Fill the one, then the other, and count."""
    home, home_figures, home_well = await _gateway(folder / "gateway")
    house, house_figures, house_well = await _server(folder / "server")
    count = Count(
        home.measured + house.measured, home.lost + house.lost, home.doubled + house.doubled,
        home.strange + house.strange,
    )  # fmt: skip
    return Result(
        "disk full", home.whole and house.whole and home_well and house_well, count, (*home_figures, *house_figures)
    )


async def _gateway(folder: Path) -> tuple[Count, Sequence[str], bool]:
    plan = Plan(folder, "auto", ("home-1",))
    with small_disk(folder / "home-1" / "data", GATEWAY_MB) as neighbour:
        town = Town(plan)
        async with loaded(plan) as (ledger, sources), town.running():
            flowing = asyncio.create_task(flow(sources, PER_S))
            try:
                refused_s = await _until_refusing(town, neighbour, sources)
                full_s = await _through_a_full_disk(town, sources)
                alarm = await until(lambda: "gateway_full" in technical_alarms(plan.database), _WAIT_S)
                again_s = await _until_refusing(town, neighbour, sources)
            finally:
                await ended([flowing])
            neighbour.leave()
            recovered_s = await until(lambda: not any(source.kept for source in sources), _WAIT_S)
            await town.server.start()
            await town.server.until_ready()
            await until_stored(plan.database, set(ledger.records()))
            measured = ledger.records()
        count = compare(measured, stored(plan.database))
    figures = (
        f"gateway: refused {_within(refused_s)} after its disk was full, once more {_within(again_s)} after;"
        " the devices kept their records",
        f"gateway: on the full disk, {_within(full_s)} after the server was back the devices were rid of their records;"
        f" the technical alarm came within {_within(alarm)}",
        f"gateway: with room again the devices were rid of their records in {_within(recovered_s)}",
    )
    well = max(refused_s, again_s, full_s, alarm) < _WAIT_S and recovered_s <= RECOVERED_S
    return count, figures, sound(plan.database) and well


async def _until_refusing(town: Town, neighbour: Neighbour, sources: Sequence[Source]) -> float:
    """The server goes, the disk fills; returns how long it took until the devices kept their records."""
    await town.server.end(signal.SIGTERM)
    await asyncio.to_thread(neighbour.leave)
    await asyncio.to_thread(neighbour.come)
    return await until(lambda: min(len(source.kept) for source in sources) > REFUSING, _WAIT_S)


async def _through_a_full_disk(town: Town, sources: Sequence[Source]) -> float:
    """The server is back, the disk still full; returns how long it took until the devices had nothing left."""
    await town.server.start()
    await town.server.until_ready()
    return await until(lambda: all(len(source.kept) < REFUSING / 4 for source in sources), _WAIT_S)


async def _server(folder: Path) -> tuple[Count, Sequence[str], bool]:
    plan = Plan(folder, "auto", ("home-1", "home-2"))
    data = folder / "server" / "data"
    with small_disk(data, SERVER_MB) as neighbour:
        town = Town(plan)
        async with loaded(plan) as (ledger, sources), town.running():
            web = town.server.said.partition("ready ")[2].split()[0]
            phones = Phones(web, plan.password)
            flowing = asyncio.create_task(flow(sources, PER_S))
            try:
                await until_stored(plan.database, set(ledger.records()))
                await asyncio.to_thread(neighbour.come)
                full_s = time.monotonic()
                said_s = await until(lambda: _says(web, "the disk is full"), _WAIT_S)
                await until(lambda: phones.rang("its disk is full"), _WAIT_S)
                called_s = time.monotonic() - full_s
                await asyncio.sleep(HELD_S)
                waiting = ledger.count - len(stored(plan.database))
                still = _says(web, "the disk is full")
                await asyncio.to_thread(neighbour.leave)
                freed_s, due = time.monotonic(), set(ledger.records())
                recovered_s = await until_stored(plan.database, due) - freed_s
                well_s = await until(lambda: _well(web), _WAIT_S) + recovered_s
                over_s = await until(lambda: phones.rang("stores again"), _WAIT_S) + well_s
            finally:
                await ended([flowing])
            await until_stored(plan.database, set(ledger.records()))
            measured = ledger.records()
        count = compare(measured, stored(plan.database))
        whole = sound(plan.database)
    figures = (
        f"server: /api/health said so {said_s:.1f} s after its disk was full; {waiting:,} records waited in the homes",
        f"server: a nurse and an administrator were called {_within(called_s)} after its disk was full,"
        f" and told {_within(over_s)} after there was room that it is over",
        f"server: with room again everything was stored in {recovered_s:.1f} s, and all was well in {well_s:.1f} s",
    )
    kept = whole and still and waiting > 0 and said_s < _WAIT_S and well_s <= RECOVERED_S
    called = called_s < CALLED_S and over_s < _WAIT_S
    return count, figures, kept and called


class Phones:
    """What the staff's phones show, as the administrator sees it; the sign-in is before the disk is full."""

    def __init__(self, web: str, password: str) -> None:
        self._web = web
        self._asking = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        said = json.dumps({"username": ADMINISTRATOR, "password": password}).encode()
        headers = {"content-type": "application/json", "origin": web}
        self._asking.open(urllib.request.Request(f"{web}/api/session", said, headers), timeout=5).close()

    def rang(self, word: str) -> bool:
        """Whether at least two people have been told this."""
        with contextlib.suppress(OSError), self._asking.open(f"{self._web}/api/phone", timeout=5) as answer:
            return len({one["to"] for one in json.load(answer) if word in one["text"]}) > 1
        return False


def _within(waited_s: float) -> str:
    return f"{waited_s:.1f} s" if waited_s < _WAIT_S else f"NOT within {_WAIT_S:.0f} s"


def _health(web: str) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"{web}/api/health", timeout=5) as answer:
            return dict(json.load(answer))
    except (urllib.error.URLError, OSError, ValueError) as error:
        return {"status": "silent", "problems": [str(error)]}


def _says(web: str, word: str) -> bool:
    """Whether the server, asked by a monitor, complains of something with this word."""
    return any(word in problem for problem in _health(web)["problems"])  # type: ignore[attr-defined]


def _well(web: str) -> bool:
    return _health(web)["status"] == "ok"
