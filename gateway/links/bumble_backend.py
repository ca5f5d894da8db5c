"""bleak over Bumble: a Bluetooth host in Python, for a virtual radio or a controller that BlueZ does not own.

bleak takes its backend as a class; `BumbleScanner` and `BumbleClient` are those classes, so everything above speaks
bleak's public API and cannot tell the difference. Both are made with `host=`, the host they share
(`gateway.links.bumble_host`).
"""

import asyncio
from typing import Any

from bleak.args import SizedBuffer
from bleak.assigned_numbers import gatt_char_props_to_strs
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str
from bumble import hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement, Connection, Peer

from gateway.links.bumble_host import MOST_SEEN, BumbleHost, as_bleak

LE_MTU = 247


class BumbleScanner(BaseBleakScanner):
    """bleak's scanner over a BumbleHost."""

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: str,
        *,
        host: BumbleHost,
        **_: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._host = host

    async def start(self) -> None:
        self.seen_devices = {}
        await self._host.add(self._on_advertisement)

    async def stop(self) -> None:
        await self._host.remove(self._on_advertisement)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        advert = _advert(advertisement)
        if not self.is_allowed_uuid(advert.service_uuids):
            return
        address = advertisement.address.to_string(with_type_qualifier=False)
        if len(self.seen_devices) > MOST_SEEN:  # telephones change their address for ever
            self.seen_devices.clear()
        device = self.create_or_update_device(address, address, advert.local_name, advertisement.address, advert)
        self.call_detection_callbacks(device, advert)


def _advert(advertisement: Advertisement) -> AdvertisementData:
    kind, data = AdvertisingData.Type, advertisement.data
    uuids = [
        normalize_uuid_str(uuid.to_hex_str("-"))
        for which in (
            kind.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            kind.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS,
            kind.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
            kind.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS,
        )
        for found in data.get_all(which)
        for uuid in found
    ]
    name = data.get(kind.COMPLETE_LOCAL_NAME) or data.get(kind.SHORTENED_LOCAL_NAME)
    service_data = {
        normalize_uuid_str(uuid.to_hex_str("-")): bytes(value)
        for uuid, value in data.get_all(kind.SERVICE_DATA_16_BIT_UUID)
    }
    makers = {int(maker): bytes(value) for maker, value in data.get_all(kind.MANUFACTURER_SPECIFIC_DATA)}
    return AdvertisementData(name, makers, service_data, uuids, None, advertisement.rssi, ())


class BumbleClient(BaseBleakClient):
    """bleak's client over a BumbleHost."""

    def __init__(self, address_or_ble_device: BLEDevice | str, *, host: BumbleHost, **kwargs: Any) -> None:
        super().__init__(address_or_ble_device, **kwargs)
        self._host = host
        self._peer_address: hci.Address = (
            address_or_ble_device.details if isinstance(address_or_ble_device, BLEDevice) else hci.Address(self.address)
        )
        self._connection: Connection | None = None
        self._peer: Peer | None = None
        self._gone = asyncio.Event()

    @property
    def name(self) -> str:
        return self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return int(self._connection.att_mtu) if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    async def connect(self, pair: bool, **kwargs: Any) -> None:
        async with as_bleak():
            async with self._host.connecting:
                connection = await self._host.device.connect_le(self._peer_address, timeout=self._timeout)
            self._connection = connection
            self._gone.clear()
            connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
            self._peer = Peer(connection)
            try:
                if pair:
                    await connection.pair()
                await self._peer.request_mtu(LE_MTU)
                self.services = await _services(self._peer)
            except BaseException:
                await self.disconnect()
                raise

    async def disconnect(self) -> None:
        if self._connection is None:
            return
        async with as_bleak():
            await self._connection.disconnect()
            await self._gone.wait()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Encrypt the link with the bond there is; else make one."""
        connection = self._connected
        bonded = await self._host.bonded(self.address.upper())
        async with as_bleak():
            await (connection.encrypt() if bonded else connection.pair())

    async def unpair(self) -> None:
        await self._host.forget(self.address.upper())

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return await self._read(characteristic.handle)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **kwargs: Any
    ) -> bytearray:
        return await self._read(descriptor.handle)

    async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool) -> None:
        async with as_bleak():
            await self._client.write_value(characteristic.handle, bytes(data), response)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        async with as_bleak():
            await self._client.write_value(descriptor.handle, bytes(data), True)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        def on_value(value: bytes) -> None:
            callback(bytearray(value))

        async with as_bleak():
            await self._client.subscribe(characteristic.obj, on_value)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        async with as_bleak():
            await self._client.unsubscribe(characteristic.obj)

    async def _read(self, handle: int) -> bytearray:
        async with as_bleak():
            return bytearray(await self._client.read_value(handle))

    @property
    def _connected(self) -> Connection:
        if self._connection is None:
            raise BleakError("not connected")
        return self._connection

    @property
    def _client(self) -> Any:
        if self._connection is None or self._peer is None:
            raise BleakError("not connected")
        return self._peer.gatt_client

    def _on_disconnection(self, _: int) -> None:
        if self._connection is None:
            return
        self._connection = self._peer = None
        self._gone.set()
        if self._disconnected_callback is not None:
            self._disconnected_callback()


async def _services(peer: Peer) -> BleakGATTServiceCollection:
    """Every service, characteristic and descriptor of the peer, as bleak's."""
    collection = BleakGATTServiceCollection()
    await peer.discover_services()
    for service in peer.services:
        await service.discover_characteristics()
        ours = BleakGATTService(service, service.handle, _uuid(service.uuid))
        collection.add_service(ours)
        for found in service.characteristics:
            await found.discover_descriptors()
            characteristic = BleakGATTCharacteristic(
                found,
                found.handle,
                _uuid(found.uuid),
                list(gatt_char_props_to_strs(int(found.properties))),
                lambda: int(peer.connection.att_mtu) - 3,
                ours,
            )
            collection.add_characteristic(characteristic)
            for descriptor in found.descriptors:
                collection.add_descriptor(
                    BleakGATTDescriptor(descriptor, descriptor.handle, _uuid(descriptor.type), characteristic)
                )
    return collection


def _uuid(uuid: UUID) -> str:
    return str(normalize_uuid_str(uuid.to_hex_str("-")))
