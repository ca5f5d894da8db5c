"""Whoever knocks at the broker's door, with whatever papers: a client of MQTT 5 that says how it was received."""

import queue
import ssl
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from gateway.identity.moment import Socket
from tests.mqtt import end

WAIT_S = 15.0


class Papers:
    """A key and the request for its certificate; `certificate` is what somebody made of it."""

    def __init__(self, says: str = "") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, says)] if says else [])
        request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self._key, hashes.SHA256())
        self.request = request.public_bytes(serialization.Encoding.PEM).decode()

    def write(self, folder: Path, certificate: bytes) -> tuple[Path, Path]:
        """Certificate and key as files."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        folder.mkdir(exist_ok=True)
        (folder / "certificate.pem").write_bytes(certificate)
        (folder / "key.pem").write_bytes(private)
        return folder / "certificate.pem", folder / "key.pem"


def context(authority: bytes, papers: tuple[Path, Path] | None = None) -> ssl.SSLContext:
    """Believes that authority, and shows those papers."""
    made = ssl.create_default_context(cadata=authority.decode())
    made.sslsocket_class = Socket
    if papers:
        made.load_cert_chain(*papers)
    return made


class Visitor:
    """One connection. `let_in`: whether the broker answered a CONNECT with yes."""

    def __init__(self, port: int, tls: ssl.SSLContext, client_id: str = "anyone") -> None:
        self._met: queue.Queue[bool] = queue.Queue()
        self._gone: queue.Queue[str] = queue.Queue()
        self._answers: queue.Queue[ReasonCode] = queue.Queue()
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._mqtt = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self._mqtt.tls_set_context(tls)
        self._mqtt.on_connect = lambda _c, _u, _f, code, _p: self._met.put(not code.is_failure)
        self._mqtt.on_disconnect = self._on_disconnect
        self._mqtt.on_publish = lambda _c, _u, _m, code, _p: self._answers.put(code)
        self._mqtt.on_subscribe = lambda _c, _u, _m, codes, _p: self._answers.put(codes[0])
        self._mqtt.on_message = lambda _c, _u, message: self.heard.put((message.topic, message.payload))
        try:
            self._mqtt.connect("127.0.0.1", port)
        except OSError:
            self.let_in = False
            return
        self._mqtt.loop_start()
        self.let_in = self._met.get(timeout=WAIT_S)

    def __enter__(self) -> "Visitor":
        return self

    def __exit__(self, *_: object) -> None:
        end(self._mqtt)

    def _on_disconnect(self, _c: mqtt.Client, _u: Any, _f: Any, code: ReasonCode, _p: Any) -> None:
        self._met.put(False)
        self._gone.put(str(code))

    def publish(self, topic: str, payload: bytes) -> ReasonCode:
        """The broker's answer."""
        self._mqtt.publish(topic, payload, qos=1)
        return self._answers.get(timeout=WAIT_S)

    def subscribe(self, topic: str) -> ReasonCode:
        self._mqtt.subscribe(topic, qos=1)
        return self._answers.get(timeout=WAIT_S)

    def is_sent_away(self) -> bool:
        """Wait until it is, or WAIT_S long."""
        try:
            self._gone.get(timeout=WAIT_S)
        except queue.Empty:
            return False
        return True
