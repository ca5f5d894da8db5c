"""The medicine dispenser as two kinds of device: from a scenario's doses, a memory file and troubles to a firmware.

What the person does with the doses stands in the scenario; what befalls the machine, in the home's file.
"""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from firmware_sim.body import HOUR_NS
from firmware_sim.devices._log import Log
from firmware_sim.devices.dispenser import TIME_CRITICAL, Dispenser, Habit, Memory, ScheduledDose, Trouble
from firmware_sim.devices.dispenser_ble import BleDispenser
from firmware_sim.kinds import Kind, Making
from firmware_sim.scenario import Dose
from vitals.clock import NS
from vitals.errors import ConfigError

_MINUTE_NS = 60 * NS


class Troubles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What befalls the machine, in hours of the story: a dose that gets stuck and is cleared later, a lid that is
    forced, mains that fail from one hour to another, a clock that loses the time, a moment without any power."""

    jams_at_h: tuple[float, ...] = ()
    jam_cleared_after_min: Annotated[float, Meta(gt=0)] = 120
    forced_open_at_h: tuple[float, ...] = ()
    mains_off_h: tuple[tuple[float, float], ...] = ()
    clock_lost_at_h: tuple[float, ...] = ()
    power_cut_at_h: tuple[float, ...] = ()


def _arguments(making: Making) -> dict[str, Any]:
    """A dispenser with what it remembers, switched on. Raises ConfigError for a memory that is damaged."""
    return {
        "t_ns": making.on_ns,
        "seed": making.seed,
        "serial": making.serial,
        "clock": making.clock,
        "battery": making.battery,
        "memory": _recalled(making.memory) if making.memory else _new_memory(making),
        "habit": _habit(making),
        "trouble": _trouble(making),
        "silent_ns": making.routine.until_ns,
    }


def _habit(making: Making) -> Habit:
    taking = making.scenario.habits.dispenser
    return Habit(
        within_s=taking.within_min * 60,
        until_ns=making.at_ns(taking.until_h),
        confirms=taking.confirms,
        early_share=taking.early_share,
        early_min=taking.early_min,
        delay_share=taking.delay_share,
        delay_min=taking.delay_min,
    )


def _trouble(making: Making) -> Trouble:
    troubles = making.options or Troubles()
    assert isinstance(troubles, Troubles), "load() checks a kind's options"

    def at(hour: float) -> int:
        return making.start_ns + round(hour * HOUR_NS)

    return Trouble(
        jam_ns=tuple(map(at, troubles.jams_at_h)),
        jam_cleared_after_s=troubles.jam_cleared_after_min * 60,
        tamper_ns=tuple(map(at, troubles.forced_open_at_h)),
        mains_off_ns=tuple((at(lost), at(back)) for lost, back in troubles.mains_off_h),
        clock_lost_ns=tuple(map(at, troubles.clock_lost_at_h)),
        power_cut_ns=tuple(map(at, troubles.power_cut_at_h)),
    )


def _recalled(memory: bytes) -> Memory:
    try:
        return msgspec.msgpack.decode(memory, type=Memory)
    except msgspec.DecodeError as error:
        raise ConfigError(f"it holds no dispenser's memory ({error})", "remove it to begin anew") from error


def _new_memory(making: Making) -> Memory:
    """As it leaves the factory, with the schedule of the scenario."""
    return Memory(Log(making.birth & 0xFFFF_FFFF), tuple(_scheduled(dose, making) for dose in making.scenario.doses))


def _scheduled(dose: Dose, making: Making) -> ScheduledDose:
    minute = -(-(making.start_ns + round(dose.at_h * HOUR_NS)) // _MINUTE_NS)
    return ScheduledDose(
        dose_id=dose.dose_id,
        minute_of_day=minute % 1440,
        compartment=dose.compartment,
        count=dose.count,
        window_min=dose.window_min,
        flags=TIME_CRITICAL if dose.time_critical else 0,
    )


KINDS = (
    Kind(
        "dispenser",
        "Medicine dispenser with the open protocol, on a serial line",
        "hjemvakt-dispenser",
        "serial",
        "dispenser",
        lambda making: Dispenser(**_arguments(making)),
        Troubles,
    ),
    Kind(
        "dispenser-ble",
        "Medicine dispenser with the open protocol, over Bluetooth",
        "hjemvakt-dispenser-ble",
        "air",
        "dispenser",
        lambda making: BleDispenser(**_arguments(making)),
        Troubles,
    ),
)
