"""A scenario is a timeline in TOML: who the person is, what befalls the body, and how they treat their devices.

Hours (`_h`) count from the scenario's start and may be negative: what came before is real to a scale with a memory.
A phase ramps its deltas in over `over_h` hours and they stay; a recovery is a later phase with the opposite sign.

    [baseline]
    spo2 = 93
    [[phases]]
    at_h = 0.7
    over_h = 2.0
    spo2 = -8
    [habits]
    oximeter = { every_min = 20 }
    scale = { at_hours = [8, 20] }
    cuff = {}                           # never
    [silent_from_h]
    oximeter = 1.3

There is a habit for each way to measure and not for each device, so that a story can be told with any of them.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from vitals.channels import CHANNELS
from vitals.errors import ConfigError
from vitals.settings import parse

Positive = Annotated[float, Meta(gt=0)]
AtLeastZero = Annotated[float, Meta(ge=0)]
HourOfDay = Annotated[float, Meta(ge=0, lt=24)]
Share = Annotated[float, Meta(ge=0, le=1)]
Minutes = Annotated[int, Meta(ge=1, le=1440)]


class Baseline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The person on an ordinary day, in the units of `vitals.channels`."""

    spo2: float = 96.5
    pulse_rate: float = 72
    perfusion_index: float = 4
    weight: float = 78
    resp_rate: float = 15
    body_temp: float = 36.7
    bp_sys: float = 132
    bp_dia: float = 78
    glucose: float = 6.2


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that befalls the body: each channel's delta is reached `over_h` after `at_h` and stays."""

    at_h: float
    over_h: Positive
    spo2: float = 0
    pulse_rate: float = 0
    perfusion_index: float = 0
    weight: float = 0
    resp_rate: float = 0
    body_temp: float = 0
    bp_sys: float = 0
    bp_dia: float = 0
    glucose: float = 0


class Habit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the person measures: every so often from the start on, at hours of the day, in both ways, or never.

    `at_hours` are hours of the day (UTC) and hold for the `history_days` before the start as well: a device with a
    memory remembers them.
    """

    every_min: Positive | None = None
    at_hours: tuple[HourOfDay, ...] = ()
    history_days: AtLeastZero = 5


class Taking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether doses are taken out of the dispenser: within `within_min` of when they are due, until `until_h`.

    Of the doses, `early_share` (0 to 1) are taken out `early_min` before their time and `delay_share` are put off by
    `delay_min`. `confirms`: the person presses the button once a dose is out.
    """

    until_h: float | None = None
    within_min: Positive = 12
    confirms: bool = False
    early_share: Share = 0
    early_min: Minutes = 30
    delay_share: Share = 0
    delay_min: Minutes = 30


_HOURLY = Habit(every_min=60)


class Habits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the person uses the devices. A device the story does not speak of is used once an hour.

    `worn` is for what is worn and measures by itself (a chest belt, a ring, a sensor under the skin): the moments at
    which it takes down a value.
    """

    oximeter: Habit = _HOURLY
    scale: Habit = _HOURLY
    cuff: Habit = _HOURLY
    thermometer: Habit = _HOURLY
    glucose_meter: Habit = _HOURLY
    worn: Habit = Habit(every_min=5)
    dispenser: Taking = Taking()


class Dose(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dose of the dispenser's schedule; it is due daily, for the first time `at_h` after the start."""

    dose_id: Annotated[int, Meta(ge=1, le=65_535)]
    at_h: Annotated[float, Meta(ge=0, lt=24)]
    compartment: Annotated[int, Meta(ge=1, le=254)] = 1
    count: Annotated[int, Meta(ge=1, le=255)] = 1
    window_min: Annotated[int, Meta(ge=1, le=1440)] = 60
    time_critical: bool = False


class Silence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From which hour a device is heard of no more: put away, or without power."""

    oximeter: float | None = None
    scale: float | None = None
    cuff: float | None = None
    thermometer: float | None = None
    glucose_meter: float | None = None
    worn: float | None = None
    dispenser: float | None = None


class Scenario(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's story."""

    title: str
    baseline: Baseline = Baseline()
    phases: tuple[Phase, ...] = ()
    habits: Habits = Habits()
    doses: Annotated[tuple[Dose, ...], Meta(max_length=11)] = ()
    silent_from_h: Silence = Silence()


BODY = Baseline.__struct_fields__
"""The channels a body has."""

HABITS = Habits.__struct_fields__
"""What a device can be used as."""


def read(text: str, where: str) -> Scenario:
    """The scenario in the TOML `text`; `where` names it in errors. Raises ConfigError."""
    scenario = parse(text, Scenario, where)
    _survivable(scenario, where)
    ids = [dose.dose_id for dose in scenario.doses]
    for dose_id in ids:
        if ids.count(dose_id) > 1:
            raise ConfigError(f"{where}: dose_id {dose_id} stands in two doses", "give each dose its own number")
    return scenario


def load(path: Path) -> Scenario:
    """The scenario in a file; raises ConfigError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"scenario {path} cannot be read ({error.strerror})", "check the path") from error
    return read(text, path.name)


def _survivable(scenario: Scenario, where: str) -> None:
    """No sum of deltas may take a channel to where no living person is."""
    for name in BODY:
        value = getattr(scenario.baseline, name)
        for phase in (None, *sorted(scenario.phases, key=lambda phase: phase.at_h)):
            value += getattr(phase, name) if phase else 0
            if not CHANNELS[name].plausible(value):
                low, high = CHANNELS[name].low, CHANNELS[name].high
                raise ConfigError(
                    f"{where}: {name} comes to {value:g} {CHANNELS[name].unit}",
                    f"keep baseline and phases together within {low:g} to {high:g}",
                )
