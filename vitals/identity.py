"""How a hub comes by its identity: the code that a technician types, and what hub and server say to each other.

A code has three parts, written as one in groups of four:

    K7QM-2XWP-9RT | A-5HJ4-C8NV-0ZDS-3G8 | 4
    the secret      the authority's mark   a check

The *secret* is drawn by the server, good once and for a short while. The *mark* is the beginning of the hash of the
authority's certificate: whoever has the code knows the right server by it, so no certificate needs to be carried to
the home. The *check* finds a mistyped character before anybody is asked.

The alphabet is Crockford's: no I, L, O or U, so nothing that is read aloud or typed can be another character. Small
letters, spaces and hyphens do not matter.
"""

import hashlib
import secrets
from typing import TypeVar

import msgspec

from vitals.errors import WireError

SECRET_CHARS = 11
"""55 bits, which nobody guesses who may try a few times in ten minutes."""
MARK_CHARS = 16
"""80 bits: nobody makes another authority whose certificate begins its hash like this one's."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011", " -")
_GROUP = 4
_CHECKS = 31

MOST_BYTES = 16_384
"""No message here is longer."""


class Code(msgspec.Struct, frozen=True):
    """What a technician types, taken apart."""

    secret: str
    mark: str

    def __str__(self) -> str:
        body = self.secret + self.mark
        return "-".join(_groups(body + _check(body)))


class Claim(msgspec.Struct, frozen=True):
    """The hub asks to be `name`. `secret` is the code's; `request` a PKCS#10 request (PEM) made with its new key.

    `waiting`: how many readings it would go on to send, from before.
    """

    secret: str
    name: str
    request: str
    waiting: int = 0


class Identity(msgspec.Struct, frozen=True):
    """What the server gives for a code.

    `certificate` and `authority` are PEM. `host` and `port`: the broker. `batch_key`: 32 bytes in base64, of this hub
    alone. `orders_key`: the server's Ed25519 public key, PEM. `spread_s`: when the broker hangs up on everybody, they
    come back spread over so long.
    """

    name: str
    certificate: str
    authority: str
    host: str
    port: int
    batch_key: str
    orders_key: str
    spread_s: float = 1.0


class Renewal(msgspec.Struct, frozen=True):
    """A hub asks for a new certificate, under `up/renew`.

    `request` is PKCS#10 (PEM) of the new key; `signature` is the old key's over it (ECDSA, SHA-256, base64), and
    `serial` the old certificate's in hexadecimal: whoever can merely publish under a hub's name cannot renew.
    """

    gateway: str
    request: str
    serial: str
    signature: str


class Renewed(msgspec.Struct, frozen=True):
    """The answer under `down/certificate`. It brings no secret and no authority: those came with the claim alone."""

    gateway: str
    certificate: str
    spread_s: float = 1.0


M = TypeVar("M", Claim, Identity, Renewal, Renewed)


def readings(count: int) -> str:
    """So many readings, in words."""
    return f"{count} reading{'' if count == 1 else 's'}"


def draw_secret() -> str:
    """A new one."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARS))


def mark(authority_der: bytes) -> str:
    """The mark of an authority's certificate (DER)."""
    bits = int.from_bytes(hashlib.sha256(authority_der).digest())
    return "".join(_ALPHABET[bits >> 256 - 5 * (place + 1) & 31] for place in range(MARK_CHARS))


def read_code(text: str) -> Code:
    """What was typed; raises WireError, whose words are for the person who typed it."""
    typed = text.upper().translate(_READ_AS)
    mend = "type it as it stands on the paper"
    if strange := sorted(set(typed) - set(_ALPHABET)):
        raise WireError("code", f"no code has {' '.join(strange)} in it", mend)
    if len(typed) != SECRET_CHARS + MARK_CHARS + 1:
        expected = SECRET_CHARS + MARK_CHARS + 1
        raise WireError("code", f"a code has {expected} characters, this has {len(typed)}", mend)
    if _check(typed[:-1]) != typed[-1]:
        raise WireError("code", "a character of the code is mistyped", mend)
    return Code(typed[:SECRET_CHARS], typed[SECRET_CHARS:-1])


def encode(message: Claim | Identity | Renewal | Renewed) -> bytes:
    """A message as JSON."""
    return msgspec.json.encode(message)


def decode(data: bytes, kind: type[M]) -> M:
    """A message from JSON; raises WireError."""
    if len(data) > MOST_BYTES:
        raise WireError("too long", f"{kind.__name__} of {len(data)} bytes", f"send at most {MOST_BYTES}")
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"{kind.__name__} does not parse ({error})"
        raise WireError("does not parse", text, "see vitals/identity.py") from error


def _groups(text: str) -> list[str]:
    return [text[at : at + _GROUP] for at in range(0, len(text), _GROUP)]


def _check(body: str) -> str:
    """Weighted and taken by a prime: one wrong character, or two in each other's place, give another."""
    return _ALPHABET[sum(place * _ALPHABET.index(one) for place, one in enumerate(body, 1)) % _CHECKS]
