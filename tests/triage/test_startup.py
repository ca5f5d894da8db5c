"""What is proposed as a patient's own limit, from what they usually have: and that it is never beyond what is safe."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triage.catalogue import bounds, catalogue
from triage.startup import LEARNED, LEAST_DAYS, Proposal, propose
from vitals.channels import CHANNELS
from vitals.clock import NS

OSLO = ZoneInfo("Europe/Oslo")
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
WIDE = (0.0, 1000.0)


def days(*values, each=1):
    """Times and values: one value a day, measured `each` times."""
    moments = [START + timedelta(days=day, minutes=n) for day, _ in enumerate(values) for n in range(each)]
    return [int(t.timestamp()) * NS for t in moments], [float(value) for value in values for _ in range(each)]


def spo2(values, usual=90.0, **more):
    return propose("spo2_floor", *days(*values, **more), usual, WIDE, OSLO)


def test_a_floor_lies_below_what_is_usual_by_three_spreads():
    found = spo2([93, 92, 94, 93, 92, 94, 93, 93, 92, 94, 93, 92, 94, 93])
    assert isinstance(found, Proposal)
    assert (found.value, found.median, found.readings, found.days) == (88.0, 93.0, 14, 14)
    assert found.spread == pytest.approx(1.48, abs=0.01)


def test_a_ceiling_lies_above_it():
    found = propose("pulse_ceiling", *days(*[88, 92, 90, 86, 94, 90, 90, 88, 92, 90]), 120.0, WIDE, OSLO)
    assert isinstance(found, Proposal)
    assert found.value == 102.0


def test_equal_readings_do_not_make_a_person_a_machine():
    found = spo2([94] * 14)
    assert isinstance(found, Proposal)
    assert (found.value, found.spread) == (91.0, 0.0)


def test_odd_readings_move_nothing_and_a_day_of_many_counts_once():
    usual = [93, 92, 94, 93, 92, 94, 93, 93, 92, 94, 93, 92, 94]
    assert spo2([*usual, 70]).value == spo2([*usual, 93]).value
    t_ns, value = days(*usual)
    more = [t_ns[-1] + n * NS for n in range(1, 500)]
    found = propose("spo2_floor", [*t_ns, *more], [*value, *[80.0] * len(more)], 90.0, WIDE, OSLO)
    assert isinstance(found, Proposal)
    assert found.value == 88.0


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "few"),
        ([93] * (LEAST_DAYS - 1), "few"),
        ([93] * LEAST_DAYS, "few"),  # seven readings
        ([97, 88, 99, 85, 96, 87, 98, 86, 97, 88, 99, 85], "unsettled"),
        ([84] * 14, "beyond"),
        ([93] * 14, "same"),
    ],
)
def test_nothing_is_proposed_where_a_person_has_to_think(values, why):
    assert spo2(values) == why


def test_the_rules_bounds_hold_too():
    found = propose("spo2_floor", *days(*[94] * 14), 90.0, (92.0, 100.0), OSLO)
    assert isinstance(found, Proposal)
    assert found.value == 92.0


@given(st.sampled_from(sorted(LEARNED)), st.lists(st.floats(20, 300), max_size=40), st.integers(1, 3))
def test_whatever_was_measured_no_proposal_is_beyond_its_caps(limit, values, each):
    how = LEARNED[limit]
    found = propose(limit, *days(*values, each=each), -1.0, bounds(catalogue().values())[limit], OSLO)
    if isinstance(found, Proposal):
        assert how.caps[0] <= found.value <= how.caps[1]
        assert found.value <= found.median if how.side == "low" else found.value >= found.median


def test_each_limit_that_is_learned_is_a_rules_and_its_caps_can_be_set():
    for limit, how in LEARNED.items():
        low, high = bounds(catalogue().values())[limit]
        assert low <= how.caps[0] < how.caps[1] <= high
        assert how.channel in CHANNELS
