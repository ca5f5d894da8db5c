"""Hands and eyes for tests of running homes: what the simulator tells, and a Bluetooth central on a home's adapter."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bumble.core import UUID
from bumble.device import Connection, Device, Peer
from bumble.gatt_client import CharacteristicProxy
from bumble.hci import Address
from bumble.transport import open_transport

from firmware_sim.app import load, run


class Seen:
    """What the simulator told."""

    def __init__(self) -> None:
        self.all: list[dict[str, Any]] = []
        self._more = asyncio.Event()

    def __call__(self, happening: dict[str, Any]) -> None:
        self.all.append(happening)
        self._more.set()

    async def until(self, what: str, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        async with asyncio.timeout(10):
            while True:
                for happening in self.all:
                    if happening["what"] == what and wanted(happening):
                        return happening
                await self.next()

    async def next(self) -> None:
        """Something more was told."""
        self._more.clear()
        async with asyncio.timeout(10):
            await self._more.wait()


@asynccontextmanager
async def home(config: Path) -> AsyncIterator[Seen]:
    seen = Seen()
    running = asyncio.create_task(run(load(config), seen))
    try:
        await seen.until("ready")
        yield seen
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert running.cancelled(), running.exception()


class Central:
    """A host on the home's adapter."""

    def __init__(self, transport: Any) -> None:
        self.transport = transport
        self.device = Device.with_hci("central", Address("C0:00:00:00:00:99"), transport.source, transport.sink)
        self.heard: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()
        self.peer: Peer | None = None

    async def find(self, address: str) -> Any:
        """The next advert of that device."""
        found: asyncio.Queue[Any] = asyncio.Queue()

        def on_advert(advert: Any) -> None:
            if str(advert.address).startswith(address):
                found.put_nowait(advert)

        self.device.on("advertisement", on_advert)
        await self.device.start_scanning(filter_duplicates=False)
        async with asyncio.timeout(10):
            advert = await found.get()
        await self.device.stop_scanning()
        self.device.remove_listener("advertisement", on_advert)
        return advert

    async def connect(self, address: str) -> Connection:
        await self.find(address)
        async with asyncio.timeout(10):
            connection = await self.device.connect(Address(address))
            self.peer = Peer(connection)
            await self.peer.discover_services()
            for service in self.peer.services:
                await service.discover_characteristics()
        return connection

    def pipe(self, uuid: str) -> CharacteristicProxy[bytes]:
        assert self.peer is not None
        (characteristic,) = self.peer.get_characteristics_by_uuid(UUID(uuid.upper()))
        return characteristic

    async def listen(self, *uuids: str) -> None:
        assert self.peer is not None
        for uuid in uuids:
            await self.peer.subscribe(
                self.pipe(uuid), lambda data, uuid=uuid: self.heard.put_nowait((uuid, data)), prefer_notify=False
            )

    async def hears(self) -> tuple[str, bytes]:
        async with asyncio.timeout(10):
            return await self.heard.get()

    async def read(self, uuid: str) -> bytes:
        assert self.peer is not None
        return bytes(await self.peer.read_value(self.pipe(uuid)))

    async def write(self, uuid: str, data: bytes) -> None:
        assert self.peer is not None
        await self.peer.write_value(self.pipe(uuid), data, with_response=True)


@asynccontextmanager
async def central(spec: str) -> AsyncIterator[Central]:
    transport = await open_transport(spec)
    found = Central(transport)
    try:
        async with asyncio.timeout(10):
            await found.device.power_on()
        yield found
    finally:
        await transport.close()
