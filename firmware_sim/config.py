"""Homes from a configuration file: one in a few lines, or several in full.

    person = "Kari"
    scenario = "copd-exacerbation"
    devices = ["nonin-3230", "and-ua651", { kind = "scale", drift_ppm = 40 }]

Or, with everything that can be said:

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

What is left out is made, and always the same from the same names: a home's name from the person's, a device's id from
the home's name and its kind, its address from its id, its port and the home's radio below `folder`. A kind is one of
`firmware_sim.kinds`; a device that is only a word is its kind.

Relative paths are relative to the configuration's folder. A scenario is a path to a TOML file, or a name looked up in
`scenarios`; left out, that is the folder `scenarios` beside the configuration, or else the repository's own.

Durations in a configuration are in the clock's time; what belongs to a wire (advertising, heartbeats, delays of a
faulty path) is in the wall's. A story starts at `start_ns`; left out, at the clock's origin, or for the wall clock
when the simulator starts.
"""

import os
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from firmware_sim import scenario as stories
from firmware_sim.faults import Faults
from firmware_sim.kinds import Kind, find
from firmware_sim.noise import word
from firmware_sim.radio import check_spec
from vitals.clock import RunningClock
from vitals.errors import ConfigError
from vitals.settings import convert, parse

_STATIC_RANDOM = re.compile(r"(?i:[C-F][0-9A-F](:[0-9A-F]{2}){5})")
OWN_SCENARIOS = Path(__file__).resolve().parent.parent / "configs" / "scenarios"
"""Those of the repository."""

_LONGEST_SERIAL = 20
_PLAIN = str.maketrans({"ø": "o", "æ": "ae", "ß": "ss", "đ": "d", "ł": "l"})


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device. `address` is for the air, `port` (the path of a link to a pseudo-terminal) for the serial line.

    `serial`: its serial number, by default made from `id`. `clock_offset_s`: how wrong its calendar is at the start;
    `clock_set = false`: nobody ever set it. `battery`: percent at the start. `records`: how many its memory holds; the
    oldest makes room. `keeps_delivered`: a report tells delivered records again. `resets_sequence_at_h`: its numbering
    starts anew at that hour of the story. `forgets_bond_at_h`: it forgets whom it was bonded with. `memory`: a file
    that outlives the simulator, for a device that has such a memory; left out, the device is new at each start.
    `options`: what only this kind understands.
    """

    kind: str
    id: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = ""
    address: str = ""
    port: str = ""
    serial: Annotated[str, Meta(max_length=_LONGEST_SERIAL, pattern=r"^[ -~]*$")] = ""
    drift_ppm: Annotated[float, Meta(ge=-500, le=500)] = 0
    clock_offset_s: float = 0
    clock_set: bool = True
    battery: Annotated[float, Meta(ge=0, le=100)] = 90
    battery_life_days: stories.Positive = 180
    records: Annotated[int, Meta(ge=1, le=10_000)] = 200
    keeps_delivered: bool = False
    resets_sequence_at_h: float | None = None
    forgets_bond_at_h: float | None = None
    memory: str = ""
    faults: Faults = Faults()
    options: dict[str, Any] = {}


class HomeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person's home. `radio`: where the gateway finds its adapter. As `load` returns it, every device is a
    DeviceConfig with nothing left out that it needs."""

    name: Annotated[str, Meta(min_length=1)]
    scenario: str
    radio: str = ""
    devices: tuple[DeviceConfig | str, ...] = ()

    @property
    def furnished(self) -> tuple[DeviceConfig, ...]:
        """The devices, each in full."""
        return tuple(DeviceConfig(device) if isinstance(device, str) else device for device in self.devices)


class SimConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole simulator: `homes`, or the one home of a `person`.

    As `load` returns it, there are only `homes`, every path is absolute and every `scenario` is a file. `folder`: where
    ports and radios appear that the configuration does not place.
    """

    homes: tuple[HomeConfig, ...] = ()
    clock: RunningClock = RunningClock()
    seed: int = 1
    start_ns: int | None = None
    scenarios: str = ""
    folder: str = ""
    person: str = ""
    scenario: str = ""
    devices: tuple[DeviceConfig | str, ...] = ()


def load(path: Path | str) -> SimConfig:
    """The configuration in a file, checked to the last scenario; raises ConfigError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "check the path") from error
    config = _one_form(parse(text, SimConfig, path.name), path.name)
    _check_kinds(config, path.name)
    config = _placed(config, path.resolve().parent)
    _check(config, path.name)
    return config


def _one_form(config: SimConfig, where: str) -> SimConfig:
    """The person's home as the only one of `homes`."""
    short = {"person": config.person, "scenario": config.scenario, "devices": config.devices}
    if config.homes:
        for key, value in short.items():
            if value:
                raise ConfigError(f"{where}: {key} beside [[homes]]", "put it into the home it belongs to")
        return config
    for key, value in short.items():
        if not value:
            raise ConfigError(f"{where}: no {key}", "give person, scenario and devices, or a table of [[homes]]")
    home = HomeConfig(home_name(config.person), config.scenario, devices=config.devices)
    return replace(config, homes=(home,), person="", scenario="", devices=())


def home_name(person: str) -> str:
    """A person's name as the name of a home and its gateway: small letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", person.lower().translate(_PLAIN)).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain))[:30].strip("-") or "home"


def _check_kinds(config: SimConfig, where: str) -> None:
    """Every device is of a kind there is, and has only such options as that kind knows."""
    for home in config.homes:
        for device in home.furnished:
            place = f"{where}: {home.name}: {device.id or device.kind}"
            try:
                kind = find(device.kind)
            except ConfigError as error:
                raise ConfigError(f"{place}: {error.text}", error.mend) from error
            if kind.options:
                convert(device.options, kind.options, f"{place}, options")
            elif device.options:
                raise ConfigError(f"{place}: the kind {kind.name} has no options", "remove them")


def _placed(config: SimConfig, folder: Path) -> SimConfig:
    """Every path made absolute, and what was left out made."""
    named = folder / config.scenarios if config.scenarios else folder / "scenarios"
    library = named if config.scenarios or named.is_dir() else OWN_SCENARIOS
    shelf = Path(_at(folder, config.folder or "."))
    homes = tuple(_placed_home(home, folder, shelf, library) for home in config.homes)
    return replace(config, homes=homes, scenarios=str(library), folder=str(shelf))


def _placed_home(home: HomeConfig, folder: Path, shelf: Path, library: Path) -> HomeConfig:
    is_path = home.scenario.endswith(".toml")
    devices = tuple(_placed_device(device, home.name, folder, shelf) for device in _named(home))
    on_air = any(find(device.kind).link != "serial" for device in devices)
    radio = home.radio or (f"unix-server:{shelf / home.name / 'radio'}" if on_air else "")
    if radio.startswith("unix-server:"):
        radio = f"unix-server:{_at(folder, radio.removeprefix('unix-server:'))}"
    scenario = _at(folder, home.scenario) if is_path else str(library / f"{home.scenario}.toml")
    return replace(home, scenario=scenario, radio=radio, devices=devices)


def _named(home: HomeConfig) -> list[DeviceConfig]:
    """The devices, each with an id: the second scale of a home is its `scale-2`."""
    seen: Counter[str] = Counter()
    named = []
    for device in home.furnished:
        seen[device.kind] += 1
        number = f"-{seen[device.kind]}" if seen[device.kind] > 1 else ""
        named.append(device if device.id else replace(device, id=f"{home.name}-{device.kind}{number}"))
    return named


def _placed_device(device: DeviceConfig, home: str, folder: Path, shelf: Path) -> DeviceConfig:
    serial_line = find(device.kind).link == "serial"
    port = _at(folder, device.port) or (str(shelf / home / device.id) if serial_line else "")
    serial = device.id.upper() if len(device.id) <= _LONGEST_SERIAL else f"{word(device.id):016X}"
    return replace(
        device,
        port=port,
        address=device.address if device.address or serial_line else _address(home, device.id),
        memory=_at(folder, device.memory),
        serial=device.serial or serial,
    )


def _address(*names: str) -> str:
    """A static random address: 48 bits of which the first two are set."""
    number = word(*names, "address") & (1 << 48) - 1 | 0b11 << 46
    return ":".join(f"{byte:02X}" for byte in number.to_bytes(6, "big"))


def _at(folder: Path, path: str) -> str:
    """An absolute path, or nothing where there is none."""
    return os.path.normpath(folder / path) if path else ""


def _check(config: SimConfig, where: str) -> None:
    _unique([home.name for home in config.homes], f"{where}: home", "name")
    devices = [device for home in config.homes for device in home.furnished]
    _unique([device.id for device in devices], f"{where}: device", "id")
    _unique([device.port for device in devices if device.port], f"{where}: device", "port")
    _unique([home.radio for home in config.homes if home.radio], f"{where}: home", "radio")
    for home in config.homes:
        _check_home(home, f"{where}: {home.name}")


def _check_home(home: HomeConfig, where: str) -> None:
    if not Path(home.scenario).is_file():
        known = ", ".join(sorted(path.stem for path in Path(home.scenario).parent.glob("*.toml"))) or "none"
        raise ConfigError(f"{where}: no scenario {home.scenario}", f"in that folder: {known}")
    stories.load(Path(home.scenario))
    if home.radio:
        check_spec(home.radio)
    _unique([device.address.upper() for device in home.furnished if device.address], where, "address")
    for device in home.furnished:
        _check_place(device, find(device.kind), f"{where}: {device.id}")


def _check_place(device: DeviceConfig, kind: Kind, where: str) -> None:
    """A device is on the air or on a line, and not in both places."""
    if kind.link == "serial" and device.address:
        raise ConfigError(f"{where} is on a serial line and has an address", "remove the address")
    if kind.link != "serial" and device.port:
        raise ConfigError(f"{where} is on the air and has a port", "remove the port")
    if kind.link != "serial" and not _STATIC_RANDOM.fullmatch(device.address):
        raise ConfigError(
            f"{where} has the address {device.address!r}",
            "give it a static random one: six bytes as F0:00:00:00:01:01, the first C0 to FF",
        )


def _unique(names: list[str], where: str, what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"{where} {what} {name!r} stands twice", f"give each its own {what}")
