"""The driver's contract, carried out: stored before released, in order, and a bug stays at home."""

import asyncio
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from drivers.contract import Bookmark, Out, Rx, Tx
from gateway.clock.steady import steady_ns
from gateway.links.contract import Connection, NoPipe, Open
from gateway.spool.store import Spool
from gateway.visits import talk as talk_module
from gateway.visits.session import Session
from tests.gateway.visits.scripted import T0_NS, InMemory, OnSerial, Scripted, pulse
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.errors import LinkError
from vitals.events import Fault
from vitals.wire import Row

CLOCK = ManualClock(T0_NS)


def opens(connection: Connection) -> Open:
    async def open_it() -> Connection:
        return connection

    return open_it


async def stored(spool: Spool) -> list[object]:
    return [msgspec.json.decode(row.json, type=Row).what for row in await spool.take(0, 10_000)]


async def pulses(spool: Spool) -> list[float]:
    return [what.value[0] for what in await stored(spool) if isinstance(what, Block) and what.channel == "pulse_rate"]


async def test_a_visit_stores_what_the_device_had_greets_it_and_leaves_when_it_is_quiet(spool: Spool) -> None:
    session = Session("oxi-1", Scripted, spool, CLOCK)
    connection = InMemory("p72", "l88")
    connection.on_send = lambda text: connection.arrive("p73") if text == "hello" else None
    assert session.health().link == "never"
    assert await session.visit(opens(connection))
    assert await pulses(spool) == [72, 73]
    assert connection.sent == ["hello"]
    assert connection.closed
    health = session.health()
    assert (health.link, health.battery, health.rows, health.last_seen_ns) == ("idle", 88, 3, T0_NS)


async def test_a_record_is_released_only_when_it_is_on_disk(spool: Spool) -> None:
    durable_at_release: list[int] = []
    connection = InMemory()

    def on_send(text: str) -> None:
        if text == "hello":
            connection.arrive("b1 b2")
            connection.arrive("b3")
        else:
            durable_at_release.append(spool.status.queued)

    connection.on_send = on_send
    await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection))
    assert connection.sent == ["hello", "ack 1", "ack 2", "ack 3"]
    assert durable_at_release == [3, 3, 3]


async def test_what_is_sent_keeps_the_drivers_order(spool: Spool) -> None:
    connection = InMemory("tfirst p1 b2 tsecond p3 b4 tthird")
    await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection))
    assert connection.sent == ["first", "ack 2", "second", "ack 4", "third", "hello"]


async def test_a_full_spool_releases_nothing_and_ends_the_connection(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vitals.errors import StoreError

    async def refuse(*_: object, **__: object) -> None:
        raise StoreError("the spool is full", "bring the server back")

    monkeypatch.setattr(spool, "put", refuse)
    connection = InMemory("b1")
    assert not await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection))
    assert connection.sent == []
    assert connection.closed


async def test_when_the_hubs_clock_is_set_meanwhile_the_time_goes_on_as_before_and_the_device_is_read_anew(
    spool: Spool,
) -> None:
    """A driver has compared the device's clock with ours as it was: a record dated across the jump would be off by it.

    The rows say when they came by the steady clock, so that the server moves all of them alike.
    """
    hour_ns = 3_600 * NS
    connection = InMemory()

    def on_send(text: str) -> None:
        mono_ns = steady_ns()
        if text == "hello":
            connection.arrive("l88", T0_NS, mono_ns)
            connection.arrive("l87 b1", T0_NS + hour_ns, mono_ns)  # the network told the time between the two
        elif text == "ack 1":
            connection.arrive("l86", T0_NS + hour_ns, mono_ns)

    connection.on_send = on_send
    assert await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection))
    rows = [msgspec.json.decode(row.json, type=Row) for row in await spool.take(0, 100)]
    levels = {row.what.value[0]: row for row in rows if isinstance(row.what, Block) and row.what.channel == "battery"}
    assert levels.keys() == {88, 87, 86}
    assert all(abs(row.received_ns - T0_NS) < 2 * NS and row.mono_ns for row in levels.values())
    assert connection.sent == ["hello", "ack 1"], "what was stored is released all the same"
    assert connection.closed


async def test_the_next_connection_begins_where_the_last_one_was_stored(spool: Spool) -> None:
    session = Session("oxi-1", Scripted, spool, CLOCK)
    await session.visit(opens(InMemory("p1 m41 p2 m42")))
    await session.visit(opens(InMemory("p3")))
    assert Scripted.bookmarks == ["", "42"]


async def test_a_driver_that_fails_leaves_its_bytes_as_a_fault_and_what_it_said_before(spool: Spool) -> None:
    session = Session("oxi-1", Scripted, spool, CLOCK)
    connection = InMemory("p1 b2 ! p4")
    assert not await session.visit(opens(connection))
    first, second, fault = await stored(spool)
    assert (first, second) == (pulse(1), pulse(2))
    assert isinstance(fault, Fault)
    assert (fault.code, fault.data) == ("driver bug", b"p1 b2 ! p4")
    assert connection.sent == ["ack 2"], "what was stored before the bug is released all the same"
    assert connection.closed
    assert session.health().faults == 1


async def test_a_driver_that_fails_at_once_is_a_fault_too(spool: Spool) -> None:
    class Unmade(Scripted):
        def __init__(self, bookmark: str = "") -> None:
            raise ValueError("no such bookmark")

    class Mute(Scripted):
        def hello(self, now_ns: int) -> Sequence[Tx]:
            raise KeyError("hello")

    for driver in (Unmade, Mute):
        assert not await Session("oxi-1", driver, spool, CLOCK).visit(opens(InMemory()))
    assert [fault.code for fault in await stored(spool) if isinstance(fault, Fault)] == ["driver bug"] * 2


async def test_a_value_that_is_not_finite_is_a_fault_and_not_a_reading(spool: Spool) -> None:
    await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(InMemory("pnan pinf p72")))
    kinds = [type(what) for what in await stored(spool)]
    assert kinds == [Fault, Fault, Block]


async def test_a_device_that_hangs_up_after_telling_is_well_and_one_that_said_nothing_is_lost(spool: Spool) -> None:
    session = Session("oxi-1", Scripted, spool, CLOCK)
    told = InMemory("p1")
    told.drop()
    assert await session.visit(opens(told))
    assert session.health().link == "idle"
    silent = InMemory()
    silent.drop()
    assert not await session.visit(opens(silent))
    assert session.health().link == "lost"
    assert await pulses(spool) == [1]


async def test_a_device_that_cannot_be_reached_is_lost(spool: Spool) -> None:
    async def refuse() -> Connection:
        raise LinkError("no answer", "bring it closer")

    session = Session("oxi-1", Scripted, spool, CLOCK)
    assert not await session.visit(refuse)
    assert session.health().link == "lost"


async def test_a_serial_device_is_greeted_until_it_says_something_sensible(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talk_module, "HELLO_AGAIN_S", 0.02)
    connection = InMemory()
    answered = asyncio.Event()

    def on_send(text: str) -> None:
        if len(connection.sent) == 2:
            connection.arrive("fnoise")
        if len(connection.sent) == 3:
            connection.arrive("p72 tthanks")
        if text == "thanks":
            answered.set()

    connection.on_send = on_send
    visit = asyncio.create_task(Session("disp-1", OnSerial, spool, CLOCK).visit(opens(connection)))
    async with asyncio.timeout(5):
        await answered.wait()
    monkeypatch.setattr(talk_module, "HELLO_AGAIN_S", 0)
    connection.drop()
    await visit
    assert connection.sent == ["hello\n"] * 3 + ["thanks"], "a fault is not an answer, a pulse is"
    assert await pulses(spool) == [72]


async def test_a_serial_device_that_forgets_is_greeted_again_when_it_has_been_silent(spool: Spool) -> None:
    class Forgetful(OnSerial):
        card = msgspec.structs.replace(OnSerial.card, silence_s=0.05)

    connection = InMemory("p72")
    greeted = asyncio.Event()

    def on_send(text: str) -> None:
        if len(connection.sent) == 3:
            greeted.set()

    connection.on_send = on_send
    visit = asyncio.create_task(Session("oxi-1", Forgetful, spool, CLOCK).visit(opens(connection)))
    async with asyncio.timeout(5):
        await greeted.wait()
    connection.drop()
    await visit
    assert await pulses(spool) == [72]


async def test_what_is_only_for_a_pipe_the_device_may_lack_is_left_unsent_and_all_else_ends_the_connection(
    spool: Spool,
) -> None:
    class Hoping(Scripted):
        def hello(self, now_ns: int) -> Sequence[Tx]:
            return [Tx("2bf4", b"start", if_there=True), Tx("2a52", b"hello")]

    class Sparse(InMemory):
        async def send(self, pipe: str, data: bytes) -> None:
            if pipe == "2bf4":
                raise NoPipe("no such pipe", "none")
            await super().send(pipe, data)

    connection = Sparse("p72")
    assert await Session("oxi-1", Hoping, spool, CLOCK).visit(opens(connection))
    assert connection.sent == ["hello"]

    class Insisting(Scripted):
        def hello(self, now_ns: int) -> Sequence[Tx]:
            return [Tx("2bf4", b"start")]

    session = Session("oxi-2", Insisting, spool, CLOCK)
    assert not await session.visit(opens(Sparse()))
    assert session.health().link == "lost"


async def test_the_same_packet_may_bring_rows_and_the_bookmark_that_covers_them(spool: Spool) -> None:
    class Halting(Scripted):
        def feed(self, rx: Rx) -> Iterator[Out]:
            yield pulse(1)
            yield Bookmark("1")
            yield Tx("2a52", b"ack", after_stored=True)

    connection = InMemory("any")
    connection.on_send = lambda text: marks.append(spool.status.queued)
    marks: list[int] = []
    await Session("oxi-1", Halting, spool, CLOCK).visit(opens(connection))
    assert marks[0] == 1
    assert await spool.bookmark("oxi-1") == "1"
