"""Processes: each part of Hjemvakt started as it would be on its own machine, awaited, watched and stopped.

What a part prints on stderr goes to a log file in the demo's folder. A part that dies while the story runs ends the
demo with its last lines: a demo that limps on would show less than it claims.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx

from hjemvakt.demo.town import Town
from vitals.errors import HjemvaktError

_READY_S = 40.0
_STOP_S = 10.0
_LAST_LINES = 12

See = Callable[[dict[str, Any]], None]


class Stage:
    """The running parts of one town."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self._sim_ready = asyncio.Event()

    @contextlib.asynccontextmanager
    async def playing(self, see: See) -> AsyncIterator[None]:
        """Everything runs inside this context. `see` gets each thing that happens in the simulated homes."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._start("server", "server", "run", str(self.town.server_config))
                await self._start("sim", "firmware_sim", "run", str(self.town.sim_config), "--json")
                tasks = [group.create_task(self._watch_homes(see))]
                await asyncio.gather(self._until_served(), self._until(self._sim_ready))
                for home in self.town.homes:
                    await self._start(home, "gateway", "run", str(self.town.gateway_config(home)))
                tasks += [group.create_task(self._until_dead(name)) for name in self.processes]
                yield
                for task in tasks:
                    task.cancel()
        finally:
            await self._stop()

    def log_of(self, name: str) -> Path:
        """The file with what that part said."""
        return self.town.folder / f"{name}.log"

    async def _start(self, name: str, module: str, *arguments: str) -> None:
        with self.log_of(name).open("wb") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", module, *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if name == "sim" else log,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches the demo alone, which then stops its parts in order
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )  # fmt: skip

    async def _watch_homes(self, see: See) -> None:
        lines = self.processes["sim"].stdout
        assert lines is not None
        async for line in lines:
            happening = json.loads(line)
            if happening.get("what") == "ready":
                self._sim_ready.set()
            else:
                see(happening)

    async def _until_served(self) -> None:
        deadline = time.monotonic() + _READY_S
        async with httpx.AsyncClient(base_url=self.town.url) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.HTTPError):
                    if (await client.get("/api/health")).is_success:
                        return
                self._must_live("server")
                await asyncio.sleep(0.1)
        raise HjemvaktError(f"the server was not ready within {_READY_S:.0f} s", f"see {self.log_of('server')}")

    async def _until(self, event: asyncio.Event) -> None:
        waiting = asyncio.create_task(event.wait())
        death = asyncio.create_task(self.processes["sim"].wait())
        await asyncio.wait({waiting, death}, timeout=_READY_S, return_when=asyncio.FIRST_COMPLETED)
        for task in (waiting, death):
            task.cancel()
        self._must_live("sim")
        if not event.is_set():
            raise HjemvaktError(f"the simulator was not ready within {_READY_S:.0f} s", f"see {self.log_of('sim')}")

    def _must_live(self, name: str) -> None:
        if self.processes[name].returncode is not None:
            raise self._died(name)

    async def _until_dead(self, name: str) -> None:
        await self.processes[name].wait()
        raise self._died(name)

    def _died(self, name: str) -> HjemvaktError:
        said = self.log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()[-_LAST_LINES:]
        code = self.processes[name].returncode
        return HjemvaktError(f"{name} ended with code {code}; it said last:\n  " + "\n  ".join(said))

    async def _stop(self) -> None:
        """The homes first, then the server with its broker: the order in which nothing has to be resent."""
        for name in sorted(self.processes, key=lambda one: one == "server"):
            process = self.processes[name]
            if process.returncode is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            try:
                await asyncio.wait_for(process.wait(), _STOP_S)
            except TimeoutError:
                process.kill()
                await process.wait()
