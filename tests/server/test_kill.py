"""The whole promise, with real processes: the server is killed again and again in mid-stream, and every reading that
the gateway sent is stored once.

Each kill comes at the moment an acknowledgement arrives, so that commits, answers and batches are under way. It leaves
a mosquitto behind that goes on taking messages for nobody; the next start stops it.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway import window
from gateway.config import UplinkConfig
from gateway.spool import Heard, Spool
from gateway.uplink import Uplink
from server.broker import mosquitto
from tests.server.conftest import LADDERS, TOWN
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.wire import Health

ROOT = Path(__file__).parents[2]
KILLS = 4
BURST = 20
PER_LIFE = 400
"""So many rows are acknowledged before the next kill."""


class Process:
    """`python -m server run`, started until it is ready, killed or stopped."""

    def __init__(self, config: Path) -> None:
        self._config = config
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
                ready.set()


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

    async def reaches(self, wanted: int) -> None:
        self._enough[wanted] = asyncio.Event()
        if self.count < wanted:
            await self._enough[wanted].wait()


@pytest.fixture
async def server(tmp_path: Path, free_port: Callable[[], int]) -> AsyncIterator[tuple[Process, int]]:
    port = free_port()
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        f'name = "Prøveby"\nladders = "{LADDERS}"\n[web]\nport = 0\n[broker]\nkind = "mosquitto"\nport = {port}\n',
        encoding="utf-8",
    )
    process = Process(tmp_path / "server.toml")
    yield process, port
    with contextlib.suppress(ProcessLookupError, AssertionError):
        await process.end(signal.SIGKILL)
    mosquitto._stop_orphan(tmp_path / "data" / "broker")


@pytest.mark.processes
@pytest.mark.mosquitto
async def test_through_kill_after_kill_every_reading_is_stored_once(
    server: tuple[Process, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, port = server
    monkeypatch.setattr(window, "RESEND_S", 0.5)
    (tmp_path / "password").write_text("gw-1-secret")
    os.chmod(tmp_path / "password", 0o600)
    spool = await Spool.open(tmp_path / "spool.sqlite")
    released = Counting(spool)
    config = UplinkConfig(port=port, password_file=str(tmp_path / "password"), reconnect_max_s=0.2)
    gateway = Uplink(
        "gw-1", config, spool, RunningClock(), 60.0, lambda: Health("gw-1", spool.epoch, time.time_ns(), "test", 0)
    )
    sent: list[str] = []
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(gateway.run())
        measuring = tasks.create_task(_measure(spool, sent))
        for _ in range(KILLS):
            await process.start()
            await released.reaches(released.count + PER_LIFE)
            await process.end(signal.SIGKILL)
        measuring.cancel()
        await process.start()
        await released.reaches(len(sent))
        assert await process.end(signal.SIGTERM) == 0
        talking.cancel()
    await spool.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "data" / "hjemvakt.sqlite")) as db:
        stored = [record for (record,) in db.execute("SELECT record FROM readings WHERE patient_id = 'eva'")]
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert len(sent) > KILLS * PER_LIFE
    assert sorted(stored) == sorted(sent)


async def _measure(spool: Spool, sent: list[str]) -> None:
    """A reading after another, for as long as nobody says to stop; `sent` has those that are on the gateway's disk."""
    while True:
        burst = [str(len(sent) + n) for n in range(BURST)]
        now_ns = time.time_ns()
        blocks = [Block("spo2", (now_ns,), (95.0,), record=record) for record in burst]
        # Counted before it waits for the disk: a put that is cancelled is kept all the same.
        sent += burst
        await spool.put([Heard("oximeter", now_ns, block) for block in blocks])
