"""The engine ticks, survives a tick that fails, and says so when one is stuck."""

import logging
import threading

import pytest

from server.engine import Engine
from vitals.clock import ManualClock

WAIT_S = 10


def test_it_ticks_with_the_clocks_time_until_it_is_stopped() -> None:
    seen: list[int] = []
    thrice = threading.Event()

    def tick(now_ns: int) -> None:
        seen.append(now_ns)
        if len(seen) == 3:
            thrice.set()

    engine = Engine(tick, ManualClock(42), 0.001)
    engine.start()
    assert thrice.wait(WAIT_S)
    engine.stop()
    count = len(seen)
    assert (set(seen), engine.problem()) == ({42}, None)
    assert engine.age_s() < WAIT_S
    assert len(seen) == count


def test_one_that_leaves_begins_no_further_tick_while_others_are_waited_for() -> None:
    seen: list[int] = []
    begun, finish = threading.Event(), threading.Event()

    def tick(now_ns: int) -> None:
        seen.append(now_ns)
        begun.set()
        assert finish.wait(WAIT_S)

    engine = Engine(tick, ManualClock(), 0.001)
    engine.start()
    assert begun.wait(WAIT_S)
    engine.leave()
    finish.set()
    engine._thread.join(WAIT_S)
    assert not engine._thread.is_alive(), "by itself, before anybody waits for it"
    engine.stop()
    assert len(seen) == 1


def test_a_tick_that_fails_is_a_problem_until_one_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    failed, mended, twice = threading.Event(), threading.Event(), threading.Event()

    def tick(_: int) -> None:
        if not mended.is_set():
            if failed.is_set():
                twice.set()
            failed.set()
            raise ZeroDivisionError
        done.set()

    done = threading.Event()
    engine = Engine(tick, ManualClock(), 0.001)
    engine.start()
    assert twice.wait(WAIT_S)
    assert engine.problem() == "a tick failed (ZeroDivisionError)"
    mended.set()
    assert done.wait(WAIT_S)
    engine.stop()
    assert engine.problem() is None
    assert "a tick failed" in caplog.text


def test_a_stuck_tick_is_seen_and_logged_with_the_place_where_it_is_stuck() -> None:
    told, release = threading.Event(), threading.Event()
    words: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            words.append(record.getMessage())
            told.set()

    def stuck_here(_: int) -> None:
        release.wait(WAIT_S)

    listener = Listener(logging.ERROR)
    logging.getLogger("server.engine").addHandler(listener)
    engine = Engine(stuck_here, ManualClock(), 0.001, stuck_s=0.05)
    engine.start()
    try:
        assert told.wait(WAIT_S)
        assert "stuck" in (engine.problem() or "")
        assert "stuck_here" in words[0]
    finally:
        release.set()
        engine.stop()
        logging.getLogger("server.engine").removeHandler(listener)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_engine_whose_thread_has_ended_says_so_until_it_is_asked_to_stop() -> None:
    def ends(_: int) -> None:
        raise SystemExit

    engine = Engine(ends, ManualClock(), 0.001, name="post")
    engine.start()
    engine._thread.join(WAIT_S)
    assert engine.problem() == "the post has stopped"
    engine.stop()
    assert engine.problem() is None
