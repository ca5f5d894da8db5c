"""A simulated device on the air: a Bumble peripheral around a firmware.

It advertises while the firmware has news and nobody is connected, and says what the firmware wants said, one at a
time, each confirmed before the next.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from bumble import att, hci
from bumble.core import AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.transport.common import AsyncPipeSink

from firmware_sim.device import Can, Peripheral, Pipe, Refused, Send
from firmware_sim.faults import Path as FaultyPath
from firmware_sim.radio import AirController, Radio

ADVERTISING_INTERVAL_MS = 250

_ALLOWS = {
    Can.READ: (Characteristic.Properties.READ, Characteristic.READABLE),
    Can.WRITE: (Characteristic.Properties.WRITE, Characteristic.WRITEABLE),
    Can.NOTIFY: (Characteristic.Properties.NOTIFY, 0),
    Can.INDICATE: (Characteristic.Properties.INDICATE, 0),
}


class BlePort:
    """The device's stack and its place on the air; `power_on` first, then `run`."""

    def __init__(
        self, radio: Radio, address: str, firmware: Peripheral, path: FaultyPath, now_ns: Callable[[], int]
    ) -> None:
        self._firmware = firmware
        self._path = path
        self._now_ns = now_ns
        self._poked = asyncio.Event()
        self._connection: Connection | None = None
        self._gone = asyncio.Event()
        self._advertising = False
        controller = AirController(firmware.name, link=radio.air)
        self._device = Device(
            config=DeviceConfiguration(
                name=firmware.name,
                address=hci.Address(address),
                advertising_interval_min=ADVERTISING_INTERVAL_MS,
                advertising_interval_max=ADVERTISING_INTERVAL_MS,
                advertising_data=_advert(firmware),
                scan_response_data=b"",
            ),
            host=Host(controller, AsyncPipeSink(controller)),
        )
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._characteristics = {pipe.uuid: self._characteristic(pipe) for pipe in firmware.pipes}
        self._device.add_services(self._services())

    def _services(self) -> list[Service]:
        names = dict.fromkeys(pipe.service for pipe in self._firmware.pipes)
        return [
            Service(name, [self._characteristics[pipe.uuid] for pipe in self._firmware.pipes if pipe.service == name])
            for name in names
        ]

    def _characteristic(self, pipe: Pipe) -> Characteristic[bytes]:
        properties, permissions = Characteristic.Properties(0), att.Attribute.Permissions(0)
        for can, (its_property, its_permission) in _ALLOWS.items():
            if can in pipe.can:
                properties |= its_property
                permissions |= its_permission
        value = CharacteristicValue[bytes](
            read=lambda connection: self._firmware.read(pipe.uuid, self._now_ns()),
            write=lambda connection, data: self._write(pipe.uuid, data),
        )
        characteristic: Characteristic[bytes] = Characteristic(pipe.uuid, properties, permissions, value)
        characteristic.on(
            Characteristic.EVENT_SUBSCRIPTION,
            lambda bearer, notify, indicate: self._on_subscription(pipe.uuid, notify or indicate),
        )
        return characteristic

    def _write(self, pipe: str, data: bytes) -> None:
        try:
            self._firmware.write(pipe, data, self._now_ns())
        except Refused as refused:
            raise att.ATT_Error(error_code=att.ErrorCode(refused.code)) from refused
        self.poke()

    def _on_subscription(self, pipe: str, on: bool) -> None:
        self._firmware.subscribed(pipe, on)
        self.poke()

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        self._gone.clear()
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._firmware.connected()
        self.poke()

    def _on_disconnection(self, reason: int) -> None:
        self._connection = None
        self._gone.set()
        self._firmware.disconnected()
        self.poke()

    def poke(self) -> None:
        """Something may have changed: there may be something to say, or nothing any more."""
        self._poked.set()

    async def power_on(self) -> None:
        """Bring the stack up; before that nothing else."""
        await self._device.power_on()

    async def run(self) -> None:
        """Advertise and talk, until cancelled."""
        try:
            while True:
                self._poked.clear()
                if self._connection is None:
                    await self._advertise(self._firmware.has_news)
                else:
                    await self._talk(self._connection)
                await self._poked.wait()
        finally:
            await _to_the_end(self._device.stop_advertising())

    async def _advertise(self, wanted: bool) -> None:
        if wanted and not self._device.is_advertising:
            await _to_the_end(self._device.start_advertising())
        elif not wanted and self._device.is_advertising:
            await _to_the_end(self._device.stop_advertising())

    async def _talk(self, connection: Connection) -> None:
        told = False
        while self._connection is connection and (send := self._firmware.next_send()) is not None:
            await asyncio.sleep(self._path.pause_s())
            told = await self._indicate(connection, send)
        if told and self._path.faults.hangs_up and self._connection is connection:
            await self._hang_up(connection)

    async def _indicate(self, connection: Connection, send: Send) -> bool:
        """Whether the central confirmed it and is still there."""
        for _ in range(2 if self._path.twice() else 1):
            if not await self._confirmed(connection, send):
                return False
        if self._path.drops():
            await self._hang_up(connection)
            return False
        self._firmware.confirmed(send)
        return True

    async def _confirmed(self, connection: Connection, send: Send) -> bool:
        server = self._device.gatt_server
        indication = asyncio.ensure_future(
            server.indicate_subscriber(connection, self._characteristics[send.pipe], send.data)
        )
        gone = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((indication, gone), return_when=asyncio.FIRST_COMPLETED)
            return indication.done() and not self._gone.is_set() and indication.exception() is None
        finally:
            for task in (indication, gone):
                task.cancel()
            await asyncio.gather(indication, gone, return_exceptions=True)
            if self._gone.is_set():
                server.on_disconnection(connection)

    async def _hang_up(self, connection: Connection) -> None:
        if self._connection is connection:
            await connection.disconnect()


async def _to_the_end(command: Coroutine[Any, Any, None]) -> None:
    """Await a command to the controller even when cancelled: Bumble's host cannot take an answer nobody awaits."""
    task = asyncio.ensure_future(command)
    try:
        await asyncio.shield(task)
    finally:
        await asyncio.wait((task,))


def _advert(firmware: Peripheral) -> bytes:
    services = b"".join(int(uuid, 16).to_bytes(2, "little") for uuid in firmware.advertised)
    general_discoverable_le_only = bytes((0x06,))
    return bytes(
        AdvertisingData(
            [
                (AdvertisingData.Type.FLAGS, general_discoverable_le_only),
                (AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, services),
                (AdvertisingData.Type.COMPLETE_LOCAL_NAME, firmware.name.encode()),
            ]
        )
    )
