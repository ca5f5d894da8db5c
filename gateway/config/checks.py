"""What can be checked of a configuration before the first device is switched on."""

import logging
import os
import re
import stat
from collections import Counter
from pathlib import Path

from drivers.contract import Link
from gateway.config.model import Config, DeviceConfig, Find, MetricsConfig, RadioConfig, UplinkConfig
from vitals.errors import ConfigError

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

log = logging.getLogger(__name__)


def whole(config: Config, path: Path, find_driver: Find) -> None:
    """All that the file at `path` says; raises ConfigError. Makes the data folder."""
    _name(config, path)
    _radio(config.radio, path)
    _metrics(config.metrics, path)
    _local(config, path)
    devices(config, str(path), find_driver)
    _password(config.uplink)
    _tls(config.uplink, path)
    _data(Path(config.data), path)


def devices(config: Config, where: str, find_driver: Find) -> None:
    """Each of them, and all together; raises ConfigError, which begins with `where`."""
    for device in config.devices:
        if not _DEVICE_ID.fullmatch(device.id):
            raise ConfigError(f"{where}: device id {device.id!r}", "use letters, digits, . _ and -, as on the label")
        _device(device, config.radio, where, find_driver)
    for key in ("id", "address", "port"):
        _unique(config.devices, key, where)


def _name(config: Config, path: Path) -> None:
    if not _NAME.fullmatch(config.name):
        raise ConfigError(f"{path}: name {config.name!r}", "use small letters, digits and -, as on the server")


def _radio(radio: RadioConfig, path: Path) -> None:
    if radio.kind == "bumble" and not radio.transport:
        raise ConfigError(f"{path}: [radio] bumble without a transport", 'add transport = "unix:…"')
    if radio.kind != "bumble" and radio.transport:
        raise ConfigError(f"{path}: [radio] {radio.kind} has no transport", 'remove it, or set kind = "bumble"')
    if radio.kind != "bluez" and radio.adapter:
        raise ConfigError(f"{path}: [radio] {radio.kind} has no adapter", 'remove it, or set kind = "bluez"')


def _metrics(metrics: MetricsConfig, path: Path) -> None:
    try:
        at = metrics.address()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.text}", error.mend) from error
    if at and at[0] not in _LOOPBACK:
        log.warning("%s: [metrics] listen = %s: everyone on that network can read it", path, metrics.listen)


def _local(config: Config, path: Path) -> None:
    """What can be checked without loading the rules; `gateway.__main__` checks the rest when it is asked to."""
    local = config.local
    if local is None:
        return
    patience(config, str(path))
    if not local.tell and local.listen is None:
        raise ConfigError(f"{path}: [local] tells nobody", "give it `listen` for a page, or `tell` for a voice")
    if isinstance(local.programme, str) and not Path(local.programme).is_file():
        raise ConfigError(f"{path}: [local] programme {local.programme} is not there", "name a programme's file")
    try:
        local.address()
        local.day()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.text}", error.mend) from error


def patience(config: Config, where: str) -> None:
    """A server that is heard with each heartbeat must not seem to be away between two; raises ConfigError."""
    if config.local and config.local.away_after_s < 2 * config.heartbeat_s:
        text = f"{where}: [local] away_after_s = {config.local.away_after_s:g} is too short for a heartbeat every"
        mend = f"give it at least {2 * config.heartbeat_s:g}, or let the heart beat more often"
        raise ConfigError(f"{text} {config.heartbeat_s:g} s", mend)


def _device(device: DeviceConfig, radio: RadioConfig, place: str, find_driver: Find) -> None:
    where = f"{place}: device {device.id!r}"
    try:
        link = find_driver(device.driver).card.link
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.text}", error.mend) from error
    if link is Link.SERIAL:
        if not device.port or device.address:
            raise ConfigError(f"{where} is on a serial port", 'give it port = "/dev/serial/by-id/…" and no address')
    else:
        if not device.address or device.port:
            raise ConfigError(f"{where} is a Bluetooth device", 'give it address = "AA:BB:CC:DD:EE:FF" and no port')
        if not _ADDRESS.fullmatch(device.address):
            raise ConfigError(f"{where}: address {device.address!r}", "write it as AA:BB:CC:DD:EE:FF")
        if radio.kind == "none":
            raise ConfigError(f"{where} needs a radio", 'add [radio] with kind = "bluez"')
        if device.line_settings():
            settings = ", ".join(device.line_settings())
            raise ConfigError(f"{where} has no serial line, but {settings}", "remove what is for serial devices")


def _unique(devices: tuple[DeviceConfig, ...], key: str, where: str) -> None:
    values = [value for device in devices if (value := getattr(device, key)) is not None]
    if key == "port":  # one port has many names: what is on it would be told of two devices by turns
        values = [os.path.realpath(port) if port.startswith("/dev/") else port for port in values]
    for value, count in Counter(values).items():
        if count > 1:
            raise ConfigError(f"{where}: {count} devices have the {key} {value!r}", "give each its own")


def _password(uplink: UplinkConfig) -> None:
    uplink.password()
    if uplink.password_file and Path(uplink.password_file).stat().st_mode & stat.S_IROTH:
        log.warning("%s can be read by everyone on this machine: chmod 600 it", uplink.password_file)


def _tls(uplink: UplinkConfig, path: Path) -> None:
    if uplink.tls is None:
        return
    if uplink.tls.ca is None and uplink.password_file:
        raise ConfigError(
            f"{path}: [uplink] has tls without a ca, and a password_file",
            "take password_file out: the hub comes in with the identity that it claims; or name the broker's ca",
        )
    if uplink.tls.ca is not None and not Path(uplink.tls.ca).is_file():
        raise ConfigError(f"{path}: [uplink] tls.ca {uplink.tls.ca} is not there", "name the authority's certificate")


def _data(folder: Path, path: Path) -> None:
    mend = "name a folder this user may write"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: the data folder {folder} cannot be made ({error.strerror})", mend) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: the data folder {folder} cannot be written", mend)
    if folder.stat().st_mode & (stat.S_IROTH | stat.S_IXOTH):  # what was measured here is nobody else's
        log.warning("the data folder %s can be read by everyone on this machine: chmod 700 it", folder)
