"""What a hub says of the server's last answer, and that the server can tell from it when a message was sent."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.uplink.answered import Answered
from vitals.clock import MS, NS

T0_NS = 1_772_000_000 * NS


def said(answered: Answered, mono_s: float, speed: float = 1.0) -> float:
    """When a message sent now was sent, as the server reckons, in seconds after T0."""
    heard_ns, since_ns = answered.says(round(mono_s * NS))
    return (heard_ns + since_ns * speed - T0_NS) / NS


def test_before_any_answer_it_says_that_there_was_none() -> None:
    assert Answered().says(5 * NS) == (0, 0)


def test_it_says_which_answer_and_how_long_ago_and_tells_the_first_from_the_rest() -> None:
    answered = Answered()
    assert answered.heard(T0_NS, 100 * NS)
    assert answered.says(103 * NS) == (T0_NS, 3 * NS)
    assert not answered.heard(T0_NS + 20 * NS, 120 * NS)
    assert answered.says(121 * NS) == (T0_NS + 20 * NS, NS)


def test_after_hours_without_an_answer_it_still_knows_the_servers_time() -> None:
    answered = Answered()
    answered.heard(T0_NS, 0)
    assert said(answered, 72 * 3600.0) == 72 * 3600.0


def test_an_answer_that_was_slower_sets_nothing_back_and_not_for_ever_either() -> None:
    answered = Answered()
    answered.heard(T0_NS, 0)
    answered.heard(T0_NS + 17 * NS, 20 * NS)
    assert said(answered, 21) == 21, "it was three seconds on its way"
    answered.heard(T0_NS + 598 * NS, 601 * NS)
    assert said(answered, 601) == 598, "after ten minutes it is the clocks that differ"


def test_a_server_whose_clock_was_set_back_is_believed() -> None:
    answered = Answered()
    answered.heard(T0_NS, 0)
    answered.heard(T0_NS - 3580 * NS, 20 * NS)
    assert said(answered, 21) == -3579


def test_at_ten_times_the_speed_an_answer_is_not_slower_for_it() -> None:
    answered = Answered(10.0)
    answered.heard(T0_NS, 0)
    answered.heard(T0_NS + 180 * NS, 20 * NS)
    assert said(answered, 20, 10.0) == 200, "two seconds of the wall"


@given(st.lists(st.tuples(st.integers(1, 30_000), st.integers(0, 4_000)), min_size=1, max_size=20))
def test_what_is_sent_later_is_never_older_and_never_ahead(answers: list[tuple[int, int]]) -> None:
    """Answers of up to ten minutes, each so long (ms) after the one before and so long on its way."""
    answered, now_ms, before_s = Answered(), 0, float("-inf")
    for after_ms, way_ms in answers:
        now_ms += after_ms
        answered.heard(T0_NS + (now_ms - way_ms) * MS, now_ms * MS)
        found_s = said(answered, now_ms / 1000)
        assert before_s <= found_s <= now_ms / 1000 + 1e-6
        before_s = found_s
