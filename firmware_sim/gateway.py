"""What the gateway of a simulated home is told: where its radio is, and each device by id, driver and place.

The simulator knows the gateway's configuration as a person who writes one does, from its documentation.
"""

import json
from collections.abc import Iterator

from firmware_sim.config import DeviceConfig, HomeConfig, SimConfig
from firmware_sim.kinds import find
from vitals.errors import ConfigError

_CLIENT = {"unix-server": "unix", "tcp-server": "tcp-client"}
"""How a host opens what a controller serves."""
_AS_A_PSEUDO_TERMINAL = 'bits = 8\nparity = "N"'
"""It has no others, and refuses what a device's driver may expect."""


def gateway_config(config: SimConfig, name: str | None, origin: str) -> str:
    """The text of a `gateway.toml` for the home called `name` (None: the only one) of `config`, which stands in the
    file `origin`. Raises ConfigError."""
    home = _chosen(config, name)
    blocks = (
        f"# Reads the devices of {home.name} in {origin}.",
        f'name = {_quoted(home.name)}\ndata = "data"',
        "[uplink]",
        *_clock(config),
        *_radio(home),
        *(_device(device) for device in home.furnished),
    )
    return "\n\n".join(blocks) + "\n"


def _chosen(config: SimConfig, name: str | None) -> HomeConfig:
    homes = {home.name: home for home in config.homes}
    if name is None and len(homes) == 1:
        return next(iter(homes.values()))
    if name is None:
        raise ConfigError("there are several homes", f"name one: {', '.join(homes)}")
    if name not in homes:
        raise ConfigError(f"there is no home {name!r}", f"there are: {', '.join(homes)}")
    return homes[name]


def _clock(config: SimConfig) -> Iterator[str]:
    clock = config.clock
    if clock.speed != 1 or clock.start_ns != clock.origin_ns:
        yield f"[clock]\nspeed = {clock.speed}\nstart_ns = {clock.start_ns}\norigin_ns = {clock.origin_ns}"


def _radio(home: HomeConfig) -> Iterator[str]:
    if home.radio:
        scheme, _, where = home.radio.partition(":")
        yield f'[radio]\nkind = "bumble"\ntransport = {_quoted(f"{_CLIENT[scheme]}:{where}")}'


def _device(device: DeviceConfig) -> str:
    kind = find(device.kind)
    head = f"[[devices]]\nid = {_quoted(device.id)}\ndriver = {_quoted(kind.driver)}\n"
    if kind.link != "serial":
        return f"{head}address = {_quoted(device.address.upper())}"
    return f"{head}port = {_quoted(device.port)}\n{_AS_A_PSEUDO_TERMINAL}"


def _quoted(text: str) -> str:
    """A TOML string: JSON's strings are among them."""
    return json.dumps(text, ensure_ascii=False)
