"""What the gateway does on D-Bus beside bleak, against a bluetoothd of a few lines."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from bleak.exc import BleakDBusError, BleakError
from dbus_fast import MessageType

from gateway.links import bluez as module
from gateway.links.bluez import BlueZ
from gateway.links.contract import Ask
from gateway.tasks import ended
from tests.gateway.links.fake_bluez import ADAPTER, ADDRESS, CUFF, OTHER_PIPE, PIPE, STRANGER, FakeBlueZ


class Hub:
    """The gateway's side: what it heard of the cuff."""

    def __init__(self, ask: Ask | None = None, *, passkey: bool = False) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.bluez = BlueZ(ask=ask)
        self.bluez.watch(ADDRESS, ("2a35",), lambda pipe, data: self.heard.append((pipe, data)), passkey=passkey)
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> "Hub":
        self._running = asyncio.create_task(self.bluez.run())
        async with asyncio.timeout(5):
            await self.bluez.ready.wait()
        return self

    async def stop(self) -> None:
        await ended([self._running] if self._running else [])


@pytest.fixture
async def bluetoothd(monkeypatch: pytest.MonkeyPatch) -> FakeBlueZ:
    fake = FakeBlueZ()
    monkeypatch.setattr(module, "MessageBus", fake)
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    monkeypatch.setattr(module, "LET_GO_S", 0.02)
    monkeypatch.setattr(module, "SEEN_S", 0.02)
    monkeypatch.setattr(module, "OFF_S", 0.001)
    monkeypatch.setattr(module, "RETRY_MOST_S", 0.01)
    return fake


@pytest.fixture
async def hubs() -> AsyncIterator[Callable[[Hub], Hub]]:
    made: list[Hub] = []

    def made_one(hub: Hub) -> Hub:
        made.append(hub)
        return hub

    yield made_one
    for hub in made:
        await hub.stop()


@pytest.fixture
async def hub(bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub]) -> Hub:
    """Beside a bluetoothd that holds a bond with the cuff."""
    bluetoothd.start(bonded=True)
    return await hubs(Hub()).start()


async def settled() -> None:
    """Whatever is under way is done: everything here is a function call."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_bonded_device_is_heard_between_visits_each_value_once(hub: Hub, bluetoothd: FakeBlueZ) -> None:
    await settled()
    assert bluetoothd.subscribed == [PIPE], "the pipe it tells on, and no other"
    bluetoothd.value(PIPE, b"118")
    bluetoothd.value(PIPE, b"118")
    bluetoothd.value(OTHER_PIPE, b"clock")
    assert hub.heard == [("2a35", b"118")] * 2, "two equal values are two that were sent"
    assert await hub.bluez.subscribed(ADDRESS) == {"2a35"}
    assert bluetoothd.subscribed == [PIPE], "a second subscription would tell each value twice"


async def test_a_device_without_a_bond_is_left_to_bleak(bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub]) -> None:
    bluetoothd.start(bonded=False)
    hub = await hubs(Hub()).start()
    await settled()
    assert await hub.bluez.subscribed(ADDRESS) == set()
    assert bluetoothd.subscribed == []


async def test_pipes_are_subscribed_to_in_the_instant_bluez_shows_them(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub]
) -> None:
    bluetoothd.start(bonded=True, pipes=False)
    hub = await hubs(Hub()).start()
    await settled()
    assert bluetoothd.subscribed == []
    bluetoothd.show_pipes()
    await settled()
    assert bluetoothd.subscribed == [PIPE]
    bluetoothd.value(PIPE, b"118")
    assert hub.heard == [("2a35", b"118")]


async def test_a_new_bluetoothd_gets_agent_and_subscriptions_anew_and_connections_end(
    hub: Hub, bluetoothd: FakeBlueZ
) -> None:
    gone: list[str] = []
    hub.bluez.gone.add(lambda: gone.append("gone"))
    bluetoothd.die()
    assert gone == ["gone"]
    assert not hub.bluez.ready.is_set()
    assert hub.bluez.notes() == ["bluetoothd does not run: no Bluetooth until it does"]
    with pytest.raises(BleakError):
        await hub.bluez.connect(ADDRESS)
    bluetoothd.start(bonded=True)
    async with asyncio.timeout(5):
        await hub.bluez.ready.wait()
    await settled()
    assert (bluetoothd.agents, bluetoothd.subscribed) == (["NoInputNoOutput"], [PIPE])
    assert hub.bluez.renewed.is_set()
    assert hub.bluez.notes() == []


async def test_a_bus_that_is_lost_is_found_again(hub: Hub, bluetoothd: FakeBlueZ) -> None:
    await settled()
    bluetoothd.subscribed.clear()
    hub.bluez.ready.clear()
    bluetoothd.lose_bus()
    async with asyncio.timeout(5):
        await hub.bluez.ready.wait()
    await settled()
    assert bluetoothd.subscribed == [PIPE]


async def test_a_subscription_that_bluez_refuses_is_not_taken_for_one_that_stands(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub]
) -> None:
    bluetoothd.refuses["StartNotify"] = "org.bluez.Error.NotPermitted"
    bluetoothd.start(bonded=True)
    hub = await hubs(Hub()).start()
    await settled()
    with pytest.raises(BleakDBusError, match="NotPermitted"):
        await hub.bluez.subscribed(ADDRESS)
    bluetoothd.refuses.clear()
    assert await hub.bluez.subscribed(ADDRESS) == {"2a35"}


async def test_a_bond_is_made_through_our_agent_and_never_twice(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub]
) -> None:
    bluetoothd.start(bonded=False)
    hub = await hubs(Hub()).start()
    await hub.bluez.bond(ADDRESS)
    assert await hub.bluez.bonded(ADDRESS)
    await hub.bluez.bond(ADDRESS)
    name = CUFF.rpartition("/")[2]
    assert bluetoothd.asked.count(f"Pair {name}") == 1, "BlueZ would take the bond away"


async def test_a_bond_that_is_never_made_is_called_off(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOND_S", 0.01)
    bluetoothd.start(bonded=False)
    bluetoothd.silent.add("Pair")
    hub = await hubs(Hub()).start()
    with pytest.raises(TimeoutError):
        await hub.bluez.bond(ADDRESS)
    assert bluetoothd.asked[-1].startswith("CancelPairing")


async def digits() -> int | None:
    return 123456


async def no_digits() -> int | None:
    return None


@pytest.mark.parametrize(
    ("ask", "passkey", "question", "device", "answer"),
    [
        (None, False, "RequestConfirmation", CUFF, []),
        (None, False, "RequestAuthorization", CUFF, []),
        (None, False, "RequestConfirmation", STRANGER, "it is not configured"),
        (None, True, "RequestConfirmation", CUFF, "needs the digits"),
        (None, True, "RequestAuthorization", CUFF, "needs the digits"),
        (None, True, "RequestPasskey", CUFF, "nobody is here"),
        (digits, True, "RequestPasskey", CUFF, [123456]),
        (digits, True, "RequestConfirmation", CUFF, "needs the digits"),
        (digits, True, "RequestPasskey", STRANGER, "it is not configured"),
        (no_digits, True, "RequestPasskey", CUFF, "no digits"),
        (None, False, "RequestPinCode", CUFF, "we cannot do that"),
    ],
)
async def test_the_agent_answers_for_configured_devices_and_takes_no_bond_without_the_digits_it_needs(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub], ask: Ask | None, passkey: bool, question: str, device: str,
    answer: object,
) -> None:  # fmt: skip
    bluetoothd.start()
    await hubs(Hub(ask, passkey=passkey)).start()
    assert bluetoothd.agents == ["KeyboardOnly" if ask else "NoInputNoOutput"]
    said = await bluetoothd.ask(question, device)
    if isinstance(answer, str):
        assert said.error_name == "org.bluez.Error.Rejected"
        assert answer in said.body[0]
    else:
        assert (said.message_type, said.body) == (MessageType.METHOD_RETURN, answer)


async def test_the_agent_is_bluez_s_alone(hub: Hub, bluetoothd: FakeBlueZ) -> None:
    said = await bluetoothd.ask("RequestConfirmation", sender=":1.666")
    assert said.error_name == "org.bluez.Error.Rejected"


async def test_a_connection_that_bluez_lets_go_of_is_over(hub: Hub, bluetoothd: FakeBlueZ) -> None:
    await hub.bluez.connect(ADDRESS)
    assert await hub.bluez.connected(ADDRESS)
    assert await hub.bluez.let_go(ADDRESS)
    assert not await hub.bluez.connected(ADDRESS)


@pytest.mark.parametrize("bonded", [True, False])
async def test_a_connection_that_hangs_costs_a_device_its_place_in_bluez_but_never_a_bond(
    bluetoothd: FakeBlueZ, hubs: Callable[[Hub], Hub], bonded: bool
) -> None:
    bluetoothd.start(bonded=bonded)
    hub = await hubs(Hub()).start()
    await hub.bluez.connect(ADDRESS)
    bluetoothd.holds_on = True
    assert await hub.bluez.let_go(ADDRESS) is not bonded
    assert (CUFF in bluetoothd.objects) is bonded


async def test_a_connection_that_is_never_made_is_called_off(
    hub: Hub, bluetoothd: FakeBlueZ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CONNECT_S", 0.01)
    bluetoothd.silent.add("Connect")
    with pytest.raises(TimeoutError):
        await hub.bluez.connect(ADDRESS)
    assert bluetoothd.asked[-1].startswith("Disconnect")


async def test_the_adapter_is_switched_off_and_on_and_its_absence_is_said(hub: Hub, bluetoothd: FakeBlueZ) -> None:
    await hub.bluez.power_cycle()
    assert [asked for asked in bluetoothd.asked if asked.startswith("Set ")] == ["Set hci0", "Set hci0"]
    assert bluetoothd.objects[ADAPTER][module.ADAPTER]["Powered"]
    bluetoothd.remove(ADAPTER)
    assert hub.bluez.notes() == ["there is no Bluetooth adapter: plug it in"]
    with pytest.raises(BleakError, match="no Bluetooth adapter"):
        await hub.bluez.power_on()


async def test_what_is_forgotten_is_subscribed_to_again_when_it_is_bonded_again(
    hub: Hub, bluetoothd: FakeBlueZ
) -> None:
    await settled()
    assert await hub.bluez.forget(ADDRESS)
    assert not await hub.bluez.forget(ADDRESS)
    assert not await hub.bluez.bonded(ADDRESS)
    assert await hub.bluez.subscribed(ADDRESS) == set()
    with pytest.raises(BleakError, match="has not seen"):
        await hub.bluez.bond(ADDRESS)
