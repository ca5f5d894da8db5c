"""The table of transitions, all of it; and the ladder, climbed without a database."""

import re
from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alarms import holds
from server.alarms.model import (
    AFTER,
    HELD,
    PARKED,
    TAKEN,
    Alarm,
    Deed,
    Parked,
    Refused,
    State,
    To,
    acknowledge,
    after,
    close,
    closes_itself,
    release,
    settle,
    worsen,
)
from server.escalation.model import NOBODY_S, Climb, Ladder, Step, begin, climb, load, next_role, rest, resume
from server.oncall.model import Person
from vitals.alarm import Level
from vitals.clock import NS
from vitals.errors import ConfigError

LADDER = Ladder("red", "clinical", "high", (Step("nurse", 300), Step("doctor", 600), Step("administrator")), 900)
KARI, INGRID, ODD = (
    Person("kari", "Kari", "nurse", "1"),
    Person("i", "Ingrid", "doctor", "2"),
    Person("o", "Odd", "administrator", "3"),
)
ALL = {"nurse": (KARI,), "doctor": (INGRID,), "administrator": (ODD,)}


def alarm_in(state: State, **more: object) -> Alarm:
    held = {"acknowledged_by": "Kari", "acknowledged_ns": 0, "expires_ns": NS} if state in TAKEN else {}
    if state in PARKED:
        held = {"parked": Parked("kari", "Kari", 0, "so"), "expires_ns": NS}
    ended = {"closed_by": "Per", "closed_ns": 0} if state is State.CLOSED else {}
    return Alarm(
        id=1, patient_id="p", kind="clinical", level=Level.MEDIUM, state=state, raised_ns=0, climb=begin(LADDER, 0),
        reasons=(), episode=b"", **held, **ended, **more,
    )  # fmt: skip


MAY = {
    State.RAISED: "tell=notified acknowledge=acknowledged snooze=snoozed send on=escalated escalate=raised "
    "worsen=raised settle=closed",
    State.NOTIFIED: "tell=notified acknowledge=acknowledged snooze=snoozed send on=escalated escalate=notified "
    "worsen=raised settle=closed",
    State.ACKNOWLEDGED: "renew=acknowledged undo=notified assess=assessed snooze=snoozed hand over=handed_over "
    "send on=escalated take over=acknowledged expire=notified escalate=notified worsen=raised close=closed",
    State.ASSESSED: "renew=assessed assess=assessed snooze=snoozed hand over=handed_over send on=escalated "
    "take over=acknowledged expire=notified escalate=notified worsen=raised close=closed",
    State.SNOOZED: "acknowledge=acknowledged send on=escalated disturb=notified expire=notified escalate=notified "
    "worsen=raised settle=closed",
    State.HANDED: "acknowledge=acknowledged send on=escalated expire=notified escalate=notified worsen=raised",
    State.SENT: "acknowledge=acknowledged give back=acknowledged expire=notified escalate=notified worsen=raised",
    State.CLOSED: "reopen=acknowledged",
}
"""Written once more, by state, so that a slip in the table is seen."""

ALLOWED = {
    (state, Deed(deed)): after
    for state, words in MAY.items()
    for deed, after in re.findall(r"([a-z][a-z ]*)=(\w+)", words)
}


@pytest.mark.parametrize(("state", "deed"), list(product(State, Deed)))
def test_every_state_and_every_deed(state, deed):
    alarm = alarm_in(state)
    if (state, deed) in ALLOWED:
        assert after(alarm, deed) == ALLOWED[state, deed]
        return
    with pytest.raises(Refused) as refused:
        after(alarm, deed)
    assert refused.value.state == state
    assert refused.value.mend, "a refusal says what to do"
    nobody = state in (State.RAISED, State.NOTIFIED)
    assert refused.value.who == (None if nobody else "Per" if state is State.CLOSED else "Kari")


def test_the_table_names_nothing_else():
    assert set(AFTER) == set(ALLOWED)


def test_whoever_has_an_alarm_has_it_until_a_time():
    for state in HELD:
        assert (state, Deed.EXPIRE) in AFTER
        assert alarm_in(state).due_ns == NS
    assert {after for (state, deed), after in ALLOWED.items() if deed is Deed.EXPIRE} == {"notified"}


def test_nothing_leads_out_of_closed_but_opening_it_again():
    closed = alarm_in(State.CLOSED)
    assert [deed for state, deed in AFTER if state is State.CLOSED] == [Deed.REOPEN]
    for deed in (
        lambda: acknowledge(closed, "Kari", 0, 60),
        lambda: release(closed, Deed.ESCALATE, 0),
        lambda: worsen(closed, Level.HIGH, begin(LADDER, 0)),
        lambda: settle(closed, 0),
        lambda: close(closed, "Kari", 0, "no_action", "false_alarm", 1, ""),
        lambda: holds.undo(closed, "Kari", 0),
        lambda: holds.assess(closed, "Kari", 0, 60, "other"),
        lambda: holds.snooze(closed, "kari", "Kari", 0, 60, "why"),
        lambda: holds.hand_over(closed, "kari", "Kari", 0, To("nurse"), ""),
        lambda: holds.send(closed, "kari", "Kari", 0, To("doctor"), 1),
        lambda: holds.reopen(closed, "Kari", round(holds.REOPEN_S * NS) + 1, 60),
    ):
        with pytest.raises(Refused):
            deed()


def test_only_a_settled_technical_alarm_that_nobody_has_closes_itself():
    technical = {"kind": "technical", "settled": True}
    assert closes_itself(msgspec.structs.replace(alarm_in(State.NOTIFIED), **technical))
    assert not closes_itself(msgspec.structs.replace(alarm_in(State.ACKNOWLEDGED), **technical))
    assert not closes_itself(msgspec.structs.replace(alarm_in(State.NOTIFIED), kind="technical"))
    assert not closes_itself(alarm_in(State.NOTIFIED, settled=True))


def test_a_ladder_is_climbed_step_by_step_and_then_again():
    state, told = begin(LADDER, 0), []
    for now_s in (0, 299, 300, 899, 900, 1799, 1800):
        state, tells = climb(state, now_s * NS, ALL)
        told += [(now_s, tell.role, tell.round, tell.step, tell.waited_on, tell.waited_s) for tell in tells]
    assert told == [
        (0, "nurse", 0, 0, None, 0),
        (300, "doctor", 0, 1, "nurse", 300),
        (900, "administrator", 0, 2, "doctor", 600),
        (1800, "nurse", 1, 0, "administrator", 900),
    ]


def test_a_ladder_at_rest_does_not_move_and_resumes_at_the_next_step():
    state, _ = climb(begin(LADDER, 0), 0, ALL)
    resting = rest(state)
    assert climb(resting, 10**6 * NS, ALL) == (resting, [])
    assert next_role(resting) is None
    _, tells = climb(resume(resting, 50 * NS), 50 * NS, ALL)
    assert [tell.role for tell in tells] == ["doctor"]


def test_empty_steps_are_passed_in_the_same_breath():
    _, tells = climb(begin(LADDER, 0), 0, {"administrator": (ODD,)})
    assert [(tell.role, tell.people, tell.last_resort) for tell in tells] == [
        ("nurse", (), False),
        ("doctor", (), False),
        ("administrator", (ODD,), False),
    ]


def test_someone_without_a_phone_is_named_and_not_told():
    _, tells = climb(begin(LADDER, 0), 0, {**ALL, "nurse": (Person("per", "Per", "nurse"), KARI)})
    assert [(tell.people, tell.unreachable) for tell in tells] == [((KARI,), ("Per",))]


def test_when_nobody_at_all_can_be_reached_it_tries_again_soon():
    state, tells = climb(begin(LADDER, 0), 0, {})
    assert [tell.last_resort for tell in tells] == [False, False, False, True]
    assert state.next_step_ns == round(min(NOBODY_S, LADDER.repeat_s) * NS)


@given(
    waits=st.lists(st.integers(1, 10_000), min_size=0, max_size=4),
    repeat_s=st.integers(1, 10_000),
    looks=st.lists(st.tuples(st.integers(0, 20_000), st.sets(st.sampled_from(sorted(ALL)))), max_size=40),
)
def test_a_climbing_ladder_always_has_a_next_step_and_names_each_telling_once(waits, repeat_s, looks):
    roles = ("nurse", "doctor", "administrator", "nurse", "doctor")
    steps = (*(Step(role, wait) for role, wait in zip(roles, waits, strict=False)), Step(roles[len(waits)]))
    state: Climb = begin(Ladder("any", "clinical", "high", steps, repeat_s), 0)
    now_ns, named = 0, []
    for pause_s, there in looks:
        now_ns += pause_s * NS
        was_due = state.next_step_ns is not None and state.next_step_ns <= now_ns
        state, tells = climb(state, now_ns, {role: people for role, people in ALL.items() if role in there})
        named += [(tell.round, tell.step) for tell in tells]
        assert bool(tells) == was_due
        assert state.next_step_ns is not None
        assert state.next_step_ns > now_ns
        if "administrator" in there and tells:
            assert tells[-1].people, "the last resort is there, so somebody was told"
    assert named == sorted(set(named))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("wait_s = 300", "wait = 300"), "unknown key 'wait'"),
        (("wait_s = 300", ""), "the step that tells the nurse does not wait"),
        (("wait_s = 300", "wait_s = 0"), "the step that tells the nurse does not wait"),
        (("repeat_s = 600", "repeat_s = 0"), "a ladder repeats"),
        (('tell = "administrator"', 'tell = "administrator"\nwait_s = 5'), "its last step has a wait_s"),
        (('tell = "administrator"', 'tell = "janitor"'), "janitor"),
        (('priority = "high"', 'priority = "medium"'), "no ladders serve clinical alarms of high priority"),
    ],
)
def test_a_ladders_file_that_cannot_be_meant_is_refused_in_words(tmp_path, words, change, says):
    path = tmp_path / "ladders.toml"
    path.write_text(words.ladders.read_text(encoding="utf-8").replace(*change, 1), encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load(path)


def test_a_ladder_without_steps_and_a_file_that_is_not_there(tmp_path):
    path = tmp_path / "ladders.toml"
    with pytest.raises(ConfigError, match="cannot be read"):
        load(path)
    path.write_text('[[ladders]]\nname="x"\nkind="clinical"\npriority="high"\nrepeat_s=1\nsteps=[]\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="has no steps"):
        load(path)
