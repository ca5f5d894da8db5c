"""The gateway's configuration: what it is called, whom it reports to, and which devices it reads.

`load` gives back a configuration that can be used: paths are absolute, addresses in upper case, and everything that
can be checked before the first device is switched on has been. An error is one line: place, fault, mend.
"""

import difflib
import logging
import os
import re
import stat
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from drivers.catalogue import find
from drivers.contract import Card, Driver, Link, Serial
from gateway import door
from vitals.clock import RunningClock
from vitals.day import Day
from vitals.errors import ConfigError
from vitals.settings import convert, parse
from vitals.wire import Settings

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DEVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}")

_LOOPBACK = ("127.0.0.1", "::1", "localhost")

Positive = Annotated[float, Meta(gt=0)]
Find = Callable[[str], type[Driver]]

log = logging.getLogger(__name__)


class Tls(Struct, frozen=True, forbid_unknown_fields=True):
    """With `ca`, the file with the authority that the broker is checked against, the hub comes in by its password.

    Without it the hub has an identity of its own (`gateway.identity`), for which it redeems a code at the server's
    `claim_port`. That server's broker speaks MQTT 5, so a hub that is turned away does not try once more with another.
    """

    ca: str | None = None
    claim_port: Annotated[int, Meta(ge=1, le=65535)] = 8884


class UplinkConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The broker. `protocol`: 5, 3 (= 3.1.1) or "auto": 5, and 3.1.1 where the broker refuses it.

    `reconnect_max_s`: the longest wait between two attempts, in seconds of the wall.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    password_file: str | None = None
    protocol: Literal["auto", 5, 3] = "auto"
    tls: Tls | None = None
    reconnect_max_s: Positive = 120.0

    def password(self) -> str | None:
        """The password, read now, or None where none is configured; raises ConfigError."""
        if self.password_file is None:
            return None
        try:
            return Path(self.password_file).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"the password file {self.password_file} cannot be read ({error})", "put the gateway's password there"
            ) from error


class RadioConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The Bluetooth radio. `transport` is Bumble's, such as `unix:/run/hci.sock`; `adapter` BlueZ's, such as `hci0`.

    `connections`: how many the adapter holds at a time. `cool_down_s`: how long a device that was just read is left
    alone though it goes on advertising, in seconds of the wall.
    """

    kind: Literal["bluez", "bumble", "none"] = "none"
    transport: str | None = None
    adapter: str | None = None
    connections: Annotated[int, Meta(ge=1, le=20)] = 5
    cool_down_s: Annotated[float, Meta(ge=0)] = 2.0


class MetricsConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a monitor may read how the hub is, such as `127.0.0.1:9109`; None: nowhere. It asks for no password."""

    listen: str | None = None

    def address(self) -> tuple[str, int] | None:
        """Host and port, or None; raises ConfigError."""
        return door.address(self.listen, "[metrics]")


class LocalConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """Watching over the home while the server is away; without it the hub only keeps what it is told.

    `programme`: the file of the patient's programme, as the server has it, or the same as a table. `limits`: the
    patient's own. `phone`: whom to call. `away_after_s` without a word from the server, in the clock's time, it is
    away. `tell`: a command that speaks, which is given the sentence as its last argument. `listen`: where the home's
    page is shown, such as `127.0.0.1:8017`. `name`: what the patient is called on it, so that nobody else answers.
    From `quiet_from_h` to `quiet_to_h` by the clock of `time_zone` nobody is asked for what can wait.
    """

    programme: str | dict[str, Any]
    limits: dict[str, float] = {}
    language: Literal["nb", "en"] = "nb"
    phone: str = ""
    away_after_s: Positive = 180.0
    tell: tuple[str, ...] = ()
    listen: str | None = None
    name: str = ""
    time_zone: str = "Europe/Oslo"
    quiet_from_h: Annotated[int, Meta(ge=1, le=24)] = 21
    quiet_to_h: Annotated[int, Meta(ge=0, le=23)] = 8

    def address(self) -> tuple[str, int] | None:
        """Host and port of the page, or None; raises ConfigError."""
        return door.address(self.listen, "[local]")

    def day(self) -> Day:
        """The waking hours of this home; raises ConfigError."""
        try:
            zone = ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            mend = 'write it as "Europe/Oslo"'
            raise ConfigError(f"[local] time_zone = {self.time_zone!r} is not known", mend) from error
        if self.quiet_to_h >= self.quiet_from_h:
            night = f"[local] a night from {self.quiet_from_h} to {self.quiet_to_h}"
            raise ConfigError(night, "give it whole hours over midnight: quiet_from_h = 21, quiet_to_h = 8")
        return Day(zone, self.quiet_to_h, self.quiet_from_h)


class DeviceConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """One device: its id in the fleet, its driver, and its address (Bluetooth) or port (serial).

    `baud`, `bits`, `parity`, `stop`: the settings of a serial line where they are not those the driver expects; a
    scale's are chosen in its menus.
    """

    id: str
    driver: str
    address: str | None = None
    port: str | None = None
    baud: Annotated[int, Meta(gt=0)] | None = None
    bits: Literal[5, 6, 7, 8] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Literal[1, 2] | None = None

    def line(self, card: Card) -> Serial:
        """The line settings: the card's, and what is set otherwise here."""
        return replace(card.serial or Serial(9600), **self.line_settings())

    def line_settings(self) -> dict[str, int | str]:
        """What is set here."""
        given = {"baud": self.baud, "bits": self.bits, "parity": self.parity, "stop": self.stop}
        return {name: value for name, value in given.items() if value is not None}


class Config(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. `heartbeat_s` is in the clock's time; `spool_mb` bounds what waits for the server."""

    name: str
    uplink: UplinkConfig
    data: str = "data"
    heartbeat_s: Positive = 20.0
    spool_mb: Annotated[int, Meta(ge=1)] = 256
    clock: RunningClock = RunningClock()
    radio: RadioConfig = RadioConfig()
    metrics: MetricsConfig = MetricsConfig()
    local: LocalConfig | None = None
    devices: tuple[DeviceConfig, ...] = ()

    def summary(self) -> str:
        """What a person wants to see of a configuration that is well."""
        count = f"{len(self.devices)} device" + ("" if len(self.devices) == 1 else "s")
        return f"{self.name}, {count}, broker {self.uplink.host}:{self.uplink.port}"


def load(path: Path, find_driver: Find = find) -> Config:
    """The configuration in the file; raises ConfigError. Makes the data folder."""
    path = path.absolute()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read ({error})", "name a gateway's configuration file") from error
    config = _absolute(parse(text, Config, str(path)), path.parent)
    _check_name(config, path)
    _check_radio(config.radio, path)
    _check_metrics(config.metrics, path)
    _check_local(config, path)
    _check_devices(config, str(path), find_driver)
    _check_password(config.uplink)
    _check_tls(config.uplink, path)
    _check_data(Path(config.data), path)
    return config


def desired(base: Config, wanted: Settings, where: str, find_driver: Find = find) -> Config:
    """`base` as it is wanted from afar, checked like a file; raises ConfigError, which begins with `where`."""
    config = base
    if wanted.devices is not None:
        tree = [msgspec.to_builtins(device) for device in wanted.devices]
        config = replace(config, devices=_upper(convert(tree, tuple[DeviceConfig, ...], f"{where}: devices")))
    if wanted.heartbeat_s is not None:
        config = replace(config, heartbeat_s=convert(wanted.heartbeat_s, Positive, f"{where}: heartbeat_s"))
    _check_devices(config, where, find_driver)
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


def _check_name(config: Config, path: Path) -> None:
    if not _NAME.fullmatch(config.name):
        raise ConfigError(f"{path}: name {config.name!r}", "use small letters, digits and -, as on the server")


def _check_devices(config: Config, where: str, find_driver: Find) -> None:
    for device in config.devices:
        if not _DEVICE_ID.fullmatch(device.id):
            raise ConfigError(f"{where}: device id {device.id!r}", "use letters, digits, . _ and -, as on the label")
        _check_device(device, config.radio, where, find_driver)
    for key in ("id", "address", "port"):
        _check_unique(config.devices, key, where)


def _check_radio(radio: RadioConfig, path: Path) -> None:
    if radio.kind == "bumble" and not radio.transport:
        raise ConfigError(f"{path}: [radio] bumble without a transport", 'add transport = "unix:…"')
    if radio.kind != "bumble" and radio.transport:
        raise ConfigError(f"{path}: [radio] {radio.kind} has no transport", 'remove it, or set kind = "bumble"')
    if radio.kind != "bluez" and radio.adapter:
        raise ConfigError(f"{path}: [radio] {radio.kind} has no adapter", 'remove it, or set kind = "bluez"')


def _check_metrics(metrics: MetricsConfig, path: Path) -> None:
    try:
        at = metrics.address()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.text}", error.mend) from error
    if at and at[0] not in _LOOPBACK:
        log.warning("%s: [metrics] listen = %s: everyone on that network can read it", path, metrics.listen)


def _check_local(config: Config, path: Path) -> None:
    """What can be checked without loading the rules; `gateway.__main__` checks the rest when it is asked to."""
    local = config.local
    if local is None:
        return
    if local.away_after_s < 2 * config.heartbeat_s:
        mend = f"the server is heard with each heartbeat: give it at least {2 * config.heartbeat_s:g}"
        raise ConfigError(f"{path}: [local] away_after_s = {local.away_after_s:g} is too short", mend)
    if not local.tell and local.listen is None:
        raise ConfigError(f"{path}: [local] tells nobody", "give it `listen` for a page, or `tell` for a voice")
    if isinstance(local.programme, str) and not Path(local.programme).is_file():
        raise ConfigError(f"{path}: [local] programme {local.programme} is not there", "name a programme's file")
    try:
        local.address()
        local.day()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.text}", error.mend) from error


def _check_device(device: DeviceConfig, radio: RadioConfig, place: str, find_driver: Find) -> None:
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


def _check_unique(devices: tuple[DeviceConfig, ...], key: str, where: str) -> None:
    for value, count in Counter(getattr(device, key) for device in devices).items():
        if value is not None and count > 1:
            raise ConfigError(f"{where}: {count} devices have the {key} {value!r}", "give each its own")


def _check_password(uplink: UplinkConfig) -> None:
    uplink.password()
    if uplink.password_file and Path(uplink.password_file).stat().st_mode & stat.S_IROTH:
        log.warning("%s can be read by everyone on this machine: chmod 600 it", uplink.password_file)


def _check_tls(uplink: UplinkConfig, path: Path) -> None:
    if uplink.tls is None:
        return
    if uplink.tls.ca is None and uplink.password_file:
        raise ConfigError(
            f"{path}: [uplink] has tls without a ca, and a password_file",
            "take password_file out: the hub comes in with the identity that it claims; or name the broker's ca",
        )
    if uplink.tls.ca is not None and not Path(uplink.tls.ca).is_file():
        raise ConfigError(f"{path}: [uplink] tls.ca {uplink.tls.ca} is not there", "name the authority's certificate")


def _check_data(folder: Path, path: Path) -> None:
    mend = "name a folder this user may write"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path}: the data folder {folder} cannot be made ({error.strerror})", mend) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{path}: the data folder {folder} cannot be written", mend)
