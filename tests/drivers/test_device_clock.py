"""When was it really measured? A world with a true time, a clock that is wrong, and a gateway that sets it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from drivers._device_clock import DeviceClock

S = 10**9
HOUR = 3600 * S
NOW = 1_795_248_000 * S
TOLERANCE = 2 * S


@given(st.integers(-1000 * 24, 0), st.integers(-9000, 9000))
def test_a_stored_record_is_dated_by_the_clock_that_stamped_it(hours_ago: int, minutes_off: int) -> None:
    true_ns, off_ns = NOW + hours_ago * HOUR, minutes_off * 60 * S
    clock = DeviceClock()
    clock.read(NOW - off_ns, NOW)
    clock.set(NOW + S)
    assert clock.date(true_ns - off_ns, NOW + 5 * S, stored=True) == true_ns


@given(st.integers(1, 600), st.integers(-9000, 9000).filter(lambda minutes: abs(minutes) > 10))
def test_a_live_record_after_the_setting_is_right_as_it_is(seconds_later: int, minutes_off: int) -> None:
    clock = DeviceClock()
    clock.read(NOW - minutes_off * 60 * S, NOW)
    clock.set(NOW)
    made = NOW + seconds_later * S
    assert clock.date(made, made + S) == made


@given(st.integers(-9000, 9000).filter(lambda minutes: abs(minutes) > 10), st.integers(3, 300))
def test_a_device_that_refuses_to_be_set_goes_on_by_its_own_clock(minutes_off: int, seconds_later: int) -> None:
    off_ns = minutes_off * 60 * S
    clock = DeviceClock()
    clock.read(NOW - off_ns, NOW)
    clock.set(NOW)
    made = NOW + seconds_later * S
    assert clock.date(made - off_ns, made + S) == made


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(3, 100_000)), min_size=1, max_size=6))
def test_behind_clocks_are_all_remembered_over_connections(visits: list[tuple[int, int]]) -> None:
    """Between visits the clock falls behind; no record is fetched until the last visit, and each is dated right."""
    memory, t_ns, made = "", NOW, []
    moments = []
    for hours, seconds_behind in visits:
        t_ns += hours * HOUR + seconds_behind * S
        moments.append((t_ns, seconds_behind * S))
    for (before_ns, _), (visit_ns, behind_ns) in pairwise([(NOW, 0), *moments]):
        true_ns = before_ns + (visit_ns - before_ns) // 2
        showed_ns = max(true_ns - behind_ns, before_ns + S)  # it lost the time since it was set, not before
        made.append((showed_ns + behind_ns, showed_ns))
        clock = DeviceClock(memory)
        clock.read(visit_ns - behind_ns, visit_ns)
        clock.set(visit_ns)
        memory = clock.memory
    for true_ns, showed_ns in made:
        assert clock.date(showed_ns, t_ns + S, stored=True) == true_ns


def test_stored_decides_where_the_time_alone_would_mislead() -> None:
    """A minute ahead: what it stored half a minute ago bears a time that is just now."""
    clock = DeviceClock()
    clock.read(NOW + 60 * S, NOW)
    clock.set(NOW)
    assert clock.date(NOW + 30 * S, NOW + 40 * S, stored=True) == NOW - 30 * S
    assert clock.date(NOW + 30 * S, NOW + 40 * S) == NOW + 30 * S


def test_where_two_epochs_overlap_the_newer_one_holds() -> None:
    """An hour ahead and set back; ten hours later ten minutes behind: of two clocks that showed this, the later."""
    first = DeviceClock()
    first.read(NOW + HOUR, NOW)
    first.set(NOW)
    second = DeviceClock(first.memory)
    second.read(NOW + 10 * HOUR - 600 * S, NOW + 10 * HOUR)
    second.set(NOW + 10 * HOUR)
    third = DeviceClock(second.memory)
    third.read(NOW + 20 * HOUR, NOW + 20 * HOUR)
    assert third.date(NOW + HOUR // 2, NOW + 20 * HOUR, stored=True) == NOW + HOUR // 2 + 600 * S


def test_a_clock_within_two_seconds_is_right() -> None:
    clock = DeviceClock()
    clock.read(NOW - TOLERANCE + 1, NOW)
    assert not clock.off
    assert clock.memory == ""
    assert clock.date(NOW - HOUR, NOW) == NOW - HOUR


def test_a_clock_that_was_never_read_is_taken_at_its_word_but_not_about_the_future() -> None:
    clock = DeviceClock()
    assert clock.date(NOW - HOUR, NOW) == NOW - HOUR
    assert clock.date(NOW + HOUR, NOW) is None


def test_a_clock_that_began_anew_did_not_stamp_the_records_of_before() -> None:
    """After a new battery it says 2000; what it stamped with the right date last week stays last week."""
    year_2000 = 946_684_800 * S
    clock = DeviceClock()
    clock.read(year_2000 + 5 * HOUR, NOW)
    clock.set(NOW)
    assert clock.date(year_2000 + 2 * HOUR, NOW, stored=True) == NOW - 3 * HOUR
    assert clock.date(NOW - 168 * HOUR, NOW, stored=True) == NOW - 168 * HOUR


def test_the_memory_does_not_grow_for_ever() -> None:
    memory, t_ns = "", NOW
    for _ in range(100):
        t_ns += 24 * HOUR
        clock = DeviceClock(memory)
        clock.read(t_ns - 60 * S, t_ns)
        clock.set(t_ns)
        memory = clock.memory
    assert len(memory.split()) == 8


@given(st.text(max_size=40))
def test_a_memory_of_somebody_else_counts_as_nothing(memory: str) -> None:
    clock = DeviceClock(memory)
    clock.read(NOW, NOW)
    assert clock.date(NOW - HOUR, NOW) == NOW - HOUR or clock.memory


@given(st.integers(0, 40 * 365 * 24), st.booleans())
def test_a_fresh_record_of_a_clock_that_was_never_set_has_no_time(hours_since_1970: int, clock_was_read: bool) -> None:
    """It may not be dated 2000, where nobody looks for it; what was stored is not said to be of now."""
    clock = DeviceClock()
    if clock_was_read:
        clock.read(NOW, NOW)
    device_ns = hours_since_1970 * HOUR
    assert clock.date(device_ns, NOW + S) is None
    assert clock.date(device_ns, NOW + S, stored=True) == device_ns
