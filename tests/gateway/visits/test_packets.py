"""Bytes are on disk before anybody reads them, and what they mean is told once: through crashes and drivers' bugs."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import Out, Rx
from gateway.links.contract import Connection, Open
from gateway.spool import raw
from gateway.spool.rows import Heard, Put, Ranges, Status
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits import packets as packets_module
from gateway.visits import talk as talk_module
from gateway.visits.packets import Bytes
from gateway.visits.session import Session
from gateway.visits.talk import Talk
from tests.gateway.visits.scripted import T0_NS, InMemory, Scripted, pulse
from vitals.block import Block
from vitals.clock import ManualClock
from vitals.errors import LinkError, StoreError
from vitals.events import Fault
from vitals.wire import Row

CLOCK = ManualClock(T0_NS)


def packets(*words: str) -> list[Rx]:
    return [Rx("2a5f", word.encode(), T0_NS + n) for n, word in enumerate(words)]


def opens(connection: Connection) -> Open:
    async def open_it() -> Connection:
        return connection

    return open_it


async def stored(spool: Spool) -> list[Row]:
    return [msgspec.json.decode(row.json, type=Row) for row in await spool.take(0, 10_000)]


async def pulses(spool: Spool) -> list[float]:
    return [row.what.value[0] for row in await stored(spool) if isinstance(row.what, Block)]


async def kept(spool: Spool) -> list[tuple[bytes, str | None]]:
    await spool.flushed()
    return [tuple(row) for row in await spool._in_thread(_all, spool)]


def _all(spool: Spool) -> list[Any]:
    return spool._file._db.execute("SELECT data, tried FROM raw ORDER BY device, n").fetchall()


class Halves(Scripted):
    """`(7` begins a record and `7)` ends it; only then is it told."""

    def __init__(self, bookmark: str = "") -> None:
        super().__init__(bookmark)
        self._begun = b""

    def feed(self, rx: Rx) -> Iterator[Out]:
        if rx.data.startswith(b"("):
            self._begun = rx.data[1:]
        elif rx.data == self._begun + b")":
            yield pulse(float(self._begun), record=self._begun.decode())
        else:
            yield Fault("short packet", rx.data.decode(), rx.t_ns)


async def test_what_a_crash_left_as_bytes_is_told_at_the_next_start_and_nothing_is_sent(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    await Bytes(spool, "oxi-1").keep(packets("b72", "b73 m2", "t1"))
    await spool.close()
    again = await Spool.open(tmp_path / "spool.sqlite")
    session = Session("oxi-1", Scripted, again, CLOCK)
    assert await session.catch_up()
    assert await pulses(again) == [72, 73]
    assert [row.received_ns for row in await stored(again)] == [T0_NS, T0_NS + 1], "when it was received"
    assert await again.bookmark("oxi-1") == "2"
    assert await kept(again) == []
    connection = InMemory("p74")
    assert await session.visit(opens(connection))
    assert await pulses(again) == [72, 73, 74]
    assert connection.sent == ["hello"]
    await again.close()


async def test_a_visit_leaves_no_bytes_behind(spool: Spool) -> None:
    session = Session("oxi-1", Halves, spool, CLOCK)
    assert await session.visit(opens(InMemory("(1", "1)", "(2")))
    assert await pulses(spool) == [1]
    assert await kept(spool) == [], "the driver is gone, and the half it held with it"


async def test_the_first_half_of_a_record_is_kept_until_the_second_is_told(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    connection = InMemory("(1", "1)", "(2")
    told = asyncio.Event()
    spool.on_stored = told.set
    visit = asyncio.create_task(Session("oxi-1", Halves, spool, CLOCK).visit(opens(connection)))
    await told.wait()
    assert await kept(spool) == [(b"(2", None)]
    connection.arrive("2)")
    await ended([visit])  # in the instant it arrived
    await spool.close()
    again = await Spool.open(tmp_path / "spool.sqlite")
    assert await Session("oxi-1", Halves, again, CLOCK).catch_up()
    assert await pulses(again) == [1, 2]
    await again.close()


async def test_the_second_half_of_a_record_that_comes_while_the_visit_ends_finds_the_first(spool: Spool) -> None:
    connection = InMemory("(1")
    connection.close = lambda: _arrives(connection, "1)")  # type: ignore[method-assign]
    assert await Session("oxi-1", Halves, spool, CLOCK).visit(opens(connection))
    assert await pulses(spool) == [1]
    assert await kept(spool) == []


async def test_a_session_that_follows_an_interrupted_one_finds_what_that_was_still_writing(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a configuration comes from afar: the spool stays open, and the devices are visited anew at once."""
    put, telling = spool.put, asyncio.Event()

    async def noticed(heard: Sequence[Heard], *more: Any, **named: Any) -> None:
        if heard:
            telling.set()
        await put(heard, *more, **named)

    monkeypatch.setattr(spool, "put", noticed)
    connection = InMemory("p1")
    visit = asyncio.create_task(Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection)))
    await telling.wait()
    connection.arrive("p2")
    await ended([visit])
    following = Session("oxi-1", Scripted, spool, CLOCK)
    assert await following.catch_up()
    assert await following.visit(opens(InMemory("p3", "p4", "p5")))
    assert await pulses(spool) == [1, 2, 3, 4, 5], "each once, in the order in which they came"
    assert await kept(spool) == []


async def test_what_a_full_disk_refuses_waits_in_memory_and_nobody_is_visited_until_it_is_on_disk(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Bluetooth stack has confirmed it: the device has forgotten it."""
    write, full = spool._file.write, [True]

    def writes(puts: Sequence[Put], ranges: Ranges) -> tuple[list[StoreError | None], Status]:
        if full[0] and any(put.grows for put in puts):
            return [StoreError("the spool is full", "bring the server back")] * len(puts), spool.status
        return write(puts, ranges)

    monkeypatch.setattr(spool._file, "write", writes)
    session = Session("oxi-1", Scripted, spool, CLOCK)
    connection = InMemory("p1")
    connection.close = lambda: _arrives(connection, "p2")  # type: ignore[method-assign]
    assert not await session.visit(opens(connection))
    waiting = InMemory("p3")
    assert not await session.visit(opens(waiting))
    assert waiting.sent == [], "it is not connected to"
    full[0] = False
    assert await session.visit(opens(waiting))
    assert await pulses(spool) == [1, 2, 3]
    assert await kept(spool) == []


async def _arrives(connection: InMemory, words: str) -> None:
    connection.arrive(words)


async def test_a_device_that_sends_and_tells_nothing_fills_no_disk(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets_module, "MOST_UNTOLD", 3)
    seen = asyncio.Event()

    class Silent(Scripted):
        def feed(self, rx: Rx) -> Iterator[Out]:
            if rx.data == b"h":
                seen.set()
            return iter(())

    connection = InMemory(*"abcdefgh")
    visit = asyncio.create_task(Session("oxi-1", Silent, spool, CLOCK).visit(opens(connection)))
    await seen.wait()
    assert [data for data, _ in await kept(spool)] == [b"f", b"g", b"h"]
    await ended([visit])


async def test_what_a_driver_failed_on_is_tried_once_by_each_later_version_and_nothing_is_told_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    session = Session("oxi-1", Scripted, spool, CLOCK)
    assert not await session.visit(opens(InMemory("p1 m1 p2 ! p3 m2")))
    assert await session.visit(opens(InMemory("p4 m9")))
    assert await pulses(spool) == [1, 2, 4]
    assert await kept(spool) == [(b"p1 m1 p2 ! p3 m2", raw.VERSION)], "this version does not try it again"
    await spool.close()

    again = await Spool.open(tmp_path / "spool.sqlite")
    monkeypatch.setattr(raw, "VERSION", "9.1.0")
    assert await Session("oxi-1", Scripted, again, CLOCK).catch_up()
    assert await kept(again) == [(b"p1 m1 p2 ! p3 m2", "9.1.0")]
    assert await pulses(again) == [1, 2, 4], "the same bug again"
    faults = [row.what for row in await stored(again) if isinstance(row.what, Fault)]
    assert [fault.code for fault in faults] == ["driver bug", "driver bug"]

    class Mended(Scripted):
        def _word(self, word: str, rx: Rx) -> Iterator[Out]:
            return iter(()) if word == "!" else super()._word(word, rx)

    monkeypatch.setattr(raw, "VERSION", "9.2.0")
    assert await Session("oxi-1", Mended, again, CLOCK).catch_up()
    assert await pulses(again) == [1, 2, 4, 3]
    assert await again.bookmark("oxi-1") == "9", "the device has been read further since"
    assert await kept(again) == []
    await again.close()


async def test_the_packets_after_the_one_a_driver_failed_on_are_read_by_a_fresh_one(spool: Spool) -> None:
    session = Session("oxi-1", Scripted, spool, CLOCK)
    assert not await session.visit(opens(InMemory("b1", "!", "b2", "!", "b3")))
    assert await pulses(spool) == [1, 2, 3]
    assert [data for data, _ in await kept(spool)] == [b"!", b"!"]
    assert session.health().faults == 2


async def test_of_what_drivers_failed_on_the_newest_are_kept(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw, "SET_ASIDE_BYTES", 3 * (raw._ROW_BYTES + 2))
    session = Session("oxi-1", Scripted, spool, CLOCK)
    for number in range(5):
        assert not await session.visit(opens(InMemory(f"!{number}")))
    neighbour = Session("oxi-2", Scripted, spool, CLOCK)
    assert not await neighbour.visit(opens(InMemory("!n")))
    assert [data for data, _ in await kept(spool)] == [b"!2", b"!3", b"!4", b"!n"]


async def test_a_driver_that_cannot_be_made_leaves_the_bytes_where_they_are(spool: Spool) -> None:
    class Unmade(Scripted):
        def __init__(self, bookmark: str = "") -> None:
            raise ValueError("no such bookmark")

    await Bytes(spool, "oxi-1").keep(packets("p1"))
    assert not await Session("oxi-1", Unmade, spool, CLOCK).visit(opens(InMemory("p2")))
    assert [data for data, _ in await kept(spool)] == [b"p1"]
    assert await Session("oxi-1", Scripted, spool, CLOCK).catch_up()
    assert await pulses(spool) == [1]


async def test_what_arrived_before_the_connection_broke_is_told_though_nothing_can_be_sent(spool: Spool) -> None:
    class Broken(InMemory):
        async def send(self, pipe: str, data: bytes) -> None:
            self.arrive("p3")
            raise LinkError("the device walked away", "bring it back")

    session = Session("oxi-1", Scripted, spool, CLOCK)
    assert await session.visit(opens(Broken("t1 p1", "p2")))
    assert await pulses(spool) == [1, 2, 3]
    assert await kept(spool) == []


async def test_what_comes_while_the_connection_is_closed_is_told_too(spool: Spool) -> None:
    class Late(InMemory):
        async def close(self) -> None:
            await super().close()
            self.arrive("p2")

    assert await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(Late("p1")))
    assert await pulses(spool) == [1, 2]
    assert await kept(spool) == []


async def test_a_stream_is_gathered(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    fed: asyncio.Queue[bytes] = asyncio.Queue()

    class Stream(Scripted):
        """Tells something of each tenth packet."""

        def feed(self, rx: Rx) -> Iterator[Out]:
            fed.put_nowait(rx.data)
            if rx.data.endswith(b"9"):
                yield pulse(float(rx.data))

    class Fast(ManualClock):
        speed = 1000.0

    session = Session("oxi-1", Stream, spool, Fast(T0_NS))
    gather_s = Talk(session.account, InMemory()).gather_s
    assert gather_s == talk_module.STREAM_GATHER_S / 1000
    monkeypatch.setattr(Talk, "gather_s", property(lambda _: pauses.append(gather_s) or 0.0))
    connection = InMemory()
    visit = asyncio.create_task(session.visit(opens(connection)))
    when = []
    for number in range(100, 130):
        connection.arrive(str(number))
        async with asyncio.timeout(10):
            await fed.get()
        when.append(len(pauses))
    await ended([visit])
    assert when[:9] == [0] * 8 + [1], "a device may be silent for a while"
    assert when[-1] > 15, "a stream is taken second by second"


async def test_a_conversation_is_not_held_up(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "STREAM_GATHER_S", 60.0)
    connection = InMemory()
    said: list[str] = []

    def on_send(text: str) -> None:
        said.append(text)
        if len(said) < 30:
            connection.arrive(f"t{len(said)}")

    connection.on_send = on_send
    async with asyncio.timeout(30):
        assert await Session("oxi-1", Scripted, spool, CLOCK).visit(opens(connection))
    assert len(said) == 30


@settings(max_examples=60)
@given(bursts=st.lists(st.integers(1, 4), min_size=1, max_size=6), commits=st.integers(0, 14), bug=st.integers(-1, 12))
async def test_whenever_the_power_goes_what_was_on_disk_is_told_once(
    bursts: list[int], commits: int, bug: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Records of two packets each; after `commits` puts nothing reaches the disk any more."""
    path = tmp_path_factory.mktemp("spool") / "spool.sqlite"
    spool = await Spool.open(path)
    on_disk = spool._handed_over
    lost = asyncio.Event()
    arrived: list[str] = []
    left = commits

    def failing(put: Any) -> "asyncio.Future[None]":
        nonlocal left
        left -= 1
        if left < 0:
            lost.set()
            return asyncio.get_running_loop().create_future()
        if put.packets:
            arrived.extend(one.rx.data.decode() for one in put.packets.kept)
        return on_disk(put)

    spool._handed_over = failing  # type: ignore[method-assign]

    class Failing(Halves):
        def feed(self, rx: Rx) -> Iterator[Out]:
            if rx.data.decode() == f"{bug})":
                raise RuntimeError("a bug")
            return super().feed(rx)

    words = iter([word for n in range(30) for word in (f"({n}", f"{n})")])
    connection = InMemory()

    async def send_bursts() -> None:
        for size in bursts:
            for _ in range(size):
                connection.arrive(next(words))
            await asyncio.sleep(0.03)

    visit = asyncio.create_task(Session("oxi-1", Failing, spool, CLOCK).visit(opens(connection)))
    sender = asyncio.create_task(send_bursts())
    lost_power = asyncio.create_task(lost.wait())
    await asyncio.wait([visit, lost_power], return_when=asyncio.FIRST_COMPLETED)
    await ended([visit, sender, lost_power])
    await spool.close()

    again = await Spool.open(path)
    assert await Session("oxi-1", Failing, again, CLOCK).catch_up()
    whole = [float(word[:-1]) for word in arrived if word.endswith(")")]
    assert await pulses(again) == [number for number in whole if number != bug]
    await again.close()
    last = await Spool.open(path)
    version, raw.VERSION = raw.VERSION, "9.9.9"
    try:
        assert await Session("oxi-1", Halves, last, CLOCK).catch_up()
    finally:
        raw.VERSION = version
    assert sorted(await pulses(last)) == whole, "a mended driver tells the rest"
    assert await kept(last) == []
    await last.close()
