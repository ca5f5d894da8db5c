"""The table of transitions, all of it; and the ladder, climbed without a database."""

from itertools import product

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.alarms.model import (
    AFTER,
    Alarm,
    Deed,
    Refused,
    State,
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
    held = {"acknowledged_by": "Kari", "acknowledged_ns": 0, "expires_ns": NS} if state is State.ACKNOWLEDGED else {}
    ended = {"closed_by": "Per", "closed_ns": 0} if state is State.CLOSED else {}
    return Alarm(
        id=1, patient_id="p", kind="clinical", level=Level.MEDIUM, state=state, raised_ns=0, climb=begin(LADDER, 0),
        reasons=(), episode=b"", **held, **ended, **more,
    )  # fmt: skip


ALLOWED = {
    (State.RAISED, Deed.TELL): "notified",
    (State.RAISED, Deed.ACKNOWLEDGE): "acknowledged",
    (State.RAISED, Deed.ESCALATE): "raised",
    (State.RAISED, Deed.WORSEN): "raised",
    (State.RAISED, Deed.SETTLE): "closed",
    (State.NOTIFIED, Deed.TELL): "notified",
    (State.NOTIFIED, Deed.ACKNOWLEDGE): "acknowledged",
    (State.NOTIFIED, Deed.ESCALATE): "notified",
    (State.NOTIFIED, Deed.WORSEN): "raised",
    (State.NOTIFIED, Deed.SETTLE): "closed",
    (State.ACKNOWLEDGED, Deed.RENEW): "acknowledged",
    (State.ACKNOWLEDGED, Deed.EXPIRE): "notified",
    (State.ACKNOWLEDGED, Deed.ESCALATE): "notified",
    (State.ACKNOWLEDGED, Deed.WORSEN): "raised",
    (State.ACKNOWLEDGED, Deed.CLOSE): "closed",
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
    assert refused.value.who == {State.ACKNOWLEDGED: "Kari", State.CLOSED: "Per"}.get(state)


def test_the_table_names_nothing_else():
    assert set(AFTER) == set(ALLOWED)


def test_a_closed_alarm_is_final():
    closed = alarm_in(State.CLOSED)
    for deed in (
        lambda: acknowledge(closed, "Kari", 0, 60),
        lambda: release(closed, Deed.ESCALATE, 0),
        lambda: worsen(closed, Level.HIGH, begin(LADDER, 0)),
        lambda: settle(closed, 0),
        lambda: close(closed, "Kari", 0, "no_action", "false_alarm", 1, ""),
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
