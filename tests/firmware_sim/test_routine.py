"""When people measure."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.body import DAY_NS, HOUR_NS
from firmware_sim.routine import Routine

START_NS = 1_795_300_000_000_000_000


def moments(routine: Routine, until_ns: int) -> list[int]:
    found: list[int] = []
    at: int | None = routine.first_ns - 1
    while at is not None and (at := routine.next_ns(at)) is not None and at <= until_ns:
        found.append(at)
    return found


@given(st.integers(0, 2**32), st.floats(0.5, 600))
def test_a_periodic_habit_is_kept_once_in_each_interval(seed: int, every_min: float) -> None:
    routine = Routine(seed, START_NS, every_min=every_min)
    every_ns = round(every_min * 60e9)
    found = moments(routine, START_NS + 10 * every_ns)
    assert [(t - START_NS) // every_ns for t in found][:10] == list(range(10))


@given(st.integers(0, 2**32), st.integers(START_NS, START_NS + DAY_NS))
def test_what_comes_next_does_not_depend_on_what_was_asked_before(seed: int, t_ns: int) -> None:
    routine = Routine(seed, START_NS, every_min=17, at_hours=(7, 19), since_ns=START_NS - 5 * DAY_NS)
    following = [t for t in moments(routine, t_ns + DAY_NS) if t > t_ns]
    assert routine.next_ns(t_ns) == following[0]


def test_a_daily_habit_reaches_into_the_past() -> None:
    routine = Routine(1, START_NS, at_hours=(7, 19), since_ns=START_NS - 5 * DAY_NS)
    assert len(moments(routine, START_NS)) == 10


def test_nobody_measures_while_the_simulator_is_down_nor_after_falling_silent() -> None:
    on_ns, until_ns = START_NS + 3 * HOUR_NS, START_NS + 5 * HOUR_NS
    routine = Routine(
        1, START_NS, every_min=20, at_hours=(7,), since_ns=START_NS - DAY_NS, on_ns=on_ns, until_ns=until_ns
    )
    found = moments(routine, START_NS + DAY_NS)
    assert [t for t in found if t < START_NS], "the past is still there"
    assert all(on_ns <= t < until_ns for t in found if t >= START_NS)
    assert len([t for t in found if t >= START_NS]) == 6


def test_no_habit_no_moment() -> None:
    assert Routine(1, START_NS).next_ns(START_NS) is None
