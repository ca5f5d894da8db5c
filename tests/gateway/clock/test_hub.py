"""What time it is to a hub that nobody told: its own, or the server's, and never anybody else's."""

import pytest

from gateway.clock.hub import MOST_S, ROUND_S, SET_SINCE_NS, HubClock, is_set
from gateway.visits.frame import JUMP_S
from vitals.clock import MS, NS, ManualClock

NOW_NS = 1_790_000_000 * NS
BOOTED_S = 40


class Hub:
    """A hub that was started BOOTED_S ago, and the server's true time."""

    def __init__(self, own_ns: int = BOOTED_S * NS) -> None:
        self.own = ManualClock(own_ns)
        self.true_ns = NOW_NS
        self._mono_ns = BOOTED_S * NS
        self.clock = HubClock(self.own, lambda: self._mono_ns)

    def wait(self, seconds: float) -> None:
        self.own.advance(seconds=seconds)
        self._mono_ns += round(seconds * NS)
        self.true_ns += round(seconds * NS)

    def ask(self, up_s: float, down_s: float) -> tuple[int, int]:
        """A heartbeat and its answer, which took so long; its number and what it said."""
        number = self.clock.ask()
        self.wait(up_s)
        said_ns = self.true_ns
        self.wait(down_s)
        self.clock.answered(number, said_ns)
        return number, said_ns

    @property
    def off_s(self) -> float:
        return (self.clock.now_ns() - self.true_ns) / NS


def test_before_anybody_told_it_is_1970_and_then_it_is_now() -> None:
    hub = Hub()
    assert (hub.clock.now_ns(), is_set(hub.clock), hub.clock.borrowed) == (BOOTED_S * NS, False, False)
    hub.ask(0.1, 0.1)
    assert (hub.off_s, is_set(hub.clock), hub.clock.borrowed) == (0, True, True)
    hub.wait(3600)
    assert hub.off_s == 0, "on by the steady clock"


@pytest.mark.parametrize(("up_s", "down_s"), [(0.0, 1.9), (1.9, 0.0), (0.5, 0.1)])
def test_it_is_off_by_half_of_the_round_trip_at_most(up_s: float, down_s: float) -> None:
    hub = Hub()
    hub.ask(up_s, down_s)
    assert abs(hub.off_s) <= (up_s + down_s) / 2 <= ROUND_S / 2


def test_the_servers_time_goes_on_though_our_own_clock_was_set_back() -> None:
    hub = Hub(NOW_NS)
    assert hub.clock.server_ns() is None
    hub.ask(0.1, 0.1)
    hub.clock._own = ManualClock(NOW_NS - 3600 * NS)
    hub.wait(60)
    assert hub.clock.server_ns() == hub.true_ns
    assert hub.off_s < 0, "what it shows is its own all the same"


def test_an_answer_that_took_too_long_tells_no_time() -> None:
    hub = Hub()
    hub.ask(1.5, 1.0)
    assert not is_set(hub.clock)


def test_a_recording_tells_no_time_nor_does_an_answer_heard_twice_or_asked_for_by_nobody() -> None:
    hub = Hub()
    hub.clock.answered(0, NOW_NS)
    number, said_ns = hub.ask(0.1, 2.4)
    hub.clock.answered(number, said_ns)
    hub.clock.ask()
    hub.clock.answered(number, said_ns)
    assert not is_set(hub.clock)


def test_a_quicker_answer_is_a_better_one_and_after_a_while_any_is() -> None:
    hub = Hub()
    hub.ask(1.0, 0.0)
    assert hub.off_s == 0.5
    hub.ask(0.01, 0.01)
    assert hub.off_s == 0
    hub.ask(1.0, 0.0)
    assert hub.off_s == 0, "the slower one is passed over"
    hub.wait(MOST_S)
    hub.ask(0.4, 0.0)
    assert abs(hub.off_s) == pytest.approx(0.2)


def test_from_one_answer_to_the_next_it_never_steps_as_far_as_a_clock_that_was_set() -> None:
    hub = Hub()
    almost_s = ROUND_S - 0.01
    hub.ask(0, almost_s)
    hub.wait(MOST_S)
    before_ns = hub.clock.now_ns()
    hub.ask(almost_s, 0)
    assert abs(hub.clock.now_ns() - before_ns - almost_s * NS) < JUMP_S * NS


def test_a_clock_that_was_set_is_never_touched_and_one_that_is_set_takes_over() -> None:
    behind = Hub(SET_SINCE_NS)
    behind.ask(0.1, 0.1)
    assert (behind.clock.now_ns(), behind.clock.borrowed) == (SET_SINCE_NS + 200 * MS, False)
    hub = Hub()
    hub.ask(0.1, 0.1)
    hub.own.advance(seconds=(NOW_NS - hub.own.now_ns()) / NS)
    assert (hub.clock.now_ns(), hub.clock.borrowed) == (NOW_NS, False)
