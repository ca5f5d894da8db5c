"""Who this hub is, on its own disk: a private key that was made here and never leaves, and what the server gave for it.

    <data>/identity/
        key.pem          the private key (EC P-256), readable by the hub alone
        certificate.pem  says whose key it is: the hub's name, for 90 days at most
        authority.pem    whom the hub believes to be its server
        batch.key        seals this hub's batches (hexadecimal)
        server.pub       proves that an order is the server's (Ed25519)
        spread           over how many seconds hubs come back when the broker has hung up on all of them

`gateway.identity.draft` puts another in its place.

Certificates live by the wall, as TLS does, whatever clock the hub tells its story by; `gateway.identity.moment` knows
what time it is at least, where that clock was never set.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.config.model import Config, Tls
from gateway.identity.moment import wall
from vitals.errors import ConfigError

FOLDER = "identity"
"""In the data folder; a symbolic link to where it really is."""
FEW_DAYS = timedelta(days=14)
"""A certificate that has no longer to live should have been renewed."""

CLAIM = "claim the hub: hjemvakt gateway claim CODE --config gateway.toml"
"""The mend, wherever there is no identity to use."""


class Held(NamedTuple):
    """The identity on disk. `folder` is where it really is; times are of the wall."""

    folder: Path
    name: str
    serial: str
    begins: datetime
    ends: datetime

    def file(self, name: str) -> bytes:
        """What is in one of its files; raises ConfigError."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.folder / name} cannot be read ({error.strerror})", CLAIM) from error


def held(data: Path) -> Held | None:
    """The identity in the data folder, None where the hub was never claimed; raises ConfigError for a damaged one."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    folder = data / FOLDER
    if not folder.exists():
        return None
    try:
        certificate = x509.load_pem_x509_certificate((folder / "certificate.pem").read_bytes())
        name = str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
    except (OSError, ValueError, IndexError) as error:
        raise ConfigError(f"the identity in {folder} cannot be read ({error})", CLAIM) from error
    serial, begins, ends = certificate.serial_number, certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return Held(folder.resolve(), name, f"{serial:x}", begins, ends)


def summary(config: Config) -> str:
    """What a person wants to know of the identity, or "" for a hub that needs none; raises ConfigError."""
    if not needed(config.uplink.tls):
        return ""
    found = held(Path(config.data))
    if found is None:
        return f", not claimed yet ({CLAIM})"
    state = "until" if found.ends > wall() else "ENDED"
    return f", identity of {found.name} {state} {found.ends:%Y-%m-%d}"


def notes(config: Config, now: datetime) -> tuple[str, ...]:
    """For the heartbeat: what a person should know of the identity while the hub can still say it."""
    if not needed(config.uplink.tls):
        return ()
    found = held(Path(config.data))
    if found is None or found.ends - now > FEW_DAYS:
        return ()
    return (f"the certificate ends on {found.ends:%Y-%m-%d} and is not renewed: see the server's log",)


def needed(tls: Tls | None) -> bool:
    """Whether the hub comes in with an identity of its own."""
    return tls is not None and tls.ca is None


def due(found: Held, late: float) -> datetime:
    """When to ask for the next certificate: two thirds of its life are over, and `late` (0 to 1) of a tenth more.

    Hubs that were all claimed in the same week do not come in the same hour.
    """
    life: timedelta = found.ends - found.begins
    return found.begins + life * 2 / 3 + life * late / 10
