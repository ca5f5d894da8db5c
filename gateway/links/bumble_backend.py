"""bleak over Bumble: a Bluetooth host in Python, for a virtual radio or a controller that BlueZ does not own.

bleak takes its backend as a class; `BumbleScanner` and `BumbleClient` are those classes, so everything above speaks
bleak's public API and cannot tell the difference. Both are made with `host=`, the `BumbleHost` they share.

The host outlives its controller: when the HCI transport dies, every connection is reported as lost, the transport is
opened again with growing pauses, and whoever was scanning is scanning again.

The host's own address is random, on purpose: Bumble's virtual link always stamps the random address on data packets,
so a controller known by its public address never gets an answer. Where bonds are kept (`gateway.links.bumble_bonds`)
it stays the same for as long as they do.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from bleak import BleakClient
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
from bumble.att import ATT_Error
from bumble.core import UUID, AdvertisingData, BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration, Peer
from bumble.host import Host
from bumble.keys import KeyStore
from bumble.pairing import PairingConfig
from bumble.transport import open_transport
from bumble.transport.common import Transport

from gateway.backoff import Backoff
from gateway.links.bumble_bonds import BondFile, Person, own_address
from gateway.links.contract import Ask

RETRY_MOST_S = 10.0
POWER_ON_S = 10.0
READY_S = 5.0
MOST_SEEN = 256
LE_MTU = 247

log = logging.getLogger(__name__)


class BumbleHost:
    """A Bumble host over a transport that may die; `run()` keeps it alive.

    `bonds`: the file it keeps its bonds in; without, they last as long as the transport. `ask`: gives the digits that
    a device shows, where there is a person to read them. Raises ConfigError when the file is damaged.
    """

    def __init__(self, transport: str, bonds: Path | None = None, ask: Ask | None = None) -> None:
        self._spec = transport
        self._bonds = bonds
        self._ask = ask
        self._address = own_address(bonds)
        self._device: Device | None = None
        self._scanners: list[BumbleScanner] = []
        self.ready = asyncio.Event()
        self.connecting = asyncio.Lock()
        """Bumble takes one pending connection at a time."""

    async def run(self) -> None:
        """Open the transport, and again whenever it dies, for ever."""
        backoff = Backoff(RETRY_MOST_S)
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    transport = await open_transport(self._spec)
                    stack.push_async_callback(_closed, transport)
                    await self._power_on(transport)
                    stack.callback(self._power_lost)
                    backoff.reset()
                    await transport.source.terminated
            except (OSError, BaseBumbleError, BleakError) as error:
                log.debug("HCI transport: %s", error)
            log.warning("the radio at %s is gone: tried again", self._spec)
            await asyncio.sleep(backoff.next_s())

    @property
    def device(self) -> Device:
        """The host's Bumble device; raises BleakError while the transport is down."""
        if self._device is None:
            raise BleakError(f"the radio at {self._spec} is not there")
        return self._device

    async def bonded(self, address: str) -> bool:
        """Whether we hold a bond with the device."""
        return bool(await self._bonds_with(address))

    async def bond(self, address: str, client: BleakClient) -> None:
        """Make a bond with the device `client` is connected to, or encrypt the link with the one there is."""
        await client.pair()

    async def forget(self, address: str) -> bool:
        """Throw our half of the bond away; False when there was none."""
        names = await self._bonds_with(address)
        for name in names:
            await self._keys().delete(name)
        return bool(names)

    async def _bonds_with(self, address: str) -> list[str]:
        """Bumble's names for the device: its address and, for one that is not random, what kind it is."""
        return [name for name, _ in await self._keys().get_all() if name.partition("/")[0].upper() == address]

    def _keys(self) -> KeyStore:
        keys = self.device.keystore
        assert keys is not None, "a host that is powered on has a key store"
        return keys

    async def add(self, scanner: "BumbleScanner") -> None:
        """Scan for this scanner too; waits READY_S for a radio that is on its way, then raises BleakError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                await self.ready.wait()
        device = self.device
        if not self._scanners:
            await _scan(device)
        self._scanners.append(scanner)

    async def remove(self, scanner: "BumbleScanner") -> None:
        if scanner in self._scanners:
            self._scanners.remove(scanner)
            if not self._scanners and self._device is not None:
                async with _as_bleak():
                    await self._device.stop_scanning()

    async def _power_on(self, transport: Transport) -> None:
        config = DeviceConfiguration(name="hjemvakt", address=self._address)
        device = Device(config=config, host=Host(transport.source, transport.sink))
        if self._bonds:
            device.keystore = BondFile(str(self._address), str(self._bonds))
        if ask := self._ask:
            device.pairing_config_factory = lambda _: PairingConfig(delegate=Person(ask))
        async with asyncio.timeout(POWER_ON_S):
            async with _as_bleak():
                await device.power_on()
            device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
            if self._scanners:
                await _scan(device)
        self._device = device
        self.ready.set()

    def _power_lost(self) -> None:
        self.ready.clear()
        device, self._device = self._device, None
        if device is not None:
            for connection in list(device.connections.values()):
                connection.emit(Connection.EVENT_DISCONNECTION, 0)

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        if self._device is not None and len(self._device.advertisement_accumulators) > MOST_SEEN:
            self._device.advertisement_accumulators.clear()
        for scanner in list(self._scanners):
            scanner.on_advertisement(advertisement)


async def _closed(transport: Transport) -> None:
    with contextlib.suppress(OSError, BaseBumbleError):
        await transport.close()


async def _scan(device: Device) -> None:
    async with _as_bleak():
        await device.start_scanning(filter_duplicates=False)


@contextlib.asynccontextmanager
async def _as_bleak() -> AsyncIterator[None]:
    """Bumble's errors as bleak's, and cancellation as it was meant.

    When a connection breaks, Bumble cancels the future of the request under way: a cancellation that nobody asked of
    this task, which becomes an error. And it waits with `asyncio.wait_for`, which in Python 3.11 swallows a
    cancellation that comes in the instant its future is done: one that was asked for is raised again here, or the
    gateway would not stop.
    """
    task = asyncio.current_task()
    asked_before = task.cancelling() if task else 0
    try:
        yield
    except BumbleTimeout as error:
        raise TimeoutError(str(error)) from error
    except (BaseBumbleError, ATT_Error) as error:
        raise BleakError(f"{type(error).__name__}: {error}") from error
    except asyncio.CancelledError as error:
        if task and task.cancelling() > asked_before:
            raise
        raise BleakError("the connection broke") from error
    if task and task.cancelling() > asked_before:
        raise asyncio.CancelledError


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
        await self._host.add(self)

    async def stop(self) -> None:
        await self._host.remove(self)

    def on_advertisement(self, advertisement: Advertisement) -> None:
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
        async with _as_bleak():
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
        async with _as_bleak():
            await self._connection.disconnect()
            await self._gone.wait()

    async def pair(self, *args: Any, **kwargs: Any) -> None:
        """Encrypt the link with the bond there is; else make one."""
        connection = self._connected
        bonded = await self._host.bonded(self.address.upper())
        async with _as_bleak():
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
        async with _as_bleak():
            await self._client.write_value(characteristic.handle, bytes(data), response)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        async with _as_bleak():
            await self._client.write_value(descriptor.handle, bytes(data), True)

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **kwargs: Any
    ) -> None:
        def on_value(value: bytes) -> None:
            callback(bytearray(value))

        async with _as_bleak():
            await self._client.subscribe(characteristic.obj, on_value)

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        async with _as_bleak():
            await self._client.unsubscribe(characteristic.obj)

    async def _read(self, handle: int) -> bytearray:
        async with _as_bleak():
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
