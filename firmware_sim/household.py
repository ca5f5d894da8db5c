"""One home as the configuration describes it: the person's body, and the making of their devices.

Nothing here runs. `app` puts each firmware into its port and keeps it at the clock's time; a story test puts it into
its own hands instead.
"""

import time
from pathlib import Path
from typing import Any

import msgspec

from firmware_sim import scenario as stories
from firmware_sim.body import DAY_NS, HOUR_NS, Body
from firmware_sim.clock import DeviceClock
from firmware_sim.config import DeviceConfig, HomeConfig, SimConfig
from firmware_sim.device import Battery
from firmware_sim.devices._log import Log
from firmware_sim.devices._spot import SpotDevice
from firmware_sim.devices.dispenser import TIME_CRITICAL, Dispenser, Habit, Memory, ScheduledDose
from firmware_sim.devices.oximeter import Oximeter
from firmware_sim.devices.scale import Scale
from firmware_sim.noise import word
from firmware_sim.routine import Routine
from vitals.clock import NS
from vitals.errors import ConfigError

_MINUTE_NS = 60 * NS


def story_start_ns(config: SimConfig) -> int:
    """When the scenarios start, in the clock's time: as configured, else the clock's origin, else now."""
    if config.start_ns is not None:
        return config.start_ns
    clock = config.clock
    return clock.now_ns() if clock.start_ns == clock.origin_ns == 0 else clock.origin_ns


class Household:
    """A person and the making of their devices."""

    def __init__(self, config: SimConfig, home: HomeConfig, woken_ns: int | None = None) -> None:
        """`woken_ns`: when the devices are switched on; left out, now."""
        self.clock = config.clock
        self.name = home.name
        self.start_ns = story_start_ns(config)
        self.seed = word(config.seed, home.name)
        self._scenario = stories.load(Path(home.scenario))
        self._on_ns = max(self.start_ns, config.clock.now_ns() if woken_ns is None else woken_ns)
        self.body = Body(self.seed, self._scenario, self.start_ns)

    def firmware(self, device: DeviceConfig) -> SpotDevice | Dispenser:
        """The device, switched on. Raises ConfigError for a dispenser's memory that is damaged."""
        return self._dispenser(device) if device.kind == "dispenser" else self._spot_device(device)

    def _device_clock(self, device: DeviceConfig) -> DeviceClock:
        return DeviceClock(
            self.start_ns, drift_ppm=device.drift_ppm, offset_s=device.clock_offset_s, is_set=device.clock_set
        )

    def _battery(self, device: DeviceConfig) -> Battery:
        return Battery(self.start_ns, device.battery, device.battery_life_days)

    def _at_ns(self, hour: float | None) -> int | None:
        return None if hour is None else self.start_ns + round(hour * HOUR_NS)

    def _spot_device(self, device: DeviceConfig) -> SpotDevice:
        seed = word(self.seed, device.id)
        habits, silence = self._scenario.habits, self._scenario.silent_from_h
        common: dict[str, Any] = {
            "seed": seed,
            "serial": device.serial,
            "clock": self._device_clock(device),
            "battery": self._battery(device),
        }
        if device.kind == "oximeter":
            routine = Routine(
                seed,
                self.start_ns,
                on_ns=self._on_ns,
                every_min=habits.oximeter_every_min,
                until_ns=self._at_ns(silence.oximeter),
            )
            return Oximeter(keeps_delivered=device.keeps_delivered, routine=routine, **common)
        routine = Routine(
            seed,
            self.start_ns,
            on_ns=self._on_ns,
            every_min=habits.scale_every_min,
            at_hours=habits.scale_at_hours,
            since_ns=self.start_ns - round(habits.scale_history_days * DAY_NS),
            until_ns=self._at_ns(silence.scale),
        )
        return Scale(routine=routine, **common)

    def _dispenser(self, device: DeviceConfig) -> Dispenser:
        habits = self._scenario.habits
        return Dispenser(
            self._on_ns,
            seed=word(self.seed, device.id),
            serial=device.serial,
            clock=self._device_clock(device),
            battery=self._battery(device),
            memory=_recall(device.memory) or self._new_memory(device),
            habit=Habit(habits.takes_dose_within_min * 60, self._at_ns(habits.takes_doses_until_h)),
            silent_ns=self._at_ns(self._scenario.silent_from_h.dispenser),
        )

    def _new_memory(self, device: DeviceConfig) -> Memory:
        """As it leaves the factory, with the schedule of the scenario. A log that is new gets a new number."""
        log_id = word(self.seed, device.id, "log", time.time_ns()) & 0xFFFF_FFFF
        return Memory(Log(log_id), tuple(self._scheduled(dose) for dose in self._scenario.doses))

    def _scheduled(self, dose: stories.Dose) -> ScheduledDose:
        minute = -(-(self.start_ns + round(dose.at_h * HOUR_NS)) // _MINUTE_NS)
        return ScheduledDose(
            dose_id=dose.dose_id,
            minute_of_day=minute % 1440,
            compartment=dose.compartment,
            count=dose.count,
            window_min=dose.window_min,
            flags=TIME_CRITICAL if dose.time_critical else 0,
        )


def _recall(path: str) -> Memory | None:
    """A dispenser's memory from a file; None where there is none yet. Raises ConfigError for one that is damaged."""
    if not path or not Path(path).exists():
        return None
    try:
        return msgspec.msgpack.decode(Path(path).read_bytes(), type=Memory)
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"dispenser memory {path} cannot be read ({error})", "remove it to begin anew") from error
