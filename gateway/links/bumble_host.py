"""A Bumble host over a controller that may die.

The host outlives its controller: when the HCI transport dies, every connection is reported as lost, the transport is
opened again with growing pauses, and whoever was scanning is scanning again.

The host's own address is random, on purpose: Bumble's virtual link always stamps the random address on data packets,
so a controller known by its public address never gets an answer. Where bonds are kept (`gateway.links.bumble_bonds`)
it stays the same for as long as they do.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bleak import BleakClient
from bleak.exc import BleakError
from bumble.att import ATT_Error
from bumble.core import BaseBumbleError
from bumble.core import TimeoutError as BumbleTimeout
from bumble.device import Advertisement, Connection, Device, DeviceConfiguration
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
"""Devices remembered by their adverts: telephones change their address for ever."""

Hear = Callable[[Advertisement], None]

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
        self._hearers: list[Hear] = []
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

    async def add(self, hear: Hear) -> None:
        """Scan, and give this each advert too; waits READY_S for a radio that is on its way, then raises BleakError."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_S):
                await self.ready.wait()
        device = self.device
        if not self._hearers:
            await _scan(device)
        self._hearers.append(hear)

    async def remove(self, hear: Hear) -> None:
        """Give it no more, and scan for as long as there is another."""
        if hear in self._hearers:
            self._hearers.remove(hear)
            if not self._hearers and self._device is not None:
                async with as_bleak():
                    await self._device.stop_scanning()

    async def _power_on(self, transport: Transport) -> None:
        config = DeviceConfiguration(name="hjemvakt", address=self._address)
        device = Device(config=config, host=Host(transport.source, transport.sink))
        if self._bonds:
            device.keystore = BondFile(str(self._address), str(self._bonds))
        if ask := self._ask:
            device.pairing_config_factory = lambda _: PairingConfig(delegate=Person(ask))
        async with asyncio.timeout(POWER_ON_S):
            async with as_bleak():
                await device.power_on()
            device.on(Device.EVENT_ADVERTISEMENT, self._on_advertisement)
            if self._hearers:
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
        for hear in list(self._hearers):
            hear(advertisement)


async def _closed(transport: Transport) -> None:
    with contextlib.suppress(OSError, BaseBumbleError):
        await transport.close()


async def _scan(device: Device) -> None:
    async with as_bleak():
        await device.start_scanning(filter_duplicates=False)


@contextlib.asynccontextmanager
async def as_bleak() -> AsyncIterator[None]:
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
