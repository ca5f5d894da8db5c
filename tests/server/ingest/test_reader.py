"""The process that reads early, for real: what it reads, and that nothing is missed when it is slow or dies."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from server.ingest import reader as room
from server.ingest.early import Section, read_early
from server.ingest.parcel import Message
from server.ingest.reader import Reader
from server.ingest.store import PORTION_BYTES
from server.ingest.waiting import Heard, Waiting
from tests.server.conftest import START_NS, spo2
from tests.waiting import until
from vitals.wire import Batch, Row, encode, up

WAIT_S = 30


def messages(first: int = 0) -> list[Message]:
    rows = [tuple(Row(n, "ox", START_NS, spo2(95.0, START_NS - n)) for n in range(at, at + 5)) for at in (0, 5)]
    return [(up("gw-1", "obs"), encode(Batch("gw-1", f"e{first}", START_NS, some))) for some in rows]


def said(sections: list[Section]) -> list[tuple[int, list[int]]]:
    return [(len(one.letters), one.columns().sheaf.rows["t_ns"].tolist()) for one in sections]


@pytest.fixture
def reader() -> Iterator[Reader]:
    one = Reader()
    yield one
    one.stop()


def begun(reader: Reader) -> psutil.Process:
    """It is asked for the first time, and its process is there."""
    assert reader.read(messages()) is None, "the first is read by the server itself: it does not wait for a start"
    assert reader.ready(WAIT_S)
    assert reader._run is not None
    return psutil.Process(reader._run._process.pid)


def read(reader: Reader, some: list[Message]) -> list[Section]:
    future = reader.read(some)
    assert future is not None
    until(lambda: future.running() or future.done())
    return reader.told(future)


def test_it_reads_as_the_server_would_and_in_the_order_in_which_it_is_asked(reader: Reader) -> None:
    begun(reader)
    asked = [messages(n) for n in range(10)]
    futures = [reader.read(some) for some in asked]
    for some, future in zip(asked, futures, strict=True):
        assert future is not None
        assert said(future.result(WAIT_S)) == said(read_early(some, 1.0)) != []


def test_what_it_stumbles_over_is_not_read_early_and_the_next_is(reader: Reader) -> None:
    begun(reader)
    broken = [("no topic at all", b"{}"), ("a/b/c/up/obs", b"\xff")]
    assert read(reader, broken) == []
    assert said(read(reader, messages())) == said(read_early(messages(), 1.0))


def test_one_that_is_killed_leaves_nobody_waiting_and_another_is_begun_after_a_while(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = begun(reader)
    process.send_signal(signal.SIGSTOP)
    futures = [future for n in range(6) if (future := reader.read(messages(n))) is not None]
    assert len(futures) == 6
    until(futures[0].running)
    process.kill()
    assert [reader.told(future) for future in futures] == [[]] * 6
    assert reader._run is not None
    assert reader._run.over.wait(WAIT_S)
    assert reader.read(messages()) is None
    assert reader._run is None, "it has failed a moment ago"
    monkeypatch.setattr(reader, "_not_before_s", 0.0)
    assert begun(reader).pid != process.pid
    assert read(reader, messages())


def test_one_that_does_not_answer_is_ended_and_what_it_was_asked_is_read_by_the_server(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "SLOW_S", 0.05)
    process = begun(reader)
    process.send_signal(signal.SIGSTOP)
    first, second = reader.read(messages()), reader.read(messages(1))
    assert first is not None
    assert second is not None
    until(first.running)
    assert reader.told(first) == []
    process.wait(WAIT_S)
    assert reader.told(second) == []


def test_no_more_wait_for_it_than_it_can_read_soon(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "AHEAD", 3)
    process = begun(reader)
    process.send_signal(signal.SIGSTOP)
    futures = [reader.read(messages(n)) for n in range(5)]
    assert [future is None for future in futures] == [False, False, False, True, True]
    process.send_signal(signal.SIGCONT)
    assert [len(future.result(WAIT_S)) for future in futures if future is not None] == [1, 1, 1]
    assert reader.read(messages()) is not None


def test_it_ends_when_nothing_is_to_be_read_for_a_while_and_is_begun_anew(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "IDLE_S", 0.01)
    process = begun(reader)
    process.wait(WAIT_S)
    monkeypatch.setattr(room, "IDLE_S", 60.0)
    assert reader._run is not None
    assert reader._run.over.wait(WAIT_S)
    assert begun(reader).pid != process.pid
    assert read(reader, messages())


def test_it_ends_with_the_server_however_that_ends(reader: Reader) -> None:
    """A server that is killed says nothing to it: the pipe is closed by the system."""
    process = begun(reader)
    assert reader._run is not None
    assert reader._run._process.stdin is not None
    copy = os.dup(reader._run._process.stdin.fileno())
    reader._run._asked.put(None)  # ours is closed; the copy is another process's that has ended
    reader._run._tell.join(WAIT_S)
    assert process.is_running()
    os.close(copy)
    process.wait(WAIT_S)


@pytest.mark.parametrize("lacking", ["program", "thread"])
def test_where_none_can_be_begun_all_that_waits_is_stored_all_the_same(
    reader: Reader, lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The program is being replaced, or the system is at its end: that is no reason to lose what was heard."""

    def no_thread(_self: object) -> None:
        raise RuntimeError("can't start new thread")

    if lacking == "program":
        monkeypatch.setattr(room.sys, "executable", str(tmp_path / "python"))
    else:
        monkeypatch.setattr(room.threading.Thread, "start", no_thread)
    waiting = Waiting(reader)
    for number in range(4):
        waiting.put(Heard(number, 1, number, (up("gw-1", "obs"), bytes(PORTION_BYTES))))
    assert [one.number for one in waiting.gather(0).heard] == [0, 1, 2, 3]
    monkeypatch.undo()
    assert reader.read(messages()) is None
    assert reader._run is None, "it is not tried again at once"


def test_stopped_it_reads_nothing_more() -> None:
    reader = Reader()
    process = begun(reader)
    reader.stop()
    assert not process.is_running()
    assert reader.read(messages()) is None
