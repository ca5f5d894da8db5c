"""No alarm is lost: every red state is acknowledged by a named person or climbs the ladder."""

from datetime import datetime, timedelta

import pytest

from server.access.store import lock
from server.alarms import deeds, table
from server.alarms.model import Refused, State, To, Trigger
from server.escalation import store as ladders
from server.escalation.model import Ladder, Step
from server.escalation.tick import climb_due
from server.municipality import Shift
from vitals.alarm import Kind, Level
from vitals.clock import NS


def test_a_red_alarm_rings_with_every_nurse_at_once(ward):
    ward.hear(Level.HIGH)
    assert ward.phones() == [
        f"{name}: Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). Sign in to see it."
        for name in ("Kari Olsen", "Per Hansen")
    ]
    assert ward.alarm().state is State.NOTIFIED
    assert ward.timeline() == ["raised", "reason", "told", "told", "delivered", "delivered"]


def test_five_minutes_later_the_doctors_phone_says_what_the_nurse_did_not_do(ward):
    ward.hear(Level.HIGH)
    assert ward.later(minutes=4, seconds=59) == []
    assert ward.later(seconds=1) == [
        "Ingrid Dahl: Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). "
        "Not acknowledged by the nurse within 5 min. Sign in to see it."
    ]


def test_the_ladder_reaches_its_end_and_begins_again_until_somebody_acts(ward):
    ward.hear(Level.HIGH)
    ward.later(minutes=5)
    assert [text.split(":")[0] for text in ward.later(minutes=10)] == ["Odd Berg"]
    assert [text.split(":")[0] for text in ward.later(minutes=10)] == ["Kari Olsen", "Per Hansen"]
    assert [text.split(":")[0] for text in ward.later(minutes=5)] == ["Ingrid Dahl"]
    assert ward.alarm().told == ("Kari Olsen", "Per Hansen", "Ingrid Dahl", "Odd Berg")


def test_an_acknowledgement_is_quiet_until_it_expires_and_then_the_ladder_climbs_on(ward):
    ward.hear(Level.HIGH)
    alarm = ward.acknowledge("Kari Olsen")
    assert (alarm.state, alarm.acknowledged_by, alarm.climb.next_step_ns) == (State.ACKNOWLEDGED, "Kari Olsen", None)
    assert ward.later(minutes=59) == []
    assert ward.later(minutes=1) == [
        "Ingrid Dahl: Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). "
        "Acknowledged by Kari Olsen 1 h ago but not closed. Sign in to see it."
    ]
    assert ward.alarm().state is State.NOTIFIED
    assert ward.alarm().acknowledged_by is None


def test_a_nurse_who_needs_longer_acknowledges_again(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.later(minutes=50)
    ward.acknowledge("Kari Olsen")
    assert ward.later(minutes=50) == []
    assert ward.later(minutes=10) != []


def test_of_two_nurses_at_once_one_is_first_and_the_other_is_told_who(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    with pytest.raises(Refused, match="Kari Olsen acknowledged this alarm first") as refused:
        ward.acknowledge("Per Hansen")
    assert (refused.value.who, refused.value.state) == ("Kari Olsen", "acknowledged")
    assert ward.alarm().acknowledged_by == "Kari Olsen"


def test_closed_while_a_colleague_acknowledges(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    with pytest.raises(Refused, match="Kari Olsen has closed this alarm") as refused:
        ward.acknowledge("Per Hansen")
    assert (refused.value.who, refused.value.state) == ("Kari Olsen", "closed")


def test_nobody_closes_what_nobody_has_acknowledged(ward):
    ward.hear(Level.HIGH)
    with pytest.raises(Refused, match="acknowledge it first"):
        ward.close("Kari Olsen")
    assert ward.alarm().state is State.NOTIFIED


def test_a_closed_alarm_is_silent_for_ever(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.close("Per Hansen")
    assert ward.later(hours=24) == []
    assert ward.later(hours=24) == []


def test_a_nurse_asks_for_the_doctor_now(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.escalate("Kari Olsen")
    assert ward.phones("Ingrid Dahl") == [
        "Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). Escalated by Kari Olsen. Sign in to see it."
    ]
    assert ward.alarm().state is State.NOTIFIED
    assert [text.split(":")[0] for text in ward.later(minutes=10)] == ["Odd Berg"]


def test_yellow_that_turns_red_breaks_the_acknowledgement_and_starts_the_red_ladder_at_its_foot(ward):
    ward.hear(Level.MEDIUM)
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(minutes=10)
    assert ward.hear(Level.HIGH)
    alarm = ward.alarm()
    assert (alarm.state, alarm.level, alarm.acknowledged_by) == (State.NOTIFIED, Level.HIGH, None)
    assert alarm.climb.ladder.name == "clinical, red"
    assert ward.phones("Per Hansen")[-1] == (
        "Hjemvakt: RED alarm 1 for S.N. (SpO₂ below the limit). Worse: YELLOW → RED. Sign in to see it."
    )
    assert [text.split(":")[0] for text in ward.later(minutes=5)] == ["Ingrid Dahl"]
    assert ward.count() == 1


def test_a_second_reason_of_the_same_level_is_stacked_and_leaves_the_acknowledgement(ward, words):
    ward.hear(words.reason(Level.HIGH, "spo2_floor", 1))
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(minutes=1)
    ward.hear(words.reason(Level.HIGH, "spo2_floor", 1), words.reason(Level.HIGH, "news2", ward.now_ns))
    alarm = ward.alarm()
    assert [one.rule for one in alarm.reasons] == ["news2", "spo2_floor"]
    assert (alarm.state, ward.count()) == (State.ACKNOWLEDGED, 1)


def test_a_better_reading_never_lowers_a_clinical_alarm_and_never_closes_it(ward):
    ward.hear(Level.HIGH)
    ward.hear(Level.LOW)
    ward.calm()
    alarm = ward.alarm()
    assert (alarm.level, alarm.state, alarm.settled) == (Level.HIGH, State.NOTIFIED, True)
    assert ward.timeline("settled") == ["The rules no longer find it; the alarm still waits for a person"]
    assert ward.later(minutes=5) != []


def test_a_technical_alarm_that_settles_closes_itself_and_says_so(ward):
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    ward.calm(kind=Kind.TECHNICAL)
    alarm = ward.alarm()
    assert (alarm.state, alarm.closed_by) == (State.CLOSED, None)
    assert ward.timeline("closed") == ["Settled by itself and is closed"]
    assert ward.later(hours=5) == []


def test_a_technical_alarm_that_someone_has_waits_for_them_and_closes_when_they_let_go(ward):
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    ward.acknowledge("Kari Olsen")
    ward.calm(kind=Kind.TECHNICAL)
    assert ward.alarm().state is State.ACKNOWLEDGED
    assert ward.later(hours=1) == []
    assert ward.alarm().state is State.CLOSED


def test_clinical_and_technical_are_two_alarms(ward):
    ward.hear(Level.HIGH)
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    assert ward.count() == 2
    assert "technical alarm 2" in ward.phones("Kari Olsen")[-1]


def test_a_step_with_nobody_on_call_costs_no_time_and_leaves_a_warning(ward, words):
    day = timedelta(days=1)
    start = datetime.fromisoformat("2026-11-22T08:00Z")
    ward.staffed(shifts=(Shift("nurse", "kari", start, start + day),))
    ward.hear(Level.HIGH)
    assert [text.split(":")[0] for text in ward.phones()] == ["Ingrid Dahl"]
    assert ward.timeline("skipped") == ["Nobody on call as nurse"]


def test_only_who_has_the_shift_is_told(ward):
    start = datetime.fromisoformat("2026-11-21T00:00Z")
    ward.staffed(
        shifts=(
            Shift("nurse", "per", start, start + timedelta(hours=8)),
            Shift("nurse", "kari", start + timedelta(hours=8)),
        )
    )
    ward.hear(Level.HIGH)
    assert [text.split(":")[0] for text in ward.phones()] == ["Per Hansen"]


def test_someone_without_a_phone_is_passed_over_at_once(ward, words):
    kari, per, ingrid, odd = words.staff
    mute = (words.replace(kari, phone=""), words.replace(per, phone=""), ingrid, odd)
    ward.staffed(mute)
    ward.hear(Level.HIGH)
    assert [text.split(":")[0] for text in ward.phones()] == ["Ingrid Dahl"]
    assert ward.timeline("skipped") == ["Nobody to reach as nurse: Kari Olsen, Per Hansen have no way to be reached"]


def test_the_last_resort_is_every_administrator_and_says_so(ward, words):
    *_, odd = words.staff
    ward.staffed((odd,))
    ward.hear(Level.MEDIUM)
    assert ward.phones() == [
        "Odd Berg: Hjemvakt: YELLOW alarm 1 for S.N. (SpO₂ below the limit). "
        "Nobody on call could be told: this goes to every administrator. Sign in to see it."
    ]
    assert ward.timeline("skipped") == ["Nobody on call as nurse", "Nobody on call as doctor"]
    assert ward.timeline("last_resort") == ["Last resort: every administrator is told"]


def test_an_alarm_that_reaches_nobody_stays_raised_and_tries_again_soon(ward, words):
    ward.staffed(())
    ward.hear(Level.HIGH)
    assert ward.alarm().state is State.RAISED
    ward.staffed(words.staff)
    assert [text.split(":")[0] for text in ward.later(minutes=5)] == ["Kari Olsen", "Per Hansen"]
    assert ward.alarm().state is State.NOTIFIED


def test_a_ladder_that_is_edited_changes_no_alarm_that_is_open(ward):
    ward.hear(Level.HIGH)
    with ward.db.write() as tx:
        ladders.apply(tx, [Ladder("new", "clinical", "high", (Step("administrator"),), repeat_s=60)])
    assert [text.split(":")[0] for text in ward.later(minutes=5)] == ["Ingrid Dahl"]
    ward.hear(Level.HIGH, patient="arne")
    assert ward.alarm().climb.ladder.name == "new"


def test_a_server_that_was_away_for_three_hours_tells_each_alarm_once_the_worst_and_oldest_first(ward):
    ward.hear(Level.MEDIUM, patient="arne")
    ward.clock.advance(seconds=10)
    ward.hear(Level.HIGH)
    rang = ward.later(hours=3)
    assert [text.split(" for ")[0] for text in rang] == [
        "Ingrid Dahl: Hjemvakt: RED alarm 2",
        "Ingrid Dahl: Hjemvakt: YELLOW alarm 1",
    ]
    assert "within 3 h" in rang[0]
    assert ward.later(seconds=1) == []
    assert [text.split(":")[0] for text in ward.later(minutes=10)] == ["Odd Berg"]


def test_what_is_due_is_climbed_worst_first_and_then_by_who_has_waited_longest(ward):
    ward.hear(Level.LOW, patient="arne", kind=Kind.TECHNICAL)
    ward.clock.advance(seconds=1)
    ward.hear(Level.MEDIUM, patient="arne")
    ward.clock.advance(seconds=1)
    ward.hear(Level.HIGH)
    ward.clock.advance(hours=5)
    with ward.db.read() as tx:
        due = [table.get(tx, number) for number in table.due(tx, ward.now_ns)]
    assert [(one.patient_id, one.level) for one in due] == [
        ("solveig", Level.HIGH),
        ("arne", Level.MEDIUM),
        ("arne", Level.LOW),
    ]
    with ward.db.write() as tx:
        assert climb_due(tx, ward.now_ns).patients == ["solveig", "arne"]


def test_what_a_nurse_has_closed_does_not_ring_again_for_the_same_finding(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    rung = len(ward.phones())
    ward.clock.advance(minutes=1)
    assert not ward.hear(Level.HIGH)
    assert (ward.count(), len(ward.phones())) == (1, rung)


@pytest.mark.parametrize(("closed_at", "then"), [(Level.MEDIUM, Level.HIGH), (Level.LOW, Level.MEDIUM)])
def test_but_a_worse_finding_does(ward, closed_at, then):
    ward.hear(closed_at)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    ward.clock.advance(minutes=1)
    assert ward.hear(then)
    assert (ward.count(), ward.alarm().level) == (2, then)


def test_and_so_does_the_same_finding_when_the_quiet_is_over(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    ward.clock.advance(hours=1, seconds=1)
    assert ward.hear(Level.HIGH)
    assert ward.count() == 2


def test_and_so_does_the_same_finding_after_it_had_settled(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    ward.close("Kari Olsen")
    ward.calm()
    assert ward.hear(Level.HIGH)
    assert ward.count() == 2


def test_the_timeline_begins_with_the_reading(ward):
    now_ns = ward.now_ns
    ward.hear(Level.HIGH, trigger=Trigger("ox-1", "spo2", now_ns - 3 * NS, now_ns - 2 * NS, now_ns - NS))
    assert ward.timeline()[:5] == ["taken", "received", "stored", "raised", "reason"]
    assert ward.timeline("taken") == ["SpO₂ measured by ox-1"]


def test_calm_rules_open_nothing(ward):
    assert not ward.hear()
    assert not ward.hear(Level.CALM)
    assert ward.count() == 0


def test_hearing_the_same_again_changes_nothing(ward, words):
    said = words.reason(Level.HIGH, t_ns=ward.now_ns)
    assert ward.hear(said)
    before = ward.timeline()
    assert not ward.hear(said)
    assert ward.timeline() == before


def test_whoever_is_locked_out_is_not_told_and_nobody_waits_for_them(ward):
    """A lost telephone, an account that was closed a second ago."""
    with ward.db.write() as tx:
        lock(tx, "kari", ward.now_ns)
    ward.hear(Level.HIGH)
    assert [one.split(":")[0] for one in ward.phones()] == ["Per Hansen"]
    with ward.db.write() as tx:
        lock(tx, "per", ward.now_ns)
    ward.hear(Level.MEDIUM, patient="arne")
    assert [one.split(":")[0] for one in ward.phones()] == ["Per Hansen", "Ingrid Dahl"]


def test_nothing_is_left_with_whoever_is_locked_out(ward):
    ward.hear(Level.HIGH)
    ward.acknowledge("Kari Olsen")
    with ward.db.write() as tx:
        lock(tx, "per", ward.now_ns)
    with pytest.raises(Refused, match="Per Hansen cannot be reached, or may not see this patient"):
        ward.does(deeds.hand_over, "kari", "Kari Olsen", ward.now_ns, To("nurse", "per", "Per Hansen"), "")
