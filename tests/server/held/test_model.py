"""Whether a weight fits its person: what is never held, what always is, and that a real change finds its way."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.held.model import (
    LEAST_KG,
    LEAST_SHARE,
    MAY_BE_HELD,
    MEMORY_DAYS,
    MOST_SHARE,
    NEAREST,
    SPAN_DAYS,
    Weighing,
    other_user,
    usual,
)
from triage.catalogue import catalogue
from vitals.channels import CHANNELS
from vitals.clock import NS

DAY = 86_400 * NS
kilograms = st.floats(30, 250).map(lambda kg: round(kg, 2))
days = st.floats(0, 170)


def mornings(*kg: float, newest_ns: int = 0) -> list[Weighing]:
    """One weight a day, the last at `newest_ns`."""
    return [Weighing(newest_ns - (len(kg) - 1 - n) * DAY, one) for n, one in enumerate(kg)]


def fits(own: list[Weighing], t_ns: int, kg: float, confirmed_ns: int | None = None) -> bool:
    norm = usual(own, t_ns, confirmed_ns)
    assert norm is not None
    return norm.fits(kg)


@pytest.mark.parametrize(
    ("kg", "gap_days", "held"),
    [
        (54.2, 1, True),  # a visitor
        (79.0, 1, False),  # 5 kg of fluid in a night: more than any rule asks for, and the rules must see it
        (80.0, 1, True),
        (80.0, 3, False),
        (66.0, 20, False),  # home from three weeks in hospital
        (54.2, 20, True),
        (54.2, 170, True),  # half a year later a quarter is still asked about
        (56.0, 170, False),
        (12.0, 170, True),  # a grandchild never is
    ],
)
def test_the_limits_in_kilograms_for_somebody_of_74(kg: float, gap_days: float, held: bool) -> None:
    own = mornings(73.8, 74.1, 74.0, 73.9, 74.2)
    assert fits(own, round(gap_days * DAY), kg) is not held


def test_nothing_tells_of_a_first_weight_nor_of_one_after_half_a_year() -> None:
    assert usual([], 0) is None
    assert usual(mornings(74.0), round((MEMORY_DAYS + 0.1) * DAY)) is None
    assert usual(mornings(74.0), round((MEMORY_DAYS - 0.1) * DAY)) is not None


def test_every_weight_that_a_rule_alarms_on_by_default_is_filed_for_it_to_see() -> None:
    limit_kg = catalogue()["weight_gain"].limits["weight_gain_kg"]
    assert 1.5 * limit_kg < LEAST_KG, "HIGH is one and a half times the limit"


def test_only_what_says_who_may_be_held() -> None:
    assert set(CHANNELS) >= MAY_BE_HELD
    dangerous = {
        "spo2",
        "pulse_rate",
        "heart_rate",
        "resp_rate",
        "body_temp",
        "glucose",
        "consciousness",
        "oxygen_flow",
    }
    assert MAY_BE_HELD.isdisjoint(dangerous)


@given(kilograms, st.lists(st.floats(-2.4, 2.4), min_size=1, max_size=12), st.floats(-2.5, 2.5), days)
def test_a_person_who_stays_what_they_were_is_never_held(
    kg: float, swings: list[float], swing: float, gap_days: float
) -> None:
    own = mornings(*(kg + one for one in swings))
    assert fits(own, round(gap_days * DAY), kg + swing)


@given(kilograms, kilograms, days, days)
def test_a_longer_gap_never_makes_a_weight_fit_worse(kg: float, other: float, a: float, b: float) -> None:
    own = mornings(kg)
    short, long = sorted((round(a * DAY), round(b * DAY)))
    assert fits(own, long, other) or not fits(own, short, other)


@given(kilograms, st.floats(0, 170), st.floats(1.001, 3))
def test_more_than_a_quarter_is_asked_about_after_any_gap(kg: float, gap_days: float, times: float) -> None:
    far = max(kg * MOST_SHARE, LEAST_KG, LEAST_SHARE * kg) * times + 0.001
    assert not fits(mornings(kg), round(gap_days * DAY), kg + far)
    assert not fits(mornings(kg), round(gap_days * DAY), kg - far)


@given(kilograms, kilograms, st.integers(0, NEAREST - 1))
def test_one_wrong_weight_among_the_persons_own_moves_nothing(kg: float, wrong: float, place: int) -> None:
    weights = [kg] * NEAREST
    weights[place] = wrong
    norm = usual(mornings(*weights), DAY)
    assert norm is not None
    assert norm.kg == kg


@given(
    st.lists(st.tuples(st.integers(-40, 40), kilograms), min_size=1, max_size=15), st.integers(-40, 40), st.randoms()
)
def test_the_order_in_which_weights_came_is_irrelevant(own: list[tuple[int, float]], t: int, chance: object) -> None:
    weighings = [Weighing(day * DAY, kg) for day, kg in own]
    shuffled = weighings.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert usual(weighings, t * DAY) == usual(shuffled, t * DAY)


@given(kilograms, kilograms, st.floats(-LEAST_KG, LEAST_KG), st.floats(0, 30))
def test_once_somebody_has_said_that_it_is_theirs_the_next_like_it_fits(
    kg: float, changed: float, swing: float, gap_days: float
) -> None:
    own = [*mornings(kg, kg, kg, kg, kg), Weighing(DAY, changed)]
    assert fits(own, DAY + round(gap_days * DAY), changed + swing, confirmed_ns=DAY)


def test_what_was_measured_before_the_change_is_held_against_what_was_usual_then() -> None:
    own = [*mornings(74.0, 74.0, 74.0), Weighing(5 * DAY, 90.0)]
    assert fits(own, 2 * DAY, 74.5, confirmed_ns=5 * DAY)
    assert not fits(own, 6 * DAY, 74.5, confirmed_ns=5 * DAY)


def test_a_backlog_that_comes_late_is_held_against_what_came_after_it() -> None:
    own = mornings(74.0, 74.2, newest_ns=10 * DAY)
    assert fits(own, 0, 75.0)
    assert not fits(own, 0, 50.0)


def test_what_somebody_once_weighed_does_not_count() -> None:
    own = [Weighing(0, 95.0), Weighing(DAY, 95.0), Weighing((SPAN_DAYS + 2) * DAY, 74.0)]
    norm = usual(own, (SPAN_DAYS + 3) * DAY)
    assert norm is not None
    assert norm.kg == 74.0


@given(kilograms)
def test_the_limit_itself_fits(kg: float) -> None:
    norm = usual(mornings(kg), 0)
    assert norm is not None
    assume(round(norm.limit_kg, 3) == norm.limit_kg)
    assert norm.fits(kg + norm.limit_kg)
    assert not norm.fits(kg + norm.limit_kg + 0.002)


@pytest.mark.parametrize(
    ("status", "own_slot", "other"),
    [
        (("user_2",), 1, 2),
        (("user_1",), 1, None),
        (("stored", "user_0"), 1, 0),
        (("user_2",), None, None),
        (("stored",), 1, None),
        ((), 1, None),
        (("user_many",), 1, None),
    ],
)
def test_a_slot_speaks_only_where_both_the_device_and_the_assignment_do(
    status: tuple[str, ...], own_slot: int | None, other: int | None
) -> None:
    assert other_user(status, own_slot) == other
