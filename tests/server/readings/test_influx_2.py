"""What InfluxDB 2.x is sent, over TLS: its organisation, its token, its delete.

It is a stand-in that answers as the documentation of 2.x says, and shows what was asked. A real one is held to the
contract (`test_influx_contract.py`).
"""

import gzip
import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlparse

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server.config import Influx
from server.db import Database
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import influx_store
from tests.server.readings.made import MadeJournal, reading
from vitals.clock import ManualClock
from vitals.errors import StoreError


class Asked(NamedTuple):
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


class Influx2:
    """Answers with TLS on the loopback; `found` is what a query finds, until something is deleted."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[Asked] = []
        self.found = b""
        self.deletes = True
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.ca_file = folder / "influx.pem"
        _certificate(self.ca_file)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = False
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        world = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = urlparse(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                world.asked.append(Asked(asked.path, parse_qs(asked.query), dict(self.headers), body))
                status, answer = world.answers.get(asked.path, (204, b""))
                if asked.path == "/api/v2/query":
                    status, answer = 200, world.found
                elif asked.path == "/api/v2/delete" and world.deletes:
                    world.found = b""
                self.send_response(status)
                self.send_header("Content-Type", "application/json" if status >= 400 else "text/csv")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Not on the terminal."""

        return Handler


def _certificate(path: Path) -> None:
    """A key and a certificate that it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "influx")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))


@pytest.fixture
def influx2(tmp_path: Path) -> Iterator[Influx2]:
    server = Influx2(tmp_path)
    yield server
    server.close()


def config(server: Influx2, folder: Path, ca_file: Path | None) -> Influx:
    (folder / "token").write_text("a-token-of-2\n", encoding="utf-8")
    return Influx(server.url, "hjemvakt", "hospital", folder / "token", ca_file)


def test_a_certificate_that_nobody_vouches_for_gets_neither_the_token_nor_a_reading(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    store = influx_store(config(influx2, tmp_path, None), db, clock)
    journal = MadeJournal()
    journal.file(reading())
    with pytest.raises(StoreError, match="InfluxDB is away"):
        store.take(journal.entries)
    assert (influx2.asked, store.position()) == ([], 0)
    store.close()


def test_a_write_names_organisation_bucket_and_token_and_is_packed(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    journal = MadeJournal()
    journal.file(reading(94), reading(95, START_NS + 1))
    store.take(journal.entries)
    ((path, query, headers, body)) = influx2.asked[0]
    assert (path, query) == ("/api/v2/write", {"org": ["hospital"], "bucket": ["hjemvakt"], "precision": ["ns"]})
    assert (headers["Authorization"], headers["Content-Encoding"]) == ("Token a-token-of-2", "gzip")
    lines = gzip.decompress(body).decode().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["reading,channel=spo2,device=oximeter,patient=eva"] * 2
    assert store.position() == 1
    store.close()


def test_what_is_withdrawn_is_deleted_by_its_tags_and_time_alone(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    journal = MadeJournal()
    journal.file(withdrawn=[reading(channel="weight")])
    t = "2026-03-02T08:00:00.000123456Z"
    influx2.found = f',result,table,_time,_value,device\r\n,_result,0,{t},1,a "scale"\r\n\r\n'.encode()
    store.take(journal.entries)
    looked, deleted, again = influx2.asked
    assert (looked.path, again.path) == ("/api/v2/query", "/api/v2/query")
    assert (deleted.path, deleted.query) == ("/api/v2/delete", {"org": ["hospital"], "bucket": ["hjemvakt"]})
    assert json.loads(deleted.body) == {
        "start": t, "stop": t,
        "predicate": '_measurement = "reading" AND "patient" = "eva" AND "channel" = "weight"'
        ' AND "device" = "a \\"scale\\""',
    }  # fmt: skip
    store.close()


@pytest.mark.parametrize(
    ("status", "words", "waits"),
    [
        (401, "unauthorized access", True),
        (404, 'bucket "hjemvakt" not found', True),
        (429, "too many requests", True),
        (503, "unavailable", True),
        (422, "failure writing points to database: partial write: points beyond retention policy dropped=1", False),
        (400, "unable to parse 'reading,patient=eva': missing fields", False),
        (400, "unable to parse 'reading,device=Per's,patient=eva': x\nunable to parse 'patient=eva': y", False),
        (400, 'partial write: max-values-per-tag limit exceeded (1/1): tag="patient" value="eva" dropped=1', False),
    ],
)
def test_an_answer_is_an_outage_or_a_refusal(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path, status: int, words: str, waits: bool
) -> None:
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    influx2.answers["/api/v2/write"] = (status, json.dumps({"code": "x", "message": words}).encode())
    journal = MadeJournal()
    journal.file(reading())
    if waits:
        with pytest.raises(StoreError, match=rf"InfluxDB is away \({status}: "):
            store.take(journal.entries)
    else:
        store.take(journal.entries)
        said = store.refused_last()
        assert said is not None
        assert "eva" not in said[1]
    assert (store.position(), store.refused()) == ((0, 0) if waits else (1, 1))
    store.close()


@pytest.mark.parametrize(
    ("status", "page", "waits"),
    [
        (400, b"Client sent an HTTP request to an HTTPS server.\n", True),
        (400, b"<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>", True),
        (422, b"", True),
        (413, b"<html><title>413 Request Entity Too Large</title></html>", False),
    ],
)
def test_what_a_proxy_answers_in_its_place_refuses_nothing_but_what_is_too_large(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path, status: int, page: bytes, waits: bool
) -> None:
    """Somebody gives InfluxDB a certificate, or renews a proxy: what was measured meanwhile was set aside for good."""
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    influx2.answers["/api/v2/write"] = (status, page)
    journal = MadeJournal()
    journal.file(*(reading(90 + n, START_NS + n) for n in range(4)))
    if waits:
        with pytest.raises(StoreError, match=rf"InfluxDB is away \({status}: .*see that \[influx\] url is right"):
            store.take(journal.entries)
    else:
        store.take(journal.entries)
    assert (store.position(), store.refused()) == ((0, 0) if waits else (1, 4))
    store.close()


def test_a_delete_that_deletes_nothing_is_noticed(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    influx2.deletes = False
    influx2.found = b",result,table,_time,_value,device\r\n,_result,0,2026-03-02T08:00:00Z,1,scale\r\n\r\n"
    journal = MadeJournal()
    journal.file(withdrawn=[reading()])
    with pytest.raises(StoreError, match="still shows a withdrawn reading"):
        store.take(journal.entries)
    assert store.position() == 0
    store.close()


def test_a_delete_that_is_refused_holds_the_feed_there(
    influx2: Influx2, db: Database, clock: ManualClock, tmp_path: Path
) -> None:
    store = influx_store(config(influx2, tmp_path, influx2.ca_file), db, clock)
    influx2.answers["/api/v2/delete"] = (403, b'{"code": "forbidden", "message": "insufficient permissions"}')
    influx2.found = b",result,table,_time,_value,device\r\n,_result,0,2026-03-02T08:00:00Z,1,scale\r\n\r\n"
    journal = MadeJournal()
    journal.file(withdrawn=[reading()])
    with pytest.raises(StoreError, match=r"403: insufficient permissions\): give it a token"):
        store.take(journal.entries)
    assert store.position() == 0
    store.close()
