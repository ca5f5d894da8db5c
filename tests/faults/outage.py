"""Row 3: three days without a server, and then everything at once; and an alarm in the midst of it.

A gateway comes up with 50,000 rows waiting, 72 hours of readings and of a dispenser's entries, and its devices go on.
Then the server returns. While the gateway drains, somebody tampers with a dispenser, hundreds of times: each time is
from the moment in which the device writes it down, before a byte of it is on the line, to the moment in which it is
seen in the server's database.
"""

import asyncio
import contextlib
import math
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from gateway.clock.steady import steady_ns
from gateway.spool.rows import Heard
from gateway.spool.store import SPOOL_FILE, Spool
from gateway.tasks import ended
from tests.faults.kills import GIVE_UP_S, loaded, until_stored
from tests.faults.ledger import Ledger, compare, looking_into, shown_readings, sound, stored
from tests.faults.load import Source
from tests.faults.report import Result
from tests.faults.town import Plan, Town
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event

ROWS = 50_000
HOURS = 72
LEAST_PER_S = 5_000
ALARM_S = 2.0
GROWTH_MB = 20.0
EVENT_EACH = 10
"""Every so many rows is an entry of the dispenser; the others are readings."""
_PUT = 1_000
_HOME = "home-1"
_TAMPER_EACH_S = 0.01
_LOOK_S = 0.02
_ON = "SELECT record, device FROM events WHERE patient_id = 'p-1' AND sample = 'dispenser.tamper'"
_COME = "SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM received"


async def run(folder: Path) -> Result:
    """Bring the server back, then count."""
    plan = Plan(folder, "mosquitto", (_HOME,))
    async with loaded(plan) as (ledger, sources):
        readings = await _fill(plan, ledger)
        town = Town(plan)
        async with _away(town) as gateway:
            watch = _Watch(plan.database, gateway)
            await town.server.start()
            watching = asyncio.create_task(watch.run())
            alarming = asyncio.create_task(_tamper(sources, ledger, watch))
            try:
                async with asyncio.timeout(GIVE_UP_S):
                    await watch.drained.wait()
            finally:
                await ended([alarming])
            await until_stored(plan.database, set(ledger.records()))
            await watch.seen_all()
            await ended([watching])
        measured = ledger.records()
    count = compare(measured, stored(plan.database))
    read = [one for one in shown_readings(plan.database) if " away:" in one]
    filed, distinct = len(read), len(set(read))
    times = sorted(watch.took_s)
    p99_s = times[math.ceil(0.99 * len(times)) - 1] if times else math.inf
    rate = ROWS / watch.drain_s
    whole = count.whole and filed == distinct == readings and sound(plan.database)
    return Result(
        "72 hours of outage",
        whole and rate >= LEAST_PER_S and p99_s < ALARM_S and watch.grown_mb < GROWTH_MB and len(times) >= 100,
        count,
        (
            f"{ROWS:,} rows of {HOURS} h drained in {watch.drain_s:.1f} s, {rate:,.0f} rows/s; "
            f"{filed:,} readings of {readings:,}",
            f"{len(times)} alarms meanwhile, from the device to the database: median {times[len(times) // 2]:.2f} s, "
            f"p99 {p99_s:.2f} s, worst {times[-1]:.2f} s"
            if times
            else "no alarm came meanwhile",
            f"the gateway's memory grew by {watch.grown_mb:.1f} MB",
        ),
    )


async def _fill(plan: Plan, ledger: Ledger) -> int:
    """Three days of rows in the spool of the gateway; how many of them are readings."""
    path = plan.folder / _HOME / "data" / SPOOL_FILE
    path.parent.mkdir(parents=True)
    box, spot = plan.devices(_HOME)
    spool = await Spool.open(path)
    step_ns = HOURS * 3600 * NS // ROWS
    now_ns, now_mono_ns = time.time_ns(), steady_ns()
    heard: list[Heard] = []
    readings = 0
    for number in range(ROWS):
        ago_ns = (ROWS - number) * step_ns
        t_ns, mono_ns = now_ns - ago_ns, now_mono_ns - ago_ns
        if number % EVENT_EACH == 0:
            ledger.note(f"{box} away:{number}")
            heard.append(Heard(box, t_ns, Event("dispenser.lid_open", t_ns, {}, f"away:{number}"), mono_ns))
        else:
            channel, value = (("spo2", 97.0), ("pulse_rate", 71.0))[number % 2]
            heard.append(Heard(spot, t_ns, Block(channel, (t_ns,), (value,), record=f"away:{number}"), mono_ns))
            readings += 1
        if len(heard) == _PUT:
            await spool.put(heard)
            heard = []
    await spool.close()
    return readings


@contextlib.asynccontextmanager
async def _away(town: Town) -> AsyncIterator[psutil.Process]:
    """The gateway by itself; whatever is running is ended with it."""
    [gateway] = town.gateways
    try:
        await gateway.start()
        await gateway.until_ready()
        yield psutil.Process(gateway.pid)
    finally:
        for part in (gateway, town.server):
            await part.end(signal.SIGTERM)
        town.end_broker(signal.SIGTERM)


class _Watch:
    """What is seen in the server's database, and when; and how big the gateway is meanwhile."""

    def __init__(self, database: Path, gateway: psutil.Process) -> None:
        self._database = database
        self._gateway = gateway
        self._least_bytes = 0
        self._first_s = self._last_s = 0.0
        self._written_s: dict[str, float] = {}
        self._seen: set[str] = set()
        self.took_s: list[float] = []
        self.grown_mb = 0.0
        self.begun = asyncio.Event()
        self.drained = asyncio.Event()

    @property
    def drain_s(self) -> float:
        """From the first row that was seen to the last."""
        return max(1e-9, self._last_s - self._first_s)

    def written(self, record: str) -> None:
        self._written_s[record] = time.monotonic()

    async def seen_all(self) -> None:
        async with asyncio.timeout(GIVE_UP_S):
            while self._written_s.keys() - self._seen:  # noqa: ASYNC110 - another process: nothing here to wait for
                await asyncio.sleep(_LOOK_S)

    async def run(self) -> None:
        while True:
            with contextlib.suppress(sqlite3.OperationalError):  # not made yet
                await asyncio.to_thread(self._look)
            if self._first_s:
                self.begun.set()
            if self._last_s:
                self.drained.set()
            await asyncio.sleep(_LOOK_S)

    def _look(self) -> None:
        size = self._gateway.memory_info().rss
        with looking_into(self._database) as db:
            come = db.execute(_COME).fetchone()[0]
            alarms = {f"{device} {record}" for record, device in db.execute(_ON)}
        now_s = time.monotonic()
        if not come:
            self._least_bytes = size
        elif not self._first_s:
            self._first_s = now_s
        if come >= ROWS and not self._last_s:
            self._last_s = now_s
        self.grown_mb = max(self.grown_mb, (size - (self._least_bytes or size)) / 1e6)
        for record in alarms - self._seen:
            self.took_s.append(now_s - self._written_s.get(record, now_s))
        self._seen |= alarms


async def _tamper(sources: list[Source], ledger: Ledger, watch: _Watch) -> None:
    """Again and again, from the first row that the server has until cancelled."""
    await watch.begun.wait()
    while True:
        for source in sources:
            for record in source.tamper():
                watch.written(record)
            await asyncio.sleep(_TAMPER_EACH_S)
