"""How long to wait: drawn, bounded, and spread wide where everybody was hung up on."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.backoff import Backoff


@given(st.floats(0.1, 600), st.floats(0.1, 60), st.integers(1, 60))
def test_each_wait_is_drawn_below_a_ceiling_that_doubles(most_s: float, first_s: float, failures: int) -> None:
    backoff = Backoff(most_s, first_s)
    for failure in range(failures):
        assert 0 <= backoff.next_s() <= min(most_s, first_s * 2**failure)


def test_what_works_again_begins_anew() -> None:
    backoff = Backoff(120)
    for _ in range(20):
        backoff.next_s()
    backoff.hung_up(90)
    backoff.reset()
    assert backoff.next_s() <= 1


def test_ten_thousand_who_were_hung_up_on_come_back_at_no_more_than_a_broker_can_take() -> None:
    """The broker is back at once, or after half a minute: the busiest second of either."""
    for away_s in (0.2, 30.0):
        seconds: dict[int, int] = {}
        for _ in range(10_000):
            backoff, t_s = Backoff(120), 0.0
            backoff.hung_up(10_000 / 110)
            while (t_s := t_s + backoff.next_s()) < away_s:
                pass
            seconds[int(t_s)] = seconds.get(int(t_s), 0) + 1
        assert max(seconds.values()) <= 300
        assert max(seconds) <= 150
