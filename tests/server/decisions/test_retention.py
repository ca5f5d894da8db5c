"""What no replay needs any more is let go, and nothing that one needs."""

import pytest
import sqlalchemy as sa

from server.alarms import table
from server.decisions import retention
from server.decisions.course import beginning
from server.decisions.explain import explain
from server.decisions.record import applied, circumstances, looks
from server.decisions.replay import replay
from server.decisions.retention import prune
from tests.server.conftest import START_NS, Town, spo2
from tests.server.decisions.conftest import Day, live
from tests.server.decisions.test_replay import again
from tests.server.test_fleet import both_beat
from vitals.clock import NS

DAY_NS = 86_400 * NS


def oldest_look(town: Town) -> int:
    with town.server.db.read() as tx:
        return int(tx.scalar(sa.select(sa.func.min(looks.c.t_ns))) or 0)


def count(town: Town, what: sa.Table) -> int:
    with town.server.db.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(what)) or 0


def test_what_is_kept_is_replayed_and_every_alarm_is_explained_as_before(day: Day) -> None:
    live(day)
    whole = again(day)
    with day.server.db.read() as tx:
        explained = [explain(tx, one) for one in table.every(tx, "eva")]
        raised = [one.raised_ns for one in table.every(tx, "eva")]
    assert len(explained) > 1
    cut_ns = max(raised) - NS
    began_ns = oldest_look(day)
    before = count(day, looks), count(day, circumstances)
    assert prune(day.server.db, cut_ns) == sum(before) - count(day, looks) - count(day, circumstances) > 0
    with day.server.db.read() as tx:
        assert [explain(tx, one) for one in table.every(tx, "eva")] == explained
        assert all(one.same for alarm in explained for one in alarm.decisions if one.same is not None)
    found = again(day, cut_ns)
    assert (found.same, found.assumed_ns) == (True, None)
    assert [one.t_ns for one in found.became] == [one.t_ns for one in whole.became if one.t_ns >= cut_ns]
    assert began_ns < min(raised) <= oldest_look(day), "the first alarm is remembered, so it is replayed from there"
    assert prune(day.server.db, cut_ns) == 0


def test_the_looks_of_an_alarm_that_stands_are_kept_and_what_applied_then_too(town: Town) -> None:
    town.send(spo2(95, START_NS))
    for _ in range(4):
        town.tick(hours=1)  # the gateway is silent: an alarm stands from now on
    with town.server.db.read() as tx:
        (alarm,) = (one for one in table.every(tx, "odd") if one.closed_ns is None)
    standing_ns = alarm.raised_ns
    town.clock.advance(hours=24 * 500)
    town.server.tick(town.clock.now_ns())  # by itself, once an hour
    with town.server.db.read() as tx:
        assert beginning(tx, "odd", town.clock.now_ns() - 400 * DAY_NS) == standing_ns
        assert applied(tx, "odd")[0][1] <= standing_ns
    assert oldest_look(town) == standing_ns


def test_when_nothing_stands_a_year_of_rounds_goes_in_portions_and_the_last_that_applied_stays(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    for _ in range(3):
        both_beat(town)
        town.tick(seconds=30)
    last_ns = town.clock.now_ns()
    assert count(town, looks) == 3
    with town.server.db.read() as tx:
        old = {one: applied(tx, one) for one in ("eva", "odd")}
    assert prune(town.server.db, last_ns + 1) >= 3
    assert count(town, looks) == 0
    with town.server.db.read() as tx:
        assert {one: applied(tx, one) for one in ("eva", "odd")} == {one: was[-1:] for one, was in old.items()}


def test_nobody_is_replayed_wrongly_where_everything_was_let_go(day: Day) -> None:
    day.minutes(5)
    day.finger(96)
    day.minutes(5)
    prune(day.server.db, day.clock.now_ns() + 1)
    today = day.server.programmes.of("copd")
    with day.server.db.read() as tx:
        found = replay(tx, day.person(), START_NS, day.clock.now_ns(), today)
    assert found.assumed_ns is not None
