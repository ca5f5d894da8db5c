"""A configuration that can be used: read from a file, or wanted from afar.

Its paths are absolute, its addresses in upper case, and everything that can be checked before the first device is
switched on has been. An error is one line: place, fault, mend.
"""

import difflib
from pathlib import Path

import msgspec
from msgspec.structs import replace

from drivers.catalogue import find
from gateway.config import checks
from gateway.config.model import Config, DeviceConfig, Find, Heartbeat, LocalConfig
from vitals.errors import ConfigError, reason
from vitals.settings import convert, parse
from vitals.wire import Settings


def load(path: Path, find_driver: Find = find) -> Config:
    """The configuration in the file; raises ConfigError. Makes the data folder."""
    path = path.absolute()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({reason(error)})", "name a gateway's configuration file") from error
    config = _absolute(parse(text, Config, str(path)), path.parent)
    checks.whole(config, path, find_driver)
    return config


def desired(base: Config, wanted: Settings, where: str, find_driver: Find = find) -> Config:
    """`base` as it is wanted from afar, checked like a file; raises ConfigError, which begins with `where`."""
    config = base
    if wanted.devices is not None:
        tree = [msgspec.to_builtins(device) for device in wanted.devices]
        config = replace(config, devices=_upper(convert(tree, tuple[DeviceConfig, ...], f"{where}: devices")))
    if wanted.heartbeat_s is not None:
        config = replace(config, heartbeat_s=convert(wanted.heartbeat_s, Heartbeat, f"{where}: heartbeat_s"))
    checks.devices(config, where, find_driver)
    checks.patience(config, where)
    return config


def configured(config: Config, name: str, path: Path) -> DeviceConfig:
    """The device of that id in the configuration, which was read from `path`; raises ConfigError."""
    devices = {device.id: device for device in config.devices}
    if name in devices:
        return devices[name]
    near = difflib.get_close_matches(name, devices, n=3)
    mend = f"did you mean {' or '.join(near)}?" if near else f"it has {', '.join(devices) or 'no device'}"
    raise ConfigError(f"{path} has no device {name!r}", mend)


def _absolute(config: Config, folder: Path) -> Config:
    uplink = config.uplink
    if uplink.tls and uplink.tls.ca is None and uplink.protocol == "auto":
        uplink = replace(uplink, protocol=5)
    return replace(
        config,
        data=str(folder / config.data),
        uplink=replace(
            uplink,
            password_file=str(folder / uplink.password_file) if uplink.password_file else None,
            tls=replace(uplink.tls, ca=str(folder / uplink.tls.ca)) if uplink.tls and uplink.tls.ca else uplink.tls,
        ),
        local=_absolute_local(config.local, folder),
        devices=_upper(config.devices),
    )


def _upper(devices: tuple[DeviceConfig, ...]) -> tuple[DeviceConfig, ...]:
    return tuple(replace(one, address=one.address.upper() if one.address else None) for one in devices)


def _absolute_local(local: LocalConfig | None, folder: Path) -> LocalConfig | None:
    if local is None or not isinstance(local.programme, str):
        return local
    return replace(local, programme=str(folder / local.programme))
