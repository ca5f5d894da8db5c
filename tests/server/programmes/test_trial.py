"""A what-if asked for on the page: a process of its own, one at a time, ended when it must be."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.first import Overtaken
from server.patients.programmes import OURS
from server.programmes.trial import Trial, Trials
from server.programmes.whatif import Side
from server.startup.store import set_learned
from tests.server.conftest import Town, spo2
from tests.waiting import until
from triage.programme import Programme, parse


def copd(version: str, floor: int) -> Programme:
    """Only what looks at the floor, so that it can be said which alarm comes and which goes."""
    return parse(
        f"""
        name = "copd"
        version = "{version}"
        rules = ["spo2_floor"]
        title = {{ nb = "KOLS", en = "COPD" }}
        limits = {{ spo2_floor = {floor} }}
        """,
        "copd.toml",
    )


NOW, LOWER = copd("1", 90), copd("2", 86)


@pytest.fixture
def town(tmp_path: Path, database) -> Iterator[Town]:
    """Eva, who was low on the fifth day and lower on the tenth; then four days of nothing to speak of."""
    town = Town(tmp_path, database=database)
    number = 0
    for day in range(14):
        low = {5: 88.0, 10: 84.0}.get(day, 95.0)
        for value in (low, low, 95.0, 95.0):
            town.send(spo2(value, town.clock.advance(minutes=20)), first=number)
            number += 1
        town.clock.advance(hours=24, minutes=-80)
    yield town
    town.server.close()


@pytest.fixture
def trials(town: Town) -> Iterator[Trials]:
    trials = Trials(town.server.db)
    yield trials
    trials.close()


def over(trials: Trials) -> Trial:
    """The newest, when it is over."""
    until(lambda: (one := trials.newest()) is not None and one.state not in ("gathering", "running"), 120)
    newest = trials.newest()
    assert newest is not None
    return newest


def begin(town: Town, trials: Trials, days: int = 14, after: Programme = LOWER, by: str = "Odd Berg") -> None:
    trials.begin(NOW, after, days, by, town.clock.now_ns())


def test_it_says_what_each_makes_of_the_same_days_and_which_alarm_would_go(town: Town, trials: Trials) -> None:
    begin(town, trials)
    found = over(trials)
    assert (found.state, found.problem) == ("done", "")
    assert found.done == found.of > 0
    outcome = found.outcome
    assert outcome is not None
    assert (outcome.before.version, outcome.before.alarms, outcome.after.alarms) == ("1", 2, 1)
    assert (len(outcome.come), [one.patient for one in outcome.go], outcome.stay) == (0, ["eva"], 1)
    assert 12 < outcome.patient_days < 14
    assert outcome.before.per_100_patient_days == pytest.approx(200 / outcome.patient_days, abs=0.01)


def test_confirmed_limits_that_it_does_not_take_are_taken_off_as_they_would_be(town: Town, trials: Trials) -> None:
    """The page says of how many, and puts it in force: so it can be tried, too."""
    with town.server.db.write() as tx:
        set_learned(tx, "eva", {"spo2_floor": 87.0, "cat_rise": 3.0})
    trials.begin(town.server.programmes.of("copd"), NOW, 14, "Odd Berg", town.clock.now_ns())
    found = over(trials)
    assert (found.state, found.problem) == ("done", "")
    assert found.outcome is not None
    assert found.outcome.after.alarms == 1, "88 is above the floor that is her own, which goes on"


def test_what_opened_before_the_days_that_are_asked_for_is_not_counted(town: Town, trials: Trials) -> None:
    begin(town, trials, days=6)
    outcome = over(trials).outcome
    assert outcome is not None
    assert (outcome.before.alarms, outcome.after.alarms, outcome.go) == (1, 1, []), "the fifth day was longer ago"
    assert outcome.patient_days < 6


def test_the_other_way_round_it_comes(town: Town, trials: Trials) -> None:
    trials.begin(LOWER, NOW, 14, "Odd Berg", town.clock.now_ns())
    outcome = over(trials).outcome
    assert outcome is not None
    assert ([one.level for one in outcome.come], outcome.go) == (["high"], [])
    assert isinstance(outcome.before, Side)


def test_a_second_one_at_the_same_time_is_refused_and_says_whose_the_first_is(town: Town, trials: Trials) -> None:
    begin(town, trials)
    with pytest.raises(Overtaken, match="a what-if of copd 2 is under way") as first:
        begin(town, trials, by="Mona Dahl")
    assert first.value.who == "Odd Berg"
    trials.stop()
    assert over(trials).state == "stopped"
    begin(town, trials, by="Mona Dahl")
    found = over(trials)
    assert (found.number, found.by, found.state) == (2, "Mona Dahl", "done")


def test_one_that_takes_too_long_is_ended_and_says_what_to_do(town: Town) -> None:
    trials = Trials(town.server.db, most_s=0.01)
    begin(town, trials)
    found = over(trials)
    assert (found.state, found.problem) == ("failed", "it took longer than 0.01 s; choose fewer days")
    trials.close()


def test_more_readings_than_there_is_room_for_are_not_gathered(town: Town) -> None:
    trials = Trials(town.server.db, most_readings=20)
    begin(town, trials)
    assert over(trials).problem == "there are more than 20 readings; choose fewer days"
    begin(town, trials, days=1)
    assert over(trials).state in ("done", "failed"), "and the next may begin"
    trials.close()


def test_where_nobody_follows_it_there_is_nothing_to_try_it_on(town: Town, trials: Trials) -> None:
    covid = parse((OURS / "covid.toml").read_text(encoding="utf-8"), "covid.toml")
    trials.begin(covid, covid, 14, "Odd Berg", town.clock.now_ns())
    assert over(trials).problem.startswith("nobody follows 'covid'")


def test_what_is_under_way_when_the_server_stops_is_ended(town: Town, trials: Trials) -> None:
    begin(town, trials)
    trials.close()
    assert over(trials).state == "stopped"
