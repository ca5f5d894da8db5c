"""An order is acted on at most once, whatever dies when; and whoever ordered it learns what became of it, or that
nobody can know."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.contract import Card, Link, Order, Out, Rx, Serial, Tx
from gateway.identity.held import FOLDER
from gateway.identity.seals import Seals
from gateway.links.contract import Connection
from gateway.spool.ledger import Entry
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits import orders as orders_module
from gateway.visits.orders import AHEAD_S, LEARN_S, MOST_WAITING, Orders
from gateway.visits.session import Session
from tests.gateway.uplink.broker import Broker, Server
from tests.gateway.uplink.test_sending import running
from tests.gateway.visits.scripted import T0_NS, InMemory, Scripted
from vitals import wire
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.errors import LinkError, StoreError
from vitals.events import Event
from vitals.wire import Command, Row, order_hex

ID, OTHER = order_hex(0xD05E), order_hex(0xD05F)
TAKES = {"disp-1": ("dispense", "test"), "oxi-1": ()}


class Obeying(Scripted):
    """The driver of a box that takes orders, in words: `+17` it did 17, `-17` it did not, `*` it is there."""

    card: ClassVar[Card] = Card(
        name="obeying",
        maker="test",
        model="script",
        link=Link.SERIAL,
        serial=Serial(115200),
        orders=("dispense", "test"),
    )

    def hello(self, now_ns: int) -> Sequence[Tx]:
        return [Tx("serial", b"hello")]

    def order(self, order: Order, now_ns: int) -> Sequence[Tx]:
        return [Tx("serial", f"do {order.id:016x} {order.kind} {json.dumps(dict(order.data))}".encode())]

    def recall(self, order: Order, now_ns: int) -> Sequence[Tx]:
        return [Tx("serial", f"what of {order.id:016x}".encode())]

    def _word(self, word: str, rx: Rx) -> Iterator[Out]:
        if word[0] in "+-":
            outcome = {"+": "done", "-": "refused"}[word[0]]
            yield Event(f"order.{outcome}", rx.t_ns, {"order": word[1:]}, f"log:{word}")
        elif word == "*":
            yield Tx("serial", b"here I am")
        else:
            yield from super()._word(word, rx)


class Box:
    """The device: it acts, remembers what it did, and answers.

    `dies(text)`: whether the line breaks before these words reach it. `mute`: its answers to orders are lost.
    """

    def __init__(self) -> None:
        self.acts: list[str] = []
        self.heard: list[str] = []
        self.dies: Callable[[str], bool] = lambda text: False
        self.mute = False

    def hear(self, text: str) -> str | None:
        """What it answers."""
        self.heard.append(text)
        order = text.split()[1] if text.startswith("do ") else text.split()[-1]
        if text.startswith("do "):
            self.acts.append(order)
        elif not text.startswith("what of "):
            return "*" if text == "hello" else None
        return None if self.mute else f"{'+' if order in self.acts else '-'}{order}"

    @property
    def sent(self) -> list[str]:
        """The orders that were sent to it, each as often as it was."""
        return [text.split()[1] for text in self.heard if text.startswith("do ")]


class Line:
    """A connection to a box that breaks as soon as nothing more is under way."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._packets: list[Rx] = []

    def waiting(self) -> list[Rx]:
        packets, self._packets = self._packets, []
        return packets

    async def receive(self) -> list[Rx]:
        if not self._packets:
            raise LinkError("the line broke")
        return self.waiting()

    async def send(self, pipe: str, data: bytes) -> None:
        if self._box.dies(data.decode()):
            self._packets.clear()
            raise LinkError("the line broke")
        if answer := self._box.hear(data.decode()):
            self._packets.append(Rx("serial", answer.encode(), T0_NS))

    async def close(self) -> None:
        """It is broken already."""


class Hub:
    """A gateway without a network that can lose its power: then only the file remains."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "spool.sqlite"
        self.clock = ManualClock(T0_NS)
        self.box = Box()
        self.seals = Seals()
        self.server_ns: int | None = None
        self.spool: Spool
        self.orders: Orders
        self.session: Session

    async def start(self) -> None:
        self.spool = await Spool.open(self._path)
        self.orders = await Orders.open("home-01", self.spool, self.clock, TAKES, self.seals, lambda: self.server_ns)
        self.session = Session("disp-1", Obeying, self.spool, self.clock, self.orders)

    async def lose_power(self) -> None:
        await self.spool.close()
        await self.start()

    async def told(self, **changes: object) -> None:
        """A command arrives."""
        self.orders.arrived(command(**changes))
        await self.orders.turn()

    async def visit(self) -> None:
        async def open_it() -> Connection:
            return Line(self.box)

        await self.session.visit(open_it)

    async def later(self, seconds: float) -> None:
        self.clock.advance(seconds=seconds)
        await self.orders.turn()

    async def events(self, order: str = ID) -> list[Event]:
        rows = [msgspec.json.decode(row.json, type=Row).what for row in await self.spool.take(0, 10_000)]
        return [what for what in rows if isinstance(what, Event) and what.data.get("order") == order]

    async def steps(self, order: str = ID) -> list[str]:
        """What the server will be told of an order, in order."""
        return [event.kind.removeprefix("order.") for event in await self.events(order)]


def command(**changes: object) -> bytes:
    said = Command("home-01", ID, "disp-1", "dispense", T0_NS, T0_NS + 900 * NS, {"compartment": 3})
    return wire.encode(msgspec.structs.replace(said, **changes))


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[Hub]:
    hub = Hub(folder)
    await hub.start()
    yield hub
    await hub.spool.close()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    async with started(tmp_path) as hub:
        yield hub


async def test_an_order_is_stored_then_marked_as_sent_then_sent_and_its_outcome_told(hub: Hub) -> None:
    await hub.told()
    assert await hub.steps() == ["received"]
    marked: list[Entry | None] = []
    kept: list[int] = []

    def look(text: str) -> bool:
        if text.startswith("do "):
            kept.append(hub.spool.status.queued)
            marked.extend(hub.orders.of("disp-1"))
        return False

    hub.box.dies = look
    await hub.visit()
    assert kept == [2], "received and sent are on disk before a byte goes out"
    assert [entry.step for entry in marked if entry] == ["sent"]
    assert f'do {ID} dispense {{"compartment": 3, "lives_s": 300}}' in hub.box.heard
    assert await hub.steps() == ["received", "sent", "done"]
    assert hub.orders.of("disp-1") == []


async def test_nothing_is_sent_before_the_device_has_given_a_sign_of_life(hub: Hub) -> None:
    await hub.told()
    hub.box.hear = lambda text: None  # type: ignore[method-assign]
    await hub.visit()
    assert await hub.steps() == ["received"], "into silence nothing is sent: it may still be done, or expire"


async def test_an_order_reaches_a_device_that_is_connected_already(hub: Hub) -> None:
    connection = InMemory("*")
    done = asyncio.Event()

    def on_send(text: str) -> None:
        if text.startswith("do "):
            connection.arrive(f"+{ID} p72")
        elif text == "here I am":
            done.set()

    async def open_it() -> Connection:
        return connection

    connection.on_send = on_send
    visit = asyncio.create_task(hub.session.visit(open_it))
    running = asyncio.create_task(hub.orders.run())
    async with asyncio.timeout(10):
        await done.wait()
        hub.orders.arrived(command())
        stored = asyncio.Event()
        hub.spool.on_stored = stored.set
        while "done" not in await hub.steps():
            await stored.wait()
            stored.clear()
    await ended([visit, running])
    assert await hub.steps() == ["received", "sent", "done"]


@pytest.mark.parametrize("steps", range(6))
async def test_what_arrives_in_the_moment_of_an_end_is_read_by_whoever_comes_next(hub: Hub, steps: int) -> None:
    """The stack below has confirmed it: the device has forgotten it."""
    listening = asyncio.Event()

    class Heard(InMemory):
        async def receive(self) -> list[Rx]:
            listening.set()
            return await super().receive()

    connection = Heard("*")

    async def open_it() -> Connection:
        return connection

    visit = asyncio.create_task(hub.session.visit(open_it))
    async with asyncio.timeout(10):
        await listening.wait()
    connection.arrive("p72")
    for _ in range(steps):
        await asyncio.sleep(0)
    await ended([visit])
    await Session("disp-1", Obeying, hub.spool, hub.clock, hub.orders).catch_up()
    rows = [msgspec.json.decode(row.json, type=Row).what for row in await hub.spool.take(0, 10)]
    assert [what.value for what in rows if isinstance(what, Block)] == [(72.0,)]


@pytest.mark.parametrize("again", ["before it is sent", "after it is done", "after a restart"])
async def test_a_second_arrival_of_an_id_is_nothing_new(hub: Hub, again: str) -> None:
    await hub.told()
    if again != "before it is sent":
        await hub.visit()
    if again == "after a restart":
        await hub.lose_power()
    await hub.told()
    await hub.told(kind="test")
    await hub.visit()
    assert hub.box.acts == [ID]
    assert await hub.steps() == ["received", "sent", "done"]


# The power goes between each two steps.


async def test_power_lost_after_it_was_received(hub: Hub) -> None:
    await hub.told()
    await hub.lose_power()
    await hub.visit()
    assert hub.box.acts == [ID]
    assert await hub.steps() == ["received", "sent", "done"]


async def test_power_lost_after_it_was_marked_as_sent_and_before_it_went_out(hub: Hub) -> None:
    await hub.told()
    hub.box.dies = lambda text: text.startswith("do ")
    await hub.visit()
    assert await hub.steps() == ["received", "sent"]
    await hub.lose_power()
    hub.box.dies = lambda text: False
    await hub.visit()
    assert hub.box.sent == [], "it may have gone out for all the gateway knows, so it is asked for and not sent again"
    assert f"what of {ID}" in hub.box.heard
    assert await hub.steps() == ["received", "sent", "refused"]


async def test_power_lost_after_it_was_done_and_before_the_outcome_came(hub: Hub) -> None:
    await hub.told()
    hub.box.mute = True
    await hub.visit()
    assert hub.box.acts == [ID]
    await hub.lose_power()
    hub.box.mute = False
    await hub.visit()
    assert hub.box.acts == [ID]
    assert await hub.steps() == ["received", "sent", "done"]


async def test_the_outcome_came_and_the_disk_did_not_take_it(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    await hub.told()
    put = hub.spool.put

    async def refuse(
        heard: object, bookmarks: object = None, orders: Sequence[Entry] = (), packets: object = None
    ) -> None:
        if any(entry.step == "done" for entry in orders):
            raise StoreError("the spool is full", "bring the server back")
        await put(heard, bookmarks, orders, packets)  # type: ignore[arg-type]

    monkeypatch.setattr(hub.spool, "put", refuse)
    await hub.visit()
    assert await hub.steps() == ["received", "sent"]
    monkeypatch.undo()
    await hub.visit()
    assert hub.box.acts == [ID]
    assert await hub.steps() == ["received", "sent", "done"]


async def test_power_lost_after_the_outcome_was_stored(hub: Hub) -> None:
    await hub.told()
    await hub.visit()
    await hub.lose_power()
    heard = len(hub.box.heard)
    await hub.visit()
    assert not any(ID in text for text in hub.box.heard[heard:])
    assert await hub.steps() == ["received", "sent", "done"]


async def test_an_order_that_cannot_be_marked_as_sent_is_not_sent_and_may_be_later(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.told()

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the spool is full", "bring the server back")

    monkeypatch.setattr(hub.spool, "put", refuse)
    await hub.visit()
    assert hub.box.sent == []
    monkeypatch.undo()
    await hub.visit()
    assert hub.box.acts == [ID]


async def test_what_cannot_be_learned_within_its_time_is_told_as_unknown_and_still_never_sent_again(hub: Hub) -> None:
    await hub.told()
    hub.box.mute = True
    await hub.visit()
    await hub.later(seconds=900 + LEARN_S - 1)
    await hub.visit()
    assert await hub.steps() == ["received", "sent"]
    await hub.later(seconds=1)
    assert await hub.steps() == ["received", "sent", "unknown"]
    await hub.lose_power()
    hub.box.mute = False
    await hub.visit()
    assert hub.box.sent == [ID]
    assert await hub.steps() == ["received", "sent", "unknown"]


async def test_the_truth_that_comes_after_unknown_is_told_too(hub: Hub) -> None:
    await hub.told()
    hub.box.mute = True
    await hub.visit()
    await hub.later(seconds=900 + LEARN_S)
    hub.box.hear = lambda text: f"+{ID}" if text == "hello" else None  # type: ignore[method-assign]
    await hub.visit()
    assert await hub.steps() == ["received", "sent", "unknown", "done"]


async def test_an_order_for_a_device_that_is_away_waits_until_it_expires(hub: Hub) -> None:
    await hub.told()
    await hub.later(seconds=899)
    assert await hub.steps() == ["received"]
    await hub.later(seconds=1)
    assert await hub.steps() == ["received", "expired"]
    await hub.visit()
    assert hub.box.sent == []


async def test_an_order_that_expires_in_the_moment_of_sending_is_not_sent(hub: Hub) -> None:
    await hub.told()
    hub.clock.advance(seconds=900)  # and nobody has looked at the clock yet
    await hub.visit()
    assert hub.box.sent == []
    assert await hub.steps() == ["received", "expired"]


async def test_an_order_that_expires_while_the_disk_takes_its_time_is_not_sent(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hub.told()
    put = hub.spool.put

    async def slowly(*what: Any, **named: Any) -> None:
        await put(*what, **named)
        if "orders" in named:  # it is marked as sent
            hub.clock.advance(seconds=900)

    monkeypatch.setattr(hub.spool, "put", slowly)
    await hub.visit()
    assert hub.box.sent == []
    assert await hub.steps() == ["received", "sent", "expired"]
    await hub.lose_power()
    await hub.visit()
    assert hub.box.heard.count(f"what of {ID}") == 0, "there is nothing to find out"


async def test_an_order_expires_by_the_servers_time_whatever_becomes_of_ours(hub: Hub) -> None:
    await hub.told()
    hub.server_ns = T0_NS + 899 * NS
    await hub.orders.turn()
    assert await hub.steps() == ["received"]
    hub.server_ns = T0_NS + 900 * NS  # by our clock nothing has passed: it was set back
    await hub.visit()
    assert hub.box.sent == []
    assert await hub.steps() == ["received", "expired"]


@pytest.mark.parametrize(("passed_s", "told"), [(899, ["received", "sent", "done"]), (900, ["received", "expired"])])
async def test_what_was_ordered_in_another_boot_waits_until_the_server_has_told_the_time(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed_s: int, told: list[str]
) -> None:
    """A hub without a battery begins with the time at which it was switched off."""
    await hub.told()
    folder = tmp_path / FOLDER
    folder.mkdir()
    (folder / "batch.key").write_text("5e" * 32)
    hub.seals = Seals(tmp_path)
    monkeypatch.setattr(orders_module, "BOOT", "another")
    await hub.lose_power()
    await hub.visit()
    assert (hub.box.sent, await hub.steps()) == ([], ["received"])
    hub.server_ns = T0_NS + passed_s * NS
    await hub.visit()
    assert await hub.steps() == told
    assert len(hub.box.acts) == told.count("done")


async def test_the_device_learns_how_long_an_order_may_still_be_on_its_way(hub: Hub) -> None:
    await hub.told()
    await hub.later(seconds=890)
    await hub.visit()
    assert f'do {ID} dispense {{"compartment": 3, "lives_s": 10}}' in hub.box.heard


async def test_an_order_that_came_too_late_is_told_as_expired(hub: Hub) -> None:
    hub.clock.advance(seconds=901)
    await hub.told()
    await hub.visit()
    assert hub.box.sent == []
    assert await hub.steps() == ["received", "expired"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"kind": "lock"}, "takes no order"),
        ({"device": "oxi-1", "kind": "test"}, "takes no order"),
        ({"device": "disp-9"}, "does not have this device"),
    ],
)
async def test_what_can_never_be_done_is_refused_at_once_with_the_reason(
    hub: Hub, changes: dict[str, str], why: str
) -> None:
    await hub.told(**changes)
    assert await hub.steps() == ["received", "refused"]
    assert why in str((await hub.events())[-1].data["why"])


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{}",
        b"\xff",
        command(gateway="home-02"),
        command(order="17"),
        command(order="0" * 16),
        command(order="000000000000D05E"),
        command(data={"doses": "x" * 5000}),
        command(v=2),
        command(expires_ns=777).replace(b"777", b"9" * 400),
    ],
)
async def test_what_is_no_command_to_us_is_ignored(hub: Hub, payload: bytes) -> None:
    hub.orders.arrived(payload)
    await hub.orders.turn()
    assert hub.spool.status.queued == 0
    assert hub.orders.of("disp-1") == []


async def test_a_command_from_the_future_waits_until_our_clock_is_right(hub: Hub) -> None:
    """By a clock that is behind, nothing has expired."""
    issued_ns = T0_NS + round((AHEAD_S + 1) * NS)
    await hub.told(issued_ns=issued_ns, expires_ns=issued_ns + 900 * NS)
    assert await hub.steps() == []
    hub.clock.advance(seconds=AHEAD_S)
    await hub.told(issued_ns=issued_ns, expires_ns=issued_ns + 900 * NS)
    assert await hub.steps() == ["received"]


async def test_a_full_disk_takes_no_order_and_the_next_repetition_is_taken(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the spool is full", "bring the server back")

    monkeypatch.setattr(hub.spool, "put", refuse)
    await hub.told()
    assert hub.orders.of("disp-1") == []
    monkeypatch.undo()
    await hub.told()
    assert await hub.steps() == ["received"]


async def test_an_end_that_the_disk_does_not_take_is_told_at_the_next_turn(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the spool is full", "bring the server back")

    await hub.told()
    monkeypatch.setattr(hub.spool, "put", refuse)
    await hub.later(seconds=900)
    monkeypatch.undo()
    await hub.later(seconds=1)
    assert await hub.steps() == ["received", "expired"]


async def test_a_flood_of_commands_fills_nothing(hub: Hub) -> None:
    for _ in range(2 * MOST_WAITING):
        hub.orders.arrived(b"flood")
    hub.orders.arrived(command())
    await hub.orders.turn()
    assert await hub.steps() == []
    await hub.told()
    assert await hub.steps() == ["received"], "the server has sent it again"


async def test_one_devices_outcome_ends_nothing_of_anothers(hub: Hub) -> None:
    await hub.told()
    stranger = Session("oxi-1", Obeying, hub.spool, hub.clock, hub.orders)
    box = Box()
    box.hear = lambda text: f"+{ID}" if text == "hello" else None  # type: ignore[method-assign]

    async def open_it() -> Connection:
        return Line(box)

    await stranger.visit(open_it)
    assert [entry.id for entry in hub.orders.of("disp-1")] == [ID]


async def test_a_driver_that_fails_on_an_order_leaves_it_as_one_that_may_have_been_sent(hub: Hub) -> None:
    class Failing(Obeying):
        def order(self, order: Order, now_ns: int) -> Sequence[Tx]:
            raise KeyError("compartment")

    hub.session = Session("disp-1", Failing, hub.spool, hub.clock, hub.orders)
    await hub.told()
    await hub.visit()
    assert await hub.steps() == ["received", "sent"]
    await hub.visit()
    assert await hub.steps() == ["received", "sent", "refused"], "the device says that it never came"


@given(st.lists(st.sampled_from("tvcmwpx"), max_size=14))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
async def test_whatever_happens_in_whatever_order_it_is_sent_at_most_once_and_ends_well(
    tmp_path_factory: pytest.TempPathFactory, story: list[str]
) -> None:
    """t a command arrives (again), v a visit, c one cut before the order, m one whose answers are lost, w time passes,
    p power lost, x the line breaks at hello."""
    async with started(tmp_path_factory.mktemp("hub")) as hub:
        await hub.told()
        for what in story:
            hub.box.mute = what == "m"
            breaks = {"c": "do ", "x": "hello"}.get(what)
            hub.box.dies = lambda text, at=breaks: at is not None and text.startswith(at)
            if what in "vcmx":
                await hub.visit()
            elif what == "t":
                await hub.told()
            elif what == "p":
                await hub.lose_power()
            else:
                await hub.later(seconds=200)
        hub.box.dies = lambda text: False
        hub.box.mute = False
        await hub.visit()
        await hub.later(seconds=2000)
        steps = await hub.steps()
        assert len(hub.box.sent) <= 1
        assert hub.box.sent == hub.box.acts
        ends = [step for step in steps if step in ("done", "refused", "expired", "unknown")]
        assert len(ends) == 1
        assert (ends == ["done"]) <= (hub.box.acts == [ID])
        assert (ends == ["expired"]) <= (hub.box.acts == [])
        assert (ends == ["refused"]) <= (hub.box.acts == [])


async def test_commands_come_over_the_broker_as_often_as_they_like(
    hub: Hub, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    async with running(hub.spool, lasting_broker, tmp_path, on_command=hub.orders.arrived) as uplink:
        turns = asyncio.create_task(hub.orders.run())
        await asyncio.wait_for(uplink.connected.wait(), 10)
        for _ in range(3):
            server.say("home-01", command(), "command")
        server.say("home-01", command(order=OTHER), "command")
        await server.until(lambda server: len(server.rows) == 2)
        await ended([turns])
    told = [row.what for row in server.rows.values()]
    assert [what.data["order"] for what in told if isinstance(what, Event)] == [ID, OTHER]
    assert {entry.id for entry in hub.orders.of("disp-1")} == {ID, OTHER}
