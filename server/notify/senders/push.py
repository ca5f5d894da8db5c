"""Messages to a browser that is shut: Web Push, encrypted to that browser and signed with a key of ours (VAPID).

The message says that there is an alarm and its number, and no more: a lock screen is read by whoever holds the
telephone. Where a browser has ended its subscription (404, 410) its way is taken away, and the person's next is used.

`address` is the browser's subscription as JSON. It comes from a browser, so it is not believed: only the push services
that the configuration names are ever spoken to.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from server.identity.authority import write_private
from server.notify.config import Push
from server.notify.sender import Message, Receipt, SendError
from server.notify.words import pushed
from vitals.errors import ConfigError

_LASTS_S = 3600
"""So long a push service keeps it for a browser that is off; later it is news to nobody."""
_LOCAL = ("127.0.0.1", "localhost")
_AGAIN = frozenset({401, 403, 408, 425, 429})


class Keys(msgspec.Struct, frozen=True):
    """What encrypts to one browser: its public key and the shared secret, base64url."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """Where a browser is reached. What else a browser says about it is left out."""

    endpoint: str
    keys: Keys


class Vapid:
    """The server's own key pair for push services. A new pair would end every subscription, so it is kept."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self.private = private

    @classmethod
    def open(cls, folder: Path) -> "Vapid":
        """The pair in the folder, made there the first time; raises ConfigError for a file that holds none."""
        file = folder / "vapid.pem"
        try:
            pem = file.read_bytes()
        except FileNotFoundError:
            pem = _made(file)
        try:
            key = serialization.load_pem_private_key(pem, None)
        except (ValueError, TypeError) as error:
            raise ConfigError(
                f"{file} holds no key", "take it from the backup, or remove it: browsers ask anew"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ConfigError(f"{file} holds a key of another kind", "take it from the backup, or remove it")
        return cls(key)

    @property
    def public(self) -> str:
        """The public key as a browser wants it: the uncompressed point, base64url."""
        point = self.private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        return base64.urlsafe_b64encode(point).rstrip(b"=").decode()


def read(address: str, hosts: tuple[str, ...]) -> Subscription:
    """The subscription in `address`; raises SendError for good where it is none, or leads elsewhere than to `hosts`."""
    try:
        found = msgspec.json.decode(address, type=Subscription)
        place = urlsplit(found.endpoint)
        host = place.hostname or ""
        _ = place.port
    except (msgspec.DecodeError, ValueError) as error:
        raise SendError("that is no subscription of a browser", "subscribe once more", for_good=True) from error
    if not any(host == one or host.endswith(f".{one}") for one in hosts):
        raise SendError(
            "that browser's push service is not one of ours", "add its host to [notify.push]", for_good=True
        )
    if place.scheme != "https" and host not in _LOCAL:
        raise SendError("that push service is not reached safely", "subscribe with another browser", for_good=True)
    return found


class PushSender:
    """Sends to browsers."""

    def __init__(self, config: Push, vapid: Vapid) -> None:
        self._config = config
        self.vapid = vapid

    def check(self, address: str) -> None:
        """Raises SendError for a subscription that is not to be used."""
        read(address, self._config.hosts)

    def send(self, message: Message) -> Receipt:
        import requests
        from py_vapid import Vapid02  # type: ignore[import-untyped]
        from pywebpush import WebPushException, webpush  # type: ignore[import-untyped]

        to = read(message.address, self._config.hosts)
        topic = base64.urlsafe_b64encode(hashlib.sha256(message.dedupe.encode()).digest())[:32].decode()
        said = pushed(message) | {"tag": topic, "link": message.link}
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.max_redirects = 0
                webpush(
                    msgspec.to_builtins(to), json.dumps(said), Vapid02(self.vapid.private),
                    {"sub": self._config.subject}, ttl=_LASTS_S, timeout=self._config.timeout_s,
                    headers={"Urgency": "high", "Topic": topic}, requests_session=session,
                )  # fmt: skip
        except WebPushException as error:
            raise _refused(error.response) from error
        except requests.RequestException as error:
            name = type(error).__name__
            raise SendError(f"the push service cannot be reached ({name})", "see to the network") from error
        except ValueError as error:
            raise SendError("that subscription has no usable key", "subscribe once more", gone=True) from error
        return Receipt(topic)


def _refused(response: Any) -> SendError:
    if response is None:  # nothing was sent: it cannot be encrypted to
        return SendError("that subscription has no usable key", "subscribe once more", gone=True)
    status = int(response.status_code)
    if status in (404, 410):
        return SendError("the browser has ended its subscription", "subscribe once more", gone=True)
    again = status >= 500 or status in _AGAIN
    return SendError(f"the push service answered {status}", "see [notify.push]", for_good=not again)


def _made(file: Path) -> bytes:
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(file, pem)
    return pem
