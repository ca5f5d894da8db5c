"""`server.toml`: what it may say about machines (where to keep data, which broker, which port), and clear words when it
says something else. People and things are in the municipality's file (server/municipality.py).

Durations are in the clock's time.
"""

import re
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from server import postgres
from server.keeping import DATABASE
from server.notify.config import Notify, beside
from server.notify.config import check as check_notify
from vitals.clock import RunningClock
from vitals.errors import ConfigError
from vitals.settings import parse

LOOPBACK = ("127.0.0.1", "::1", "localhost")

LEAST_TOKEN = 24
"""Characters: nobody guesses it, however often they try."""

Seconds = Annotated[float, Meta(gt=0)]
_ADDRESS = re.compile(r"(https?://[A-Za-z0-9.:\[\]-]+)?")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]*:[0-9A-Fa-f:]*")
_SERVICE = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?(/[\w./-]*)?")
_LOCAL = ("localhost", "127.0.0.1", "[::1]")


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the staff page is served. `secure`: the cookie is sent over https only (set it behind TLS).

    `address` is what the world calls it, such as `https://hjemvakt.example.no`: it stands in the messages that ask the
    people at home about a measurement. Without it nobody at home is asked.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535)] = 8080
    """0: whichever is free; the log says which."""
    secure: bool = False
    address: str = ""


class BrokerTls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where hubs come in with certificates (mutual TLS 1.3), and where a new one redeems its claim code.

    `names` are the names or addresses that hubs call this server by; the first is told to them.
    """

    names: Annotated[tuple[str, ...], Meta(min_length=1)]
    host: str = "0.0.0.0"
    port: Annotated[int, Meta(ge=1, le=65535)] = 8883
    claim_port: Annotated[int, Meta(ge=0, le=65535)] = 8884
    """0: whichever is free; the log says which."""


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`auto` starts mosquitto where it is installed, else the embedded amqtt; `external` only connects.

    `host` and `port` are for passwords: the server's own, and hubs' where there is no `tls`.
    """

    kind: Literal["auto", "mosquitto", "embedded", "external"] = "auto"
    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    username: str = "server"
    password_file: Path | None = None
    """Only for an external broker; our own gets a fresh password at each start."""
    tls: BrokerTls | None = None
    """Only with mosquitto."""


class Database(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`url` of a PostgreSQL database, without its password; left out: SQLite, in the data folder.

    The password stands alone in `password_file`, or where libpq looks by itself: PGPASSWORD, ~/.pgpass. While the
    database cannot be written, people are called every `call_again_min` minutes.
    """

    url: str = ""
    password_file: Path | None = None
    call_again_min: Annotated[float, Meta(ge=1)] = 15.0

    def where(self, data: Path) -> Path | sa.URL:
        """The file or the server to connect to, the password read now; raises ConfigError. `data`: the data folder."""
        return postgres.address(self.url, self.password_file) if self.url else data / DATABASE


class Fleet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A gateway unheard for `offline_after_s` is shown as offline, and raises an alarm after `alarm_after_s`.

    The alarm comes later (and never sooner): a router that starts again takes a minute or two, and nobody shall be
    called for that.
    """

    offline_after_s: Seconds = 45.0
    alarm_after_s: Seconds = 90.0

    @property
    def silent_after_s(self) -> float:
        """When the alarm comes."""
        return max(self.offline_after_s, self.alarm_after_s)


class Decisions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The hours of the last `replayed_days` can be lived through once more, exactly (`hjemvakt triage replay`).

    What older hours need is let go, unless an alarm of then still stands. What explains an alarm is kept for good.
    """

    replayed_days: Annotated[float, Meta(ge=31)] = 400.0


class Metrics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may read `/metrics`: nobody, unless one of the first two is given.

    `token_file` holds a secret that the monitor sends as a bearer token. `loopback` opens it without one to programs on
    this machine, where no reverse proxy is. `per_gateway` tells some numbers of each gateway under its name.
    """

    token_file: Path | None = None
    loopback: bool = False
    per_gateway: bool = False

    def token(self) -> str | None:
        """The token, read now, or None where none is configured; raises ConfigError."""
        if self.token_file is None:
            return None
        token = text_of(self.token_file).strip()
        if len(token) < LEAST_TOKEN or not (token.isascii() and token.isprintable()):
            raise ConfigError(
                f"{self.token_file} holds no token of {LEAST_TOKEN} characters or more",
                "make one with `openssl rand -hex 32`, and let the server alone read it",
            )
        return token


class Influx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A bucket of InfluxDB that is fed with every reading. For 1.8: no `org`, and `bucket` is `database/retention`.

    `token_file` holds the token (for 1.8 `name:password`); only an InfluxDB on this machine may do without one, or
    without https. `ca_file`: certificates to trust instead of the system's.
    """

    url: str
    bucket: Annotated[str, Meta(min_length=1)]
    org: str = ""
    token_file: Path | None = None
    ca_file: Path | None = None
    timeout_s: Seconds = 10.0

    @property
    def name(self) -> str:
        """What the bucket is known by to the cursor: another one is fed from the beginning."""
        return f"influx {self.url.rstrip('/')} {self.org} {self.bucket}"

    def token(self) -> str | None:
        """The token, read now, or None where none is configured; raises ConfigError."""
        if self.token_file is None:
            return None
        token = text_of(self.token_file).strip()
        if not token or not (token.isascii() and token.isprintable()):
            raise ConfigError(
                f"{self.token_file} holds no token", "write InfluxDB's token into it, and let the server alone read it"
            )
        return token


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The municipality's provider of identities. `name` stands on the button; `issuer` is the provider's address.

    The server proves itself by `secret_file`, or by `key_file`: a private key (PEM) for private_key_jwt.
    """

    issuer: str
    client_id: Annotated[str, Meta(min_length=1)]
    name: Annotated[str, Meta(min_length=1)]
    secret_file: Path | None = None
    key_file: Path | None = None
    key_algorithm: Literal["RS256", "PS256", "ES256"] = "RS256"
    scope: str = "openid profile"


class Audit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`heads`: where the audit trail's signed heads are appended each minute; best on another machine's disk.

    None: `audit.heads` in the data folder.
    """

    heads: Path | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`server.toml`. Relative paths are relative to the file. `demo` shows the fake phones to every user."""

    name: str
    data: Path = Path("data")
    municipality: Path = Path("municipality.toml")
    ladders: Path = Path("ladders.toml")
    programmes: Path | None = None
    """A folder of programmes; None for those that come with Hjemvakt."""
    demo: bool = False
    tick_s: Seconds = 1.0
    """Seconds of the wall between two rounds of the engine."""
    acknowledge_expires_s: Seconds = 3600.0
    time_zone: str = "Europe/Oslo"
    """Where the patients live: when it is night there, and what o'clock they are asked about."""
    clock: RunningClock = RunningClock()
    web: Web = Web()
    broker: Broker = Broker()
    database: Database = Database()
    fleet: Fleet = Fleet()
    decisions: Decisions = Decisions()
    metrics: Metrics = Metrics()
    influx: Influx | None = None
    """None: readings are kept here only."""
    audit: Audit = Audit()
    oidc: Oidc | None = None
    """None: everybody signs in with a password."""
    notify: Notify = Notify()

    @property
    def heads(self) -> Path:
        """Where the audit trail's heads go."""
        return self.audit.heads or self.data / "audit.heads"


def load(path: Path) -> Config:
    """Read `server.toml` with its paths made absolute; raises ConfigError."""
    config = parse(text_of(path), Config, str(path))
    zone_of(config.time_zone, str(path))
    if not _ADDRESS.fullmatch(config.web.address):
        raise ConfigError(
            f"{path}: [web] address = {config.web.address!r} is no address",
            "write it as https://hjemvakt.example.no, without a path, or leave it out",
        )
    base = path.resolve().parent
    password, token, key = config.broker.password_file, config.metrics.token_file, config.database.password_file
    config = msgspec.structs.replace(
        config,
        data=base / config.data,
        municipality=base / config.municipality,
        ladders=base / config.ladders,
        programmes=base / config.programmes if config.programmes else None,
        broker=msgspec.structs.replace(config.broker, password_file=base / password if password else None),
        database=msgspec.structs.replace(config.database, password_file=base / key if key else None),
        metrics=msgspec.structs.replace(config.metrics, token_file=base / token if token else None),
        influx=_beside(config.influx, base) if config.influx else None,
        oidc=_with_files(config.oidc, base) if config.oidc else None,
        audit=Audit(base / config.audit.heads if config.audit.heads else None),
        notify=beside(config.notify, base),
    )
    config.database.where(config.data)
    _check_metrics(config, path)
    _check_influx(config, path)
    _check_oidc(config, path)
    _check_broker(config.broker, path)
    check_notify(config.notify)
    return config


def zone_of(name: str, where: str) -> ZoneInfo:
    """The time zone of that name; raises ConfigError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"{where}: there is no time zone {name!r} on this machine",
            "write it as Europe/Oslo, and install the system's time zone data (tzdata)",
        ) from error


def _check_metrics(config: Config, path: Path) -> None:
    metrics, web = config.metrics, config.web
    if metrics.token_file and metrics.loopback:
        raise ConfigError(f"{path}: [metrics] has token_file and loopback", "choose one: the token is the safer")
    if metrics.loopback and (web.secure or web.address):
        raise ConfigError(
            f"{path}: [metrics] loopback is not safe behind a proxy, and [web] speaks of one",
            "the world comes from the loopback then: give it a token_file instead",
        )
    metrics.token()


def _beside(influx: Influx, base: Path) -> Influx:
    """With its files found beside the configuration."""
    return msgspec.structs.replace(
        influx,
        token_file=base / influx.token_file if influx.token_file else None,
        ca_file=base / influx.ca_file if influx.ca_file else None,
    )


def _with_files(oidc: Oidc, base: Path) -> Oidc:
    """The same with its files found beside the configuration."""
    return msgspec.structs.replace(
        oidc,
        issuer=oidc.issuer.rstrip("/"),
        secret_file=base / oidc.secret_file if oidc.secret_file else None,
        key_file=base / oidc.key_file if oidc.key_file else None,
    )


def _check_oidc(config: Config, path: Path) -> None:
    oidc = config.oidc
    if oidc is None:
        return
    address = _SERVICE.fullmatch(oidc.issuer)
    if address is None or (address["scheme"] == "http" and address["host"] not in _LOCAL):
        raise ConfigError(f"{path}: [oidc] issuer = {oidc.issuer!r} is no https:// address", "write the provider's own")
    if (oidc.secret_file is None) == (oidc.key_file is None):
        raise ConfigError(f"{path}: [oidc] has not just one of secret_file and key_file", "name one of the two")
    if not config.web.address:
        raise ConfigError(
            f"{path}: [oidc] without [web] address", "say what the world calls this server: people are sent back there"
        )


def _check_influx(config: Config, path: Path) -> None:
    influx = config.influx
    if influx is None:
        return
    address = _SERVICE.fullmatch(influx.url)
    if address is None:
        raise ConfigError(
            f"{path}: [influx] url = {influx.url!r} is no address", "write it as https://influx.example.no:8086"
        )
    local = address["host"] in _LOCAL
    if address["scheme"] == "http" and not local:
        raise ConfigError(
            f"{path}: [influx] url would send readings over the network unencrypted",
            "give InfluxDB TLS, write https://",
        )
    if influx.token_file is None and not local:
        raise ConfigError(f"{path}: [influx] has no token_file", "name a file that holds InfluxDB's token")
    influx.token()
    if influx.ca_file is not None:
        text_of(influx.ca_file)


def _check_broker(broker: Broker, path: Path) -> None:
    """Passwords do not cross a network where certificates are to be had."""
    if broker.tls is None:
        return
    if broker.kind in ("embedded", "external"):
        raise ConfigError(
            f'{path}: [broker.tls] with kind = "{broker.kind}"',
            'certificates need a mosquitto that the server starts: install it and set kind = "mosquitto"',
        )
    if broker.host not in LOOPBACK:
        raise ConfigError(
            f"{path}: [broker] host = {broker.host!r} beside [broker.tls]",
            'set it to "127.0.0.1": that door is the server\'s own, hubs come in under [broker.tls]',
        )
    for name in broker.tls.names:
        if not _HOST.fullmatch(name):
            raise ConfigError(f"{path}: [broker.tls] names has {name!r}", "write names or addresses, without a port")


def text_of(path: Path) -> str:
    """A file of settings as text; raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror})", "name a file that exists and is readable"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text", "save it as UTF-8") from error
