"""What BlueZ and bleak do when nobody helps them: what works, and the two traps that the gateway is there for."""

import asyncio

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDBusError

from firmware_sim.radio import Radio
from tests.bluez.bluez import Bluez, somebodys_agent
from tests.bluez.devices import Cuff, packet

MEASUREMENT = "00002a35-0000-1000-8000-00805f9b34fb"


async def client(cuff: Cuff, over: asyncio.Event | None = None) -> BleakClient:
    """`over` is set when the device has hung up and all it said before has been heard."""
    device = await BleakScanner.find_device_by_address(cuff.address, 20)
    assert device is not None
    return BleakClient(device, lambda _: over.set() if over else None, timeout=20)


async def test_a_device_is_found_bonded_and_tells(air: Radio, bluez: Bluez) -> None:
    cuff = await Cuff(air, "F0:00:00:00:01:01").start()
    await cuff.measured(118, 121, 130)
    arrived: list[bytes] = []
    async with somebodys_agent(), await client(cuff) as connected:
        await connected.pair()
        await connected.start_notify(MEASUREMENT, lambda _, data: arrived.append(bytes(data)))
        await cuff.told()
    assert arrived == [packet(118), packet(121), packet(130)]
    assert cuff.bonded
    device = await bluez.device(cuff.address)
    assert device
    assert device["Bonded"]
    await cuff.stop()


async def test_without_an_agent_nothing_is_bonded(air: Radio) -> None:
    cuff = await Cuff(air, "F0:00:00:00:01:02").start()
    await cuff.measured(118)
    async with await client(cuff) as connected:
        with pytest.raises(BleakDBusError, match="AuthenticationFailed"):
            await connected.pair()
    assert not cuff.bonded
    await cuff.stop()


async def test_what_a_bonded_device_says_at_once_is_confirmed_and_lost(air: Radio) -> None:
    cuff = await Cuff(air, "F0:00:00:00:01:03").start()
    await cuff.measured(118)
    async with somebodys_agent(), await client(cuff) as connected:
        await connected.pair()
        await connected.start_notify(MEASUREMENT, lambda *_: None)
        await cuff.told()
    await cuff.measured(121, 122, 123)
    arrived: list[bytes] = []
    over = asyncio.Event()
    async with await client(cuff, over) as connected:
        await connected.start_notify(MEASUREMENT, lambda _, data: arrived.append(bytes(data)))
        async with asyncio.timeout(20):
            await over.wait()
    assert cuff.confirmed == [118, 121, 122, 123]
    assert len(arrived) < 3
    await cuff.stop()
