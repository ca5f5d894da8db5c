"""Bluetooth over a virtual radio: unmodified bleak on Bumble, against a peripheral of a few lines.

The gateway's host speaks HCI over a Unix socket, as it does to a controller of its own, so that the socket can die.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError
from bumble.link import LocalLink

from drivers.contract import Card
from gateway.links import ble
from gateway.links.ble import Radio
from gateway.links.bumble_backend import BumbleClient, BumbleScanner
from gateway.links.bumble_host import BumbleHost, as_bleak
from gateway.links.contract import Open
from gateway.links.target import Target
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.session import Session
from tests.gateway.links.air import ADDRESS, STRANGER, Peripheral, Socket, blocks
from tests.gateway.visits.scripted import Scripted
from vitals.clock import RunningClock
from vitals.errors import LinkError


@pytest.fixture
async def host(socket: Socket, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[BumbleHost]:
    monkeypatch.setattr("gateway.links.bumble_host.RETRY_MOST_S", 0.1)
    host = BumbleHost(socket.spec)
    task = asyncio.create_task(host.run())
    async with asyncio.timeout(5):
        await host.ready.wait()
    yield host
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def found(host: BumbleHost, address: str = ADDRESS) -> BleakClient:
    device = await BleakScanner.find_device_by_address(address, 5, backend=BumbleScanner, host=host)
    assert device is not None
    return BleakClient(device, backend=BumbleClient, host=host, timeout=5)


async def test_scan_tells_address_name_and_services(host: BumbleHost, link: LocalLink) -> None:
    await Peripheral(link, ADDRESS).start()
    async with BleakScanner(backend=BumbleScanner, host=host) as scanner:
        async with asyncio.timeout(5):
            device, advert = await anext(scanner.advertisement_data())
    assert device.address == ADDRESS
    assert advert.local_name == "Oxi"
    assert advert.service_uuids == ["00001822-0000-1000-8000-00805f9b34fb"]


async def test_connect_read_write_indications_and_disconnect(host: BumbleHost, link: LocalLink) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"one", b"two", b"three"]
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    async with await found(host) as client:
        assert await client.read_gatt_char("2a19") == b"l88"
        await client.write_gatt_char("2a52", b"\x01\x01")
        async with asyncio.timeout(5):
            assert await peripheral.written.get() == b"\x01\x01"
            await client.start_notify("2a5f", lambda _, data: arrived.put_nowait(bytes(data)))
            assert [await arrived.get() for _ in range(3)] == [b"one", b"two", b"three"]
        assert client.mtu_size > 23
    assert not client.is_connected


async def test_the_same_device_is_connected_to_a_second_time(host: BumbleHost, link: LocalLink) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    for _ in range(2):
        async with await found(host) as client:
            assert await client.read_gatt_char("2a19") == b"l88"
        await peripheral.advertise()


async def test_a_device_that_hangs_up_is_told_and_a_request_under_way_fails(host: BumbleHost, link: LocalLink) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    gone = asyncio.Event()
    client = await found(host)
    client._backend.set_disconnected_callback(gone.set)
    await client.connect()
    await peripheral.hang_up()
    async with asyncio.timeout(5):
        await gone.wait()
    assert not client.is_connected
    with pytest.raises(BleakError):
        await client.read_gatt_char("2a19")


async def test_when_the_hci_socket_dies_connections_are_lost_and_the_radio_comes_back(
    host: BumbleHost, link: LocalLink, socket: Socket
) -> None:
    await Peripheral(link, ADDRESS).start()
    gone = asyncio.Event()
    adverts: asyncio.Queue[str] = asyncio.Queue()
    async with BleakScanner(lambda device, _: adverts.put_nowait(device.address), backend=BumbleScanner, host=host):
        async with asyncio.timeout(5):
            assert await adverts.get() == ADDRESS
        client = BleakClient(ADDRESS, lambda _: gone.set(), backend=BumbleClient, host=host, timeout=5)
        await client.connect()
        await socket.kill()
        async with asyncio.timeout(5):
            await gone.wait()
        with pytest.raises(BleakError):
            await BleakClient(ADDRESS, backend=BumbleClient, host=host).connect()
        while not adverts.empty():
            adverts.get_nowait()
        await Peripheral(link, STRANGER).start()
        await socket.start()
        async with asyncio.timeout(5):
            await host.ready.wait()
            assert await adverts.get() == STRANGER, "whoever scanned is scanning again"


async def test_a_cancellation_that_was_swallowed_below_still_ends_the_task() -> None:
    """`asyncio.wait_for` of Python 3.11, on which Bumble waits, does this when its future is done in that instant."""
    waiting = asyncio.Event()

    async def swallows() -> None:
        async with as_bleak():
            waiting.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.get_running_loop().create_future()
        raise AssertionError("went on as if nothing had been asked")

    task = asyncio.create_task(swallows())
    await waiting.wait()
    await ended([task])
    assert task.cancelled()


async def test_a_cancellation_nobody_asked_for_is_a_broken_connection() -> None:
    request = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(request.cancel)
    with pytest.raises(BleakError, match="the connection broke"):
        async with as_bleak():
            await request


@contextlib.asynccontextmanager
async def reading(
    host: BumbleHost, spool: Spool, client: type[BumbleClient] = BumbleClient
) -> AsyncIterator[tuple[Radio, Session]]:
    clock = RunningClock()
    session = Session("oxi-1", Scripted, spool, clock)
    target = Target(ADDRESS, Scripted.card, session.visit)
    radio = Radio(
        [target],
        [Scripted.card],
        clock,
        connections=2,
        cool_down_s=0.05,
        scanner={"backend": BumbleScanner, "host": host},
        client={"backend": client, "host": host},
    )
    tasks = [asyncio.create_task(radio.scan()), asyncio.create_task(radio.serve(target))]
    yield radio, session
    await ended(tasks)


async def test_an_advert_brings_a_visit_and_the_device_is_told_to_forget_what_is_stored(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"b71", b"b72"]
    async with reading(host, spool) as (_, session):
        assert {(block.channel, block.value[0]) for block in await blocks(spool, 3)} == {
            ("battery", 88),
            ("pulse_rate", 71),
            ("pulse_rate", 72),
        }
        async with asyncio.timeout(5):
            sent = {await peripheral.written.get() for _ in range(3)}
        assert sent == {b"hello", b"ack 71", b"ack 72"}
        assert session.health().battery == 88


async def test_a_device_that_hangs_up_is_visited_again_when_it_advertises_again(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    async with reading(host, spool):
        await blocks(spool, 1)
        await peripheral.hang_up()
        peripheral.packets = [b"p73"]
        await peripheral.advertise()
        assert 73 in [block.value[0] for block in await blocks(spool, 3)]


async def test_a_connection_that_fails_is_tried_again_and_one_that_finds_nobody_is_not(
    host: BumbleHost, link: LocalLink, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "ATTEMPT_PAUSE_S", 0.01)
    monkeypatch.setattr(ble, "RETRY_MOST_S", 0.01)
    errors: list[Exception] = [TimeoutError(), BleakError("le-connection-abort-by-local"), BleakError("again")]
    visits: list[str] = []

    class Unlucky(BumbleClient):
        async def connect(self, pair: bool, **kwargs: object) -> None:
            visits.append("attempt")
            if errors:
                raise errors.pop(0)
            await super().connect(pair, **kwargs)

    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p72"]
    async with reading(host, spool, Unlucky) as (_, session):
        visit = session.visit

        async def counted(open_connection: Open) -> bool:
            visits.append("visit")
            return await visit(open_connection)

        next(iter(_.targets.values())).visit = counted
        await blocks(spool, 2)
    assert visits[:6] == ["visit", "attempt", "visit", "attempt", "attempt", "attempt"]


async def test_a_device_that_lacks_the_cards_pipes_is_not_taken_for_one_that_has_nothing_to_tell(
    host: BumbleHost, link: LocalLink, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    class Other(Scripted):
        card = msgspec.structs.replace(Scripted.card, name="other", notify=("2a9d",))

    peripheral = await Peripheral(link, ADDRESS).start()
    session = Session("oxi-1", Other, spool, RunningClock())
    target = Target(ADDRESS, Other.card, session.visit)
    radio = Radio(
        [target],
        [],
        RunningClock(),
        connections=1,
        cool_down_s=0,
        scanner={},
        client={"backend": BumbleClient, "host": host},
    )
    assert not await session.visit(lambda: radio._open(target))
    assert session.health().link == "lost"
    assert "has no pipe of a other: see its driver and address" in caplog.text
    assert peripheral.connection is not None


@contextlib.asynccontextmanager
async def visited(host: BumbleHost, spool: Spool, card: Card, client: type[BumbleClient]) -> AsyncIterator[None]:
    """One visit of the device by a driver with this card, while it lasts."""

    class Carded(Scripted):
        pass

    Carded.card = card
    session = Session("oxi-1", Carded, spool, RunningClock())
    target = Target(ADDRESS, card, session.visit)
    options = {"backend": client, "host": host}
    radio = Radio([target], [], RunningClock(), connections=1, cool_down_s=0, scanner={}, client=options)
    visit = asyncio.create_task(session.visit(lambda: radio._open(target)))
    yield
    assert await visit


async def test_a_device_that_wants_it_is_bonded_before_it_is_subscribed_to(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p72"]
    async with visited(host, spool, msgspec.structs.replace(Scripted.card, pair=True), BumbleClient):
        await blocks(spool, 2)
    assert peripheral.happened == ["connected", "bonded", "subscribed"]


async def test_a_device_is_let_settle_before_it_is_subscribed_to(
    host: BumbleHost, link: LocalLink, spool: Spool
) -> None:
    at_s: list[float] = []

    class Timed(BumbleClient):
        async def connect(self, pair: bool, **kwargs: object) -> None:
            await super().connect(pair, **kwargs)
            at_s.append(asyncio.get_running_loop().time())

        async def start_notify(self, *args: Any, **kwargs: Any) -> None:
            at_s.append(asyncio.get_running_loop().time())
            await super().start_notify(*args, **kwargs)

    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p72"]
    async with visited(host, spool, msgspec.structs.replace(Scripted.card, settle_s=0.1), Timed):
        await blocks(spool, 2)
    connected_s, subscribed_s = at_s
    assert subscribed_s - connected_s > 0.099


@pytest.mark.parametrize("pair", [True, False])
async def test_a_system_that_pairs_by_itself_is_left_to_it(
    host: BumbleHost, link: LocalLink, spool: Spool, pair: bool
) -> None:
    asked: list[bool] = []

    class ByItself(BumbleClient):
        async def pair(self, *args: object, **kwargs: object) -> None:
            asked.append(True)
            raise NotImplementedError

    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p72"]
    async with visited(host, spool, msgspec.structs.replace(Scripted.card, pair=pair), ByItself):
        await blocks(spool, 2)
    assert asked == [True] * pair
    assert peripheral.happened == ["connected", "subscribed"]


async def test_a_device_that_will_not_bond_is_lost_and_the_mend_says_how_it_would(
    host: BumbleHost, link: LocalLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ble, "ATTEMPTS", 1)

    async def never(_: Open) -> bool:
        raise AssertionError

    class Refused(BumbleClient):
        async def pair(self, *args: object, **kwargs: object) -> None:
            raise BleakError("AuthenticationFailed")

    peripheral = await Peripheral(link, ADDRESS).start()
    target = Target(ADDRESS, msgspec.structs.replace(Scripted.card, pair="passkey"), never)
    options = {"backend": Refused, "host": host}
    radio = Radio([target], [], RunningClock(), connections=1, cool_down_s=0, scanner={}, client=options)
    with pytest.raises(LinkError, match=r"AuthenticationFailed.*: .*pairing mode"):
        await radio._open(target)
    assert peripheral.happened == ["connected"]


@pytest.mark.parametrize("trouble", ["silent", "broken"])
async def test_a_scanner_that_falls_silent_or_fails_is_started_anew(
    monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    started: asyncio.Queue[str] = asyncio.Queue()

    class Scanner:
        def __init__(self, callback: object) -> None:
            pass

        async def start(self) -> None:
            started.put_nowait("start")
            if trouble == "broken":
                raise BleakError("org.bluez.Error.NotReady")

        async def stop(self) -> None:
            started.put_nowait("stop")

    monkeypatch.setattr(ble, "BleakScanner", Scanner)
    monkeypatch.setattr(ble, "SILENCE_S", 0.02)
    monkeypatch.setattr(ble, "CHECK_S", 0.005)
    monkeypatch.setattr(ble, "RETRY_MOST_S", 0.01)
    radio = Radio([], [], RunningClock(), connections=1, cool_down_s=0, scanner={}, client={})
    scanning = asyncio.create_task(radio.scan())
    async with asyncio.timeout(5):
        assert [await started.get() for _ in range(4)] == ["start", "stop", "start", "stop"]
    scanning.cancel()
    await asyncio.wait([scanning])


def test_strangers_are_remembered_in_a_bounded_number_the_latest_last() -> None:
    radio = Radio([], [], RunningClock(), connections=1, cool_down_s=0, scanner={}, client={})
    for number in range(ble.MOST_STRANGERS + 5):
        radio._remember(f"F0:00:00:00:01:{number:02X}", "scripted")
    assert len(radio.strangers) == ble.MOST_STRANGERS
    assert list(radio.strangers)[-1] == "F0:00:00:00:01:14"


@pytest.mark.parametrize("order", [1, -1])
def test_a_stranger_is_known_by_its_name_rather_than_by_a_service_that_many_share(order: int) -> None:
    named = msgspec.structs.replace(Scripted.card, name="named", local_names=("Oxi",))
    cards = [Scripted.card, named][::order]
    radio = Radio([], cards, RunningClock(), connections=1, cool_down_s=0, scanner={}, client={})
    device = BLEDevice(STRANGER, "Oxi", None)
    for name, known in (("Oxi 7", "named"), ("Other", "scripted"), (None, "scripted")):
        radio._hear_stranger(device, AdvertisementData(name, {}, {}, ["1822"], None, -60, ()))
        assert radio.strangers == {STRANGER: known}


async def test_a_device_nobody_configured_is_a_stranger(host: BumbleHost, link: LocalLink, spool: Spool) -> None:
    await Peripheral(link, STRANGER).start()
    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p72"]
    async with reading(host, spool) as (radio, _):
        await blocks(spool, 2)
        assert radio.strangers == {STRANGER: "scripted"}
