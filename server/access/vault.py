"""The vault: secrets that the server must be able to read again lie in the database sealed, and the key elsewhere.

A password or a recovery code is kept as its hash. What an authenticator shares with the server cannot be: each code is
made of it. So it is sealed (AES-256-GCM) with a key that the server makes at its first start beside its other keys,
and whoever has a copy of the database alone has no second step of anybody's. Each seal says whose secret for what it
is, so that one who may write the database cannot put their own in another's place.

The key is in a backup, like the folder it lies in. Where it is lost, nothing that it sealed can be read again: that
opens no door, it says so (`Unreadable`), and whoever has lost their second step by it begins another.
"""

import base64
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from server.identity.authority import write_private
from vitals.errors import ConfigError, HjemvaktError

KEY = "secrets.key"
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FIRST = "1:"
"""Before what is sealed in this way. No secret of base 32 has it."""


class Unreadable(HjemvaktError):
    """It was sealed with another key, for somebody else, or has been altered."""


class Vault:
    """Seals and opens. `key`: 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._box = AESGCM(key)

    @classmethod
    def open(cls, folder: Path) -> "Vault":
        """With the key in the folder, made there the first time; raises ConfigError for a file that holds none."""
        file = folder / KEY
        try:
            key = file.read_bytes()
        except FileNotFoundError:
            key = secrets.token_bytes(_KEY_BYTES)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, key)
        if len(key) != _KEY_BYTES:
            raise ConfigError(
                f"{file} holds no key", "take it from the backup, or remove it: every second step is then set up anew"
            )
        return cls(key)

    def seal(self, secret: str, whose: str) -> str:
        """The secret as the database may have it; `whose`: what it is for, and for whom."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FIRST + base64.b64encode(nonce + self._box.encrypt(nonce, secret.encode(), whose.encode())).decode()

    def opened(self, kept: str, whose: str) -> str:
        """The secret again; raises Unreadable."""
        try:
            data = base64.b64decode(kept.removeprefix(_FIRST), validate=True)
            return self._box.decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], whose.encode()).decode()
        except (InvalidTag, ValueError):
            raise Unreadable(
                "your second step can no longer be read here",
                "type a recovery code, or ask an administrator to reset it, and then set it up anew",
            ) from None


def sealed(kept: str) -> bool:
    """Whether that is sealed; what was kept before there was a vault is not."""
    return kept.startswith(_FIRST)
