"""Homes from a configuration file.

    [clock]                     # vitals.clock.RunningClock; left out, the wall clock
    seed = 7
    [[homes]]
    name = "home-01"
    scenario = "copd-exacerbation"
    radio = "unix-server:run/home-01.hci"
    [[homes.devices]]
    kind = "oximeter"
    id = "oxi-01"
    address = "F0:00:00:00:01:01"

Relative paths are relative to the configuration's folder. A scenario is a path to a TOML file, or a name looked up in
`scenarios`; left out, that is the folder `scenarios` beside the configuration, or else the repository's own.

Durations in a configuration are in the clock's time; what belongs to a wire (advertising, heartbeats, delays of a
faulty path) is in the wall's. A story starts at `start_ns`; left out, at the clock's origin, or for the wall clock
when the simulator starts.
"""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_sim import scenario as stories
from firmware_sim.faults import Faults
from firmware_sim.radio import check_spec
from vitals.clock import RunningClock
from vitals.errors import ConfigError
from vitals.settings import parse

_STATIC_RANDOM = re.compile(r"(?i:[C-F][0-9A-F](:[0-9A-F]{2}){5})")
_OWN_SCENARIOS = Path(__file__).resolve().parent.parent / "configs" / "scenarios"


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device. `address` is for the air, `port` (the path of a link to a pseudo-terminal) for the serial line.

    `serial`: its serial number, by default made from `id`. `clock_offset_s`: how wrong its calendar is at the start;
    `clock_set = false`: nobody ever set it. `battery`: percent at the start. `keeps_delivered` (oximeter): a report
    tells delivered records again. `memory` (dispenser): a file that outlives the simulator; left out, the log is new
    at each start.
    """

    kind: Literal["oximeter", "scale", "dispenser"]
    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
    address: str = ""
    port: str = ""
    serial: Annotated[str, Meta(max_length=20, pattern=r"^[ -~]*$")] = ""
    drift_ppm: Annotated[float, Meta(ge=-500, le=500)] = 0
    clock_offset_s: float = 0
    clock_set: bool = True
    battery: Annotated[float, Meta(ge=0, le=100)] = 90
    battery_life_days: stories.Positive = 180
    keeps_delivered: bool = False
    memory: str = ""
    faults: Faults = Faults()


class HomeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's home. `radio`: where the gateway finds its adapter, needed for devices on the air."""

    name: Annotated[str, Meta(min_length=1)]
    scenario: str
    radio: str = ""
    devices: tuple[DeviceConfig, ...] = ()


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole simulator. As `load` returns it, every path is absolute and every `scenario` is a file."""

    homes: Annotated[tuple[HomeConfig, ...], Meta(min_length=1)]
    clock: RunningClock = RunningClock()
    seed: int = 1
    start_ns: int | None = None
    scenarios: str = ""


def load(path: Path | str) -> SimConfig:
    """The configuration in a file, checked to the last scenario; raises ConfigError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "check the path") from error
    config = _placed(parse(text, SimConfig, path.name), path.resolve().parent)
    _check(config, path.name)
    return config


def _placed(config: SimConfig, folder: Path) -> SimConfig:
    """Every path made absolute."""
    named = folder / config.scenarios if config.scenarios else folder / "scenarios"
    library = named if config.scenarios or named.is_dir() else _OWN_SCENARIOS
    homes = tuple(_placed_home(home, folder, library) for home in config.homes)
    return msgspec.structs.replace(config, homes=homes, scenarios=str(library))


def _placed_home(home: HomeConfig, folder: Path, library: Path) -> HomeConfig:
    is_path = home.scenario.endswith(".toml")
    radio = home.radio
    if radio.startswith("unix-server:"):
        radio = f"unix-server:{_at(folder, radio.removeprefix('unix-server:'))}"
    devices = tuple(
        msgspec.structs.replace(
            device,
            port=_at(folder, device.port),
            memory=_at(folder, device.memory),
            serial=device.serial or device.id.upper()[:20],
        )
        for device in home.devices
    )
    scenario = _at(folder, home.scenario) if is_path else str(library / f"{home.scenario}.toml")
    return msgspec.structs.replace(home, scenario=scenario, radio=radio, devices=devices)


def _at(folder: Path, path: str) -> str:
    """An absolute path, or nothing where there is none."""
    return os.path.normpath(folder / path) if path else ""


def _check(config: SimConfig, where: str) -> None:
    _unique([home.name for home in config.homes], f"{where}: home", "name")
    devices = [device for home in config.homes for device in home.devices]
    _unique([device.id for device in devices], f"{where}: device", "id")
    _unique([device.port for device in devices if device.port], f"{where}: device", "port")
    _unique([home.radio for home in config.homes if home.radio], f"{where}: home", "radio")
    if config.clock.speed <= 0:
        raise ConfigError(f"{where}: clock speed {config.clock.speed:g}", "time goes forward: give it above 0")
    for home in config.homes:
        _check_home(home, f"{where}: {home.name}")


def _check_home(home: HomeConfig, where: str) -> None:
    if not Path(home.scenario).is_file():
        known = ", ".join(sorted(path.stem for path in Path(home.scenario).parent.glob("*.toml"))) or "none"
        raise ConfigError(f"{where}: no scenario {home.scenario}", f"in that folder: {known}")
    stories.load(Path(home.scenario))
    if home.radio:
        check_spec(home.radio)
    _unique([device.address.upper() for device in home.devices if device.address], where, "address")
    for device in home.devices:
        if device.kind == "dispenser":
            if not device.port:
                raise ConfigError(f"{where}: {device.id} has no port", "give it the path its serial port shall have")
        elif not home.radio:
            raise ConfigError(f"{where}: {device.id} has no air to be on", "give the home a radio")
        elif not _STATIC_RANDOM.fullmatch(device.address):
            raise ConfigError(
                f"{where}: {device.id} has the address {device.address!r}",
                "give it a static random one: six bytes as F0:00:00:00:01:01, the first C0 to FF",
            )


def _unique(names: list[str], where: str, what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where} {what} {name!r} stands twice", f"give each its own {what}")
