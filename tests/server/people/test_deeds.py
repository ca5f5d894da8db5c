"""What people do to an alarm between acknowledging and closing: each has an owner and an end, and nothing is lost."""

import pytest
import sqlalchemy as sa

from server.alarms import deeds, store
from server.alarms.model import UNDO_S, Refused, State, To
from server.alarms.timeline import timeline
from vitals.alarm import Kind, Level

PER = To("nurse", "per", "Per Hansen")


@pytest.fixture
def taken(ward):
    """A yellow alarm that Kari has."""
    ward.hear(Level.MEDIUM)
    ward.acknowledge("Kari Olsen")
    return ward


def snooze(ward, minutes=60, name="Kari Olsen"):
    return ward.does(deeds.snooze, name[:4].lower(), name, ward.now_ns, minutes * 60.0, "She sleeps until ten")


def hand_over(ward, to=PER):
    alarm = ward.does(deeds.hand_over, "kari", "Kari Olsen", ward.now_ns, to, "")
    ward.deliver()
    return alarm


def test_an_acknowledgement_taken_back_had_never_been(ward):
    ward.hear(Level.HIGH)
    before = ward.alarm()
    ward.later(minutes=1)
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(seconds=90)
    alarm = ward.does(deeds.undo, "Kari Olsen", ward.now_ns)
    assert alarm == before, "every time of it included"
    ward.later(minutes=2)
    assert ward.phones("Ingrid Dahl") == []
    ward.later(minutes=1)
    assert len(ward.phones("Ingrid Dahl")) == 1, "five minutes after it was raised, as if nobody had touched it"


def test_of_a_message_that_had_not_left_the_next_step_comes_at_once(ward, words):
    with ward.db.write() as tx:  # and nothing is delivered yet
        store.judge(tx, "solveig", Kind.CLINICAL, [words.reason(Level.HIGH)], frozenset(), ward.now_ns)
    ward.acknowledge("Kari Olsen")
    assert ward.does(deeds.undo, "Kari Olsen", ward.now_ns).climb.next_step_ns == ward.now_ns
    assert [text.split(":")[0] for text in ward.later(seconds=1)] == ["Ingrid Dahl"]


def test_only_ones_own_acknowledgement_is_undone_and_only_soon(taken):
    with pytest.raises(Refused, match="Kari Olsen acknowledged this alarm first") as refused:
        taken.does(deeds.undo, "Per Hansen", taken.now_ns)
    assert refused.value.who == "Kari Olsen"
    taken.clock.advance(seconds=UNDO_S + 1)
    with pytest.raises(Refused, match="too late"):
        taken.does(deeds.undo, "Kari Olsen", taken.now_ns)
    assert taken.alarm().acknowledged_by == "Kari Olsen"


def test_taking_it_twice_and_back_is_one_acknowledgement_taken_back(taken):
    taken.acknowledge("Kari Olsen")
    assert taken.does(deeds.undo, "Kari Olsen", taken.now_ns).state is State.NOTIFIED


def test_an_assessment_says_what_it_comes_from_and_whose_it_is(taken):
    taken.clock.advance(minutes=50)
    alarm = taken.does(deeds.assess, "Kari Olsen", taken.now_ns, 3600.0, "medication", "forgot the diuretic")
    assert (alarm.state, alarm.cause, alarm.acknowledged_by) == (State.ASSESSED, "medication", "Kari Olsen")
    assert taken.timeline("assessed") == ["Assessed by Kari Olsen: the medication – forgot the diuretic"]
    assert taken.later(minutes=59) == []
    assert taken.later(minutes=1) != [], "an assessment expires as well"
    assert taken.alarm().state is State.NOTIFIED
    assert taken.alarm().cause == "medication"


@pytest.mark.parametrize("deed", ["assess", "snooze", "hand over"])
def test_what_a_colleague_has_is_theirs(taken, deed):
    does = {
        "assess": lambda: taken.does(deeds.assess, "Per Hansen", taken.now_ns, 60.0, "other"),
        "snooze": lambda: snooze(taken, name="Per Hansen"),
        "hand over": lambda: taken.does(deeds.hand_over, "per", "Per Hansen", taken.now_ns, To("doctor")),
    }
    with pytest.raises(Refused) as refused:
        does[deed]()
    assert (refused.value.who, taken.alarm().acknowledged_by) == ("Kari Olsen", "Kari Olsen")


def test_a_snooze_always_ends_and_the_ladder_climbs_on(taken):
    alarm = snooze(taken, minutes=480)
    assert (alarm.state, alarm.parked.by, alarm.parked.why) == (State.SNOOZED, "Kari Olsen", "She sleeps until ten")
    assert taken.later(minutes=479) == []
    assert taken.later(minutes=1) == [
        "Ingrid Dahl: Hjemvakt: YELLOW alarm 1 for S.N. (SpO₂ below the limit). "
        "Snoozed by Kari Olsen for 8 h; that is over. Sign in to see it."
    ]


@pytest.mark.parametrize(("seconds", "why"), [(8 * 3600 + 1, "because"), (0, "because"), (-5, "because"), (60, "  ")])
def test_a_snooze_needs_a_time_and_a_reason(taken, seconds, why):
    with pytest.raises(ValueError, match="needs a reason and a time"):
        taken.does(deeds.snooze, "kari", "Kari Olsen", taken.now_ns, seconds, why)


def test_a_worse_reading_breaks_a_snooze(taken):
    snooze(taken)
    taken.hear(Level.HIGH)
    assert (taken.alarm().state, taken.alarm().parked) == (State.NOTIFIED, None)
    assert "Worse: YELLOW → RED." in taken.phones("Per Hansen")[-1]


def test_a_new_rule_breaks_a_snooze_and_the_same_once_more_does_not(taken, words):
    snooze(taken)
    said = len(taken.phones())
    for low in (84.0, 83.0):
        taken.clock.advance(minutes=1)
        taken.hear(words.reason(Level.MEDIUM, low=low, t_ns=taken.now_ns))
    assert (taken.alarm().state, len(taken.phones())) == (State.SNOOZED, said)
    taken.hear(words.reason(Level.MEDIUM, low=83.0), words.reason(Level.LOW, "news2"))
    assert taken.alarm().state is State.NOTIFIED
    assert taken.phones()[-1].endswith("Snoozed by Kari Olsen, but there is something new. Sign in to see it.")


def test_what_had_settled_and_is_there_again_at_the_same_level_leaves_a_snooze(taken):
    snooze(taken, minutes=400)
    taken.calm()
    taken.hear(Level.MEDIUM)
    assert taken.alarm().state is State.SNOOZED


def test_nobody_snoozes_a_snooze_or_closes_it_in_its_sleep(taken):
    snooze(taken)
    for deed in (lambda: snooze(taken, name="Per Hansen"), lambda: taken.close("Per Hansen")):
        with pytest.raises(Refused, match="Kari Olsen has snoozed this alarm") as refused:
            deed()
        assert refused.value.who == "Kari Olsen"
    assert taken.acknowledge("Per Hansen").parked is None
    assert taken.close("Per Hansen").state is State.CLOSED


def test_what_is_handed_over_is_seen_until_it_is_taken(taken):
    alarm = hand_over(taken)
    assert (alarm.state, alarm.parked.by, alarm.parked.to) == (State.HANDED, "Kari Olsen", PER)
    assert taken.phones("Per Hansen")[-1].endswith("Handed over by Kari Olsen to Per Hansen. Sign in to see it.")
    alarm = taken.acknowledge("Per Hansen")
    assert (alarm.acknowledged_by, alarm.parked) == ("Per Hansen", None)


def test_what_nobody_takes_goes_back_the_ladder_climbs_and_who_left_it_is_told(taken):
    hand_over(taken)
    said = len(taken.phones("Kari Olsen"))
    assert taken.later(minutes=29) == []
    told = taken.later(minutes=1)
    assert [text.split(":")[0] for text in told] == ["Ingrid Dahl", "Kari Olsen"]
    assert all("Handed over by Kari Olsen to Per Hansen 30 min ago but not taken." in text for text in told)
    assert (taken.alarm().state, len(taken.phones("Kari Olsen"))) == (State.NOTIFIED, said + 1)


def test_taking_by_mistake_is_undone_to_where_it_was(taken):
    before = hand_over(taken)
    taken.acknowledge("Per Hansen")
    assert taken.does(deeds.undo, "Per Hansen", taken.now_ns) == before
    assert taken.later(minutes=30) != [], "and its time runs on"


def test_it_is_left_with_nobody_who_cannot_be_reached(taken, words):
    staff = tuple(words.replace(one, phone="") if one.id == "per" else one for one in words.staff)
    taken.staffed(staff)
    with pytest.raises(Refused, match="Per Hansen cannot be reached"):
        hand_over(taken)
    taken.staffed(tuple(one for one in words.staff if one.role != "doctor"))
    with pytest.raises(Refused, match="nobody on call as doctor cannot be reached"):
        hand_over(taken, To("doctor"))
    assert taken.alarm().acknowledged_by == "Kari Olsen"


def test_a_closed_alarm_is_opened_again_by_a_name_within_a_day(taken):
    taken.close("Kari Olsen")
    taken.clock.advance(hours=23)
    alarm = taken.does(deeds.reopen, "Per Hansen", taken.now_ns, 3600.0, "She phoned: worse")
    assert (alarm.state, alarm.acknowledged_by, alarm.closed_ns, alarm.quiet_until_ns) == (
        State.ACKNOWLEDGED, "Per Hansen", None, None,
    )  # fmt: skip
    assert taken.timeline("reopened") == ["Opened again by Per Hansen – She phoned: worse"]
    assert taken.later(hours=1) != []
    taken.acknowledge("Kari Olsen")
    taken.close("Kari Olsen")
    taken.clock.advance(hours=25)
    with pytest.raises(Refused, match="more than 24 h"):
        taken.does(deeds.reopen, "Per Hansen", taken.now_ns, 3600.0, "too late")


def test_where_a_newer_alarm_speaks_the_old_one_stays_closed(taken):
    taken.close("Kari Olsen")
    first = taken.alarm()
    taken.clock.advance(hours=5)
    taken.hear(Level.MEDIUM)
    with taken.db.write() as tx, pytest.raises(Refused, match="alarm 2 of the same patient has been raised since"):
        deeds.reopen(tx, first, "Per Hansen", taken.now_ns, 3600.0, "why")


def test_what_an_older_alarm_hears_when_it_is_opened_again_it_hears_itself(taken):
    """The younger one is closed and still quiet: it must not listen in the place of the one that is open."""
    taken.close("Kari Olsen")
    older = taken.alarm()
    taken.clock.advance(hours=5)
    taken.hear(Level.MEDIUM)
    taken.acknowledge("Kari Olsen")
    taken.close("Kari Olsen")
    with taken.db.write() as tx:
        deeds.reopen(tx, older, "Per Hansen", taken.now_ns, 3600.0, "the wrong one was closed")
    taken.hear(Level.HIGH)
    alarm = taken.alarm(older.id)
    assert (taken.count(), alarm.level, alarm.state) == (2, Level.HIGH, State.NOTIFIED)
    assert "Per Hansen" in " ".join(taken.phones()[-2:]), "told anew"


def test_nothing_fires_months_later(ward):
    """The server was away for a quarter of a year: whatever was held has ended once, and is nobody's any more."""
    for number, act in enumerate((lambda: None, lambda: snooze(ward), lambda: hand_over(ward)), 1):
        ward.hear(Level.MEDIUM, patient=("solveig", "arne")[number % 2], kind=list(Kind)[number // 2])
        ward.acknowledge("Kari Olsen")
        act()
    ward.clock.advance(hours=90 * 24)
    ward.tick()
    told = ward.phones()
    for number in (1, 2, 3):
        alarm = ward.alarm(number)
        assert (alarm.state, alarm.acknowledged_by, alarm.parked) == (State.NOTIFIED, None, None)
        with ward.db.write() as tx, pytest.raises(Refused):
            deeds.undo(tx, alarm, "Kari Olsen", ward.now_ns)
    ward.tick()
    assert ward.phones() == told, "once"


def test_a_technical_alarm_that_settles_in_its_sleep_closes_itself(ward):
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    snooze(ward)
    ward.calm(kind=Kind.TECHNICAL)
    assert (ward.alarm().state, ward.alarm().closed_by, ward.alarm().parked) == (State.CLOSED, None, None)


@pytest.mark.parametrize("deed", ["undo", "snooze"])
def test_a_technical_alarm_that_settled_in_somebodys_hands_is_over_when_it_leaves_them(ward, deed):
    ward.hear(Level.LOW, kind=Kind.TECHNICAL)
    ward.hear(kind=Kind.TECHNICAL)
    ward.clock.advance(minutes=9)
    ward.hear(kind=Kind.TECHNICAL)
    ward.acknowledge("Kari Olsen")
    ward.clock.advance(minutes=1)
    ward.hear(kind=Kind.TECHNICAL)
    assert ward.alarm().settled
    snooze(ward) if deed == "snooze" else ward.does(deeds.undo, "Kari Olsen", ward.now_ns)
    assert (ward.alarm().state, ward.alarm().closed_by) == (State.CLOSED, None)


def test_each_deed_has_its_place_in_the_chain_of_events(taken, words):
    taken.does(deeds.assess, "Kari Olsen", taken.now_ns, 3600.0, "expected")
    snooze(taken)
    taken.hear(Level.HIGH)
    taken.acknowledge("Per Hansen")
    taken.close("Per Hansen")
    taken.hear(words.reason(Level.LOW, "device_silent"), kind=Kind.TECHNICAL)
    columns = timeline.c
    query = sa.select(columns.what, columns.event, columns.triage, columns.severity, columns.alert)
    with taken.db.read() as tx:
        coded = [tuple(row) for row in tx.execute(query.where(columns.event.is_not(None)).order_by(columns.id))]
    assert list(dict.fromkeys(coded)) == [
        ("raised", 0, "Y", 20, None),
        ("told", 1, "Y", 20, None),
        ("acknowledged", 3, "Y", 20, None),
        ("assessed", 6, "Y", 20, None),
        ("snoozed", 1, "Y", 20, None),
        ("worse", 0, "R", 30, None),
        ("told", 1, "R", 30, None),
        ("acknowledged", 3, "R", 30, None),
        ("closed", 7, "R", 30, None),
        ("raised", 0, "NR", 10, "5.3.2"),
        ("told", 1, "NR", 10, "5.3.2"),
    ]
