"""Who may enter the broker and what they may touch, in mosquitto's forms, for mosquitto and for our own.

A password hash is `$7$iterations$salt$hash`: PBKDF2-HMAC-SHA512, salt and hash in base64.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Literal

from vitals.wire import ROOT

ITERATIONS = 10_000
"""mosquitto checks passwords in its one thread: 5 ms each, so a thousand gateways are let in within seconds."""

_SALT_BYTES = 12


def hash_password(password: str, iterations: int = ITERATIONS, salt: bytes | None = None) -> str:
    """The hash to keep of `password`."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations)
    return f"$7${iterations}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify(password: str, kept: str) -> bool:
    """Whether `password` is the one that `kept` was made of; False for a hash of any other form."""
    try:
        empty, form, iterations, salt, _ = kept.split("$")
        again = hash_password(password, int(iterations), base64.b64decode(salt, validate=True))
    except (ValueError, binascii.Error):
        return False
    return (empty, form) == ("", "7") and hmac.compare_digest(again, kept)


def well_formed(kept: str) -> bool:
    """Whether `kept` is a hash that `verify` and mosquitto can use."""
    parts = kept.split("$")
    if len(parts) != 5 or parts[:2] != ["", "7"] or not parts[2].isdecimal() or not int(parts[2]):
        return False
    try:
        return bool(base64.b64decode(parts[3], validate=True)) and len(base64.b64decode(parts[4], validate=True)) == 64
    except (ValueError, binascii.Error):
        return False


def mosquitto_acl(server: str) -> str:
    """The access list as mosquitto's `acl_file`."""
    return f"""user {server}
topic readwrite {ROOT}/#

pattern write {ROOT}/%u/up/#
pattern write {ROOT}/%u/state
pattern read {ROOT}/%u/down/#
"""


def allowed(server: str, user: str, action: Literal["publish", "subscribe", "receive"], topic: str) -> bool:
    """The same access list as a function. `topic` is a filter where the action is to subscribe."""
    if user == server:
        return topic.startswith(f"{ROOT}/") or topic == ROOT
    own = f"{ROOT}/{user}/"
    if action == "publish":
        return topic == f"{own}state" or topic == f"{own}up" or topic.startswith(f"{own}up/")
    return topic == f"{own}down" or topic.startswith(f"{own}down/")
