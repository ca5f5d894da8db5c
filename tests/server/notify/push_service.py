"""A browser and its push service: it has keys of its own, opens what it is sent, and checks who signed it."""

import base64
import json
import os

import http_ece
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from tests.server.notify.sink import Asked, Sink


def text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class Browser:
    """One subscription at a push service that is this sink."""

    def __init__(self, sink: Sink, path: str = "/push/abc") -> None:
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)
        point = self._private.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        self._endpoint = sink.url + path
        self.subscription = json.dumps(
            {
                "endpoint": self._endpoint,
                "expirationTime": None,
                "keys": {"p256dh": text(point), "auth": text(self._auth)},
            }
        )

    def opened(self, asked: Asked, key: str) -> dict[str, str]:
        """What the push says, decrypted; `key`: the server's public one, whose signature it must have."""
        assert asked.headers["content-encoding"] == "aes128gcm"
        assert Vapid02.verify(asked.headers["authorization"])
        mark = dict(
            part.strip().split("=", 1) for part in asked.headers["authorization"].removeprefix("vapid ").split(",")
        )
        assert mark["k"] == key
        claims = json.loads(base64.urlsafe_b64decode(mark["t"].split(".")[1] + "=="))
        assert claims["aud"] == self._endpoint.rpartition("/push")[0]
        said = http_ece.decrypt(asked.body, private_key=self._private, auth_secret=self._auth, version="aes128gcm")
        found: dict[str, str] = json.loads(said)
        return found
