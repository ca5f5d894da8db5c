"""The gateway's keys: what it sends is sealed, and what it is told is believed only with the right seal or signature.

They were made when the gateway was claimed, and stand under `identity/` in its data folder:

    batch.key    64 hexadecimal digits: the secret shared with the server (seals, both ways)
    server.pub   the server's public key, PEM (signatures on commands and configuration)

Each is optional. Without the first nothing is sealed, as with an account that has a password only; without the second
commands are taken unsigned, and a configuration from afar is not taken at all. Once a key is there, what lacks its seal
or signature is refused. The files are read anew with each connection and heartbeat, so a new key needs no restart.

A forged acknowledgement would delete readings that nobody has; therefore acknowledgements are sealed too, and neither a
broken broker nor a broken access list can make a gateway let go of a row.
"""

import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.identity.held import FOLDER
from vitals.errors import ConfigError, WireError
from vitals.seal import Key, bound, is_signed, split_signed, unseal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BATCH_KEY = "batch.key"
SERVER_KEY = "server.pub"

_MEND = "claim the gateway anew"

log = logging.getLogger(__name__)


class Seals:
    """The keys under `identity/` in the data folder, and none without one; raises ConfigError for an unusable one."""

    def __init__(self, data: Path | None = None) -> None:
        self._folder = data / FOLDER if data else None
        self._key: Key | None = None
        self._server: Ed25519PublicKey | None = None
        self.refresh()

    @property
    def sealing(self) -> bool:
        """Whether what goes up and comes down is sealed."""
        return self._key is not None

    @property
    def signed(self) -> bool:
        """Whether what the server signs can be checked here."""
        return self._server is not None

    def refresh(self) -> None:
        """Read the keys that are there now; raises ConfigError."""
        if self._folder is None:
            return
        self._key = _batch_key(self._folder / BATCH_KEY)
        self._server = _server_key(self._folder / SERVER_KEY)

    def seal(self, topic: str, body: bytes) -> bytes:
        """What to send under `topic`."""
        return self._key.seal(topic, body) if self._key else body

    def unsealed(self, topic: str, payload: bytes) -> bytes:
        """The body of what came under `topic`; raises WireError where it must be sealed and is not."""
        return unseal(topic, payload, (self._key,) if self._key else ()).body

    def proved(self, topic: str, payload: bytes) -> bytes:
        """The body of what the server signed for `topic`; raises WireError where that cannot be shown."""
        if self._server is None:
            raise WireError("signature", f"there is no {SERVER_KEY} to look at a signature with", _MEND)
        from cryptography.exceptions import InvalidSignature

        signature, body = split_signed(payload)
        try:
            self._server.verify(signature, bound(topic, body))
        except InvalidSignature:
            raise WireError("signature", "the signature is not the server's", "nothing is done") from None
        return body

    def believed(self, topic: str, payload: bytes) -> bytes:
        """The same, but a gateway that cannot look at signatures takes what has none; raises WireError."""
        return self.proved(topic, payload) if self.signed or is_signed(payload) else payload


def _batch_key(path: Path) -> Key | None:
    data = _read(path)
    if data is None:
        return None
    if path.stat().st_mode & stat.S_IROTH:
        log.warning("%s can be read by everyone on this machine: chmod 600 it", path)
    try:
        return Key.from_hex(data.decode("ascii", "replace"))
    except ValueError as error:
        raise ConfigError(f"{path} holds no key ({error})", _MEND) from error


def _server_key(path: Path) -> "Ed25519PublicKey | None":
    data = _read(path)
    if data is None:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(data)
    except ValueError as error:
        raise ConfigError(f"{path} holds no public key", _MEND) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{path} holds another kind of key than Ed25519", _MEND)
    return key


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "let the gateway's user read it") from error
