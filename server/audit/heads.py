"""Heads: how far the audit trail had come, signed by the server and carried out of the database.

One line of JSON a minute, appended to a file that lies elsewhere (`[audit] heads` in `server.toml`): a disk that the
database's keeper cannot write, a share of the archive's. Whoever then cuts the trail's end off, or makes the whole
chain anew, has a line against them that they cannot make anew without the server's key.

A minute without entries is a minute without a line.
"""

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from server.audit.store import head
from server.db import Database
from server.fleet.seals import Signer
from vitals.errors import ConfigError, WireError
from vitals.seal import bound, split_signed

TOPIC = "hjemvakt/audit/head"
"""What a signature is bound to: none that was made for a gateway is one for a head, and the other way round."""

EVERY_S = 60.0


class Head(msgspec.Struct, frozen=True):
    """The trail had `entries`, the last with this `link` (hex), at `t_ns` of the server's clock."""

    entries: int
    link: str
    t_ns: int


class Heads:
    """Appends heads to `path`; one of them for each state of the trail."""

    def __init__(self, db: Database, signer: Signer, path: Path) -> None:
        self._db = db
        self._signer = signer
        self._path = path
        self._told: int | None = None

    def export(self, now_ns: int) -> None:
        """Append the head, if there is a new one; raises OSError where the file cannot be written."""
        with self._db.read() as tx:
            entries, link = head(tx)
        if not entries or entries == self._told:
            return
        body = msgspec.json.encode(Head(entries, link.hex(), now_ns))
        signature, _ = split_signed(self._signer.sign(TOPIC, body))
        line = json.dumps({"head": body.decode(), "signature": base64.b64encode(signature).decode()})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
        with os.fdopen(handle, "ab") as file:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            file.write(b"\n" * torn + f"{line}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        self._told = entries


class _Line(msgspec.Struct, frozen=True):
    head: str
    signature: str


def public_key(pem: bytes, where: str) -> Ed25519PublicKey:
    """The server's public key; raises ConfigError."""
    try:
        key = load_pem_public_key(pem)
    except ValueError as error:
        raise ConfigError(f"{where} holds no public key", "give the server.pub of that server") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{where} holds another kind of key than Ed25519", "give the server.pub of that server")
    return key


def read(path: Path, key: Ed25519PublicKey) -> Iterator[tuple[int, Head | None]]:
    """Each line's number and its head; None for a line that the server did not sign. Raises ConfigError.

    What is no JSON was cut off by a power failure, and is no line: there is nothing in it that a head could say.
    """
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.endswith(b"\n") and not _cut_off(line):
                    yield number, _head(line, key)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror})", "name the file of [audit] heads") from error


def _cut_off(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except (msgspec.DecodeError, ValueError):
        return True
    return False


def _head(line: bytes, key: Ed25519PublicKey) -> Head | None:
    try:
        said = msgspec.json.decode(line, type=_Line)
        body = said.head.encode()
        key.verify(base64.b64decode(said.signature, validate=True), bound(TOPIC, body))
        return msgspec.json.decode(body, type=Head)
    except (msgspec.DecodeError, ValueError, InvalidSignature, WireError):
        return None
