"""The tables and keys of `gateway.toml`, and what each means."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct
from msgspec.structs import replace

from drivers.contract import Card, Driver, Serial
from gateway import door
from vitals.clock import RunningClock
from vitals.day import Day
from vitals.errors import ConfigError, reason

Positive = Annotated[float, Meta(gt=0)]
Heartbeat = Annotated[float, Meta(gt=0, le=3600)]
"""As often as a server may ask for, at least: MQTT has no number for a message that lasts much longer."""
Find = Callable[[str], type[Driver]]
"""The driver of that name; raises ConfigError."""


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
                f"the password file {self.password_file} cannot be read ({reason(error)})",
                "put the gateway's password there",
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
    heartbeat_s: Heartbeat = 20.0
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
