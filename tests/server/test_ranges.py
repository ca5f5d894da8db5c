"""The set of numbers that have come, held against Python's own set."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.ingest.ranges import Ranges

spans = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: (pair[0], sum(pair))))


@given(spans)
def test_it_holds_what_a_set_would_in_the_fewest_ranges(given: list[tuple[int, int]]) -> None:
    ranges = Ranges(given)
    numbers = {number for first, last in given for number in range(first, last + 1)}
    assert {number for number in range(-2, 80) if number in ranges} == numbers
    found = ranges.ranges()
    assert [n for first, last in found for n in range(first, last + 1)] == sorted(numbers)
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(found))


def test_neighbours_grow_together() -> None:
    ranges = Ranges([(1, 3), (5, 9)])
    ranges.add(4)
    assert ranges.ranges() == ((1, 9),)
