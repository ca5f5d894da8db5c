"""A hub was out of reach for hours: what it had waiting is judged at its own time, and is seen to be late."""

import pytest

from server.notify.phone import messages
from server.readings.model import LATE_S, is_late
from tests.server.conftest import spo2
from tests.server.corrections.conftest import MINUTE, Home
from vitals.block import Block
from vitals.clock import NS


def phones(home: Home) -> list[str]:
    home.tick()
    with home.server.db.read() as tx:
        return [one.text for one in messages(tx)]


def late(home: Home, value: float, minutes_ago: int) -> None:
    """It was measured so long ago, and comes now."""
    home.hear(spo2(value, home.now_ns - minutes_ago * MINUTE))


async def close(home: Home, number: int = 1) -> None:
    siri = await home.person("siri")
    assert (await siri.post(f"/api/alarms/{number}/acknowledge", json={"note": ""})).status_code == 200
    over = {"action": "phoned_patient", "outcome": "resolved_at_home", "usefulness": 5, "note": ""}
    assert (await siri.post(f"/api/alarms/{number}/close", json=over)).status_code == 200


def all_measured(home: Home, value: float, t_ns: int) -> None:
    """A saturation with all else that makes a whole NEWS2 score, so that every rule knows."""
    others = {"resp_rate": 15, "oxygen_flow": 0, "bp_sys": 125, "pulse_rate": 70, "consciousness": 0, "body_temp": 36.8}
    home.hear(spo2(value, t_ns), *(Block(name, (t_ns,), (float(one),)) for name, one in others.items()))


@pytest.mark.parametrize(("seconds", "said"), [(0, False), (LATE_S, False), (LATE_S + 0.001, True), (-60, False)])
def test_a_quarter_of_an_hour_is_late(seconds: float, said: bool) -> None:
    assert is_late(0, round(seconds * NS)) is said


async def test_the_page_says_when_it_was_measured_and_when_it_came(home: Home) -> None:
    home.clock.advance(minutes=340)
    late(home, 95.0, minutes_ago=335)
    page = (await (await home.person("siri")).get("/api/patients/eva")).json()
    (value,) = page["latest"]
    assert (value["late"], value["arrived_ms"] - value["t_ms"]) == (True, 335 * 60_000)
    (reading,) = await home.newest()
    assert (reading["late"], reading["t_ms"], reading["arrived_ms"]) == (True, value["t_ms"], value["arrived_ms"])
    home.finger(96.0)
    assert [one["late"] for one in await home.newest()] == [False, True]


def test_an_alarm_of_what_came_late_says_so_and_so_does_its_message(home: Home) -> None:
    home.clock.advance(minutes=340)
    late(home, 82.0, minutes_ago=335)
    assert home.timeline("stored") == [("Stored on the server, 5 h 35 min after it was measured", None)]
    (text, *_) = phones(home)
    assert "The reading came late." in text
    assert "82" not in text


def test_an_alarm_of_what_came_in_time_does_not(home: Home) -> None:
    home.finger(82.0)
    assert home.timeline("stored") == [("Stored on the server", None)]
    assert not any("late" in text for text in phones(home))


def test_it_is_not_how_things_are_where_something_newer_is_known(home: Home) -> None:
    home.clock.advance(minutes=340)
    home.finger(97.0)
    late(home, 80.0, minutes_ago=335)
    assert home.values("eva") == [80.0, 97.0]
    home.tick(minutes=1)
    assert home.alarm() is None


def test_a_good_one_that_comes_late_does_not_calm_what_is_known_since(home: Home) -> None:
    home.clock.advance(minutes=340)
    home.finger(82.0)
    late(home, 97.0, minutes_ago=335)
    home.tick(minutes=20)
    alarm = home.alarm()
    assert alarm is not None
    assert not alarm.settled


async def dealt_with(home: Home) -> None:
    """82 % was an alarm; now it is 95 %, the alarm has settled, and Siri has closed it."""
    all_measured(home, 82.0, home.now_ns)
    home.clock.advance(minutes=20)
    home.hear(spo2(95.0, home.now_ns))
    home.clock.advance(minutes=15)
    home.hear(spo2(95.0, home.now_ns))
    home.tick(minutes=11)
    alarm = home.alarm()
    assert alarm is not None
    assert alarm.settled
    await close(home)
    home.tick(minutes=1)
    assert home.alarm() is None


async def test_what_is_newer_than_a_closed_alarm_is_news_however_late_it_comes(home: Home) -> None:
    await dealt_with(home)
    measured_ns = home.now_ns + MINUTE
    home.clock.advance(minutes=60)
    home.hear(spo2(82.0, measured_ns))
    assert home.alarms() == 2
    assert home.timeline("stored", alarm=2) == [("Stored on the server, 59 min after it was measured", None)]
