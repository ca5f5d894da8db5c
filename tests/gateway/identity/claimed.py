"""A gateway that was claimed: its keys on disk, and the server's half of them."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vitals.seal import Key, as_signed, bound, fresh


class Claimed:
    """Writes the keys under `data`; `key` seals and `sign` signs as the server does."""

    def __init__(self, data: Path) -> None:
        self._private = Ed25519PrivateKey.generate()
        self.folder = data / "identity"
        self.folder.mkdir(parents=True)
        pem = self._private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (self.folder / "server.pub").write_bytes(pem)
        self.turn_key()

    def turn_key(self) -> None:
        """The gateway is given a new key for its seals."""
        secret, path = fresh(), self.folder / "batch.key"
        self.key = Key(secret)
        path.touch(mode=0o600)
        path.write_text(secret.hex() + "\n")

    def sign(self, topic: str, body: bytes) -> bytes:
        return as_signed(self._private.sign(bound(topic, body)), body)
