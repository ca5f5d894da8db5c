"""One home as the configuration describes it: the person's body, and the making of their devices.

Nothing here runs. `app` puts each firmware into its port and keeps it at the clock's time; a story test puts it into
its own hands instead.
"""

import time
from pathlib import Path

import msgspec

from firmware_sim import scenario as stories
from firmware_sim.body import DAY_NS, HOUR_NS, Body
from firmware_sim.clock import DeviceClock
from firmware_sim.config import DeviceConfig, HomeConfig, SimConfig
from firmware_sim.device import Battery, Firmware
from firmware_sim.kinds import Kind, Making, find
from firmware_sim.noise import word
from firmware_sim.routine import Routine
from vitals.errors import ConfigError


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

    def firmware(self, device: DeviceConfig) -> Firmware:
        """The device, switched on. Raises ConfigError for a memory that is damaged."""
        kind = find(device.kind)
        memory = _recalled(device.memory)
        try:
            return kind.make(self._making(device, kind, memory))
        except ConfigError as error:
            raise ConfigError(f"{device.memory or device.id}: {error.text}", error.mend) from error

    def at_ns(self, hour: float | None) -> int | None:
        """When that hour of the story is; None for never."""
        return None if hour is None else self.start_ns + round(hour * HOUR_NS)

    def _making(self, device: DeviceConfig, kind: Kind, memory: bytes) -> Making:
        seed = word(self.seed, device.id)
        return Making(
            seed=seed,
            serial=device.serial,
            clock=DeviceClock(
                self.start_ns, drift_ppm=device.drift_ppm, offset_s=device.clock_offset_s, is_set=device.clock_set
            ),
            battery=Battery(self.start_ns, device.battery, device.battery_life_days),
            routine=self._routine(seed, kind.habit),
            records=device.records,
            keeps_delivered=device.keeps_delivered,
            sequence_reset_ns=self.at_ns(device.resets_sequence_at_h),
            scenario=self._scenario,
            start_ns=self.start_ns,
            on_ns=self._on_ns,
            memory=memory,
            birth=word(self.seed, device.id, "birth", time.time_ns()),
            options=msgspec.convert(device.options, kind.options) if kind.options else None,
        )

    def _routine(self, seed: int, name: str) -> Routine:
        """When the device is used; of a habit that is not one of measuring, only its end."""
        habit, until_ns = getattr(self._scenario.habits, name), self.at_ns(getattr(self._scenario.silent_from_h, name))
        if not isinstance(habit, stories.Habit):
            return Routine(seed, self.start_ns, until_ns=until_ns)
        return Routine(
            seed,
            self.start_ns,
            on_ns=self._on_ns,
            every_min=habit.every_min,
            at_hours=habit.at_hours,
            since_ns=self.start_ns - round(habit.history_days * DAY_NS),
            until_ns=until_ns,
        )


def _recalled(path: str) -> bytes:
    """A device's memory from a file; empty where there is none yet. Raises ConfigError."""
    if not path or not Path(path).exists():
        return b""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"the memory {path} cannot be read ({error.strerror})", "remove it to begin anew") from error
