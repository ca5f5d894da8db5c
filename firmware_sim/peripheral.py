"""A simulated device on the air: a Bumble peripheral around a firmware, or an advertiser that nobody connects to.

A peripheral advertises while the firmware has news and nobody is connected, and says what the firmware wants said, one
at a time, each confirmed before the next. A notification has no confirmation: it counts as heard when it has left.

A device that `bonds` tells its `bonded` pipes nothing until the link is encrypted; a central that asks is refused with
"insufficient authentication", which is what makes a host pair. With "passkey" the device shows six digits, as a
happening that a person (or a test) reads and types; a bond made without them is no bond. Bonds live as long as the
simulator, or until the device forgets them. A central that kept its half then finds that the key is missing.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from bumble import att, hci
from bumble.core import AdvertisingData
from bumble.device import AdvertisingType, Connection, Device, DeviceConfiguration
from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR as CONFIGURATION
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.host import Host
from bumble.keys import PairingKeys
from bumble.ll import ConnectInd
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport.common import AsyncPipeSink

from firmware_sim.device import Broadcaster, Can, Happening, Peripheral, Pipe, Refused, Send
from firmware_sim.faults import Path as FaultyPath
from firmware_sim.radio import AirController, Radio

ADVERTISING_INTERVAL_MS = 250

See = Callable[[Iterable[Happening]], None]

_SHORT_UUID = 4
_SHOWN_DIGITS = 6

_ALLOWS = {
    Can.READ: (Characteristic.Properties.READ, Characteristic.READABLE),
    Can.WRITE: (Characteristic.Properties.WRITE, Characteristic.WRITEABLE),
    Can.NOTIFY: (Characteristic.Properties.NOTIFY, 0),
    Can.INDICATE: (Characteristic.Properties.INDICATE, 0),
}
_ONLY_BONDED = {
    att.Attribute.READABLE: att.Attribute.READ_REQUIRES_AUTHENTICATION,
    att.Attribute.WRITEABLE: att.Attribute.WRITE_REQUIRES_AUTHENTICATION,
}
"""Bumble holds the link authenticated once it is encrypted, and refuses with the error a real device refuses with."""


class BlePort:
    """The device's stack and its place on the air; `power_on` first, then `run`.

    `heard` is called when the central has written something, before that is confirmed: what the device shall remember
    of it is then on its disk.
    """

    def __init__(
        self,
        radio: Radio,
        address: str,
        firmware: Peripheral,
        path: FaultyPath,
        now_ns: Callable[[], int],
        see: See,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._firmware = firmware
        self._path = path
        self._now_ns = now_ns
        self._see = see
        self._heard = heard
        self._hangs_up = firmware.hangs_up or path.faults.hangs_up
        self._hears_from_s = 0.0
        self._poked = asyncio.Event()
        self._connection: Connection | None = None
        self._gone = asyncio.Event()
        self._chores: set[asyncio.Future[None]] = set()
        self._device = _device(firmware.name, address, AirController(firmware.name, link=radio.air), _advert(firmware))
        self._device.pairing_config_factory = lambda connection: self._pairing()
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._characteristics = {pipe.uuid: self._characteristic(pipe) for pipe in firmware.pipes}
        self._device.add_services(self._services())
        self._protect_subscriptions()

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
        if pipe.bonded:
            permissions |= _protection(permissions)
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
        self._heard()
        self.poke()

    def _protect_subscriptions(self) -> None:
        """A pipe that is for the bonded alone is so when it is subscribed to as well."""
        for service in self._device.gatt_server.services:
            for characteristic in service.characteristics:
                bonded = any(pipe.bonded and self._characteristics[pipe.uuid] is characteristic for pipe in self._pipes)
                ours = range(characteristic.handle, characteristic.end_group_handle + 1)
                for attribute in self._device.gatt_server.attributes:
                    if bonded and attribute.handle in ours and attribute.type == CONFIGURATION:
                        attribute.permissions |= _ONLY_BONDED[att.Attribute.WRITEABLE]

    @property
    def _pipes(self) -> Sequence[Pipe]:
        return self._firmware.pipes

    def _on_subscription(self, pipe: str, on: bool) -> None:
        if asyncio.get_running_loop().time() < self._hears_from_s:
            return
        self._firmware.subscribed(pipe, on)
        self.poke()

    # Bonds

    def _pairing(self) -> PairingConfig:
        passkey = self._firmware.bonds == "passkey"
        return PairingConfig(mitm=passkey, bonding=bool(self._firmware.bonds), delegate=_Owner(passkey, self._show))

    def _show(self, digits: str) -> None:
        self._see([Happening(self._now_ns(), "shows passkey", {"passkey": digits})])

    def _on_pairing(self, keys: PairingKeys) -> None:
        if self._firmware.bonds == "passkey" and not (keys.ltk and keys.ltk.authenticated):
            chore = asyncio.ensure_future(self._forget("refused a bond"))
            self._chores.add(chore)
            chore.add_done_callback(self._chores.discard)
        elif self._firmware.bonds:
            self._see([Happening(self._now_ns(), "bonded")])

    async def forget_bonds(self) -> None:
        """The device forgets whom it was bonded with, and ends the connection."""
        await self._forget("forgot its bond")

    async def _forget(self, what: str) -> None:
        if self._device.keystore:
            await self._device.keystore.delete_all()
        if self._connection is not None:
            await self._hang_up(self._connection)
        self._see([Happening(self._now_ns(), what)])

    # The connection

    @property
    def connected(self) -> bool:
        """Whether a central is there."""
        return self._connection is not None

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        self._gone.clear()
        self._hears_from_s = asyncio.get_running_loop().time() + self._firmware.deaf_s
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        connection.on(Connection.EVENT_PAIRING, self._on_pairing)
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
            await asyncio.gather(*self._chores, return_exceptions=True)
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
        if told and self._hangs_up:
            await self._hang_up(connection)

    async def _indicate(self, connection: Connection, send: Send) -> bool:
        """Whether the central confirmed it and is still there."""
        packets = [*self._path.damaged(send.data), *[send.data] * (2 if self._path.twice() else 1)]
        for packet in packets:
            if not await self._confirmed(connection, send.pipe, packet):
                return False
        if self._path.drops():
            await self._hang_up(connection)
            return False
        self._firmware.confirmed(send)
        return True

    async def _confirmed(self, connection: Connection, pipe: str, data: bytes) -> bool:
        server, characteristic = self._device.gatt_server, self._characteristics[pipe]
        indicates = characteristic.properties & Characteristic.Properties.INDICATE
        tell = server.indicate_subscriber if indicates else server.notify_subscriber
        indication = asyncio.ensure_future(tell(connection, characteristic, data))
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


class AdvertPort:
    """A device that nobody connects to: what it measured stands in its adverts. `power_on` first, then `run`."""

    def __init__(self, radio: Radio, address: str, firmware: Broadcaster) -> None:
        self._firmware = firmware
        self._poked = asyncio.Event()
        self._device = _device(firmware.name, address, _Aloof(firmware.name, link=radio.air), b"")

    def poke(self) -> None:
        """What it advertises may have changed."""
        self._poked.set()

    async def power_on(self) -> None:
        """Bring the stack up; before that nothing else."""
        await self._device.power_on()

    async def run(self) -> None:
        """Advertise, until cancelled."""
        on_air = None
        try:
            while True:
                self._poked.clear()
                told = self._firmware.advert()
                if told != on_air:
                    on_air = told
                    await _to_the_end(self._advertise(told))
                await self._poked.wait()
        finally:
            await _to_the_end(self._device.stop_advertising())

    async def _advertise(self, told: tuple[str, bytes] | None) -> None:
        await self._device.stop_advertising()
        if told:
            uuid, data = told
            service_data = (AdvertisingData.Type.SERVICE_DATA_16_BIT_UUID, _little_endian(uuid) + data)
            advert = _packed(self._firmware.name, (uuid,), service_data)
            await self._device.start_advertising(AdvertisingType.UNDIRECTED, advertising_data=advert)


class _Aloof(AirController):
    """Bumble's controller takes a connection by any advert; one that is not connectable must not."""

    def on_le_connect_ind(self, packet: ConnectInd) -> None:
        """Nobody is there."""


class _Owner(PairingDelegate):
    """What a device without a keyboard can do when it is paired: nothing, or show six digits."""

    def __init__(self, passkey: bool, show: Callable[[str], None]) -> None:
        super().__init__(self.DISPLAY_OUTPUT_ONLY if passkey else self.NO_OUTPUT_NO_INPUT)
        self._show = show

    async def display_number(self, number: int, digits: int) -> None:
        self._show(f"{number:0{_SHOWN_DIGITS}}")


def _device(name: str, address: str, controller: AirController, advert: bytes) -> Device:
    return Device(
        config=DeviceConfiguration(
            name=name,
            address=hci.Address(address),
            advertising_interval_min=ADVERTISING_INTERVAL_MS,
            advertising_interval_max=ADVERTISING_INTERVAL_MS,
            advertising_data=advert,
            scan_response_data=b"",
        ),
        host=Host(controller, AsyncPipeSink(controller)),
    )


def _protection(permissions: att.Attribute.Permissions) -> att.Attribute.Permissions:
    """What of these is for the bonded alone."""
    wanted = att.Attribute.Permissions(0)
    for permission, protected in _ONLY_BONDED.items():
        wanted |= protected if permission & permissions else 0
    return wanted


def _advert(firmware: Peripheral) -> bytes:
    return _packed(firmware.name, firmware.advertised)


def _packed(name: str, services: Sequence[str], *more: tuple[int, bytes]) -> bytes:
    """An advert. A real device splits what is longer than 31 bytes between its advert and its scan response, and a
    scanner puts the two together; here all stands in one."""
    general_discoverable_le_only = bytes((0x06,))
    short, full = (
        b"".join(_little_endian(uuid) for uuid in services if (len(uuid) == _SHORT_UUID) is is_short)
        for is_short in (True, False)
    )
    parts = (
        (AdvertisingData.Type.FLAGS, general_discoverable_le_only),
        (AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, short),
        (AdvertisingData.Type.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, full),
        (AdvertisingData.Type.COMPLETE_LOCAL_NAME, name.encode()),
        *more,
    )
    return bytes(AdvertisingData([(kind, data) for kind, data in parts if data]))


def _little_endian(uuid: str) -> bytes:
    return bytes.fromhex(uuid.replace("-", ""))[::-1]
