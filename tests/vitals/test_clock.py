"""A clock can run at any speed, and a manual one only forward."""

import time

import pytest

from vitals.clock import NS, ManualClock, RunningClock


def test_the_default_is_the_wall() -> None:
    before = time.time_ns()
    assert before <= RunningClock().now_ns() <= time.time_ns()


def test_two_processes_with_the_same_numbers_share_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitals.clock.time.time_ns", lambda: 1_010 * NS)
    clock = RunningClock(speed=240, start_ns=1_000 * NS, origin_ns=5_000 * NS)
    assert clock.now_ns() == (5_000 + 10 * 240) * NS
    assert clock.wall_s(240) == 1


def test_a_manual_clock_stands_still_until_moved_and_never_goes_back() -> None:
    clock = ManualClock(7)
    assert clock.now_ns() == clock.now_ns() == 7
    assert clock.advance(hours=1, minutes=2, seconds=3) == 7 + 3723 * NS
    with pytest.raises(ValueError, match="forward"):
        clock.advance(seconds=-1)
