"""The spool keeps what it says it kept."""

import asyncio
import contextlib
import math
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.clock.steady import BOOT
from gateway.spool import boots
from gateway.spool.ledger import Entry
from gateway.spool.rows import Heard, Stored
from gateway.spool.schema import wipe
from gateway.spool.store import FAULTS_PER_HOUR, Spool
from tests.gateway.visits.scripted import T0_NS, pulse
from vitals.block import Block
from vitals.errors import StoreError
from vitals.events import Event, Fault
from vitals.wire import Command, Row


def heard(value: float, t_ns: int = T0_NS) -> Heard:
    return Heard("oxi-1", t_ns, pulse(value))


async def values(spool: Spool) -> list[float]:
    return [
        row.what.value[0]
        for stored in await spool.take(0, 100_000)
        if isinstance((row := msgspec.json.decode(stored.json, type=Row)).what, Block)
    ]


async def test_a_row_comes_back_as_it_was_with_a_number_of_its_own(spool: Spool) -> None:
    block = Block("spo2", (T0_NS, T0_NS + 1), (97.0, 96.5), 1, ("motion",), "log:7", T0_NS - 5)
    await spool.put([Heard("oxi-1", T0_NS + 9, block)])
    [stored] = await spool.take(0, 10)
    assert msgspec.json.decode(stored.json, type=Row) == Row(1, "oxi-1", T0_NS + 9, block)
    assert (spool.status.queued, spool.status.oldest_ns, spool.status.last_seq) == (1, T0_NS + 9, 1)


async def test_no_number_is_used_twice_not_even_after_everything_was_released_and_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    spool = await Spool.open(path)
    await spool.put([heard(1), heard(2), heard(3)])
    spool.release([(1, 3)])
    await spool.close()
    again = await Spool.open(path)
    assert again.epoch == spool.epoch
    assert again.status[:3] == (0, None, 3)
    await again.put([heard(4)])
    assert [row.seq for row in await again.take(0, 10)] == [4]
    await again.close()


async def test_a_new_spool_has_a_new_epoch(tmp_path: Path) -> None:
    first, second = await Spool.open(tmp_path / "a"), await Spool.open(tmp_path / "b")
    assert first.epoch != second.epoch
    await first.close()
    await second.close()


async def test_a_bookmark_is_kept_with_its_rows_and_found_after_a_restart(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    assert await spool.bookmark("oxi-1") == ""
    await spool.put([heard(1)], {"oxi-1": "seq 41"})
    await spool.put([], {"oxi-1": "seq 42"})
    await spool.close()
    again = await Spool.open(tmp_path / "spool.sqlite")
    assert await again.bookmark("oxi-1") == "seq 42"
    await again.close()


async def test_what_a_cancelled_session_had_handed_over_is_kept(spool: Spool) -> None:
    put = asyncio.create_task(spool.put([heard(72)]))
    await asyncio.sleep(0)
    put.cancel()
    await spool.flushed()
    assert await values(spool) == [72]


async def test_a_full_spool_refuses_and_keeps_every_row_and_has_room_again_after_a_release(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite", max_bytes=20 * 4096)
    kept = 0
    refused = None
    while refused is None:
        rows = [heard(kept + offset) for offset in range(10)]
        [refused] = await asyncio.gather(spool.put(rows, {"oxi-1": str(kept + 10)}), return_exceptions=True)
        kept += 0 if refused else 10
    assert "full: bring the server back" in str(refused)
    assert spool.full
    assert kept > 100
    assert await values(spool) == list(range(kept))
    assert await spool.bookmark("oxi-1") == str(kept), "the refused bookmark must not be kept without its rows"
    spool.release([(1, kept)])
    await spool.put([heard(7)])
    assert not spool.full
    assert await values(spool) == [7]
    await spool.close()


async def test_one_put_that_does_not_fit_leaves_its_neighbour_alone(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite", max_bytes=30 * 4096)
    small, huge = await asyncio.gather(
        spool.put([heard(1)]), spool.put([heard(n) for n in range(5000)]), return_exceptions=True
    )
    assert small is None
    assert isinstance(huge, StoreError)
    assert await values(spool) == [1]
    assert spool.status.queued == 1
    await spool.close()


async def test_a_babbling_device_gets_sixty_faults_an_hour_and_its_neighbour_gets_its_own(spool: Spool) -> None:
    hour_ns = 3_600_000_000_000
    t_ns = T0_NS - T0_NS % hour_ns
    noise = [Heard("oxi-1", t_ns, Fault("short packet", "", t_ns))] * 1000
    await spool.put(noise)
    await spool.put([Heard("disp-1", t_ns, Fault("gap", "", t_ns)), heard(72)])
    assert spool.status.queued == FAULTS_PER_HOUR + 2
    await spool.put([Heard("oxi-1", t_ns + hour_ns, Fault("short packet", "", t_ns + hour_ns))])
    assert spool.status.queued == FAULTS_PER_HOUR + 3


@pytest.mark.parametrize(
    "block",
    [pulse(math.nan), Block("pulse_rate", (T0_NS,), ("many",)), Block("x" * 40_000, (T0_NS,), (1.0,))],  # type: ignore[arg-type]
    ids=["not a number", "not the type", "too long"],
)
async def test_a_row_the_server_could_not_read_is_kept_as_a_fault(spool: Spool, block: Block) -> None:
    await spool.put([Heard("oxi-1", T0_NS, block), heard(72)])
    rows = [msgspec.json.decode(stored.json, type=Row).what for stored in await spool.take(0, 10)]
    assert isinstance(rows[0], Fault)
    assert rows[0].code == "driver bug"
    assert rows[1] == pulse(72)


async def test_two_gateways_cannot_share_a_spool(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"another process has the spool .*: stop the other gateway"):
        await Spool.open(tmp_path / "spool.sqlite")


async def test_a_file_that_is_no_spool_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    path.write_bytes(b"not a database at all, but a letter of some length" * 100)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="damaged"):
        await Spool.open(path)
    assert path.read_bytes() == before


async def test_a_spool_of_a_later_version_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreError, match="version 9, this gateway writes 2"):
        await Spool.open(path)


Deed = st.one_of(
    st.tuples(st.just("put"), st.integers(1, 5)),
    st.tuples(st.just("release"), st.tuples(st.integers(1, 40), st.integers(0, 10))),
    st.tuples(st.just("restart"), st.none()),
)


@settings(max_examples=40, deadline=None)
@given(deeds=st.lists(Deed, max_size=15))
async def test_it_behaves_as_a_numbered_list(
    deeds: list[tuple[str, object]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("spool") / "spool.sqlite"
    spool = await Spool.open(path)
    model: dict[int, float] = {}
    last = 0
    for deed, argument in deeds:
        if deed == "put":
            assert isinstance(argument, int)
            await spool.put([heard(last + n) for n in range(1, argument + 1)])
            model |= {last + n: float(last + n) for n in range(1, argument + 1)}
            last += argument
        elif deed == "release":
            assert isinstance(argument, tuple)
            low, length = argument
            spool.release([(low, low + length)])
            await spool.flushed()
            model = {seq: value for seq, value in model.items() if not low <= seq <= low + length}
        else:
            await spool.close()
            spool = await Spool.open(path)
        assert spool.status.queued == len(model)
        assert spool.status.last_seq == last
        assert [row.seq for row in await spool.take(0, 1000)] == sorted(model)
    assert await values(spool) == [model[seq] for seq in sorted(model)]
    await spool.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.block import Block

async def main():
    spool = await Spool.open(Path(sys.argv[1]))
    async def one(device):
        for n in range(1_000_000):
            await spool.put([Heard(device, n, Block("pulse_rate", (n,), (float(n),)))], {device: str(n)})
            print(device, n, flush=True)
    await asyncio.gather(*(one(f"d{i}") for i in range(5)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 37, 150, 400])
async def test_kill_9_loses_nothing_that_was_reported_durable(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "spool.sqlite"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(path), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert child.stdout is not None
    reported = [(await child.stdout.readline()).decode() for _ in range(lines)]
    os.kill(child.pid, signal.SIGKILL)
    rest = (await child.stdout.read()).decode()
    reported += rest[: rest.rfind("\n") + 1].splitlines()  # the last line may be cut in the middle of its number
    await child.wait()
    durable = {device: int(n) for device, n in (line.split() for line in reported)}
    spool = await Spool.open(path)
    found: dict[str, list[int]] = {}
    for stored in await spool.take(0, 1_000_000):
        row = msgspec.json.decode(stored.json, type=Row)
        found.setdefault(row.device, []).append(row.received_ns)
    for device, newest in durable.items():
        assert found[device] == list(range(len(found[device]))), "in order, and none twice"
        assert len(found[device]) > newest
        assert await spool.bookmark(device) == str(found[device][-1]), "the bookmark is where the rows are"
    await spool.close()


async def test_a_spool_that_is_wiped_forgets_what_was_measured_and_no_order(tmp_path: Path) -> None:
    """An order that a hub forgot could be acted on twice; one that waited is not told in the next home."""
    path = tmp_path / "spool.sqlite"
    spool = await Spool.open(path)
    entries = {
        step: Entry(Command("home-01", f"{number:016x}", "disp-1", "dispense", T0_NS, T0_NS + 1), step, T0_NS)
        for number, step in enumerate(("received", "sent", "done"), 1)
    }
    await spool.put([heard(97), heard(96)], {"oxi-1": "log:7"}, list(entries.values()))
    with pytest.raises(StoreError, match="stop the other gateway"):
        wipe(path)
    await spool.close()
    wipe(path)
    again = await Spool.open(path)
    assert again.epoch != spool.epoch
    assert (again.status.queued, await again.bookmark("oxi-1"), await again.orders()) == (0, "", [])
    steps = [(await again.order(entry.id) or entry).step for entry in entries.values()]
    assert steps == ["unknown", "unknown", "done"]
    await again.put([heard(1)])
    assert [row.seq for row in await again.take(0, 10)] == [3], "no number is used twice"
    await again.close()


def wave(first: int, t_ns: int = T0_NS, samples: int = 100) -> Heard:
    times = tuple(t_ns + n * 10_000_000 for n in range(samples))
    return Heard("oxi-1", t_ns, Block("pleth", times, tuple(float(first + n) for n in range(samples))), 7)


def _run(*command: str) -> None:
    subprocess.run(command, check=True)


async def filled(spool: Spool, at_once: int) -> int:
    """Put until it refuses; how many rows it took."""
    kept = 0
    refused = None
    while refused is None:
        rows = [heard(n) for n in range(kept, kept + at_once)]
        [refused] = await asyncio.gather(spool.put(rows), return_exceptions=True)
        kept += 0 if refused else at_once
    assert "full" in str(refused)
    return kept


def rows_of(stored: list[Stored]) -> list[Row]:
    return [msgspec.json.decode(one.json, type=Row) for one in stored]


async def test_waves_are_shed_first_oldest_first_and_each_stretch_leaves_a_gap(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite", max_bytes=100 * 4096)
    told: list[Heard] = [heard(1)]
    await spool.put(told)
    for n in range(300):
        told += [wave(n, T0_NS + n * 10**9), heard(n)]
        await spool.put(told[-2:])
    assert not spool.full
    rows = rows_of(await spool.take(0, 10_000))
    vital = [row.what.value[0] for row in rows if isinstance(row.what, Block) and row.what.channel == "pulse_rate"]
    assert vital == [1, *range(300)], "a vital sign is never shed"
    left = [row.seq for row in rows if isinstance(row.what, Block) and row.what.channel == "pleth"]
    gaps = [row.what for row in rows if isinstance(row.what, Event)]
    assert gaps
    assert {gap.kind for gap in gaps} == {"gap"}
    assert sum(int(gap.data["rows"]) for gap in gaps) + len(left) == 300, "each wave is there or in a gap"
    assert gaps[0].data["from_seq"] == 2, "the oldest first"
    assert all(int(gap.data["to_seq"]) < left[0] for gap in gaps)
    assert all(int(before.data["to_seq"]) < int(after.data["from_seq"]) for before, after in pairwise(gaps))
    first = gaps[0]
    count = int(first.data["rows"])
    assert (first.data["channel"], first.data["samples"]) == ("pleth", count * 100)
    assert (first.data["from_ns"], first.data["to_ns"]) == (T0_NS, T0_NS + (count - 1) * 10**9 + 990_000_000)
    assert spool.status.queued == len(rows)
    await spool.close()


async def test_when_the_waves_are_gone_it_refuses_as_ever(tmp_path: Path) -> None:
    spool = await Spool.open(tmp_path / "spool.sqlite", max_bytes=60 * 4096)
    await spool.put([wave(n) for n in range(20)])
    kept = await filled(spool, 10)
    rows = rows_of(await spool.take(0, 10_000))
    assert [row.what.value[0] for row in rows if isinstance(row.what, Block)] == list(range(kept))
    assert sum(int(row.what.data["rows"]) for row in rows if isinstance(row.what, Event)) == 20
    await spool.close()


async def test_a_refused_put_sheds_nothing(tmp_path: Path) -> None:
    """Shedding and storing are one transaction: there is no gap where nothing was gained by it."""
    spool = await Spool.open(tmp_path / "spool.sqlite", max_bytes=60 * 4096)
    await spool.put([wave(n) for n in range(45)])
    before = await spool.take(0, 10_000)
    with pytest.raises(StoreError, match="full"):
        await spool.put([heard(n) for n in range(5000)])
    assert await spool.take(0, 10_000) == before
    await spool.close()


@pytest.mark.root
async def test_on_a_disk_that_others_have_filled_rows_are_still_released(tmp_path: Path) -> None:
    """A real small disk: it is filled to the last byte behind the spool's back, and what is acknowledged still goes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    _run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk))
    try:
        spool = await Spool.open(disk / "spool.sqlite")
        kept = await filled(spool, 2000)
        with (disk / "others").open("wb", buffering=0) as others, contextlib.suppress(OSError):
            while True:
                others.write(bytes(4096))
        with pytest.raises(StoreError, match=r"the disk of the spool .* is full: make room on it"):
            await spool.put([heard(n) for n in range(2000)])
        assert spool.status.low
        for first in range(1, spool.status.last_seq, 500):
            spool.release([(first, first + 499)])
            await spool.flushed()
        assert (kept > 2000, spool.status.queued) == (True, 0)
        await spool.close()
    finally:
        _run("umount", "-l", str(disk))


async def test_what_is_urgent_is_taken_by_itself(spool: Spool) -> None:
    missed = Heard("disp-1", T0_NS, Event("dispenser.missed", T0_NS))
    await spool.put([heard(1), missed, heard(2), missed])
    assert [one.seq for one in await spool.take(0, 10, urgent=True)] == [2, 4]
    assert [one.seq for one in await spool.take(0, 10, urgent=False)] == [1, 3]
    assert [one.seq for one in await spool.take(0, 10)] == [1, 2, 3, 4]
    assert spool.status.urgent_seq == 4


async def test_a_spool_of_the_version_before_is_brought_up(tmp_path: Path) -> None:
    path = tmp_path / "spool.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE row"
            " (seq INTEGER PRIMARY KEY AUTOINCREMENT, received_ns INTEGER NOT NULL, json BLOB NOT NULL);"
            "CREATE TABLE bookmark (device TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;"
            "CREATE TABLE spool (epoch TEXT NOT NULL); INSERT INTO spool VALUES ('0123456789abcdef');"
            "CREATE TABLE raw (device TEXT, n INTEGER, received_ns INTEGER NOT NULL, pipe TEXT NOT NULL,"
            " data BLOB NOT NULL, tried TEXT, told INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (device, n)) WITHOUT ROWID;"
            "INSERT INTO raw VALUES ('oxi-1', 1, 5, '2a5f', x'01', NULL, 0); PRAGMA user_version = 1;"
            "CREATE TABLE orders (id TEXT PRIMARY KEY, rank INTEGER NOT NULL, step TEXT NOT NULL, sent_ns INTEGER,"
            " command BLOB NOT NULL) WITHOUT ROWID"
        )
        order = Command("home-01", "5" * 16, "disp-1", "dispense", T0_NS, T0_NS + 1)
        db.execute("INSERT INTO orders VALUES (?, 0, 'received', NULL, ?)", (order.order, msgspec.json.encode(order)))
        db.execute("INSERT INTO row VALUES (41, 9, ?)", (msgspec.json.encode(Row(41, "oxi-1", 9, pulse(72))),))
        db.commit()
    spool = await Spool.open(path)
    await spool.put([heard(73)])
    assert (spool.epoch, await values(spool)) == ("0123456789abcdef", [72, 73])
    [(from_seq, boot)] = spool.boots
    assert (from_seq > 41, boot) == (True, BOOT), "of which boot the old row is, nobody can say"
    [left], _ = await spool.raw_left("oxi-1")
    assert (left.rx.data, left.rx.mono_ns) == (b"\x01", None)
    assert await spool.orders() == [Entry(order, boot="")], "of a boot that is over"
    await spool.put([], orders=[Entry(order, "sent", T0_NS)])
    assert await spool.orders() == [Entry(order, "sent", T0_NS, "")]
    await spool.close()


async def test_it_remembers_which_rows_are_of_which_boot_for_as_long_as_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spool.sqlite"
    for number, boot in enumerate(("first", "first", "second", "idle", "third"), 1):
        monkeypatch.setattr(boots.prepare, "__defaults__", (boot,))
        spool = await Spool.open(path)
        if boot != "idle":
            await spool.put([heard(number)])
        await spool.close()
    again = await Spool.open(path)
    _, _, third, fourth = [row.seq for row in await again.take(0, 10)]
    assert again.boots == spool.boots == [(1, "first"), (third, "second"), (fourth, "third")]
    again.release([(1, third)])
    await again.close()
    last = await Spool.open(path)
    assert last.boots == [(fourth, "third")]
    await last.put([heard(5)])
    assert last.status.last_seq == fourth + 1
    await last.close()


async def test_who_comes_while_a_bug_of_ours_shows_does_not_wait_for_ever(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    second: list[asyncio.Task[None]] = []
    loop, write, waits = asyncio.get_running_loop(), spool._file.write, threading.Event()

    def comes() -> None:
        second.append(loop.create_task(spool.put([heard(2)])))
        loop.call_soon(waits.set)

    def fails(*_: object) -> None:
        monkeypatch.setattr(spool._file, "write", write)
        loop.call_soon_threadsafe(comes)
        assert waits.wait(10)  # we are the spool's thread
        raise ZeroDivisionError

    monkeypatch.setattr(spool._file, "write", fails)
    with pytest.raises(ZeroDivisionError):
        await spool.put([heard(1)])
    async with asyncio.timeout(10):
        await second[0]
    assert await values(spool) == [2]


async def test_what_no_file_can_hold_is_refused_alone(spool: Spool) -> None:
    """A driver's bug: what its neighbours told in the same moment is kept."""
    odd = Heard("oxi-1", T0_NS, Event(["gap"], T0_NS))  # type: ignore[arg-type]
    puts = (spool.put([heard(1)]), spool.put([heard(2)], {"oxi-1": "\udcff"}), spool.put([odd]), spool.put([heard(3)]))
    told = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(one) for one in told] == [type(None), StoreError, StoreError, type(None)]
    assert await values(spool) == [1, 3]
    assert spool.status.queued == 2


@pytest.mark.parametrize("boots_between", [0, 1])
async def test_a_disk_that_lost_what_it_said_was_written_gives_no_number_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, boots_between: int
) -> None:
    """Else the server, which has the rows that are lost here, would take new ones for those."""
    path, was = tmp_path / "spool.sqlite", tmp_path / "was.sqlite"
    for number in range(3):
        if number == 1:
            shutil.copy(path, was)
        monkeypatch.setattr(boots.prepare, "__defaults__", (f"boot {number * boots_between}",))
        spool = await Spool.open(path)
        await spool.put([heard(number)])
        told = {row.seq for row in await spool.take(0, 10)}
        await spool.close()
    was.rename(path)
    monkeypatch.setattr(boots.prepare, "__defaults__", ("after the power cut",))
    again = await Spool.open(path)
    await again.put([heard(9)])
    assert again.status.last_seq not in told
    await again.close()
