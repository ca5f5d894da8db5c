"""What comes late to an alarm that somebody has closed: it is no second alarm, unless it is news."""

import pytest

from server.alarms import store
from server.alarms.model import State, Trigger
from tests.server.people.conftest import Ward, reason
from vitals.alarm import Level
from vitals.clock import NS

MINUTE = 60 * NS


def trigger(ward: Ward, minutes_ago: float) -> Trigger:
    """It was measured so long ago, and is stored now."""
    return Trigger("oximeter", "spo2", ward.now_ns - round(minutes_ago * MINUTE), ward.now_ns, ward.now_ns)


@pytest.fixture
def over(ward: Ward) -> Ward:
    """An hour ago a saturation was red; it has settled, and Kari has closed the alarm."""
    ward.hear(reason(Level.HIGH, low=82.0), trigger=trigger(ward, 0))
    ward.clock.advance(minutes=30)
    ward.calm()
    ward.does(store.acknowledge, "Kari Olsen", ward.now_ns, 600)
    ward.does(store.close, "Kari Olsen", ward.now_ns, "phoned_patient", "resolved_at_home", 5)
    assert ward.alarm().settled
    ward.clock.advance(minutes=15)
    return ward


def test_what_was_measured_before_it_is_written_on_it_and_rings_nobody(over: Ward) -> None:
    before = len(over.phones())
    assert over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, 70))
    assert over.count() == 1
    assert over.alarm().state is State.CLOSED
    assert over.timeline("late") == ["Came late, measured before it: SpO₂ 83.0 %"]
    for _ in range(4):
        over.clock.advance(minutes=10)
        over.hear(reason(Level.HIGH, low=83.0))
    assert (over.count(), len(over.phones())) == (1, before), "the same words, again and again"


def test_a_second_part_of_the_same_backlog_is_no_news_either(over: Ward) -> None:
    over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, 70))
    over.clock.advance(minutes=1)
    over.hear(reason(Level.HIGH, low=81.0), trigger=trigger(over, 75))
    assert over.count() == 1


def test_what_came_in_time_and_changes_what_the_rule_says_is_news_at_once(over: Ward) -> None:
    over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, 70))
    over.clock.advance(minutes=1)
    over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, 0))
    assert over.count() == 1, "a good reading, and the rule still tells of the late one"
    over.hear(reason(Level.HIGH, low=82.5), trigger=trigger(over, 0))
    assert over.count() == 2


def test_after_its_quiet_time_what_still_stands_is_an_alarm(over: Ward) -> None:
    over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, 70))
    over.clock.advance(minutes=61)
    over.hear(reason(Level.HIGH, low=83.0))
    assert over.count() == 2


@pytest.mark.parametrize("minutes_ago", [58, 20])
def test_what_was_measured_after_what_it_arose_from_is_news(over: Ward, minutes_ago: float) -> None:
    """It may be how things are now, and nobody has judged it."""
    assert over.hear(reason(Level.HIGH, low=83.0), trigger=trigger(over, minutes_ago))
    assert over.count() == 2
    assert "The reading came late." in over.phones()[-1]


@pytest.mark.parametrize("worse", [reason(Level.HIGH, "pulse_high"), reason(Level.HIGH)])
def test_what_it_did_not_say_is_news_however_old(ward: Ward, worse: object) -> None:
    """Another rule, or the same one worse."""
    ward.hear(reason(Level.MEDIUM), trigger=trigger(ward, 0))
    ward.clock.advance(minutes=30)
    ward.calm()
    ward.does(store.acknowledge, "Kari Olsen", ward.now_ns, 600)
    ward.does(store.close, "Kari Olsen", ward.now_ns, "phoned_patient", "resolved_at_home", 5)
    ward.hear(worse, trigger=trigger(ward, 70))  # type: ignore[arg-type]
    assert ward.count() == 2


def test_an_open_alarm_that_late_data_make_worse_says_so_to_whom_it_tells(ward: Ward) -> None:
    ward.hear(reason(Level.MEDIUM), trigger=trigger(ward, 0))
    ward.clock.advance(minutes=30)
    ward.hear(reason(Level.HIGH), trigger=trigger(ward, 20))
    assert "Worse: YELLOW → RED. The reading came late." in ward.phones()[-1]
