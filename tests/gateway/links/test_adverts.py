"""Devices that are only listened to, over the virtual radio: unmodified bleak, and a scale of a few lines."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Device
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink

from drivers.contract import Driver, Link
from drivers.xiaomi_scale import MiScale
from gateway.config.file import load
from gateway.links.ble import Radio
from gateway.links.bumble_backend import BumbleClient, BumbleScanner
from gateway.links.bumble_host import BumbleHost
from gateway.links.contract import MOST_WAITING
from gateway.links.target import Overheard, Target
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.session import Session
from tests.gateway.links.air import ADDRESS, STRANGER, blocks
from vitals.clock import RunningClock
from vitals.errors import ConfigError, LinkError

STABLE = bytes.fromhex("229e43e507040b101301")
REMOVED = bytes.fromhex("a29e43e507040b101301")
NEXT = bytes.fromhex("229a38e507040b101437")


class Scale:
    """Puts what it weighs into its adverts; nobody may connect to it without being noticed."""

    def __init__(self, link: LocalLink, address: str) -> None:
        controller = Controller("scale", link=link)
        self._device = Device("MI_SCALE", Address(address), host=Host(controller, AsyncPipeSink(controller)))
        self._device.on("connection", lambda _: self.connected.set())
        self.connected = asyncio.Event()

    async def start(self, told: bytes | None) -> "Scale":
        await self._device.power_on()
        await self.tell(told)
        return self

    async def tell(self, told: bytes | None) -> None:
        fields = [(AdvertisingData.COMPLETE_LOCAL_NAME, b"MI_SCALE")]
        if told is not None:
            fields.append((AdvertisingData.SERVICE_DATA_16_BIT_UUID, bytes(UUID("181D")) + told))
        await self._device.stop_advertising()
        self._device.advertising_data = bytes(AdvertisingData(fields))
        await self._device.start_advertising(advertising_interval_min=20, advertising_interval_max=20)


class Counting(Target):
    """A target that knows how many adverts it heard."""

    def __init__(self, driver: type[Driver], session: Session) -> None:
        super().__init__(ADDRESS, driver.card, session.visit)
        self._heard: asyncio.Queue[AdvertisementData] = asyncio.Queue()

    def hear(self, device: BLEDevice, advert: AdvertisementData, t_ns: int) -> None:
        super().hear(device, advert, t_ns)
        self._heard.put_nowait(advert)

    async def hears(self, count: int) -> None:
        """That many more adverts."""
        while not self._heard.empty():
            self._heard.get_nowait()
        async with asyncio.timeout(10):
            for _ in range(count):
                await self._heard.get()


@contextlib.asynccontextmanager
async def listening(host: BumbleHost, spool: Spool) -> AsyncIterator[tuple[Radio, Counting]]:
    clock = RunningClock()
    target = Counting(MiScale, Session("scale-1", MiScale, spool, clock))
    radio = Radio(
        [target],
        [MiScale.card],
        clock,
        connections=1,
        cool_down_s=0,
        scanner={"backend": BumbleScanner, "host": host},
        client={"backend": BumbleClient, "host": host},
    )
    tasks = [asyncio.create_task(radio.scan()), asyncio.create_task(radio.serve(target))]
    yield radio, target
    await ended(tasks)


async def test_a_weighing_told_in_many_adverts_is_stored_once_and_nobody_connects(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    scale = await Scale(link, ADDRESS).start(STABLE)
    async with listening(host, spool) as (radio, target):
        first = await blocks(spool, 1)
        await target.hears(10)
        await scale.tell(REMOVED)
        await target.hears(5)
        await scale.tell(NEXT)
        both = await blocks(spool, 2)
        await target.hears(5)
        assert await blocks(spool, 2) == both
        assert radio.strangers == {}
    assert [(block.value[0], block.record) for block in first] == [(86.55, "2021-04-11T16:19:01")]
    assert [block.value[0] for block in both] == [86.55, 72.45]
    assert not scale.connected.is_set()


async def test_a_scale_still_awake_at_the_next_start_tells_its_weighing_no_second_time(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    scale = await Scale(link, ADDRESS).start(STABLE)
    async with listening(host, spool):
        await blocks(spool, 1)
    async with listening(host, spool) as (_, target):
        await target.hears(5)
        await scale.tell(NEXT)
        assert [block.value[0] for block in await blocks(spool, 2)] == [86.55, 72.45]


async def test_listening_takes_none_of_the_adapters_connections(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    await Scale(link, ADDRESS).start(STABLE)
    async with listening(host, spool) as (radio, _), radio._slots.taken(0):
        assert [block.value[0] for block in await blocks(spool, 1)] == [86.55]


async def test_an_advert_that_tells_nothing_brings_no_visit(host: BumbleHost, link: LocalLink, spool: Spool) -> None:
    await Scale(link, ADDRESS).start(None)
    async with listening(host, spool) as (_, target):
        await target.hears(3)
        assert not target.advertised.is_set()


async def test_a_scale_nobody_configured_is_a_stranger_by_its_service_data(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    await Scale(link, STRANGER).start(STABLE)
    await Scale(link, ADDRESS).start(STABLE)
    async with listening(host, spool) as (radio, target):
        while not radio.strangers:
            await target.hears(1)
        assert radio.strangers == {STRANGER: "xiaomi-scale"}


def tell(target: Target, told: bytes, t_ns: int) -> None:
    uuid = "0000181d-0000-1000-8000-00805f9b34fb"
    device = BLEDevice(ADDRESS, "MI_SCALE", None)
    target.hear(device, AdvertisementData("MI_SCALE", {}, {uuid: told}, [], None, -60, ()), t_ns)


async def never_visited(_: object) -> bool:
    raise AssertionError


async def test_an_advert_that_comes_while_a_visit_ends_begins_the_next() -> None:
    target = Target(ADDRESS, MiScale.card, never_visited)
    tell(target, STABLE, 1)
    first = Overheard(target)
    assert [rx.data for rx in first.waiting()] == [STABLE]
    assert not target.advertised.is_set()
    tell(target, NEXT, 2)
    await first.close()
    assert target.advertised.is_set()
    assert [(rx.pipe, rx.data, rx.t_ns) for rx in await Overheard(target).receive()] == [("advert:181d", NEXT, 2)]
    assert not target.advertised.is_set()


async def test_more_adverts_than_the_disk_takes_end_one_visit_and_not_the_next() -> None:
    target = Target(ADDRESS, MiScale.card, never_visited)
    for number in range(MOST_WAITING + 1):
        tell(target, STABLE, number)
    first = Overheard(target)
    assert len(first.waiting()) == MOST_WAITING
    with pytest.raises(LinkError, match="faster than the disk"):
        await first.receive()
    await first.close()
    tell(target, NEXT, 1)
    assert [rx.data for rx in await Overheard(target).receive()] == [NEXT]


async def test_a_driver_that_would_send_to_it_is_told_that_it_cannot() -> None:
    connection = Overheard(Target(ADDRESS, MiScale.card, never_visited))
    with pytest.raises(LinkError, match="is only listened to"):
        await connection.send("2a52", b"\x01\x01")


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ('address = "f0:00:00:00:00:01"', ""),
        ('port = "/dev/ttyUSB0"', "is a Bluetooth device: give it address"),
        ('address = "f0-00"', "address 'F0-00': write it as AA:BB"),
    ],
)
def test_a_configuration_names_it_by_its_address(tmp_path: Path, device: str, says: str) -> None:
    assert MiScale.card.link is Link.ADVERT
    file = tmp_path / "gateway.toml"
    file.write_text(
        f'name = "home-01"\n[uplink]\n[radio]\nkind = "bluez"\n'
        f'[[devices]]\nid = "scale-1"\ndriver = "xiaomi-scale"\n{device}\n'
    )
    with pytest.raises(ConfigError, match=says) if says else contextlib.nullcontext():
        assert load(file).devices[0].address == "F0:00:00:00:00:01"
