"""Who is on at t, against a slow plain second opinion, over both changes of the clock."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.oncall.model import Fixed, Kept, Override, Pattern, Person, Roster
from server.oncall.plan import duties, gaps, on, stretches, who
from vitals.clock import NS

OSLO = ZoneInfo("Europe/Oslo")
NAMES = ("anna", "berit", "chris", "dag")
HOUR = 3600 * NS


def ns(text: str) -> int:
    """Of a local time in Oslo."""
    return int(datetime.fromisoformat(text).replace(tzinfo=OSLO).timestamp()) * NS


def roster(*patterns: Pattern, fixed: tuple[Fixed, ...] = ()) -> Roster:
    return Roster("vakt", "Vakt", "nurse", "Europe/Oslo", patterns=patterns, fixed=fixed)


def kept(*patterns: Pattern, overrides: tuple[Override, ...] = ()) -> Kept:
    return Kept(((0, roster(*patterns)),), overrides)


NIGHT = Pattern("night", ("anna", "berit"), date(2026, 1, 5), time(23), time(7), days=1, turn="shift")
WEEK = Pattern("week", ("anna", "berit", "chris"), date(2026, 3, 2), time(8), time(8), days=7, weekdays=(0,))


@pytest.mark.parametrize(
    ("evening", "hours"), [("2026-03-27", 8), ("2026-03-28", 7), ("2026-10-24", 9), ("2026-10-25", 8)]
)
def test_a_night_is_as_long_as_the_clock_makes_it(evening, hours):
    [night] = list(duties(roster(NIGHT), ns(f"{evening}T23:00"), ns(f"{evening}T23:00") + NS))
    assert night.since_ns is not None
    assert night.until_ns is not None
    assert (night.until_ns - night.since_ns) / HOUR == hours


def test_a_week_at_a_time_changes_hands_on_monday_at_eight():
    asked = ("2026-03-02T07:59", "2026-03-02T08:00", "2026-03-09T07:59", "2026-03-09T08:00", "2026-03-23T08:00")
    assert [on(kept(WEEK), ns(t)) for t in asked] == [(), ("anna",), ("anna",), ("berit",), ("anna",)]


def test_a_turn_can_change_with_every_shift():
    weekdays = Pattern("d", ("anna", "berit", "chris"), date(2026, 3, 2), time(8), time(16), 0, (0, 2, 4), "shift")
    days = ["2026-03-02", "2026-03-03", "2026-03-04", "2026-03-06", "2026-03-09", "2026-03-11"]
    assert [on(kept(weekdays), ns(f"{day}T12:00")) for day in days] == [
        ("anna",), (), ("berit",), ("chris",), ("anna",), ("berit",),
    ]  # fmt: skip


def test_what_was_saved_holds_from_then_on_and_the_past_stays_as_it_was():
    other = Pattern("week", ("dag",), date(2026, 3, 2), time(8), time(8), days=7, weekdays=(0,))
    both = Kept(((ns("2026-03-01T12:00"), roster(WEEK)), (ns("2026-03-04T12:00"), roster(other))))
    asked = ("2026-03-01T11:00", "2026-03-04T11:59", "2026-03-04T12:00", "2026-03-12T12:00")
    assert [on(both, ns(t)) for t in asked] == [None, ("anna",), ("dag",), ("dag",)]
    assert [one.staff for one in stretches(both, ns("2026-03-01T00:00"), ns("2026-03-06T00:00"))] == [
        (), (), ("anna",), ("dag",),
    ]  # fmt: skip


def test_an_override_cannot_change_what_has_been_and_keeps_what_it_was_when_it_is_taken_back():
    made, ended = ns("2026-03-03T12:00"), ns("2026-03-03T18:00")
    one = Override("anna", "dag", ns("2026-03-03T00:00"), ns("2026-03-05T00:00"), made, ended)
    asked = ("2026-03-03T11:59", "2026-03-03T12:00", "2026-03-03T17:59", "2026-03-03T18:00")
    assert [on(kept(WEEK, overrides=(one,)), ns(t)) for t in asked] == [("anna",), ("dag",), ("dag",), ("anna",)]


def test_one_who_is_not_on_cannot_be_replaced_but_anybody_can_be_added():
    t = ns("2026-03-03T12:00")
    gone, more = Override("berit", "dag", 0, 2**62, 0), Override(None, "chris", 0, 2**62, 0)
    assert on(kept(WEEK, overrides=(gone, more)), t) == ("anna", "chris")
    assert on(kept(WEEK, overrides=(Override("anna", None, 0, 2**62, 0),)), t) == ()


def test_a_role_is_answered_by_its_rosters_and_without_one_by_everybody_who_has_it():
    anna, berit, doctor = (
        Person("anna", "Anna", "nurse", "1"),
        Person("berit", "Berit", "nurse", "2"),
        Person("d", "D", "doctor"),
    )
    everybody = (berit, anna, doctor)
    t = ns("2026-03-03T12:00")
    assert who("nurse", t, everybody, []) == (anna, berit)
    assert who("nurse", t, everybody, [kept(WEEK)]) == (anna,)
    assert who("doctor", t, everybody, [kept(WEEK)]) == (doctor,)
    assert who("nurse", ns("2026-03-01T12:00"), everybody, [kept(WEEK)]) == (), "a hole is a hole"
    empty = Kept(((0, roster()),))
    assert who("nurse", t, everybody, [empty]) == (anna, berit), "a roster without shifts is not kept"


def test_gaps_say_whether_nobody_is_on_or_nobody_can_be_reached():
    staff = {"anna": Person("anna", "Anna", "nurse", "1"), "berit": Person("berit", "Berit", "nurse")}
    short = Pattern(
        "week", ("anna", "berit", "left"), date(2026, 3, 2), time(8), time(8), 7, (0,), last=date(2026, 3, 16)
    )
    found = gaps(kept(short), staff, ns("2026-03-02T08:00"), ns("2026-03-30T08:00"))
    assert [(one.since_ns, one.until_ns, one.mute) for one in found] == [
        (ns("2026-03-09T08:00"), ns("2026-03-16T08:00"), ("Berit",)),
        (ns("2026-03-16T08:00"), ns("2026-03-30T08:00"), ()),
    ]


def test_whoever_is_alone_on_with_a_locked_account_is_a_gap_and_a_colleague_beside_them_closes_it():
    anna, berit = Person("anna", "Anna", "nurse", "1", locked=True), Person("berit", "Berit", "nurse", "2")
    week = (ns("2026-03-02T08:00"), ns("2026-03-09T08:00"))
    both = [
        Pattern(name, (name,), date(2026, 3, 2), time(8), time(8), 7, (0,), last=last)
        for name, last in (("anna", date(2026, 3, 9)), ("berit", date(2026, 3, 2)))
    ]
    found = gaps(kept(*both), {"anna": anna, "berit": berit}, week[0], ns("2026-03-16T08:00"))
    assert [(one.since_ns, one.until_ns, one.mute, one.locked) for one in found] == [
        (week[1], ns("2026-03-16T08:00"), (), ("Anna",))
    ]


def slow(plan: Kept, t_ns: int) -> set[str] | None:
    """Second opinion: by the clock on the wall at t, walking every day since the pattern began."""
    in_force = [each for since_ns, each in plan.versions if since_ns <= t_ns]
    if not in_force or not in_force[-1].patterns:
        return None
    found: set[str] = set()
    for pattern in in_force[-1].patterns:
        day, turn, week = pattern.first, 0, 0
        while day <= date(2026, 12, 31):
            if (day - pattern.first).days == 7 * (week + 1):
                week += 1
            if day.weekday() in pattern.weekdays and (pattern.last is None or day <= pattern.last):
                begins = datetime.combine(day, pattern.begins, OSLO).astimezone(UTC)
                ends = datetime.combine(day + timedelta(days=pattern.days), pattern.ends, OSLO).astimezone(UTC)
                if begins <= datetime.fromtimestamp(t_ns // NS, UTC) < ends:
                    order = turn if pattern.turn == "shift" else week
                    found.add(pattern.people[order % len(pattern.people)])
                turn += 1
            day += timedelta(days=1)
    for one in plan.overrides:
        holds = max(one.since_ns, one.made_ns) <= t_ns < min(one.until_ns, one.ended_ns or 2**62)
        if holds and (one.out is None or one.out in found):
            found.discard(one.out or "")
            if one.into:
                found.add(one.into)
    return found


CLOCK = st.builds(time, st.integers(0, 23), st.sampled_from((0, 15, 30)))
PATTERNS = st.builds(
    Pattern,
    name=st.just("x"),
    people=st.lists(st.sampled_from(NAMES), min_size=1, max_size=4, unique=True).map(tuple),
    first=st.dates(date(2026, 2, 1), date(2026, 4, 5)) | st.dates(date(2026, 9, 20), date(2026, 10, 28)),
    begins=CLOCK,
    ends=CLOCK,
    days=st.integers(0, 7),
    weekdays=st.sets(st.integers(0, 6), min_size=1).map(sorted).map(tuple),
    turn=st.sampled_from(("shift", "week")),
    last=st.none() | st.dates(date(2026, 3, 1), date(2026, 11, 5)),
)
WEEKS = [ns("2026-03-26T00:00"), ns("2026-10-22T00:00")]
TIMES = st.builds(lambda week, quarter: week + quarter * HOUR // 4, st.sampled_from(WEEKS), st.integers(0, 7 * 96))
OVERRIDES = st.builds(
    Override, st.none() | st.sampled_from(NAMES), st.none() | st.sampled_from(NAMES), TIMES, TIMES, TIMES,
    st.none() | TIMES,
)  # fmt: skip


@given(
    plans=st.lists(st.lists(PATTERNS, max_size=3), min_size=1, max_size=2),
    saved=TIMES,
    overrides=st.lists(OVERRIDES, max_size=3),
    week=st.sampled_from(WEEKS),
)
def test_every_instant_is_answered_as_a_plain_second_opinion_does(plans, saved, overrides, week):
    versions = tuple((t_ns, roster(*each)) for t_ns, each in zip((0, saved), plans, strict=False))
    plan = Kept(versions, tuple(overrides))
    laid_out = stretches(plan, week, week + 7 * 24 * HOUR)
    assert [laid_out[0].since_ns, laid_out[-1].until_ns] == [week, week + 7 * 24 * HOUR]
    assert all(one.until_ns == two.since_ns for one, two in itertools.pairwise(laid_out))
    asked = {t for one in laid_out for t in (one.since_ns, one.until_ns - NS, (one.since_ns + one.until_ns) // 2)}
    for t_ns in asked | {week + n * 5 * HOUR for n in range(33)}:
        truth = slow(plan, t_ns)
        answered = on(plan, t_ns)
        assert (None if answered is None else set(answered)) == truth
        [covering] = [one for one in laid_out if one.since_ns <= t_ns < one.until_ns]
        assert (set(covering.staff), covering.kept) == (truth or set(), truth is not None)
