"""What a patient is asked to measure again, and when: by the plan alone, on a table of moments."""

from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triage.plan import (
    AGAIN_REST_S,
    DAY_S,
    HOUR_S,
    LEAST_S,
    MOST_AGAIN,
    Changes,
    Findings,
    Found,
    Habits,
    Past,
    Sooner,
    Wish,
    plan,
)
from vitals.alarm import Level
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.settings import convert

OSLO = ZoneInfo("Europe/Oslo")
SOONER = Sooner()
DAY = SOONER.day(OSLO)
EVERY: Mapping[str, float] = {"spo2": 86_400.0, "bp_sys": 86_400.0, "weight": 86_400.0, "consciousness": 86_400.0}


def at(clock: str, day: int = 2) -> int:
    """That time of day in Oslo, in March 2026."""
    hour, minute = map(int, clock.split(":"))
    return int(datetime(2026, 3, day, hour, minute, tzinfo=OSLO).timestamp()) * NS


def clock(t_ns: int) -> str:
    return datetime.fromtimestamp(t_ns / 1e9, UTC).astimezone(OSLO).strftime("%d %H:%M")


def finds(level: Level, *reads: str, again: tuple[str, ...] = (), rule: str = "news2") -> Findings:
    return Findings([Found(rule, level, reads, {"nb": "fordi", "en": "because"}, again)])


NOTHING = Findings([])


class Patient:
    """One patient, whose requests are carried from look to look as the server does it."""

    def __init__(self, sooner: Sooner = SOONER, every: Mapping[str, float] = EVERY) -> None:
        self.sooner, self.every = sooner, every
        self.newest: dict[str, int] = {}
        self.open: list[Wish] = []
        self.past: list[Past] = []
        self.last = Changes([], [], [])

    def look(self, found: Findings, now_ns: int, **measured: int) -> Changes:
        self.newest |= measured
        habits = Habits(self.every, self.newest)
        done = plan(found, habits, self.open, self.past, now_ns, self.sooner, self.sooner.day(OSLO))
        moved = {id(old): new for old, new in done.moved}
        ended = {id(wish) for wish, _ in done.ended}
        self.open = [moved.get(id(one), one) for one in self.open if id(one) not in ended] + done.asked
        self.past += [Past(w.channel, w.why, w.level, w.asked_ns, now_ns, end) for w, end in done.ended]
        self.last = done
        return done


@pytest.mark.parametrize(
    ("level", "measured", "window"),
    [
        (Level.LOW, "09:00", ("02 12:00", "02 15:00")),
        (Level.MEDIUM, "09:00", ("02 09:30", "02 10:00")),
        (Level.HIGH, "09:00", ("02 09:15", "02 09:30")),
        (Level.LOW, "16:30", ("02 19:30", "02 21:00")),  # the day ends
        (Level.LOW, "18:30", ("03 08:00", "03 09:00")),  # in the night: in the morning
        (Level.MEDIUM, "20:40", ("03 08:00", "03 09:00")),
        (Level.HIGH, "23:00", ("02 23:15", "02 23:30")),  # what cannot wait does not
        (Level.MEDIUM, "03:00", ("02 08:00", "02 09:00")),
    ],
)
def test_a_finding_asks_for_the_next_measurement_in_its_window_and_in_the_day(level, measured, window):
    t_ns = at(measured)
    done = Patient().look(finds(level, "bp_sys"), t_ns, bp_sys=t_ns)
    (wish,) = done.asked
    assert (clock(wish.from_ns), clock(wish.by_ns)) == window
    assert wish.asked_ns == t_ns
    assert wish.until_ns > wish.by_ns


def test_what_the_plan_brings_in_time_is_not_asked_for():
    t_ns = at("09:00")
    patient = Patient(every={"bp_sys": 4 * HOUR_S})
    assert patient.look(finds(Level.LOW, "bp_sys"), t_ns, bp_sys=t_ns).asked == []
    assert len(patient.look(finds(Level.MEDIUM, "bp_sys"), t_ns).asked) == 1


def test_what_the_plan_should_have_brought_and_did_not_is_asked_for():
    patient, found = Patient(), finds(Level.HIGH, "spo2", "bp_sys")
    patient.newest["bp_sys"] = at("09:00", day=1)
    assert [wish.channel for wish in patient.look(found, at("08:59"), spo2=at("08:59")).asked] == ["spo2"]
    (wish,) = patient.look(found, at("09:00")).asked
    assert (wish.channel, clock(wish.by_ns)) == ("bp_sys", "02 09:15"), "due now, and nobody has measured it"


def test_a_weight_is_never_asked_for_twice_a_day_and_what_cannot_be_measured_not_at_all():
    t_ns = at("09:00")
    found = finds(Level.MEDIUM, "weight", "steps", "pain", "temperature")
    assert Patient().look(found, t_ns, weight=t_ns, steps=t_ns, pain=t_ns).asked == []


def test_one_instrument_is_asked_for_once_and_a_question_is_asked_like_a_measurement():
    t_ns = at("09:00")
    found = finds(Level.MEDIUM, "spo2", "pulse_rate", "consciousness", "oxygen_flow")
    done = Patient().look(found, t_ns, spo2=t_ns, pulse_rate=t_ns, consciousness=t_ns)
    assert [wish.channel for wish in done.asked] == ["consciousness", "spo2"]


def test_the_measurement_answers_it_and_the_reading_of_the_same_minute_does_not():
    patient, t_ns = Patient(), at("09:00")
    patient.look(finds(Level.MEDIUM, "bp_sys"), t_ns, bp_sys=t_ns)
    patient.look(finds(Level.MEDIUM, "bp_sys"), at("09:02"), bp_sys=at("09:02"))
    assert patient.last == Changes([], [], []), "not given and answered at each reading"
    patient.look(NOTHING, at("09:50"), bp_sys=at("09:50"))
    assert [end for _, end in patient.last.ended] == ["answered"]
    assert patient.open == []


def test_while_it_lasts_the_next_is_asked_for_after_each_until_there_were_enough():
    patient, found = Patient(), finds(Level.MEDIUM, "bp_sys")
    t_ns, asked = at("09:00"), 0
    while t_ns < at("20:00"):
        done = patient.look(found, t_ns, bp_sys=t_ns)
        asked += len(done.asked)
        t_ns += round(0.75 * HOUR_S * NS)
    assert asked == SOONER.most_a_day


def test_what_is_red_is_asked_for_however_often_it_was():
    patient, t_ns = Patient(), at("09:00")
    for _ in range(20):
        assert len(patient.look(finds(Level.HIGH, "bp_sys"), t_ns, bp_sys=t_ns).asked) == 1
        t_ns += round(HOUR_S / 2 * NS)


def test_it_is_withdrawn_when_things_have_settled_for_a_while_and_not_before():
    patient, t_ns = Patient(), at("09:00")
    patient.look(finds(Level.LOW, "spo2"), t_ns, spo2=t_ns)
    for minute in (5, 10, 15, 20, 25):  # it comes and goes with each reading
        found = NOTHING if minute % 10 else finds(Level.LOW, "spo2")
        done = patient.look(found, t_ns + minute * 60 * NS, spo2=t_ns + minute * 60 * NS)
        assert not done.asked
        assert not done.ended
    calm_ns = t_ns + 25 * 60 * NS
    patient.look(NOTHING, calm_ns + round(SOONER.settle_s * NS) - 1)
    assert len(patient.open) == 1
    patient.look(NOTHING, calm_ns + round(SOONER.settle_s * NS))
    assert [end for _, end in patient.last.ended] == ["withdrawn"]
    again_ns = calm_ns + round(2 * SOONER.settle_s * NS)
    assert patient.look(finds(Level.LOW, "spo2"), again_ns, spo2=again_ns).asked == [], "not at once again"
    assert len(patient.look(finds(Level.MEDIUM, "spo2"), again_ns + NS, spo2=again_ns).asked) == 1, "unless it is worse"


def test_a_rule_that_has_lost_sight_has_not_become_calm():
    patient, t_ns = Patient(), at("09:00")
    patient.look(finds(Level.LOW, "spo2", "bp_sys"), t_ns, spo2=t_ns, bp_sys=t_ns)
    blind = Findings([], {"news2": ("spo2", "bp_sys")})
    patient.look(blind, at("10:00"))
    patient.look(blind, at("11:00"))
    assert {wish.channel for wish in patient.open} == {"spo2", "bp_sys"}
    patient.look(blind, at("11:01"), spo2=at("11:01"))  # it lacks something, as ever, but what is there is well
    patient.look(blind, at("11:40"))
    assert patient.open == []


def test_what_grows_worse_is_wanted_earlier_and_what_grows_better_not_later():
    patient, t_ns = Patient(), at("09:00")
    patient.look(finds(Level.LOW, "bp_sys"), t_ns, bp_sys=t_ns)
    patient.look(finds(Level.MEDIUM, "bp_sys"), at("09:05"))
    (wish,) = patient.open
    assert (wish.level, clock(wish.by_ns)) == (Level.MEDIUM, "02 10:00")
    patient.look(finds(Level.LOW, "bp_sys"), at("09:06"))
    assert patient.open == [wish]


def test_what_nobody_answers_is_given_up_and_not_asked_for_at_once_again():
    patient, t_ns, found = Patient(), at("09:00"), finds(Level.MEDIUM, "bp_sys")
    patient.look(found, t_ns, bp_sys=t_ns)
    patient.look(found, at("11:00"))
    assert [end for _, end in patient.last.ended] == ["expired"]
    assert patient.last.asked == []
    patient.look(found, at("12:00"))
    (wish,) = patient.open
    assert (clock(wish.from_ns), clock(wish.by_ns)) == ("02 12:00", "02 12:15"), "long due, so it is wanted now"


def test_a_single_red_reading_is_wanted_again_at_once_but_not_for_ever():
    patient, t_ns, count = Patient(), at("22:30"), 0
    for _ in range(6):
        found = finds(Level.MEDIUM, "spo2", again=("spo2",), rule="spo2_floor")
        done = patient.look(found, t_ns, spo2=t_ns)
        now = [wish for wish in done.asked if wish.why == "again"]
        count += len(now)
        for wish in now:
            assert wish.by_ns - t_ns == SOONER.again_s * NS, "in the night too: who measured a moment ago is awake"
        t_ns += 60 * NS
    assert count == MOST_AGAIN
    t_ns += round(AGAIN_REST_S * NS)
    found = finds(Level.MEDIUM, "spo2", again=("spo2",), rule="spo2_floor")
    assert [wish.why for wish in patient.look(found, t_ns, spo2=t_ns).asked] == ["again"]


def test_a_red_reading_of_hours_ago_is_not_wanted_again_at_once():
    found = finds(Level.MEDIUM, "spo2", again=("spo2",))
    (wish,) = Patient().look(found, at("12:00"), spo2=at("09:00")).asked
    assert wish.why == "sooner"


def test_what_only_wishes_for_a_measurement_gets_it_and_one_more_instrument_may_be_wished_for():
    t_ns = at("12:00")
    patient = Patient(every={"glucose": 86_400.0, "ketone": 86_400.0})
    found = Findings([Found("glucose", Level.CALM, ("glucose", "ketone"), {}, ("ketone",))])
    (wish,) = patient.look(found, t_ns, glucose=t_ns).asked
    assert (wish.channel, wish.why, wish.level) == ("ketone", "again", Level.LOW)
    patient.look(NOTHING, t_ns + NS, ketone=t_ns + NS)
    assert [end for _, end in patient.last.ended] == ["answered"]


def test_a_programme_may_never_ask():
    t_ns = at("09:00")
    never = Sooner(most_a_day=0)
    assert Patient(never).look(finds(Level.HIGH, "spo2", again=("spo2",)), t_ns, spo2=t_ns).asked == []


@pytest.mark.parametrize(
    ("table", "mend"),
    [
        ({"high_s": 7200.0}, "again_s <= high_s <= medium_s <= low_s"),
        ({"again_s": 1.0}, "60 <= again_s"),
        ({"quiet_from_h": 7}, "whole hours over midnight"),
        ({"settle_s": -1.0}, "within 0 to 86400"),
        ({"most_a_day": -1}, "0 or more"),
    ],
)
def test_what_contradicts_itself_is_refused_with_the_mend(table, mend):
    with pytest.raises(ConfigError, match=mend):
        convert({"sooner": table}, msgspec.defstruct("P", [("sooner", Sooner)]), "p.toml")


moments = st.lists(
    st.tuples(
        st.floats(1, 5 * HOUR_S),
        st.sampled_from([None, Level.LOW, Level.MEDIUM, Level.HIGH]),
        st.booleans(),
        st.booleans(),
    ),
    max_size=60,
)


@settings(max_examples=300)
@given(moments)
def test_whatever_happens_the_promises_hold(steps):
    """Never two requests for a channel, never at night unless it is red, never too often, and none stands for ever."""
    patient, now_ns, asked = Patient(), at("06:00"), []
    for wait_s, level, measures, again in steps:
        now_ns += round(wait_s * NS)
        found = NOTHING if level is None else finds(level, "bp_sys", again=("bp_sys",) if again else ())
        done = patient.look(found, now_ns, **({"bp_sys": now_ns} if measures else {}))
        asked += done.asked
        assert len(patient.open) <= 1
        assert not {id(wish) for wish, _ in done.ended} & {id(wish) for wish in patient.open}
        for wish in patient.open:
            assert now_ns < wish.until_ns
            assert wish.from_ns < wish.by_ns < wish.until_ns
            if wish.why == "sooner" and wish.level < Level.HIGH:
                assert DAY.awake(wish.from_ns)
                assert DAY.awake(wish.by_ns - 1)
        for old, new in done.moved:
            assert new.by_ns <= old.by_ns
            assert new.level >= old.level or new.why == "again"
    plain = [wish for wish in asked if wish.why == "sooner" and wish.level < Level.HIGH]
    for wish in plain:
        same_day = [one for one in plain if 0 <= wish.asked_ns - one.asked_ns < DAY_S * NS]
        assert len(same_day) <= SOONER.most_a_day + 1
    for wish in asked:
        if wish.why == "sooner":
            assert wish.by_ns - wish.asked_ns >= min(LEAST_S["bp_sys"], SOONER.again_s) * NS - 1


def test_what_a_person_asked_for_stands_until_it_is_measured_and_is_only_brought_forward() -> None:
    t_ns, hour = at("09:00"), round(HOUR_S * NS)
    asked = Wish("spo2", "asked", Level.LOW, "asked", {}, t_ns, t_ns, t_ns + 6 * hour, t_ns + 12 * hour)
    patient = Patient()
    patient.open = [asked]
    for hours in (1, 2, 5):
        patient.look(NOTHING, t_ns + hours * hour)
        assert patient.open == [asked], "no rule takes back what a person asked for"
    patient.look(finds(Level.HIGH, "spo2"), t_ns + 5 * hour)
    [now] = patient.open
    assert (now.why, now.level) == ("asked", Level.HIGH)
    assert now.by_ns < asked.by_ns
    patient.look(NOTHING, t_ns + 6 * hour, spo2=t_ns + 6 * hour)
    assert patient.open == []
    assert patient.past[-1].end == "answered"
