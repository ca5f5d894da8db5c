"""How a connection to the broker is made safe: by the identity of this hub, or by an authority that the file names."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gateway.config.model import Config
from gateway.identity.held import CLAIM, FOLDER, held
from gateway.identity.moment import Context, Socket, Told, newest, nobody
from vitals.errors import ConfigError


class Secure(NamedTuple):
    """How a connection is made safe: a context for each, and over how long hubs come back that were all hung up on."""

    context: Callable[[], ssl.SSLContext]
    spread_s: Callable[[], float]


def secure(config: Config, told: Told = nobody) -> Secure | None:
    """What `[uplink.tls]` asks for; None for connections without TLS."""
    tls = config.uplink.tls
    if tls is None:
        return None
    if tls.ca is not None:
        return Secure(lambda: _believing(Path(tls.ca or "")), lambda: 1.0)
    return Secure(lambda: _as_ourselves(config, told), lambda: _spread_s(Path(config.data)))


def _context() -> Context:
    context = Context(ssl.PROTOCOL_TLS_CLIENT)
    context.sslsocket_class = Socket
    return context


def _spread_s(data: Path) -> float:
    """As the server said when it gave the certificate; a hub that cannot read it does as in a small fleet."""
    try:
        return float((data / FOLDER / "spread").read_text("ascii"))
    except (OSError, ValueError):
        return 1.0


def _believing(ca: Path) -> ssl.SSLContext:
    context = _context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # a broker of others may not know better
    try:
        context.load_verify_locations(ca)
    except OSError as error:
        raise ConfigError(f"the authority {ca} cannot be used ({error})", "see [uplink] tls.ca") from error
    return context


def _as_ourselves(config: Config, told: Told) -> ssl.SSLContext:
    found = held(Path(config.data))
    if found is None:
        raise ConfigError(f"{config.name} has no identity", CLAIM)
    if found.name != config.name:
        raise ConfigError(f"the hub was claimed as {found.name}, gateway.toml calls it {config.name}", CLAIM)
    context = _context()
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(found.folder / "authority.pem")
        context.load_cert_chain(found.folder / "certificate.pem", found.folder / "key.pem")
    except OSError as error:
        raise ConfigError(f"the identity in {found.folder} cannot be used ({error})", CLAIM) from error
    context.since = newest(found.begins, told())
    return context
