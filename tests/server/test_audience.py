"""What is the patient's opens no alarm; what becomes a nurse's does; and one silence is one finding."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.alarms.table import all_open
from tests.server.conftest import START_NS, TOWN, Town
from vitals.alarm import Level
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event

DAY_S = 86_400


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Callable[[str], Town]]:
    """A town in which Eva follows the programme of that name."""
    towns: list[Town] = []

    def follow(programme: str) -> Town:
        towns.append(Town(tmp_path, TOWN.replace('programme = "copd"', f'programme = "{programme}"')))
        return towns[-1]

    yield follow
    for town in towns:
        town.server.close()


def said(town: Town) -> list[tuple[str, Level, str]]:
    """Of Eva's open alarms: kind, level and the rule that speaks."""
    with town.server.db.read() as tx:
        return [(one.kind, one.level, reason.rule) for one in all_open(tx, ["eva"]) for reason in one.reasons]


def clinical(town: Town) -> list[tuple[Level, str]]:
    """The same of the clinical one alone: nobody beats for the gateway in these stories."""
    return [(level, rule) for kind, level, rule in said(town) if kind == "clinical"]


def settled(town: Town) -> bool:
    """Whether what is clinical has become calm."""
    with town.server.db.read() as tx:
        return all(one.settled for one in all_open(tx, ["eva"]) if one.kind == "clinical")


def measure(town: Town, channel: str, value: float, number: int) -> None:
    now_ns = town.clock.now_ns()
    town.send(Block(channel, (now_ns,), (value,), record=str(number)), first=number)


def test_a_low_glucose_is_hers_until_it_lasts(following: Callable[[str], Town]) -> None:
    town = following("diabetes")
    measure(town, "glucose", 3.7, 0)
    assert clinical(town) == []
    town.clock.advance(minutes=20)
    measure(town, "glucose", 2.8, 1)
    assert clinical(town) == [], "measured a moment ago, she is eating"
    town.clock.advance(minutes=16)
    measure(town, "glucose", 2.7, 2)
    assert clinical(town) == [(Level.HIGH, "glucose")]
    town.clock.advance(minutes=20)
    measure(town, "glucose", 3.8, 3)
    town.tick(minutes=15)
    assert clinical(town) == [(Level.HIGH, "glucose")], "a person closes it"
    assert settled(town)


def test_a_low_glucose_that_nobody_measures_again_becomes_a_nurses_by_the_clock(
    following: Callable[[str], Town],
) -> None:
    town = following("diabetes")
    measure(town, "glucose", 2.8, 0)
    town.tick(minutes=29)
    assert clinical(town) == []
    town.tick(minutes=2)
    assert clinical(town) == [(Level.MEDIUM, "glucose")]


def test_a_missed_dose_is_a_nurses_after_two_hours_and_a_time_critical_one_at_once(town: Town) -> None:
    town.send(Event("dispenser.missed", START_NS, {"dose_id": 3}, record="1"), device="scale")
    town.tick(minutes=90)
    assert clinical(town) == []
    town.tick(minutes=30)
    assert clinical(town) == [(Level.MEDIUM, "missed_dose")]
    critical = Event("dispenser.missed", town.clock.now_ns(), {"dose_id": 4, "time_critical": 1}, record="2")
    town.send(critical, device="scale", first=1)
    assert clinical(town) == [(Level.HIGH, "missed_dose")]


def test_a_dose_that_one_dispenser_gave_is_not_the_one_that_another_still_has(town: Town) -> None:
    """Both count the doses of their schedules from 1 on."""
    town.send(Event("dispenser.missed", START_NS, {"dose_id": 1, "time_critical": 1}, record="1"), device="scale")
    town.clock.advance(minutes=5)
    town.send(Event("dispenser.retrieved", town.clock.now_ns(), {"dose_id": 1}, record="1"), device="oximeter", first=1)
    town.tick(minutes=15)
    assert not settled(town), "insulin is still in the dispenser"
    town.send(Event("dispenser.retrieved", town.clock.now_ns(), {"dose_id": 1}, record="2"), device="scale", first=2)
    town.tick(minutes=15)
    assert settled(town)


def test_nothing_comes_though_the_gateway_lives(following: Callable[[str], Town]) -> None:
    """One clinical finding, with no technical one for each device beside it, and none for a nurse before its time."""
    town = following("general")
    for number, channel in enumerate(("spo2", "bp_sys", "body_temp")):
        measure(town, channel, {"spo2": 97, "bp_sys": 130, "body_temp": 36.8}[channel], number)
    found = {}
    for hours in (35, 47, 71, 73):
        town.clock.advance(seconds=(START_NS + (hours * 3600 - 600) * NS - town.clock.now_ns()) / NS)
        for _ in range(10):
            town.beat()
            town.tick(minutes=1)
        found[hours] = said(town)
    assert found == {35: [], 47: [], 71: [], 73: [("clinical", Level.MEDIUM, "patient_silent")]}


def test_a_dead_device_is_technical_as_long_as_the_others_speak(following: Callable[[str], Town]) -> None:
    town = following("general")
    measure(town, "spo2", 97, 0)
    number = 1
    for _ in range(4):
        for channel, value in (("bp_sys", 130.0), ("body_temp", 36.8)):
            measure(town, channel, value, number)
            number += 1
        town.clock.advance(seconds=DAY_S - 600)
        for _ in range(10):
            town.beat()
            town.tick(minutes=1)
    assert said(town) == [("technical", Level.MEDIUM, "device_silent")]
