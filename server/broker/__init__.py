"""The MQTT broker: mosquitto where it is installed, else amqtt inside this process, else somebody else's.

Whatever runs it, the contract is the same and one test suite checks it against each:
- nobody gets in without a password or a certificate, and the client id is the name in it, so nobody takes over
  another's session;
- a gateway writes under its own `up/` and `state`, reads its own `down/`, and sees nothing else;
- the server reads and writes everything under the root.
A broker is a lossy pipe all the same: what is stored is said by the application acknowledgement alone.
"""

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from server.broker import mosquitto
from server.config import Broker as BrokerConfig
from server.identity.authority import Papers
from vitals.errors import ConfigError, LinkError

SERVER = "server"
"""The user name of our own server on a broker that we started."""


class Endpoint(msgspec.Struct, frozen=True):
    """Where a broker answers and how the server gets in. `mqtt5`: whether it speaks version 5."""

    host: str
    port: int
    username: str
    password: str
    mqtt5: bool


class Running(Protocol):
    """A broker that answers."""

    @property
    def name(self) -> str:
        """`mosquitto`, `embedded` or `external`, for people."""

    @property
    def endpoint(self) -> Endpoint:
        """How to reach it."""

    def problem(self) -> str | None:
        """What is wrong with it now, or None."""

    def renew(self, papers: Papers) -> None:
        """Use these from now on for whoever comes in. Only one that was started with papers can."""

    def stop(self) -> None:
        """Stop it and wait until it is gone. Twice is harmless."""


class External:
    """A broker that others run."""

    name = "external"

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def problem(self) -> str | None:
        return None

    def renew(self, papers: Papers) -> None:
        raise LinkError("the broker is others'", "give it its certificates there")

    def stop(self) -> None:
        """It is not ours to stop."""


def start(config: BrokerConfig, gateways: Mapping[str, str], folder: Path, papers: Papers | None = None) -> Running:
    """Start the broker that `config` asks for and wait until it answers.

    `gateways`: user name to password hash (`$7$…`). `folder`: where mosquitto keeps its files. `papers`: what it needs
    for `config.tls`. Raises LinkError when it does not come up, ConfigError when the configuration cannot be followed.
    """
    if config.kind == "external":
        return External(_external(config))
    endpoint = Endpoint(config.host, config.port, SERVER, secrets.token_urlsafe(32), mqtt5=True)
    program = mosquitto.find()
    if program is None and config.tls:
        raise LinkError("[broker.tls] needs mosquitto, which is not installed", "install it, or take [broker.tls] out")
    if config.kind == "embedded" or (config.kind == "auto" and program is None):
        from server.broker import embedded  # a second of imports that mosquitto's users need not pay

        return embedded.Embedded(msgspec.structs.replace(endpoint, mqtt5=False), gateways)
    if program is None:
        raise LinkError("mosquitto is not installed", 'install it, or set kind = "embedded" under [broker]')
    return mosquitto.Mosquitto(program, endpoint, gateways, folder, mosquitto.tls(config.tls, papers))


def _external(config: BrokerConfig) -> Endpoint:
    password = ""
    if config.password_file is not None:
        try:
            password = config.password_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ConfigError(
                f"{config.password_file} cannot be read ({error.strerror})", "put the broker's password in it"
            ) from error
    return Endpoint(config.host, config.port, config.username, password, mqtt5=True)
