"""An alarm says why it is as it is, from what was known then."""

import msgspec
import pytest
import sqlalchemy as sa

from server.alarms.table import get
from server.decisions.api import DecisionView, Explanation
from server.decisions.explain import explain
from server.decisions.record import decisions, findings
from server.patients import versions
from server.programmes.store import programmes_in_force
from tests.server.decisions.conftest import Day


def explained(day: Day, kind: str = "clinical", *, readings: bool = True) -> Explanation:
    with day.server.db.read() as tx:
        return explain(tx, day.alarm(kind), readings=readings)


def first(found: Explanation) -> DecisionView:
    return found.decisions[0]


def test_why_with_the_readings_the_limits_and_the_same_verdict_once_more(day: Day) -> None:
    day.minutes(1)
    day.finger(94, status=("motion",))
    day.minutes(1)
    taken_ns = day.finger(84)
    found = explained(day)
    assert (found.lacks, len(found.decisions)) == (None, 1)
    one = first(found)
    assert (one.what, one.same, one.programme) == ("opened", True, "copd")
    assert one.digest == day.server.programmes.of("copd").digest
    floor = next(limit for limit in one.limits if limit.name == "spo2_floor")
    assert (floor.value, floor.personal) == (88, True)
    assert not next(limit for limit in one.limits if limit.name == "spo2_alone").personal
    (why,) = [finding for finding in one.findings if finding.rule == "spo2_floor"]
    assert why.same
    assert why.source is not None
    assert why.text.nb == "SpO₂ 84 %, grense 88 %"
    assert [(seen.value, seen.good, seen.device) for seen in why.readings if seen.channel == "spo2"] == [
        (94, False, "oximeter"), (84, True, "oximeter"),
    ]  # fmt: skip
    assert why.readings[-1].t_ms == taken_ns // 1_000_000
    assert explained(day, readings=False).decisions[0].findings[0].readings == []


def test_a_reading_that_was_called_wrong_since_is_there_as_it_stood(day: Day) -> None:
    day.minutes(1)
    t_ns = day.finger(80)
    day.minutes(1)
    day.wrong(t_ns)
    day.minutes(1)
    day.finger(70, ago_min=90)  # known only later, though it was measured before
    one = first(explained(day))
    assert one.same
    assert [(seen.value, seen.counts) for seen in one.findings[0].readings] == [(80, False)]


def test_late_data_is_called_late(day: Day) -> None:
    day.minutes(1)
    day.finger(80, ago_min=60)
    (seen,) = first(explained(day)).findings[0].readings
    assert seen.late


def test_what_the_server_found_itself_is_said_not_to_be_rebuildable(day: Day) -> None:
    day.minutes(5, heard=False)
    one = first(explained(day, "technical"))
    (finding,) = one.findings
    assert finding.rule == "gateway_silent"
    assert (finding.same, one.same) == (None, None)
    assert finding.why is not None
    assert "in no reading" in finding.why.en


def test_a_rule_that_has_changed_since_is_said_to_have(day: Day) -> None:
    day.minutes(1)
    day.finger(84)
    with day.server.db.write() as tx:
        other = msgspec.json.encode({"low_min": 83.0, "floor": 88.0})
        tx.execute(findings.update().where(findings.c.rule == "spo2_floor").values(because=other, version="0"))
    one = first(explained(day))
    assert one.same is False
    why = one.findings[0]
    assert (why.same, why.version) == (False, "0")
    assert why.now_version is not None
    assert why.again is not None
    assert "84" in why.again.en


def test_a_programme_that_is_not_kept_cannot_be_asked(day: Day) -> None:
    day.minutes(1)
    day.finger(84)
    with day.server.db.write() as tx:
        tx.execute(programmes_in_force.delete())
        tx.execute(versions.programme_versions.delete())
    finding = first(explained(day)).findings[0]
    assert finding.same is None
    assert finding.why is not None
    assert "not here" in finding.why.en


def test_an_alarm_from_before_is_said_to_lack_it(day: Day) -> None:
    day.minutes(1)
    day.finger(84)
    with day.server.db.write() as tx:
        tx.execute(findings.delete())
        tx.execute(decisions.delete())
    found = explained(day)
    assert found.decisions == []
    assert found.lacks is not None


def test_everything_of_a_whole_day_is_the_same_once_more(lived: Day) -> None:
    with lived.server.db.read() as tx:
        numbers = list(tx.scalars(sa.text("SELECT id FROM alarms")))
        views = [one for number in numbers if (alarm := get(tx, number)) for one in explain(tx, alarm).decisions]
    assert len(views) > 5
    assert {one.same for one in views} <= {True, None}
    asked = [finding.same for one in views for finding in one.findings if finding.why is None]
    assert asked
    assert all(asked)


@pytest.mark.parametrize("language", ["nb", "en"])
def test_every_sentence_is_in_both_languages(day: Day, language: str) -> None:
    day.minutes(1)
    day.finger(84)
    assert all(getattr(finding.text, language) for one in explained(day).decisions for finding in one.findings)
