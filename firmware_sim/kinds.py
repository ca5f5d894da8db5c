"""Which devices can be simulated: every module of `firmware_sim.devices` that has KINDS.

A kind is a word in a home's file, the firmware behind it, and the name of the gateway's driver that must be able to
read it; a test holds the two lists against each other, so that no driver is without a device to try it on.

A firmware is made of one `Making`, the same for every kind: a kind takes what it needs of it. What only one kind
understands (a scale that shows pounds, a dispenser that jams) is a struct of its own, `Kind.options`, which comes
checked.
"""

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import msgspec

from firmware_sim import devices
from firmware_sim.body import HOUR_NS
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Firmware
from firmware_sim.routine import Routine
from firmware_sim.scenario import Scenario
from vitals.errors import ConfigError

LinkName = Literal["air", "advert", "serial"]


class Making(msgspec.Struct, frozen=True):
    """What a firmware is made of: its dice, its label, its clock and charge, when it is used, and how many
    measurements its memory holds.

    `keeps_delivered`: a report tells delivered records again. `sequence_reset_ns`: when its numbering starts anew, as
    after a change of battery. `scenario`, `start_ns`, `on_ns`: the person's story, when it begins and when the device
    is switched on. `memory`: what it remembered when it was last switched off; empty: it is new. `birth`: a number that
    no device was ever made with before. `options`: as the kind's own struct.
    """

    seed: int
    serial: str
    clock: DeviceClock
    battery: Battery
    routine: Routine
    records: int
    keeps_delivered: bool = False
    sequence_reset_ns: int | None = None
    scenario: Scenario = Scenario("nothing befalls")
    start_ns: int = 0
    on_ns: int = 0
    memory: bytes = b""
    birth: int = 0
    options: msgspec.Struct | None = None

    @property
    def spot(self) -> dict[str, Any]:
        """The arguments of every SpotDevice."""
        return {
            "seed": self.seed,
            "serial": self.serial,
            "clock": self.clock,
            "battery": self.battery,
            "routine": self.routine,
            "memory": self.records,
        }

    def at_ns(self, hour: float | None) -> int | None:
        """When that hour of the story is; None for never."""
        return None if hour is None else self.start_ns + round(hour * HOUR_NS)


class Kind(msgspec.Struct, frozen=True):
    """`habit`: which of a person's habits (`scenario.Habits`) uses it. `link`: over the air with a connection, by its
    adverts alone, or on a serial line. `driver`: the gateway's name for it. `options`: the struct of what else may be
    asked of it in a home's file (every field with a default); None: nothing."""

    name: str
    title: str
    driver: str
    link: LinkName
    habit: str
    make: Callable[[Making], Firmware]
    options: type[msgspec.Struct] | None = None


@cache
def kinds() -> dict[str, Kind]:
    """By name, in alphabetical order."""
    names = (module.name for module in pkgutil.iter_modules(devices.__path__) if not module.name.startswith("_"))
    modules = (importlib.import_module(f"{devices.__name__}.{name}") for name in names)
    found = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.name)}


def find(name: str) -> Kind:
    """The kind called `name`; raises ConfigError that says which names are near."""
    known = kinds()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=3)
    mend = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are: {', '.join(known)}"
    raise ConfigError(f"no simulated device is called {name!r}", mend)
