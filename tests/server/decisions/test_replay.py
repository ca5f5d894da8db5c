"""What the server decided, it decides again: at the same moments, from what was known then, to the last bit."""

import msgspec
import pytest
import sqlalchemy as sa

from server.alarms import deeds, table
from server.alarms.model import To
from server.alarms.timeline import timeline
from server.cases.model import Answer
from server.decisions.replay import Replayed, replay
from server.patients.programmes import OURS, read
from tests.server.conftest import START_NS
from tests.server.decisions.conftest import Day
from triage.programme import Programme
from vitals.alarm import Level
from vitals.block import Block
from vitals.clock import NS
from vitals.errors import ConfigError, StoreError


def again(day: Day, from_ns: int = START_NS, programme: Programme | None = None, patient: str = "eva") -> Replayed:
    today = day.server.programmes.of(day.person(patient).programme)
    with day.server.db.read() as tx:
        return replay(tx, day.person(patient), from_ns, day.clock.now_ns(), today, programme)


def test_a_day_lived_through_once_more_decides_what_was_decided(lived: Day) -> None:
    found = again(lived)
    assert found.assumed_ns is None
    whats = {(one.what, one.findings[0].rule) for one in found.recorded}
    assert {what for what, _ in whats} >= {"opened", "raised", "stacked"}, whats
    assert any(rule == "gateway_silent" for _, rule in whats), whats
    assert any("silent" in rule and rule != "gateway_silent" for _, rule in whats), whats
    assert list(found.decided) == list(found.recorded)
    assert found.same
    with lived.server.db.read() as tx:
        recorded = table.every(tx, "eva")
    ends = [(one.kind, one.t_ns) for one in found.became if one.what == "closed"]
    assert ends == sorted(((one.kind, one.closed_ns) for one in recorded if one.closed_ns), key=lambda end: end[1])
    with lived.server.db.read() as tx:
        settled = tx.scalars(sa.select(timeline.c.t_ns).where(timeline.c.what == "settled").order_by(timeline.c.id))
        assert [one.t_ns for one in found.became if one.what == "settled"] == list(settled)


def test_a_span_from_the_middle_reaches_back_to_what_it_rests_on(lived: Day) -> None:
    whole = again(lived)
    for part in (3, 6):
        from_ns = START_NS + (lived.clock.now_ns() - START_NS) * part // 8
        found = again(lived, from_ns)
        assert found.same, part
        assert found.began_ns <= from_ns
        assert [one.t_ns for one in found.became] == [one.t_ns for one in whole.became if one.t_ns >= from_ns]


def test_another_programme_says_what_it_would_have_said(lived: Day) -> None:
    copd = lived.server.programmes.of("copd")
    sterner = msgspec.structs.replace(copd, version="next", rules=("spo2_floor", "device_silent"))
    found = again(lived, programme=sterner)
    assert {one.rule for one in found.said} <= {"spo2_floor", "device_silent"}
    assert any(one.level == Level.HIGH for one in found.said)
    assert not any(one.decision and one.decision.version != "next" for one in found.became)
    assert not found.same


def test_a_programme_that_does_not_take_her_limits_is_refused_before_anything(day: Day) -> None:
    day.finger(95)
    with pytest.raises(ConfigError, match=r"patient eva: .*no rule of the programme has a limit 'spo2_floor'"):
        again(day, programme=Programme("x", "1", {"nb": "x", "en": "x"}, ("weight_gain",)))


def test_a_span_without_anything_is_said_to_be_empty(day: Day) -> None:
    day.finger(95)
    with pytest.raises(StoreError, match="nothing is known of odd"):
        again(day, patient="odd")
    with pytest.raises(StoreError, match="nothing is known of eva in that span"):
        again(day, day.clock.now_ns() + 1)


def test_the_shipped_programme_on_disk_is_todays(day: Day) -> None:
    day.minutes(1)
    day.finger(84)
    assert again(day, programme=read(OURS / "copd.toml")).same


def ends(day: Day, found: Replayed) -> None:
    """The replay decides what was decided, and each alarm ends when it ended."""
    with day.server.db.read() as tx:
        closed = sorted(one.closed_ns for one in table.every(tx, "eva") if one.closed_ns)
    assert [one.t_ns for one in found.became if one.what == "closed"] == closed
    assert found.same


def test_an_alarm_that_was_opened_again_is_lived_through_too(day: Day) -> None:
    """It has forgotten how it was closed."""
    day.finger(84)
    day.minutes(1)
    day.acknowledge(day.alarm())
    day.close(day.alarm())
    day.minutes(2)
    day.does(deeds.reopen, day.alarm(), "Kari", day.clock.now_ns() + NS, 3600.0, "too early")
    day.minutes(2)
    found = again(day)
    assert found.same
    assert [one.what for one in found.became] == ["opened", "closed"]


@pytest.mark.parametrize("said", ["advise", "take_over"])
def test_what_is_found_while_a_doctor_is_asked_takes_it_from_nobody(day: Day, said: Answer) -> None:
    """A case waits for its answer whatever is found meanwhile, where a snooze would have been broken."""
    day.finger(84)
    day.minutes(1)
    day.acknowledge(day.alarm())
    day.send_on(day.alarm())
    day.minutes(1)
    day.hear(*(Block("pulse_rate", (day.clock.now_ns() + n,), (150.0,)) for n in range(3)))
    day.minutes(1)
    day.answer(said)
    day.minutes(1)
    day.close(day.alarm())
    day.minutes(62)  # it is quiet no longer
    day.finger(84)
    day.minutes(1)
    found = again(day)
    assert "stacked" in {one.what for one in found.recorded}, "something new was found meanwhile"
    ends(day, found)


def test_a_technical_alarm_that_lies_with_a_colleague_does_not_end_before_they_take_it(day: Day) -> None:
    day.finger(95)
    day.minutes(1)
    day.minutes(5, heard=False)
    day.acknowledge(day.alarm("technical"))
    day.does(deeds.hand_over, day.alarm("technical"), "kari", "Kari", day.clock.now_ns() + NS, To("doctor", "ingrid"))
    day.minutes(13)  # the gateway is back, and it settles
    assert day.alarm("technical").settled
    day.minutes(5, heard=False)
    ends(day, again(day))


def test_a_technical_alarm_that_has_settled_ends_with_whoever_snoozes_it(day: Day) -> None:
    day.finger(95)
    day.minutes(1)
    day.minutes(5, heard=False)
    day.acknowledge(day.alarm("technical"))
    day.minutes(13)
    day.does(deeds.snooze, day.alarm("technical"), "kari", "Kari", day.clock.now_ns() + NS, 3600.0, "it is back")
    day.minutes(2)
    day.minutes(5, heard=False)
    ends(day, again(day))


def test_of_two_closed_alarms_that_one_is_opened_again_which_was(day: Day) -> None:
    day.finger(84)
    day.minutes(1)
    first = day.alarm()
    day.acknowledge(first)
    day.close(day.alarm())
    for _ in range(5):  # until it is quiet no longer
        day.finger(96)
        day.minutes(13)
    day.hear(*(Block("pulse_rate", (day.clock.now_ns() + n,), (125.0,)) for n in range(3)))
    day.minutes(1)
    second = day.alarm()
    assert (first.level, second.level) == (Level.HIGH, Level.MEDIUM)
    day.acknowledge(second)
    day.close(day.alarm())
    with day.server.db.read() as tx:
        early = table.get(tx, first.id)
    day.does(deeds.reopen, early, "Kari", day.clock.now_ns() + NS, 3600.0, "it was not her finger")
    day.minutes(1)
    day.finger(84)
    day.minutes(1)
    assert again(day).same, "no news to the first, and worse than all that the second had said"
