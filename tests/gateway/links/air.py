"""What the tests of Bluetooth meet on the virtual air: a peripheral of a few lines, and a controller behind a socket.

The gateway's host speaks HCI over a Unix socket, as it does to a controller of its own, so that the socket can die.
"""

import asyncio
from pathlib import Path

import msgspec
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection as BumbleConnection
from bumble.device import Device
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, StreamPacketSink, StreamPacketSource

from gateway.spool.store import Spool
from vitals.block import Block
from vitals.wire import Row

ADDRESS = "F0:00:00:00:00:01"
STRANGER = "F0:00:00:00:00:02"


class Socket:
    """A Unix socket with a controller on the virtual link behind each connection."""

    def __init__(self, path: Path, link: LocalLink) -> None:
        self._path = path
        self._link = link
        self._server: asyncio.Server | None = None
        self._open: list[asyncio.BaseTransport] = []

    @property
    def spec(self) -> str:
        return f"unix:{self._path}"

    async def start(self) -> None:
        def accept() -> StreamPacketSource:
            return _Accepted(self._link, self._open)

        self._server = await asyncio.get_running_loop().create_unix_server(accept, str(self._path))

    async def kill(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in self._open:
            transport.close()
        self._open.clear()
        await self._server.wait_closed()


class _Accepted(StreamPacketSource):  # type: ignore[misc]
    def __init__(self, link: LocalLink, open_: list[asyncio.BaseTransport]) -> None:
        super().__init__()
        self._link = link
        self._open = open_

    def connection_made(self, transport: asyncio.Transport) -> None:
        self._open.append(transport)
        self._controller = Controller(
            "gateway", host_source=self, host_sink=StreamPacketSink(transport), link=self._link
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._link.controllers.discard(self._controller)


class Peripheral:
    """An oximeter that indicates `packets` to whoever subscribes, takes writes, and can be read."""

    def __init__(self, link: LocalLink, address: str) -> None:
        controller = Controller("device", link=link)
        self._device = Device("Oxi", Address(address), host=Host(controller, AsyncPipeSink(controller)))
        self.written: asyncio.Queue[bytes] = asyncio.Queue()
        self.packets: list[bytes] = []
        self._indicating = asyncio.Lock()
        self._value: Characteristic[bytes] = Characteristic(
            "2A5F", Characteristic.Properties.INDICATE, Characteristic.READABLE, b""
        )
        self._battery: Characteristic[bytes] = Characteristic(
            "2A19", Characteristic.Properties.READ, Characteristic.READABLE, b"l88"
        )
        self._control: Characteristic[bytes] = Characteristic(
            "2A52",
            Characteristic.Properties.WRITE,
            Characteristic.WRITEABLE,
            CharacteristicValue(write=lambda _, value: self.written.put_nowait(bytes(value))),
        )
        self._device.add_services([Service("1822", [self._value, self._battery, self._control])])
        self._device.on("connection", self._on_connection)
        self.happened: list[str] = []
        self.encrypted: list[bool] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.connection: BumbleConnection | None = None

    async def start(self) -> "Peripheral":
        await self._device.power_on()
        data = AdvertisingData(
            [
                (AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, bytes(UUID("1822"))),
                (AdvertisingData.COMPLETE_LOCAL_NAME, b"Oxi"),
            ]
        )
        self._device.advertising_data = bytes(data)
        await self.advertise()
        return self

    async def advertise(self) -> None:
        await self._device.start_advertising(advertising_interval_min=20, advertising_interval_max=20)

    def forget(self) -> None:
        """Lose every bond, as a reset does."""
        self._device.keystore = MemoryKeyStore()

    async def hang_up(self) -> None:
        assert self.connection is not None
        await self.connection.disconnect()

    def _on_connection(self, connection: BumbleConnection) -> None:
        self.connection = connection
        self.happened.append("connected")
        connection.on("pairing", lambda _: self.happened.append("bonded"))
        self._value.on("subscription", self._on_subscription)

    def _on_subscription(self, bearer: object, notify: bool, indicate: bool) -> None:
        if indicate:
            self.happened.append("subscribed")
            self.encrypted.append(bool(self.connection and self.connection.is_encrypted))
            task = asyncio.get_running_loop().create_task(self._indicate())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _indicate(self) -> None:
        async with self._indicating:
            while self.packets:
                await self._device.indicate_subscribers(self._value, self.packets.pop(0))


async def blocks(spool: Spool, count: int) -> list[Block]:
    """All blocks, when there are that many."""
    news = asyncio.Event()
    spool.on_stored = news.set
    while True:
        rows = [msgspec.json.decode(row.json, type=Row).what for row in await spool.take(0, 100)]
        if len(rows) >= count:
            return [row for row in rows if isinstance(row, Block)]
        async with asyncio.timeout(10):
            await news.wait()
        news.clear()
