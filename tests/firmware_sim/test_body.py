"""The body is a function of time and seed, and stays a living one."""

from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.body import DAY_NS, HOUR_NS, Body
from firmware_sim.scenario import BODY, Phase, Scenario
from vitals.channels import CHANNELS

START_NS = 1_795_300_000_000_000_000
MOMENTS = st.integers(START_NS - 30 * DAY_NS, START_NS + 30 * DAY_NS)
SEEDS = st.integers(0, 2**64 - 1)
CALM = Scenario("calm")


@given(SEEDS, st.lists(MOMENTS, min_size=1, max_size=20))
def test_the_truth_does_not_depend_on_the_order_of_the_questions(seed: int, moments: list[int]) -> None:
    forward, backward = Body(seed, CALM, START_NS), Body(seed, CALM, START_NS)
    asked = {t: forward.truth(t) for t in moments}
    assert {t: backward.truth(t) for t in reversed(moments)} == asked


@given(SEEDS, MOMENTS)
def test_every_truth_is_plausible(seed: int, t_ns: int) -> None:
    drastic = Scenario("drastic", phases=(Phase(-1, 1, spo2=-40, pulse_rate=120, body_temp=4, resp_rate=40),))
    for scenario in (CALM, drastic):
        truth = Body(seed, scenario, START_NS).truth(t_ns)
        for name in BODY:
            assert CHANNELS[name].plausible(getattr(truth, name)), name


@given(SEEDS, MOMENTS)
def test_nothing_jumps_within_a_second(seed: int, t_ns: int) -> None:
    body = Body(seed, CALM, START_NS)
    before, after = body.truth(t_ns), body.truth(t_ns + 1_000_000_000)
    assert abs(before.spo2 - after.spo2) < 0.05
    assert abs(before.weight - after.weight) < 0.01


def test_two_people_differ_and_so_do_two_moments() -> None:
    one, other = Body(1, CALM, START_NS), Body(2, CALM, START_NS)
    assert one.truth(START_NS) != other.truth(START_NS)
    assert one.truth(START_NS) != one.truth(START_NS + HOUR_NS)


def test_a_phase_ramps_in_and_stays() -> None:
    ill = Scenario("ill", phases=(Phase(at_h=1, over_h=2, spo2=-8),))
    body, well = Body(5, ill, START_NS), Body(5, CALM, START_NS)

    def fall(hour: float) -> float:
        t_ns = START_NS + round(hour * HOUR_NS)
        return round(body.truth(t_ns).spo2 - well.truth(t_ns).spo2, 6)

    assert [fall(hour) for hour in (-24, 1, 2, 3, 40)] == [0, 0, -4, -8, -8]


def test_a_body_is_warmer_in_the_evening_than_before_dawn() -> None:
    body = Body(3, CALM, START_NS)
    midnight = START_NS - START_NS % DAY_NS
    nights = [body.truth(midnight + day * DAY_NS + 5 * HOUR_NS).body_temp for day in range(7)]
    evenings = [body.truth(midnight + day * DAY_NS + 17 * HOUR_NS).body_temp for day in range(7)]
    assert min(evenings) > max(nights)
