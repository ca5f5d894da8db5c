"""From a falling saturation to the doctor's phone, as it would be told afterwards."""

from server.alarms.model import State

from .conftest import Build
from .town import Town

SOLVEIG = ("Solveig", "copd", "copd-exacerbation", {"spo2_expected_s": 3600.0})


def is_red(town: Town) -> bool:
    return any(alarm.priority == "high" for alarm in town.alarms("Solveig"))


async def test_a_nurse_is_told_and_five_minutes_later_the_doctors_phone_says_so(build: Build) -> None:
    town = await build(SOLVEIG)
    await town.until(lambda: is_red(town), hours=4)
    await town.spend(minutes=10)
    told_nurse = town.minute_of("nurse", "RED", "Worse")
    told_doctor = town.minute_of("doctor", "RED", "Not acknowledged by the nurse within 5 min")
    assert told_doctor - told_nurse == 5
    alarm = town.alarms("Solveig")[0]
    assert alarm.told[:2] == ("Kari Berg", "Dr. Nils Haugen")


async def test_no_phone_shows_a_name_or_a_reading(build: Build) -> None:
    town = await build(SOLVEIG)
    await town.until(lambda: town.phone("doctor"), hours=4)
    for text in town.phone("nurse") + town.phone("doctor"):
        assert "Solveig" not in text
        assert "%" not in text


async def test_an_acknowledged_alarm_is_quiet_until_the_acknowledgement_expires(build: Build) -> None:
    town = await build(SOLVEIG)
    await town.until(lambda: town.phone("doctor"), hours=4)
    await town.spend(minutes=90)  # it is as bad as it will be
    town.acknowledge("nurse", town.alarms("Solveig")[0])
    said = len(town.phone("doctor"))
    await town.spend(minutes=50)
    alarm = town.alarms("Solveig")[0]
    assert alarm.acknowledged_by == "Kari Berg"
    assert len(town.phone("doctor")) == said
    await town.spend(minutes=20)
    assert town.alarms("Solveig")[0].state is State.NOTIFIED
    await town.until(lambda: len(town.phone("doctor")) > said, hours=1)


async def test_a_server_that_was_down_tells_what_is_due_when_it_returns(build: Build) -> None:
    town = await build(SOLVEIG)
    await town.until(lambda: is_red(town), hours=4)
    said = len(town.phone("doctor"))
    town.stop_server()
    await town.spend(hours=3)
    town.start_server()
    await town.step()
    assert len(town.phone("doctor")) == said + 1, "due once, told once"


async def test_the_alarm_answers_why(build: Build) -> None:
    town = await build(SOLVEIG)
    await town.until(lambda: "spo2_floor" in town.rules("Solveig"), hours=4)
    reason = next(r for a in town.alarms("Solveig") for r in a.reasons if r.rule == "spo2_floor")
    assert reason.version
    assert any(value is not None and value < 90 for value in reason.because.values())
    assert set(reason.text) == {"nb", "en"}
