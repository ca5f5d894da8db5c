"""What a radio does with the stack's help: values that come before a visit, bonds that are lost, adapters that hang.

The device is a real one on a virtual radio; the stack beside bleak is the test.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from bleak.exc import BleakError
from bumble.link import LocalLink

from gateway.links import ble
from gateway.links.ble import Radio
from gateway.links.bumble_backend import BumbleClient
from gateway.links.bumble_host import BumbleHost
from gateway.links.contract import Open
from gateway.links.gatt import BleConnection
from gateway.links.recovery import LOST_AFTER
from gateway.links.target import Gone, Target
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.session import Session
from tests.gateway.links.air import ADDRESS, Peripheral
from tests.gateway.visits.scripted import Scripted
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.errors import LinkError
from vitals.wire import Row

CANCELED = "[org.bluez.Error.Failed] br-connection-canceled"


class Stack:
    """What a test makes of BlueZ. `fails`: what `connect` raises, one after the other."""

    def __init__(self) -> None:
        self.renewed = asyncio.Event()
        self.gone: set[Callable[[], None]] = set()
        self.hear: Callable[[str, bytes], None] = lambda pipe, data: None
        self.has_bond = False
        self.is_connected = True
        self.lets_go = True
        self.standing: set[str] = set()
        self.fails: list[BaseException] = []
        self.did: list[str] = []

    def notes(self) -> list[str]:
        return ["a note of the stack"]

    def watch(self, address: str, pipes: object, hear: Callable[[str, bytes], None], *, passkey: bool) -> None:
        self.hear = hear

    async def connect(self, address: str) -> None:
        self.did.append("connect")
        if self.fails:
            raise self.fails.pop(0)

    async def connected(self, address: str) -> bool:
        return self.is_connected

    async def subscribed(self, address: str) -> set[str]:
        return self.standing

    async def bonded(self, address: str) -> bool:
        return self.has_bond

    async def bond(self, address: str, client: object) -> None:
        self.did.append("bond")

    async def forget(self, address: str) -> bool:
        self.did.append("forget")
        self.has_bond = False
        return True

    async def let_go(self, address: str) -> bool:
        self.did.append("let go")
        return self.lets_go

    async def power_on(self) -> None:
        self.did.append("power on")

    async def power_cycle(self) -> None:
        self.did.append("power cycle")
        self.renewed.set()


class Home:
    """A gateway's radio with one device, whose session is real."""

    def __init__(self, host: BumbleHost, spool: Spool, stack: Stack, **card: Any) -> None:
        class Carded(Scripted):
            pass

        Carded.card = msgspec.structs.replace(Scripted.card, **card)
        self.stack = stack
        self.session = Session("oxi-1", Carded, spool, RunningClock())
        self.target = Target(ADDRESS, Carded.card, self.session.visit, "oxi-1")
        self.radio = Radio(
            [self.target],
            [],
            RunningClock(),
            connections=1,
            cool_down_s=0,
            scanner={},
            client={"backend": BumbleClient, "host": host},
            bonds=stack,
            bluez=stack,  # type: ignore[arg-type]
        )

    async def visit(self) -> bool:
        return await self.radio._visit(self.target)

    async def failure(self) -> LinkError:
        with pytest.raises(LinkError) as raised:
            await self.radio._open(self.target)
        return raised.value


@pytest.fixture
def stack() -> Stack:
    return Stack()


@pytest.fixture(autouse=True)
def _swift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ble, "ATTEMPT_PAUSE_S", 0.001)


async def told(spool: Spool) -> list[tuple[str, float]]:
    rows = [msgspec.json.decode(row.json, type=Row).what for row in await spool.take(0, 100)]
    return [(row.channel, row.value[0]) for row in rows if isinstance(row, Block)]


async def test_what_the_stack_hears_is_told_once_and_after_what_was_read(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack
) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    peripheral.packets = [b"p99"]
    stack.standing = {"2a5f"}
    home = Home(host, spool, stack)
    stack.hear("00002a5f-0000-1000-8000-00805f9b34fb", b"p72")
    stack.hear("2a5f", b"p72")
    assert home.target.advertised.is_set(), "it is worth a visit"
    assert await home.visit()
    assert await told(spool) == [("battery", 88), ("pulse_rate", 72), ("pulse_rate", 72)]
    assert peripheral.happened == ["connected"], "bleak does not subscribe to what stands: it would be told twice"
    assert not home.target.advertised.is_set()


async def test_a_device_that_told_and_went_is_not_waited_for(host: BumbleHost, spool: Spool, stack: Stack) -> None:
    home = Home(host, spool, stack)
    stack.is_connected = False
    stack.hear("2a5f", b"p72 tthanks")
    assert await home.visit()
    assert await told(spool) == [("pulse_rate", 72)]
    assert "connect" not in stack.did


async def test_what_it_told_is_not_lost_when_it_goes_while_it_is_connected_to(
    host: BumbleHost, spool: Spool, stack: Stack
) -> None:
    home = Home(host, spool, stack)

    async def connect(address: str) -> None:
        stack.hear("2a5f", b"p72")
        raise BleakError(CANCELED)

    stack.connect = connect  # type: ignore[method-assign]
    assert await home.visit()
    assert await told(spool) == [("pulse_rate", 72)]


async def test_what_comes_after_a_visit_begins_the_next(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack
) -> None:
    await Peripheral(link, ADDRESS).start()
    home = Home(host, spool, stack)

    async def let_go(address: str) -> bool:
        stack.hear("2a5f", b"p73")
        return True

    stack.let_go = let_go  # type: ignore[method-assign]
    assert await home.visit()
    assert home.target.advertised.is_set()
    stack.is_connected = False
    assert isinstance(await home.radio._open(home.target), Gone)


async def test_when_bluetoothd_dies_a_connection_ends_at_once(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack
) -> None:
    await Peripheral(link, ADDRESS).start()
    home = Home(host, spool, stack, quiet_s=60)
    connection = await home.radio._open(home.target)
    assert isinstance(connection, BleConnection)
    (gone,) = stack.gone
    gone()
    connection.waiting()
    with pytest.raises(LinkError, match="ended the connection"):
        await connection.receive()
    await connection.close()
    assert not stack.gone


async def test_a_bond_that_needs_a_person_is_not_tried_for(host: BumbleHost, spool: Spool, stack: Stack) -> None:
    home = Home(host, spool, stack, pair="passkey")
    error = await home.failure()
    assert error.mend == "pair it once with `hjemvakt pair oxi-1`"
    assert home.radio.notes() == ["a note of the stack", "oxi-1 is not paired: pair it once with `hjemvakt pair oxi-1`"]
    assert stack.did == []


@pytest.mark.parametrize("pair", [True, "passkey"])
async def test_a_lost_bond_is_thrown_away_where_the_card_allows_another_without_a_person(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack, pair: object
) -> None:
    stack.has_bond = True
    home = Home(host, spool, stack, pair=pair)
    home.target.rssi_dbm = -50
    stack.fails = [BleakError(CANCELED)] * LOST_AFTER
    errors = [await home.failure()]
    assert home.radio.notes() == ["a note of the stack"]
    errors.append(await home.failure())
    assert "has lost its bond" in str(errors[1])
    assert "has lost its bond" in home.radio.notes()[1]
    assert ("forget" in stack.did) is (pair is True)
    assert stack.did.count("connect") == LOST_AFTER
    stack.has_bond = True
    await Peripheral(link, ADDRESS).start()
    assert await home.visit()
    assert home.radio.notes() == ["a note of the stack"]


async def test_without_a_bond_no_failure_speaks_of_one(host: BumbleHost, spool: Spool, stack: Stack) -> None:
    home = Home(host, spool, stack, pair=True)
    home.target.rssi_dbm = -50
    for _ in range(LOST_AFTER):
        stack.fails = [BleakError(CANCELED)] * ble.ATTEMPTS
        assert "bond" not in str(await home.failure())
    assert "forget" not in stack.did


async def test_pipes_that_are_missing_are_looked_for_again_once(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack
) -> None:
    peripheral = await Peripheral(link, ADDRESS).start()
    home = Home(host, spool, stack, notify=("2a9d",))
    for _ in range(2):
        assert "has no pipe of" in str(await home.failure())
        await peripheral.advertise()
    assert stack.did.count("forget") == 1


async def test_pipes_that_are_missing_cost_no_bond_that_a_person_made(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack
) -> None:
    await Peripheral(link, ADDRESS).start()
    stack.has_bond = True
    home = Home(host, spool, stack, notify=("2a9d",), pair="passkey")
    await home.failure()
    assert "forget" not in stack.did
    assert "hjemvakt pair oxi-1 --forget" in home.radio.notes()[1]


@pytest.mark.parametrize("others", [0, 1])
async def test_a_connection_that_hangs_costs_the_adapter_a_reset_unless_somebody_else_is_connected(
    host: BumbleHost, link: LocalLink, spool: Spool, stack: Stack, others: int
) -> None:
    await Peripheral(link, ADDRESS).start()
    home = Home(host, spool, stack)
    home.radio._slots.in_use = others
    stack.lets_go = False
    assert await home.visit()
    assert ("power cycle" in stack.did) is not bool(others)


async def test_an_adapter_that_stays_silent_is_reset_after_the_2nd_round_and_then_ever_more_seldom(
    host: BumbleHost, spool: Spool, stack: Stack
) -> None:
    home = Home(host, spool, stack)
    resets = []
    for round_ in range(1, 17):
        stack.did.clear()
        await home.radio._stir(round_)
        if stack.did:
            resets.append(round_)
    assert resets == [2, 4, 8, 16]
    assert "no Bluetooth advert for 24 minutes" in home.radio.notes()[1]
    await home.radio._stir(0)
    assert home.radio.notes() == ["a note of the stack"]
    async with home.radio._slots.taken(0):
        await home.radio._stir(2)
    assert stack.did == ["power cycle"], "not while somebody is connected"


async def test_a_scanner_begins_again_when_the_adapter_comes_anew_and_switches_it_on(
    host: BumbleHost, spool: Spool, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: asyncio.Queue[str] = asyncio.Queue()

    class Scanner:
        def __init__(self, callback: object) -> None:
            pass

        async def start(self) -> None:
            started.put_nowait("start")
            if started.qsize() == 1 and "power on" not in stack.did:
                raise BleakError("org.bluez.Error.NotReady")

        async def stop(self) -> None:
            """As BlueZ does when it has stopped already."""
            raise BleakError("org.bluez.Error.InProgress")

    monkeypatch.setattr(ble, "BleakScanner", Scanner)
    monkeypatch.setattr(ble, "RETRY_MOST_S", 0.01)
    home = Home(host, spool, stack)
    scanning = asyncio.create_task(home.radio.scan())
    async with asyncio.timeout(5):
        assert [await started.get() for _ in range(2)] == ["start", "start"]
        assert stack.did == ["power on"]
        stack.renewed.set()
        assert await started.get() == "start"
    await ended([scanning])


async def test_two_who_wait_for_the_same_slot(host: BumbleHost, spool: Spool, stack: Stack) -> None:
    """A bonded device is let in before one that only advertises."""
    order: list[str] = []
    radio = Home(host, spool, stack).radio

    def visitor(name: str) -> Callable[[Open], Any]:
        async def visit(_: Open) -> bool:
            order.append(name)
            return True

        return visit

    plain = Target("F0:00:00:00:00:07", Scripted.card, visitor("plain"))
    bonded = Target("F0:00:00:00:00:08", msgspec.structs.replace(Scripted.card, pair=True), visitor("bonded"))
    async with radio._slots.taken(0):
        visits = [asyncio.create_task(radio._visit(target)) for target in (plain, bonded)]
        await asyncio.sleep(0.01)
    await asyncio.gather(*visits)
    assert order == ["bonded", "plain"]
