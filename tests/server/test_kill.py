"""The whole promise, with real processes: the server, or the PostgreSQL behind it, is killed again and again in
mid-stream, and every reading that the gateway sent is stored once.

Each kill comes at the moment an acknowledgement arrives, so that commits, answers and batches are under way. It leaves
a mosquitto behind that goes on taking messages for nobody; the next start stops it.
"""

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from gateway.clock.hub import HubClock
from gateway.config.model import UplinkConfig
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.uplink import window
from gateway.uplink.sending import Uplink
from server.broker import mosquitto
from server.config import Database as DatabaseConfig
from server.db import Database
from server.readings import journal
from tests.faults.ledger import promised_readings, shown_readings
from tests.postgres import Cluster
from tests.server.conftest import LADDERS, TOWN
from tests.waiting import until
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.wire import Health

ROOT = Path(__file__).parents[2]
KILLS = {"sqlite": 4, "postgresql": 2}
BURST = 20
PER_LIFE = 400
"""So many rows are acknowledged before the next kill."""


class Process:
    """`python -m server run` with its own mosquitto on `port`, started until it is ready, killed or stopped."""

    def __init__(self, folder: Path, port: int, database: DatabaseConfig) -> None:
        self.port = port
        self.address = ""
        self.db = database.where(folder / "data")
        self._config = folder / "server.toml"
        (folder / "municipality.toml").write_text(TOWN, encoding="utf-8")
        self._config.write_text(
            f'name = "Prøveby"\nladders = "{LADDERS}"\n[web]\nport = 0\n[broker]\nkind = "mosquitto"\nport = {port}\n'
            f'[database]\nurl = "{database.url}"\n',
            encoding="utf-8",
        )
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server", "run", str(self._config), cwd=ROOT, stderr=asyncio.subprocess.PIPE
        )
        ready = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(self._process, ready))
        async with asyncio.timeout(20):
            await ready.wait()

    async def end(self, how: signal.Signals) -> int:
        assert self._process is not None
        assert self._listening is not None
        self._process.send_signal(how)
        await self._listening
        return await self._process.wait()

    async def _listen(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            if b"ready http://" in line:
                self.address = line.decode().partition("ready ")[2].split()[0]
                ready.set()

    def stored(self) -> list[str]:
        """The records of the readings, as the database has them now."""
        db = Database(self.db)
        with db.read() as tx:
            found = [one.record or "" for entry in journal.read(tx, 0, 1_000_000) for one in entry.readings]
            if db.path:
                assert tx.scalar(sa.text("PRAGMA integrity_check")) == "ok"
        db.close()
        if db.path:  # looked into without the server's code
            assert sorted(shown_readings(db.path)) == sorted(promised_readings(db.path))
            assert sorted(shown_readings(db.path)) == sorted(f"oximeter {record}" for record in found)
        return found


class Counting:
    """Counts what the spool is told to release, and says when there is enough."""

    def __init__(self, spool: Spool) -> None:
        self.count = 0
        self._enough: dict[int, asyncio.Event] = {}
        release = spool.release

        def counted(ranges: list[tuple[int, int]]) -> None:
            release(ranges)
            self.count += sum(last - first + 1 for first, last in ranges)
            for wanted, reached in self._enough.items():
                if self.count >= wanted:
                    reached.set()

        spool.release = counted  # type: ignore[method-assign, assignment]

    async def more(self) -> None:
        """Wait until PER_LIFE more are released."""
        await self.reaches(self.count + PER_LIFE)

    async def reaches(self, wanted: int) -> None:
        self._enough[wanted] = asyncio.Event()
        if self.count < wanted:
            await self._enough[wanted].wait()


@pytest.fixture
async def server(tmp_path: Path, free_port: Callable[[], int], database: DatabaseConfig) -> AsyncIterator[Process]:
    process = Process(tmp_path, free_port(), database)
    yield process
    await _ended(process, tmp_path)


async def _ended(process: Process, folder: Path) -> None:
    with contextlib.suppress(ProcessLookupError, AssertionError):
        await process.end(signal.SIGKILL)
    mosquitto._stop_orphan(folder / "data" / "broker")


@pytest.mark.processes
@pytest.mark.mosquitto
async def test_through_kill_after_kill_every_reading_is_stored_once(
    server: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "sqlite" if isinstance(server.db, Path) else "postgresql"

    async def kills(released: Counting, _sent: list[str]) -> None:
        for _ in range(KILLS[kind]):
            await server.start()
            await released.more()
            await server.end(signal.SIGKILL)
        await server.start()

    sent = await _story(server, tmp_path, monkeypatch, kills)
    assert len(sent) > KILLS[kind] * PER_LIFE
    assert sorted(server.stored()) == sorted(sent)


@pytest.mark.processes
@pytest.mark.mosquitto
async def test_when_postgresql_itself_dies_the_server_waits_for_it_and_every_reading_is_stored_once(
    postgres: Cluster, tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with postgres.database() as database:
        server = Process(tmp_path, free_port(), database)

        async def kills(released: Counting, sent: list[str]) -> None:
            await server.start()
            for _ in range(KILLS["postgresql"]):
                await released.more()
                with postgres.dead():
                    await asyncio.to_thread(until, lambda: _says(server, "readings cannot be stored"))
                    assert _says(server, "the database does not answer")
                    before = released.count
                    await _measures_on(sent)
                    assert released.count == before, "what is not stored is not acknowledged"
            await released.more()
            await asyncio.to_thread(until, lambda: not _says(server, "database"))

        try:
            sent = await _story(server, tmp_path, monkeypatch, kills)
            assert len(sent) > KILLS["postgresql"] * PER_LIFE
            assert sorted(server.stored()) == sorted(sent)
        finally:
            await _ended(server, tmp_path)


async def _story(
    server: Process,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    kills: Callable[[Counting, list[str]], Awaitable[None]],
) -> list[str]:
    """A gateway measures while `kills` does what it does; returns the records of all that it has on its disk.

    `kills` is given what is acknowledged and what is measured, and leaves the server running.
    """
    monkeypatch.setattr(window, "RESEND_S", 0.5)
    (folder / "password").write_text("gw-1-secret")
    os.chmod(folder / "password", 0o600)
    spool = await Spool.open(folder / "spool.sqlite")
    released = Counting(spool)
    config = UplinkConfig(port=server.port, password_file=str(folder / "password"), reconnect_max_s=0.2)
    gateway = Uplink(
        "gw-1",
        config,
        spool,
        HubClock(RunningClock()),
        60.0,
        lambda: Health("gw-1", spool.epoch, time.time_ns(), "test", 0),
    )
    sent: list[str] = []
    async with asyncio.timeout(180), asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(gateway.run())
        measuring = tasks.create_task(_measure(spool, sent))
        await kills(released, sent)
        measuring.cancel()
        await released.reaches(len(sent))
        assert await server.end(signal.SIGTERM) == 0
        talking.cancel()
    await spool.close()
    return sent


async def _measures_on(sent: list[str]) -> None:
    """Wait until a good deal more is measured, whoever listens."""
    enough = len(sent) + PER_LIFE
    await asyncio.to_thread(until, lambda: len(sent) >= enough)


def _says(server: Process, problem: str) -> bool:
    """Whether the server's health names that problem."""
    return problem in "; ".join(httpx.get(f"{server.address}/api/health", timeout=20).json()["problems"])


async def _measure(spool: Spool, sent: list[str]) -> None:
    """A reading after another, for as long as nobody says to stop; `sent` has those that are on the gateway's disk."""
    while True:
        burst = [str(len(sent) + n) for n in range(BURST)]
        now_ns = time.time_ns()
        blocks = [Block("spo2", (now_ns,), (95.0,), record=record) for record in burst]
        # Counted before it waits for the disk: a put that is cancelled is kept all the same.
        sent += burst
        await spool.put([Heard("oximeter", now_ns, block) for block in blocks])
