"""Bluetooth devices of a few lines for the proofs, whose trouble is not the simulator's to have.

A `Cuff` is a blood pressure monitor in the manner of the A&D UA-651: it is bonded once, and from then on it trusts
that whoever holds its bond still listens. It advertises when it has measured, and indicates a moment after the link is
encrypted, whether or not anyone has subscribed again. What is confirmed it forgets, as such devices do; what was
confirmed and did not arrive is lost for good. That is the trap the gateway must not fall into.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from bumble import hci
from bumble.core import AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, Service
from bumble.host import Host
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig
from bumble.transport.common import AsyncPipeSink

from firmware_sim.radio import AirController, Radio

_ADVERTISING_INTERVAL_MS = 100
_CONFIRMED_WITHIN_S = 10.0
_PROPERTIES = Characteristic.Properties


class Cuff:
    """`await start()` first, `await stop()` last.

    after_s: when it sends its first, second, third … measurement, in seconds after it may: after the link is
    encrypted (once bonded), or after it was subscribed to. dated: it has a clock, so that no two measurements are
    alike. `confirmed` is what it believes it delivered, `stored` how much of that a proof found in the spool.
    """

    def __init__(
        self,
        radio: Radio,
        address: str,
        *,
        after_s: Sequence[float] = (0, 0.05, 0.2),
        dated: bool = True,
    ) -> None:
        self.address = address
        self.waiting: list[int] = []
        self.confirmed: list[int] = []
        self.stored = 0
        self.after_s = after_s
        self._bonds = MemoryKeyStore()
        self._dated = dated
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        controller = AirController("cuff", link=radio.air)
        self._device = Device(
            config=DeviceConfiguration(
                name="A&D_UA-651BLE_0001",
                address=hci.Address(address),
                advertising_interval_min=_ADVERTISING_INTERVAL_MS,
                advertising_interval_max=_ADVERTISING_INTERVAL_MS,
                advertising_data=_ADVERT,
            ),
            host=Host(controller, AsyncPipeSink(controller)),
        )
        self._device.keystore = self._bonds
        self._device.pairing_config_factory = lambda _: PairingConfig(mitm=False)
        self._measurement: Characteristic[bytes] = Characteristic(
            "2A35", _PROPERTIES.INDICATE, Characteristic.READ_REQUIRES_ENCRYPTION
        )
        clock: Characteristic[bytes] = Characteristic(
            "2A08",
            _PROPERTIES.READ | _PROPERTIES.WRITE,
            Characteristic.READABLE
            | Characteristic.WRITEABLE
            | Characteristic.READ_REQUIRES_ENCRYPTION
            | Characteristic.WRITE_REQUIRES_ENCRYPTION,
            bytes(7),
        )
        self._device.add_services([Service("1810", [self._measurement, clock])])
        self._device.on(Device.EVENT_CONNECTION, self._on_connection)
        self._measurement.on(Characteristic.EVENT_SUBSCRIPTION, self._on_subscription)
        self._connection: Connection | None = None
        self._talking: asyncio.Task[None] | None = None

    async def start(self) -> "Cuff":
        await self._device.power_on()
        return self

    async def stop(self) -> None:
        """Switch it off. A command to its controller is awaited to the end: Bumble cannot take an answer to nobody."""
        if self._talking:
            self._talking.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._device.stop_advertising()

    async def measured(self, *systolic: int) -> None:
        """It has new measurements: it advertises until somebody comes."""
        self.waiting += systolic
        if self._connection is None:
            await self._device.start_advertising()

    def forget(self) -> None:
        """Lose every bond, as a reset or a dead battery does."""
        self._bonds.all_keys.clear()

    @property
    def bonded(self) -> bool:
        return bool(self._bonds.all_keys)

    async def told(self, within_s: float = 60) -> None:
        """Wait until everything is confirmed and the connection is over; raises TimeoutError."""
        async with asyncio.timeout(within_s), self._changed:
            await self._changed.wait_for(lambda: not self.waiting and self._connection is None)

    def _on_connection(self, connection: Connection) -> None:
        self._connection = connection
        connection.on(Connection.EVENT_DISCONNECTION, self._on_disconnection)
        connection.on(Connection.EVENT_CONNECTION_ENCRYPTION_CHANGE, self._on_encryption)
        self._known = self.bonded

    def _on_encryption(self) -> None:
        if self._known:
            self._speak()

    def _on_subscription(self, bearer: object, notify: bool, indicate: bool) -> None:
        if indicate and self._connection and self._connection.is_encrypted:
            self._speak()

    def _speak(self) -> None:
        if self._talking is None and self._connection:
            self._talking = self._task(self._talk(self._connection))

    async def _talk(self, connection: Connection) -> None:
        began_s = asyncio.get_running_loop().time()
        after_s = iter(self.after_s)
        while self.waiting:
            await asyncio.sleep(max(0, began_s + next(after_s, 0) - asyncio.get_running_loop().time()))
            await self._indicate(connection, packet(self.waiting[0], self._dated))
            self.confirmed.append(self.waiting.pop(0))
        await asyncio.sleep(0.3)
        await connection.disconnect()

    async def _indicate(self, connection: Connection, data: bytes) -> None:
        async with asyncio.timeout(_CONFIRMED_WITHIN_S):
            await self._device.gatt_server.indicate_subscriber(connection, self._measurement, data, force=True)

    def _on_disconnection(self, reason: int) -> None:
        self._connection = None
        if self._talking:
            self._talking.cancel()
            self._talking = None
        self._task(self._afterwards())

    async def _afterwards(self) -> None:
        if self.waiting:
            await self._device.start_advertising()
        async with self._changed:
            self._changed.notify_all()

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def packet(systolic: int, dated: bool = True) -> bytes:
    """2A35 in mmHg, with the pulse; the minute and second of the date are the systolic value's, so that each is another
    record."""
    date = bytes((0xEA, 0x07, 11, 21, 8, systolic // 60, systolic % 60)) if dated else b""
    flags = (0x02 if dated else 0) | 0x04
    return bytes((flags, systolic, 0, 60, 0, 80, 0)) + date + bytes((66, 0))


_ADVERT = bytes(
    AdvertisingData(
        [
            (AdvertisingData.Type.FLAGS, bytes((0x06,))),
            (AdvertisingData.Type.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS, bytes.fromhex("1018")),
            (AdvertisingData.Type.SHORTENED_LOCAL_NAME, b"A&D_UA-651"),
        ]
    )
)
