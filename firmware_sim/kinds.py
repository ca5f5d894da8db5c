"""Which devices can be simulated: every module of `firmware_sim.devices` that has a KIND.

A kind is a word in a home's file, the firmware behind it, and the name of the gateway's driver that must be able to
read it; a test holds the two lists against each other, so that no driver is without a device to try it on.
"""

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Literal

import msgspec

from firmware_sim import devices
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery, Firmware
from firmware_sim.routine import Routine


class Making(msgspec.Struct, frozen=True):
    """What a firmware is made of: its dice, its label, its clock and charge, when it is used, and how many
    measurements its memory holds."""

    seed: int
    serial: str
    clock: DeviceClock
    battery: Battery
    routine: Routine
    records: int


class Kind(msgspec.Struct, frozen=True):
    """`habit`: which of a person's habits (`scenario.Habits`) uses it. `link`: over the air with a connection, by its
    adverts alone, or on a serial line. `driver`: the gateway's name for it."""

    name: str
    title: str
    driver: str
    link: Literal["air", "advert", "serial"]
    habit: str
    make: Callable[[Making], Firmware]


@cache
def kinds() -> dict[str, Kind]:
    """By name, in alphabetical order."""
    names = (module.name for module in pkgutil.iter_modules(devices.__path__) if not module.name.startswith("_"))
    modules = (importlib.import_module(f"{devices.__name__}.{name}") for name in names)
    found = [kind for module in modules for kind in getattr(module, "KINDS", ())]
    return {kind.name: kind for kind in sorted(found, key=lambda kind: kind.name)}
