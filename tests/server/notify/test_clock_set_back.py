"""A server that was started with a wrong clock, hours ahead, and learns the right time while alarms wait."""

from server.alarms import store as alarms
from server.alarms.model import State
from server.notify.sender import SendError
from tests.server.notify.house import Staffed
from vitals.clock import NS, ManualClock


def set_back(town: Staffed, hours: float) -> None:
    now_ns = town.clock.now_ns() - round(hours * 3600 * NS)
    town.clock = ManualClock(now_ns)
    town.later(seconds=1)


def told(town: Staffed) -> list[str]:
    return [one.to for one in town.lines["sms"].sent]


def test_a_ladder_climbs_on_by_the_clock_as_it_is_now(town: Staffed) -> None:
    town.red()
    town.later(minutes=1)
    set_back(town, hours=3)
    assert told(town) == ["Kari Berg", "Per Dahl"]
    town.later(minutes=4)
    assert told(town)[2:] == ["Ingrid Moe"], "five minutes after the nurses, and not three hours"


def test_so_does_the_time_of_whoever_has_an_alarm(town: Staffed) -> None:
    town.red()
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    town.later(minutes=1)
    set_back(town, hours=3)
    town.later(minutes=58)
    assert town.alarm().state is State.ACKNOWLEDGED
    town.later(minutes=1)
    assert town.alarm().state is State.NOTIFIED


def test_a_message_that_is_tried_again_is_tried_soon(town: Staffed) -> None:
    town.later(seconds=1)
    line = town.lines["sms"]
    line.error = SendError("no signal", "see to the modem")
    town.red()
    line.error = None
    set_back(town, hours=3)
    town.later(minutes=1)
    assert told(town)[:2] == ["Kari Berg", "Per Dahl"]
