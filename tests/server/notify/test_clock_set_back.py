"""A server whose clock was hours ahead and is set right while alarms wait: while it runs, or before its next start."""

import pytest

from server.alarms import deeds
from server.alarms import store as alarms
from server.alarms.model import Refused, State
from server.escalation.setback import Shown
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


def test_what_was_acknowledged_by_the_old_clock_cannot_be_undone_into_a_ladder_that_waits_by_it(town: Staffed) -> None:
    town.red()
    town.later(seconds=1)
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    set_back(town, hours=3)
    with pytest.raises(Refused, match="too late to undo"):
        town.acts(deeds.undo, "Per Dahl", town.clock.now_ns())
    town.acts(alarms.escalate, "Per Dahl", town.clock.now_ns())
    town.later(seconds=1)
    assert told(town)[2:] == ["Ingrid Moe"]


def test_a_message_that_is_tried_again_is_tried_soon(town: Staffed) -> None:
    town.later(seconds=1)
    line = town.lines["sms"]
    line.error = SendError("no signal", "see to the modem")
    town.red()
    line.error = None
    set_back(town, hours=3)
    town.later(minutes=1)
    assert told(town)[:2] == ["Kari Berg", "Per Dahl"]


class Machine:
    """A machine whose steady clock a test moves."""

    def __init__(self) -> None:
        self.boot, self.steady_ns = "a boot", 7 * NS

    def __call__(self, now_ns: int) -> Shown:
        return Shown(now_ns, self.boot, self.steady_ns)


@pytest.fixture
def machine(town: Staffed) -> Machine:
    """That of the town, which has just begun."""
    made = town.machine = Machine()
    town.begin_again()
    return made


def away(town: Staffed, machine: Machine, *, minutes: float, clock_min: float, boot: str = "") -> None:
    """The server is away for so long, and its clock goes on by `clock_min` meanwhile; then it turns once."""
    if boot:
        machine.boot, machine.steady_ns = boot, 0
    else:
        machine.steady_ns += round(minutes * 60 * NS)
    town.clock = ManualClock(town.clock.now_ns() + round(clock_min * 60 * NS))
    town.begin_again()
    town.later(seconds=1)
    machine.steady_ns += NS


def passes(town: Staffed, machine: Machine, minutes: float) -> None:
    machine.steady_ns += round(minutes * 60 * NS)
    town.later(minutes=minutes)


NURSES = ["Kari Berg", "Per Dahl"]


def test_what_fell_due_while_the_server_was_away_is_told_at_once(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=10, clock_min=-180)
    assert told(town) == [*NURSES, "Ingrid Moe"]


def test_what_did_not_is_told_when_it_would_have_been(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=2, clock_min=-180)
    passes(town, machine, 1.9)
    assert told(town) == NURSES
    passes(town, machine, 0.1)
    assert told(town) == [*NURSES, "Ingrid Moe"], "five minutes after the nurses, and not three hours"


def test_a_clock_that_went_on_by_too_little_was_set_back_too(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=3.5, clock_min=1)
    passes(town, machine, 0.5)
    assert told(town) == [*NURSES, "Ingrid Moe"]


def test_after_another_boot_nobody_waits_for_a_clock_that_nobody_knows(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=2, clock_min=-180, boot="another")
    assert told(town) == [*NURSES, "Ingrid Moe"], "rather one told too early"


def test_a_stand_by_whose_clock_is_a_little_behind_rings_nobody_early(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=0, clock_min=-0.2, boot="another machine")
    assert told(town) == NURSES
    passes(town, machine, 3.9)
    assert told(town) == NURSES
    passes(town, machine, 0.1)
    assert told(town) == [*NURSES, "Ingrid Moe"]


def test_an_ordinary_start_brings_nothing_forward(town: Staffed, machine: Machine) -> None:
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=1, clock_min=1)
    assert told(town) == NURSES
    assert town.server.problems() == []


def test_whoever_has_an_alarm_has_it_no_longer_than_it_was_meant(town: Staffed, machine: Machine) -> None:
    town.red()
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    passes(town, machine, 1)
    away(town, machine, minutes=50, clock_min=-180)
    assert town.alarm().state is State.ACKNOWLEDGED
    passes(town, machine, 9)
    assert town.alarm().state is State.NOTIFIED


def test_nor_is_it_quiet_any_longer_after_an_alarm_that_was_closed(town: Staffed, machine: Machine) -> None:
    town.red()
    town.acts(alarms.acknowledge, "Per Dahl", town.clock.now_ns(), 3600)
    town.acts(alarms.close, "Per Dahl", town.clock.now_ns(), "phoned_patient", "resolved_at_home", 4)
    quiet_until_ns = town.alarm().quiet_until_ns
    assert quiet_until_ns is not None
    left_ns = quiet_until_ns - town.clock.now_ns()
    passes(town, machine, 1)
    away(town, machine, minutes=10, clock_min=-180)
    until_ns = town.alarm().quiet_until_ns
    assert until_ns is not None
    assert until_ns - town.clock.now_ns() == left_ns - 11 * 60 * NS - NS


def test_a_way_of_one_s_own_waits_no_longer_and_is_not_called_late(town: Staffed, machine: Machine) -> None:
    town.way("kari", "voice", "+4790000101", after_s=120)
    town.red()
    passes(town, machine, 1)
    away(town, machine, minutes=0, clock_min=-180, boot="another")
    assert [one.to for one in town.lines["voice"].sent] == ["Kari Berg"]
    assert town.server.health().outbox_late_s == 0


def test_somebody_is_told_of_it_until_the_clock_has_caught_up(town: Staffed, machine: Machine) -> None:
    passes(town, machine, 1)
    away(town, machine, minutes=0, clock_min=-180)
    [problem] = town.server.problems()
    assert "the clock was set back" in problem
    assert "see to this machine's time" in problem
    passes(town, machine, 100)
    away(town, machine, minutes=1, clock_min=1)
    assert town.server.problems() == [problem], "another start makes it no better"
    passes(town, machine, 80)
    assert town.server.problems() == []
