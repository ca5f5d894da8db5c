"""The uplink over a real broker: nothing leaves the spool before the server has it, and nothing stays for ever."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import islice, pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock.hub import HubClock
from gateway.clock.steady import BOOT, steady_ns
from gateway.config.model import UplinkConfig
from gateway.identity.seals import Seals
from gateway.spool.rows import Heard, Status, Stored
from gateway.spool.store import Spool
from gateway.uplink import window as window_module
from gateway.uplink.sending import Uplink
from gateway.uplink.window import BACKLOG_WINDOW, LIVE_WINDOW, WINDOW, Window, as_ranges, head
from tests.gateway.uplink.broker import PASSWORD, Broker, Server
from tests.gateway.visits.scripted import T0_NS, pulse
from vitals.clock import RunningClock
from vitals.events import Event
from vitals.wire import Ack, Health, Lane, encode


@asynccontextmanager
async def running(
    spool: Spool,
    broker: Broker,
    folder: Path,
    protocol: str | int = "auto",
    on_command: Callable[[bytes], None] = lambda payload: None,
    seals: Seals | None = None,
    clock: HubClock | None = None,
) -> AsyncIterator[Uplink]:
    """An uplink of home-01, stopped in the end as the app stops it."""
    (folder / "password").write_text(PASSWORD + "\n")
    config = UplinkConfig(
        port=broker.port,
        password_file=str(folder / "password"),
        protocol=protocol,
        reconnect_max_s=0.2,  # type: ignore[arg-type]
    )

    def health() -> Health:
        return Health("home-01", spool.epoch, T0_NS, "test", spool.status.queued)

    clock = clock or HubClock(RunningClock())
    uplink = Uplink("home-01", config, spool, clock, 3600, health, on_command, seals=seals)
    task = asyncio.create_task(uplink.run())
    try:
        yield uplink
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()


async def put(spool: Spool, *values: float) -> None:
    await spool.put([Heard("oxi-1", T0_NS, pulse(value)) for value in values])


async def emptied(spool: Spool, timeout_s: float = 10) -> None:
    """Returns when the server has acknowledged everything and the spool has let it go."""
    news = asyncio.Event()
    release = spool.release

    def released(ranges: list[tuple[int, int]]) -> None:
        release(ranges)
        news.set()

    spool.release = released  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(timeout_s):
        await spool.flushed()
        while spool.status.queued:
            await news.wait()
            news.clear()
            await spool.flushed()


async def test_rows_that_waited_go_as_backlog_and_new_ones_live_and_the_spool_empties(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    await put(spool, *range(500))
    async with running(spool, lasting_broker, tmp_path):
        await server.until(lambda server: len(server.rows) == 500)
        await put(spool, 500)
        await server.until(lambda server: len(server.rows) == 501)
        await emptied(spool)
    assert server.values() == list(range(501))
    lanes = {row.seq: lane for lane, batch in server.batches for row in batch.rows}
    assert {lane for seq, lane in lanes.items() if seq <= 500} == {"backlog"}
    assert lanes[501] == "obs"
    assert max(len(batch.rows) for _, batch in server.batches) <= 200


async def test_it_says_that_it_is_there_and_how_it_is_and_on_a_clean_stop_that_it_goes(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    async with running(spool, lasting_broker, tmp_path):
        await server.until(lambda server: bool(server.healths) and any(state.online for state in server.states))
    await server.until(lambda server: not server.states[-1].online)
    assert server.healths[0].epoch == spool.epoch


async def test_a_heartbeat_that_comes_too_late_does_not_come_but_a_row_is_kept_for_as_long_as_it_takes(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    await put(spool, 72)
    async with running(spool, lasting_broker, tmp_path, 5):
        await server.until(lambda server: {"health", "backlog"} <= server.lasting.keys())
    assert server.lasting["health"] is not None
    assert 0 < server.lasting["health"] <= 3600, "until the next one"
    assert server.lasting["backlog"] is None


@pytest.mark.parametrize("protocol", [5, 3, "auto"])
async def test_it_speaks_both_protocols(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path, protocol: str | int
) -> None:
    async with running(spool, lasting_broker, tmp_path, protocol):
        await put(spool, 72)
        await server.until(lambda server: len(server.rows) == 1)
        await emptied(spool)


async def test_a_broker_killed_again_and_again_loses_nothing(
    spool: Spool, mortal_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_module, "RESEND_S", 0.5)
    server = await Server(mortal_broker).start()
    async with running(spool, mortal_broker, tmp_path) as uplink:
        for round_ in range(3):
            await put(spool, *range(round_ * 1000, round_ * 1000 + 1000))
            mortal_broker.kill()
            await put(spool, -1 - round_)
            mortal_broker.start()
            await server.until(lambda server, want=1001 * (round_ + 1): len(server.rows) == want, 30)  # type: ignore[misc]
            await emptied(spool, 30)
        assert sorted(server.values()) == sorted([*range(3000), -1, -2, -3])
        assert uplink.connected.is_set()
    await server.stop()


async def test_a_puback_is_not_an_acknowledgement_and_unacknowledged_rows_come_again(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_module, "RESEND_S", 0.1)
    server.acknowledges = False
    async with running(spool, lasting_broker, tmp_path):
        await put(spool, 72)
        await server.until(lambda server: len(server.batches) >= 3)
        assert spool.status.queued == 1
        assert {batch.rows[0].seq for _, batch in server.batches} == {1}
        server.acknowledges = True
        await emptied(spool)


async def test_a_server_that_never_acknowledges_gets_a_window_and_no_more_and_live_rows_still_pass(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    server.acknowledges = False
    await put(spool, *range(3000))
    async with running(spool, lasting_broker, tmp_path):
        await server.until(lambda server: len(server.batches) == BACKLOG_WINDOW)
        await put(spool, 72)
        await server.until(lambda server: server.batches[-1][0] == "obs")
        assert len(server.batches) == LIVE_WINDOW
        assert spool.status.queued == 3001


async def test_what_is_urgent_goes_first_and_passes_when_both_other_lanes_are_full(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    server.acknowledges = False
    waited = [Heard("disp-1", T0_NS, Event("dispenser.missed", T0_NS))]
    await put(spool, *range(3000))
    await spool.put(waited)
    async with running(spool, lasting_broker, tmp_path):
        await server.until(lambda server: len(server.batches) == BACKLOG_WINDOW)
        lane, first = server.batches[0]
        assert (lane, [row.seq for row in first.rows]) == ("alarm", [3001])
        await put(spool, 72, 73)
        await server.until(lambda server: server.batches[-1][0] == "obs")
        await put(spool, 74)
        await spool.put([Heard("disp-1", T0_NS, Event("dispenser.jam", T0_NS))])
        await server.until(lambda server: server.batches[-1][0] == "alarm")
        assert len(server.batches) == WINDOW
        server.acknowledges = True
        for _, batch in list(server.batches):
            server.acknowledge(batch)
        await emptied(spool)
    assert len(server.rows) == 3005, "each in one lane, none left behind"


async def test_a_batch_that_is_sent_again_says_when_it_was(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the two clocks at sending the server dates the rows, so they must be those of this copy."""
    monkeypatch.setattr(window_module, "RESEND_S", 0.1)
    server.acknowledges = False
    before_ns = steady_ns()
    async with running(spool, lasting_broker, tmp_path):
        await spool.put([Heard("oxi-1", T0_NS, pulse(72), before_ns)])
        await server.until(lambda server: len(server.batches) >= 2)
    first, second = (batch for _, batch in server.batches[:2])
    assert first.rows == second.rows
    assert first.rows[0].mono_ns == before_ns < first.mono_ns < second.mono_ns
    assert first.sent_ns < second.sent_ns
    assert (first.boot, first.boots) == (BOOT, ((1, BOOT),))


async def test_the_server_is_heard_by_what_it_says_and_not_by_the_broker(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    told: list[bytes] = []
    await server.leave("home-01", b"of last year", "command")
    async with running(spool, lasting_broker, tmp_path, on_command=told.append) as uplink:
        await server.until(lambda server: bool(server.healths))
        async with asyncio.timeout(10):
            while not told:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        assert uplink.silent_s() is None
        server.say("home-01", encode(Ack(spool.epoch, (), T0_NS)))  # what a heartbeat is answered with
        async with asyncio.timeout(10):
            while uplink.silent_s() is None:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        assert uplink.ignored_acks == 0
    await server.leave("home-01", b"", "command")


async def test_an_acknowledgement_of_another_spool_or_of_nonsense_releases_nothing(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    server.acknowledges = False
    async with running(spool, lasting_broker, tmp_path) as uplink:
        await put(spool, 1, 2)
        await server.until(lambda server: len(server.rows) == 2)
        batch = server.batches[0][1]
        server.acknowledge(batch, epoch="of-another-spool")
        server.say("home-01", b"\xff not json")
        server.say("home-01", encode(Ack(spool.epoch, ((1000, 2000),), T0_NS)))
        for _, batch in server.batches:
            server.acknowledge(batch)
        await emptied(spool)
        assert uplink.ignored_acks == 3


async def test_a_second_acknowledgement_of_the_same_rows_changes_nothing(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    async with running(spool, lasting_broker, tmp_path) as uplink:
        await put(spool, 1)
        await server.until(lambda server: len(server.rows) == 1)
        await emptied(spool)
        for _, batch in list(server.batches):
            server.acknowledge(batch)
        await put(spool, 2)
        await server.until(lambda server: len(server.rows) == 2)
        await emptied(spool)
        assert uplink.ignored_acks >= 1
    assert server.values() == [1, 2]


async def test_a_restart_of_the_gateway_sends_what_was_not_acknowledged_under_the_same_numbers(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    server.acknowledges = False
    spool = await Spool.open(tmp_path / "spool.sqlite")
    async with running(spool, lasting_broker, tmp_path):
        await put(spool, 1, 2, 3)
        await server.until(lambda server: len(server.rows) == 3)
    await spool.close()
    server.acknowledges = True
    again = await Spool.open(tmp_path / "spool.sqlite")
    async with running(again, lasting_broker, tmp_path):
        await emptied(again)
    assert server.values() == [1, 2, 3]
    await again.close()


async def test_a_broker_that_hangs_up_on_mqtt_5_is_tried_with_3_1_1(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    """In front of the broker stands a door that closes at a CONNECT of protocol level 5."""
    turned_away = 0

    async def door(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal turned_away
        connect = await reader.read(4096)
        if connect[connect.index(b"MQTT") + 4] == 5:  # the protocol level follows the name
            turned_away += 1
            writer.close()
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", lasting_broker.port)
        up_writer.write(connect)
        await asyncio.gather(_pipe(reader, up_writer), _pipe(up_reader, writer))

    listener = await asyncio.start_server(door, "127.0.0.1", 0)
    behind_door = Broker.__new__(Broker)
    behind_door.port = listener.sockets[0].getsockname()[1]
    async with running(spool, behind_door, tmp_path):
        await put(spool, 72)
        await server.until(lambda server: len(server.rows) == 1)
        await emptied(spool)
    listener.close()
    assert turned_away == 1


async def test_a_wrong_or_missing_password_is_tried_again_until_it_is_right(
    spool: Spool, lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    await put(spool, 72)
    async with running(spool, lasting_broker, tmp_path) as uplink:
        await server.until(lambda server: len(server.rows) == 1)
        await emptied(spool)
        assert uplink.connected.is_set()
    trouble = Said("refuses home-01", "cannot be read")
    for wrong in (lambda path: path.write_text("guess"), Path.unlink):
        async with running(spool, lasting_broker, tmp_path) as uplink:
            wrong(tmp_path / "password")
            trouble.said.clear()
            await put(spool, 73)
            async with asyncio.timeout(10):
                await trouble.said.wait()
            assert not uplink.connected.is_set()
            (tmp_path / "password").write_text(PASSWORD)
            await emptied(spool)
    trouble.close()


class Said(logging.Handler):
    """Knows when one of these phrases was logged by the gateway."""

    def __init__(self, *phrases: str) -> None:
        super().__init__()
        self.said = asyncio.Event()
        self._phrases = phrases
        logging.getLogger("gateway").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if any(phrase in record.getMessage() for phrase in self._phrases):
            self.said.set()

    def close(self) -> None:
        logging.getLogger("gateway").removeHandler(self)
        super().close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
    writer.close()


@given(st.sets(st.integers(1, 300)))
def test_ranges_name_exactly_the_numbers(numbers: set[int]) -> None:
    ranges = as_ranges(sorted(numbers))
    assert {n for low, high in ranges for n in range(low, high + 1)} == numbers
    assert all(after[0] > before[1] + 1 for before, after in pairwise(ranges))


@given(st.lists(st.integers(10, 30_000), min_size=1, max_size=50))
def test_a_batch_fits_a_message_and_is_never_empty(sizes: list[int]) -> None:
    rows = [Stored(seq, b"x" * size) for seq, size in enumerate(sizes, 1)]
    taken = head(rows)
    assert taken
    assert list(taken) == rows[: len(taken)]
    assert sum(len(row.json) + 1 for row in taken) < 60_000


Rows = st.integers(1, 5)
Ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))), max_size=4)


@given(boundary=st.integers(0, 20), steps=st.lists(st.one_of(Rows, Ranges), max_size=30))
def test_the_window_releases_only_what_was_sent_and_acknowledged_and_each_row_once(
    boundary: int, steps: list[int | list[tuple[int, int]]]
) -> None:
    """Every seventh row is urgent."""
    window = Window(boundary)
    newest = boundary + 30
    status = Status(newest, None, newest, newest - newest % 7)
    sent: set[int] = set()
    released: set[int] = set()
    for step in steps:
        if isinstance(step, int):
            for lane, after, up_to in window.lanes(status)[:1] if step % 2 else window.lanes(status)[-1:]:
                waiting = (seq for seq in range(after + 1, up_to + 1) if (seq % 7 == 0) == (lane is Lane.ALARM))
                rows = [Stored(seq, b"") for seq in islice(waiting, step)]
                if not rows:
                    window.exhausted(lane, up_to)
                    continue
                window.add(lane, rows)
                assert not sent & {row.seq for row in rows}, "a row is taken once"
                assert lane is Lane.ALARM or (lane is Lane.OBS) == (rows[0].seq > boundary)
                sent |= {row.seq for row in rows}
        else:
            freed = {seq for low, high in window.acknowledge(step) for seq in range(low, high + 1)}
            named = {seq for low, high in step for seq in range(low, high + 1)}
            assert freed <= sent & named
            assert not freed & released
            released |= freed
        assert {seq for flight in window.flights for seq in flight.unacknowledged} == sent - released
        assert len(window.flights) <= WINDOW
