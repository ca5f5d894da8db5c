"""Habits of people, troubles of devices: each leaves the entries a bystander would expect; by default there is none."""

import struct
from collections.abc import Sequence
from typing import Any

import pytest

from firmware_sim.body import DAY_NS, HOUR_NS, Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery
from firmware_sim.devices._frame import Deframer, frame
from firmware_sim.devices._log import Entry, Log, Type
from firmware_sim.devices.dispenser import Ask, Dispenser, Habit, Memory, ScheduledDose, Tell, Trouble
from firmware_sim.scenario import Scenario
from vitals.clock import NS

START_NS = 1_795_244_400 * NS  # 07:00
BODY = Body(1, Scenario("calm"), START_NS)
AT_EIGHT = ScheduledDose(dose_id=7, minute_of_day=480, compartment=3, count=2, window_min=60)


def dispenser(schedule: Sequence[ScheduledDose] = (AT_EIGHT,), **common: Any) -> Dispenser:
    common.setdefault("battery", Battery(START_NS, 80))
    common.setdefault("memory", Memory(Log(0x9F3C0001), tuple(schedule)))
    return Dispenser(START_NS, seed=1, serial="D-1", clock=DeviceClock(START_NS), **common)


def lived(device: Dispenser, hours: float = 24) -> list[Entry]:
    device.update(START_NS + round(hours * HOUR_NS), BODY.truth)
    return device.memory.log.entries


def types(entries: list[Entry]) -> list[int]:
    return [entry.type for entry in entries]


def asked(device: Dispenser, kind: int, body: bytes, hours: float) -> list[bytes]:
    t_ns = START_NS + round(hours * HOUR_NS)
    device.update(t_ns, BODY.truth)
    return list(Deframer().feed(b"".join(device.receive(frame(bytes((kind, 5)) + body), t_ns))))


def test_who_confirms_presses_the_button_once_the_dose_is_out() -> None:
    entries = lived(dispenser(habit=Habit(600, confirms=True)))
    assert types(entries) == [Type.BOOT, Type.DUE, Type.PRESENTED, Type.RETRIEVED, Type.USER_CONFIRMED]
    assert entries[4].value == entries[3].value + 15
    assert entries[4].dose_id == 7


def test_who_asks_for_a_delay_takes_the_dose_later_and_the_window_with_it() -> None:
    taken = lived(dispenser(habit=Habit(600, delay_share=1, delay_min=45)))
    assert types(taken) == [Type.BOOT, Type.DUE, Type.PRESENTED, Type.DELAYED, Type.RETRIEVED]
    assert taken[3].value == 45
    assert 45 * 60 < taken[4].value < 56 * 60
    slow = lived(dispenser(habit=Habit(4 * 3600, delay_share=1, delay_min=45)))
    assert types(slow)[-1] == Type.MISSED
    assert slow[-1].value == 105, "the window was longer by the delay"


def test_who_takes_a_dose_early_is_not_reminded_of_it() -> None:
    device = dispenser(habit=Habit(600, early_share=1, early_min=30))
    entries = lived(device, 24)
    assert types(entries) == [Type.BOOT, Type.PRESENTED, Type.EARLY]
    assert entries[2].value == 30
    assert entries[2].moment.device_utc == START_NS // NS + 1800
    assert device.memory.inside == 27


def test_a_clock_put_forward_over_an_early_dose_makes_it_due_once() -> None:
    device = dispenser(habit=Habit(600, early_share=1, early_min=30))
    asked(device, Ask.TIME_SET, struct.pack("<I", START_NS // NS + 4000), 0.1)
    assert types(lived(device, 20)) == [Type.BOOT, Type.CLOCK_SET, Type.DUE, Type.PRESENTED, Type.RETRIEVED]


def test_some_doses_are_late_and_some_are_not() -> None:
    hourly = tuple(ScheduledDose(hour, 60 * hour, 1, 1, 50) for hour in range(8, 23))
    entries = lived(dispenser(hourly, habit=Habit(300, delay_share=0.3, delay_min=20)))
    assert 0 < types(entries).count(Type.DELAYED) < types(entries).count(Type.RETRIEVED) == 15


def test_a_jam_costs_the_doses_until_somebody_opens_the_lid() -> None:
    doses = [ScheduledDose(hour, 60 * hour, 1, 1, 50) for hour in (8, 9, 10, 11)]
    entries = lived(dispenser(doses, trouble=Trouble(jam_ns=(START_NS + HOUR_NS // 2,), jam_cleared_after_s=2 * 3600)))
    assert types(entries)[1:9] == [
        *(Type.DUE, Type.JAM, Type.DISPENSE_FAIL),
        *(Type.DUE, Type.DISPENSE_FAIL),
        *(Type.DUE, Type.LID_OPEN, Type.LID_CLOSE),
    ]
    assert types(entries)[9:] == [Type.PRESENTED, Type.RETRIEVED, Type.DUE, Type.PRESENTED, Type.RETRIEVED]


def test_the_mains_go_and_come_and_entries_between_say_so() -> None:
    off_ns, on_ns = START_NS + HOUR_NS // 2, START_NS + 2 * HOUR_NS
    trouble = Trouble(mains_off_ns=((off_ns, on_ns),), tamper_ns=(START_NS + 3 * HOUR_NS,))
    entries = lived(dispenser(trouble=trouble))
    told = [(entry.type, entry.flags >> 1 & 1) for entry in entries]
    assert told == [
        (Type.BOOT, 0),
        (Type.MAINS_LOST, 1),
        (Type.DUE, 1),
        (Type.PRESENTED, 1),
        (Type.RETRIEVED, 1),
        (Type.MAINS_RESTORED, 0),
        (Type.TAMPER, 0),
    ]


@pytest.mark.parametrize(("percent", "after_days"), [(16, 1.8), (80, 117.0)])
def test_a_low_battery_is_told_once(percent: float, after_days: float) -> None:
    device = dispenser((), battery=Battery(START_NS, percent, 180))
    (low,) = [entry for entry in lived(device, 24 * 170) if entry.type == Type.BATTERY_LOW]
    assert low.value == 15
    assert (low.moment.device_utc - START_NS // NS) * NS / DAY_NS == pytest.approx(after_days, abs=1)


def test_one_that_was_low_before_it_was_switched_on_says_nothing_new() -> None:
    assert types(lived(dispenser((), battery=Battery(START_NS, 12)), 48)) == [Type.BOOT]


def test_a_clock_that_lost_its_time_dispenses_nothing_until_it_is_set() -> None:
    device = dispenser(trouble=Trouble(clock_lost_ns=(START_NS + HOUR_NS // 2,)))
    entries = lived(device, 5)
    assert types(entries) == [Type.BOOT, Type.CLOCK_UNSET]
    assert entries[1].moment.device_utc == 0
    assert entries[1].flags == 4
    asked(device, Ask.TIME_SET, struct.pack("<I", START_NS // NS + 5 * 3600), 5)
    assert types(lived(device, 26))[2:4] == [Type.CLOCK_SET, Type.DUE]


def test_after_a_power_cut_it_starts_anew_and_says_nothing_unasked() -> None:
    device = dispenser((), trouble=Trouble(power_cut_ns=(START_NS + HOUR_NS,)))
    asked(device, Ask.READ_FROM, struct.pack("<I", 1), 0.5)
    first = device.boot_id
    entries = lived(device, 2)
    assert types(entries) == [Type.BOOT, Type.BOOT]
    assert [entry.value for entry in entries] == [1, 2]
    assert device.boot_id == entries[1].moment.boot_id != first
    assert device.uptime_ms == 3_600_000
    assert not list(device.unasked())
    (hello,) = asked(device, Ask.HELLO_GET, b"\1", 2)
    assert hello[0] == Tell.HELLO


def test_a_gateway_away_for_long_finds_what_was_lost_told() -> None:
    doses = [ScheduledDose(hour, 60 * hour, 1, 1, 50) for hour in range(8, 20)]
    device = dispenser((), memory=Memory(Log(1, capacity=64, page=16), tuple(doses)))
    entries = lived(device, 72)
    overflows = [entry for entry in entries if entry.type == Type.LOG_OVERFLOW]
    assert overflows
    assert all(entry.value == 16 for entry in overflows)


def test_by_default_nothing_befalls() -> None:
    plain, spelled = dispenser(), dispenser(habit=Habit(), trouble=Trouble())
    assert lived(plain, 240) == lived(spelled, 240)
    assert set(types(lived(plain, 240))) == {Type.BOOT, Type.DUE, Type.PRESENTED, Type.RETRIEVED}
