"""What travels is sealed: the bytes that were checked are the bytes that are read.

    sealed   01 | 32 bytes, HMAC-SHA256 | body    both ways, with a key that one gateway and the server share
    signed   02 | 64 bytes, Ed25519     | body    down only: what a gateway acts on, or is changed by

The body is a message of `vitals.wire`, last and untouched, so nothing is encoded anew to be checked and nothing is
parsed before it was. An unsealed message begins with `{`; no flipped bit makes one form of another.

What is sealed or signed is the topic, a zero byte and the body: nothing can be passed off as another gateway's, as
another kind of message, or upward as downward. An old message under its own topic can come again. That is harmless
where the receiver knows it again (rows by their number, orders by their id, a configuration by its version).

A seal says that the message is whole and from one of two; a signature, that only the server can have written it.
Signatures are made and checked at the two ends, which have the library for it; this is their common form.
"""

import hmac
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from vitals.errors import WireError
from vitals.wire import MAX_BYTES

KEY_BYTES = 32
TAG_BYTES = 32
SIGNATURE_BYTES = 64
SIGNED_BYTES = 1 + SIGNATURE_BYTES
"""So much longer is what is signed."""

_SEALED, _SIGNED = b"\x01", b"\x02"


class Key:
    """The secret of one gateway and the server. It shows itself to nobody: not in a log, not in an error."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Raises ValueError unless it has KEY_BYTES bytes."""
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a key has {KEY_BYTES} bytes, not {len(secret)}")
        self._secret = secret

    def __repr__(self) -> str:
        return "Key(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self._secret)

    @classmethod
    def from_hex(cls, text: str) -> "Key":
        """The key that 64 hexadecimal digits name; raises ValueError, which says nothing of them."""
        try:
            return cls(bytes.fromhex(text.strip()))
        except ValueError:
            raise ValueError(f"a key is {2 * KEY_BYTES} hexadecimal digits") from None

    def seal(self, topic: str, body: bytes) -> bytes:
        """The body under this key's seal."""
        return _SEALED + self._tag(topic, body) + body

    def fits(self, topic: str, sealed: bytes) -> bool:
        """Whether this key sealed it, for this topic."""
        tag, body = sealed[1 : 1 + TAG_BYTES], sealed[1 + TAG_BYTES :]
        return hmac.compare_digest(tag, self._tag(topic, body))

    def _tag(self, topic: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, bound(topic, body), "sha256")


def fresh() -> bytes:
    """A new secret for a `Key`."""
    return secrets.token_bytes(KEY_BYTES)


class Opened(NamedTuple):
    """A body, and the key whose seal was on it; None where it travelled unsealed."""

    body: bytes
    key: Key | None


def bound(topic: str, body: bytes) -> bytes:
    """What a seal or a signature is made over."""
    return topic.encode() + b"\0" + body


def unseal(topic: str, payload: bytes, keys: Sequence[Key]) -> Opened:
    """The body of what came under `topic`; raises WireError "seal".

    `keys` are those that may have sealed it: two while a key is being replaced. Without any it must not be sealed;
    with one it must be: nobody gets in by leaving the seal away.
    """
    if len(payload) > MAX_BYTES:
        raise WireError("too long", f"message of {len(payload)} bytes", f"send at most {MAX_BYTES}")
    if not keys:
        if payload[:1] == _SEALED:
            raise WireError("seal", "the message is sealed, and there is no key to look at it with", "claim anew")
        return Opened(payload, None)
    if payload[:1] != _SEALED:
        raise WireError("seal", "the message is not sealed, though there is a key", "seal what you send")
    for key in keys:
        if key.fits(topic, payload):
            return Opened(body_of(payload), key)
    raise WireError("seal", "the seal does not fit the message", "it was damaged or forged, or the key is another")


def body_of(payload: bytes) -> bytes:
    """The body of what came, for a look at it before it is known whether the seal fits: nothing is believed of it."""
    return payload[1 + TAG_BYTES :] if payload[:1] == _SEALED else payload


def as_signed(signature: bytes, body: bytes) -> bytes:
    """The body with a signature that was made over `bound(topic, body)`."""
    return _SIGNED + signature + body


def is_signed(payload: bytes) -> bool:
    """Whether it says to be signed; nothing is checked."""
    return payload[:1] == _SIGNED


def split_signed(payload: bytes) -> tuple[bytes, bytes]:
    """Signature and body, still to be checked; raises WireError "signature" for what is not signed."""
    if not is_signed(payload) or len(payload) < SIGNED_BYTES:
        raise WireError("signature", "the message is not signed", "only what the server has signed is acted on")
    return payload[1:SIGNED_BYTES], payload[SIGNED_BYTES:]
