"""The keys between the server and its gateways: seals with each gateway's own, signatures with the server's.

A gateway that was claimed has a row here, and from then on nothing unsealed is taken under its name: leaving the seal
away is no way in. One that has a password only has no row, and sends unsealed. Rows are never deleted for that reason;
a gateway that is no longer trusted is shut out at the broker.

While a key is being replaced both are good, for ROTATION_S. The acknowledgement goes out under the key that its batch
came with, so a gateway needs to know one key at a time.

The server's own key signs commands and configuration. Whoever has it can give orders to every dispenser: it is made
where it lies, readable by the server alone, and a backup of it belongs in a safe.
"""

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path

import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from server.db import metadata
from server.quick import Among
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.seal import Key, as_signed, bound
from vitals.wire import gateway_of

ROTATION_S = 7 * 86_400.0
"""So long the key before is still good: a gateway may be without a network when it is given the new one."""

SIGNING_KEY = "signing.key"

gateway_keys = sa.Table(
    "gateway_keys",
    metadata,
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("batch_key", sa.LargeBinary, nullable=False),
    sa.Column("previous_key", sa.LargeBinary),
    sa.Column("previous_until_ns", sa.BigInteger),
)

Message = tuple[str, bytes]
"""Topic and payload."""


def give_key(tx: sa.Connection, gateway: str, secret: bytes, now_ns: int, grace_s: float = ROTATION_S) -> None:
    """From now on the gateway seals with `secret`; the one before is good for `grace_s` more (0: it was stolen)."""
    Key(secret)
    this = gateway_keys.c.gateway == gateway
    before = tx.scalar(sa.select(gateway_keys.c.batch_key).where(this))
    if before is None:
        tx.execute(gateway_keys.insert().values(gateway=gateway, batch_key=secret))
    elif before != secret:
        until_ns = now_ns + round(grace_s * NS)
        values = {"batch_key": secret, "previous_key": before, "previous_until_ns": until_ns}
        tx.execute(gateway_keys.update().where(this).values(values))


def batch_key(tx: sa.Connection, gateway: str) -> bytes:
    """The secret that a gateway with a row is given when it is claimed: it goes nowhere else."""
    return bytes(tx.execute(sa.select(gateway_keys.c.batch_key).where(gateway_keys.c.gateway == gateway)).scalar_one())


def keyrings(tx: sa.Connection, gateways: Iterable[str], now_ns: int) -> dict[str, tuple[Key, ...]]:
    """The keys that are good now, the newest first, of those of `gateways` that have any."""
    rings: dict[str, tuple[Key, ...]] = {}
    for row in _KEYS.rows(tx, gateways):
        rings[row.gateway] = (Key(row.batch_key),)
        if row.previous_key is not None and now_ns < (row.previous_until_ns or 0):
            rings[row.gateway] += (Key(row.previous_key),)
    return rings


class Signer:
    """Signs with the key in `folder`, which is made where it is missing; raises ConfigError."""

    def __init__(self, folder: Path) -> None:
        self._key = _signing_key(folder / SIGNING_KEY)

    def public_pem(self) -> bytes:
        """What a gateway checks signatures with, as its `server.pub`."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, topic: str, body: bytes) -> bytes:
        """The body signed, to be published under `topic`."""
        return as_signed(self._key.sign(bound(topic, body)), body)

    def sign_known(self, tx: sa.Connection, messages: Sequence[Message]) -> list[Message]:
        """These messages, signed where they go to a gateway that was claimed: others cannot look at a signature."""
        claimed = keyrings(tx, (gateway_of(topic) for topic, _ in messages), 0)
        return [(topic, self.sign(topic, body) if gateway_of(topic) in claimed else body) for topic, body in messages]


def _signing_key(path: Path) -> Ed25519PrivateKey:
    mend = "put the backup of it there; a new one means that every gateway must be claimed anew"
    try:
        if not path.exists():
            _write_new(path)
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"{path} can be read by others than the server", "chmod 600 it")
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise ConfigError(f"{path} cannot be used ({error.strerror})", "let the server's user read it") from error
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} holds no private key", mend) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds another kind of key than Ed25519", mend)
    return key


def _write_new(path: Path) -> None:
    """Whole or not at all: a half-written key would lock the server out."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)


_KEYS = Among(sa.select(gateway_keys), gateway_keys.c.gateway)
