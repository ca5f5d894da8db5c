"""The value of a day before is the same whether it was read along or is looked up anew, whatever comes and in whatever
order."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.readings.values import Values, flags, good
from server.readings.yesterday import AHEAD_NS, BEFORE_NS, Yesterday, span, yesterday
from vitals.clock import NS

HOUR = 3600 * NS
Reading = tuple[int, float, bool]
"""When, in hours; what; whether the device trusts it."""

readings = st.lists(
    st.tuples(st.floats(0, 90), st.sampled_from((80.0, 90.0, 97.0)), st.booleans()).map(
        lambda one: (round(one[0] * HOUR), one[1], one[2])
    ),
    max_size=20,
)


def column(some: list[Reading], from_ns: int, to_ns: int) -> Values:
    """As a shelf has them."""
    chosen = sorted(one for one in some if from_ns <= one[0] <= to_ns)
    trusted = np.array([one[2] for one in chosen], np.bool_)
    return Values(
        np.array([one[0] for one in chosen], np.int64), np.array([one[1] for one in chosen]),
        flags(trusted, np.zeros(len(chosen), np.int8)),
    )  # fmt: skip


def looked_up(some: list[Reading], newest_ns: int) -> float | None:
    """What nobody could get wrong."""
    old = column(some, newest_ns - BEFORE_NS[1], newest_ns - BEFORE_NS[0])
    trusted = old.value[good(old.flags)]
    return float(trusted[-1]) if len(trusted) else None


@given(readings, st.lists(st.integers(0, AHEAD_NS), max_size=5))
def test_it_is_what_one_would_find_by_looking_for_an_hour(some: list[Reading], later_ns: list[int]) -> None:
    newest_ns = max((one[0] for one in some), default=0)
    told = yesterday(newest_ns, column(some, *span(newest_ns)))
    for t_ns in [newest_ns, *(newest_ns + more_ns for more_ns in later_ns), newest_ns + AHEAD_NS]:
        assert told.holds(t_ns, t_ns)
        assert told.before(t_ns) == looked_up(some, t_ns)


@given(readings, readings, st.integers(0, 2 * AHEAD_NS))
def test_what_comes_late_is_found_or_looked_for(some: list[Reading], more: list[Reading], after_ns: int) -> None:
    """Whatever is filed then: where it still holds, it still says what one would find."""
    newest_ns = max((one[0] for one in some), default=0)
    told = yesterday(newest_ns, column(some, *span(newest_ns)))
    more = [*more, (newest_ns + after_ns, 95.0, True)]
    newest_now_ns = max(one[0] for one in more + some)
    if told.holds(newest_now_ns, min(one[0] for one in more)):
        assert told.before(newest_now_ns) == looked_up(some + more, newest_now_ns)


def test_it_ends_after_an_hour_and_with_what_came_too_late_for_it() -> None:
    told = Yesterday(0, AHEAD_NS, ())
    assert told.holds(AHEAD_NS, AHEAD_NS)
    assert not told.holds(AHEAD_NS + 1, AHEAD_NS + 1)
    assert not told.holds(AHEAD_NS, AHEAD_NS - BEFORE_NS[0])
    assert not told.holds(-1, -1)
