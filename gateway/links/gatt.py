"""A device that is connected to: its bond, its pipes, and what comes and goes through them.

    connect → bond → settle → subscribe to the card's pipes → read them

bonding and settling only where the card asks for it. What was read is handed on before what was told: a device that
sends at once does so before its clock was read, by which its record is dated.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from drivers.catalogue import short_uuid
from drivers.contract import Rx
from gateway.clock.steady import steady_ns
from gateway.links.contract import NoPipe
from gateway.links.target import Target
from vitals.clock import Clock
from vitals.errors import LinkError

if TYPE_CHECKING:
    from gateway.links.bluez import BlueZ

CONNECT_S = 15.0
PREPARE_S = 20.0
DISCONNECT_S = 5.0

NO_ANSWER = (BleakError, TimeoutError, OSError, EOFError)
"""What bleak and the D-Bus library below it raise when a device or the radio does not answer."""


class Bonds(Protocol):
    """The bonds that a radio keeps. Addresses are in upper case; each raises BleakError."""

    async def bonded(self, address: str) -> bool:
        """Whether there is one with the device."""

    async def bond(self, address: str, client: BleakClient) -> None:
        """Make one with the device, to which `client` is connected; or make the link use the one there is."""

    async def forget(self, address: str) -> bool:
        """Throw it away; False when there was none."""


class PipesMissing(LinkError):
    """A device has none of its card's pipes."""


class BleConnection:
    """A connected device. Pipes are named as the card spells them."""

    def __init__(
        self,
        target: Target,
        options: Mapping[str, Any],
        clock: Clock,
        bonds: Bonds | None = None,
        bluez: "BlueZ | None" = None,
    ) -> None:
        self._card = target.card
        self._address = target.address
        self._clock = clock
        self._bonds = bonds
        self._bluez = bluez
        self._inbox = target.open_inbox()
        self._client = BleakClient(
            target.device or target.address,
            disconnected_callback=lambda _: self._on_gone(),
            timeout=CONNECT_S,
            **options,
        )

    async def prepare(self) -> None:
        """Connect, then subscribe, then read: a device that sends as soon as it may finds us listening."""
        if self._bluez:
            self._bluez.gone.add(self._on_gone)
            await self._bluez.connect(self._address)
        async with asyncio.timeout(CONNECT_S + DISCONNECT_S):  # bleak's own limit first: it then tidies up
            await self._client.connect()
        async with asyncio.timeout(PREPARE_S):
            if self._card.pair:
                await self._bond()
            await asyncio.sleep(self._card.settle_s)
            if self._card.notify and not any(map(self._find, self._card.notify)):
                raise PipesMissing(f"{self._address} has no pipe of a {self._card.name}", "see its driver and address")
            await self._subscribe()
            await self._read()

    async def _bond(self) -> None:
        if self._bonds:
            await self._bonds.bond(self._address, self._client)
            return
        # A system that pairs by itself, when it meets what is protected, has no such call.
        with contextlib.suppress(NotImplementedError):
            await self._client.pair()

    async def _subscribe(self) -> None:
        """To each pipe once: what stands already would be told twice."""
        standing = await self._bluez.subscribed(self._address) if self._bluez else set()
        for pipe in self._card.notify:
            characteristic = self._find(pipe)
            if characteristic and short_uuid(pipe) not in standing:
                await self._client.start_notify(characteristic, self._listener(pipe))

    async def _read(self) -> None:
        """Before what the device told meanwhile; with that even if it is gone before all is read."""
        read: list[Rx] = []
        try:
            for pipe in self._card.read:
                if characteristic := self._find(pipe):
                    data = await self._client.read_gatt_char(characteristic)
                    read.append(Rx(pipe, bytes(data), self._clock.now_ns(), steady_ns()))
        except BaseException:
            if self._inbox.waits:
                self._inbox.lead(read)
            raise
        self._inbox.lead(read)

    def waiting(self) -> list[Rx]:
        return self._inbox.waiting()

    async def receive(self) -> list[Rx]:
        return await self._inbox.receive()

    async def send(self, pipe: str, data: bytes) -> None:
        characteristic = self._find(pipe) if self._client.is_connected else None
        if characteristic is None:
            if self._inbox.ended:
                raise self._inbox.ended
            raise NoPipe(f"{self._address} has no pipe {pipe}", f"see that it is a {self._card.model}")
        try:
            await self._client.write_gatt_char(characteristic, data)
        except NO_ANSWER as error:
            raise LinkError(f"{self._address} did not take a write to {pipe} ({error})", "it is tried again") from error

    async def close(self) -> None:
        self._inbox.end(LinkError(f"the connection to {self._address} was closed", "connect again"))
        if self._bluez:
            self._bluez.gone.discard(self._on_gone)
        with contextlib.suppress(*NO_ANSWER):
            async with asyncio.timeout(DISCONNECT_S):
                await self._client.disconnect()

    def _find(self, pipe: str) -> BleakGATTCharacteristic | None:
        for characteristic in self._client.services.characteristics.values():
            if short_uuid(characteristic.uuid) == short_uuid(pipe):
                return characteristic
        return None

    def _listener(self, pipe: str) -> Any:
        def on_value(_: BleakGATTCharacteristic, data: bytearray) -> None:
            self._inbox.put(Rx(pipe, bytes(data), self._clock.now_ns(), steady_ns()))

        return on_value

    def _on_gone(self) -> None:
        self._inbox.end(LinkError(f"{self._address} ended the connection", "it is visited when it advertises again"))
