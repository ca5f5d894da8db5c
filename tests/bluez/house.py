"""The whole gateway, unmodified, in this process: `gateway.app` with a file like any other, and a look into its spool.

No broker answers it; what it stored stays in the spool, where the proofs count it.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import app
from gateway.config.file import load
from gateway.spool.store import Spool
from tests.ports import free_port
from vitals.block import Block
from vitals.wire import Row


class House:
    """What the gateway has stored so far."""

    def __init__(self) -> None:
        self.spool: Spool | None = None
        self.changed = asyncio.Event()

    async def values(self, device: str, channel: str) -> list[float]:
        """What the device told of the channel, in the order it was stored."""
        return [value for block in await self._blocks(device, channel) for value in block.value]

    async def records(self, device: str, channel: str) -> list[float]:
        """The same of a device that names its records, each record once: one that is fetched again, because a
        connection broke before all were, is the same reading, and the server keeps one."""
        by_name = {block.record: block.value[0] for block in await self._blocks(device, channel)}
        return list(by_name.values())

    async def _blocks(self, device: str, channel: str) -> list[Block]:
        assert self.spool
        rows = [msgspec.json.decode(stored.json, type=Row) for stored in await self.spool.take(0, 10_000)]
        told = [row.what for row in rows if row.device == device and isinstance(row.what, Block)]
        return [block for block in told if block.channel == channel]

    async def until(
        self, holds: Callable[[list[float]], bool], device: str, channel: str, within_s: float = 60
    ) -> None:
        """Wait until it holds of `values`; raises TimeoutError."""
        await self._until(self.values, holds, device, channel, within_s)

    async def until_records(self, count: int, device: str, channel: str, within_s: float = 60) -> list[float]:
        """Wait for so many `records` and return them; raises TimeoutError."""
        return await self._until(self.records, lambda found: len(found) >= count, device, channel, within_s)

    async def _until(
        self,
        look: Callable[[str, str], Awaitable[list[float]]],
        holds: Callable[[list[float]], bool],
        device: str,
        channel: str,
        within_s: float,
    ) -> list[float]:
        async with asyncio.timeout(within_s):
            while True:
                self.changed.clear()
                if self.spool and holds(found := await look(device, channel)):
                    return found
                await self.changed.wait()


@contextlib.asynccontextmanager
async def gateway(folder: Path, **devices: tuple[str, str]) -> AsyncIterator[House]:
    """A gateway over BlueZ that reads `devices`: id = (driver, address). It may be started again on the same folder."""
    house = House()

    class Watched(Spool):
        def __init__(self, *made_of: Any) -> None:
            super().__init__(*made_of)
            house.spool = self
            house.changed.set()

        async def put(self, *what: Any, **more: Any) -> None:
            await super().put(*what, **more)
            house.changed.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "Spool", Watched)
        running = asyncio.create_task(app.run(load(written(folder, devices))))
        try:
            yield house
        finally:
            if not running.done():
                os.kill(os.getpid(), signal.SIGTERM)
            await running


def written(folder: Path, devices: dict[str, tuple[str, str]]) -> Path:
    """The gateway's configuration in `folder`; its broker is a port where nobody listens."""
    lines = ['name = "home-01"', "[uplink]", f"port = {free_port()}", "[radio]", 'kind = "bluez"', "cool_down_s = 0.2"]
    for name, (driver, address) in devices.items():
        lines += ["[[devices]]", f'id = "{name}"', f'driver = "{driver}"', f'address = "{address}"']
    path = folder / "gateway.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
