"""An InfluxDB that lives for the tests, asks for a password or a token, and can be killed.

It takes seconds to start, so there is one of a version for all tests of a process (`the_server`), a bucket for each.
"""

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import tempfile
import threading
import urllib.parse
import urllib.request
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from server import revisions
from server.config import Influx
from server.db import Database
from server.readings.cursor import Cursor
from server.readings.influx import InfluxStore
from tests.influxd import ONE, TWO, ready
from vitals.clock import Clock, ManualClock

USER, PASSWORD = "hjemvakt", secrets.token_hex(8)
START_S = 120
"""It unrolls all of Flux when it starts, which takes seconds of a busy machine."""


class InfluxServer:
    """InfluxDB 1.8 on a free port of the loopback, with one account."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{_quiet_port()}"
        self._config = folder / "influxd.toml"
        self._process: subprocess.Popen[str] | None = None
        self._last: deque[str] = deque(maxlen=20)
        self._reader: threading.Thread | None = None
        self._numbers = 0
        self.token_file = folder / "token"
        self.token_file.write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
        self._config.write_text(
            f'reporting-disabled = true\nbind-address = "127.0.0.1:{_quiet_port()}"\n'
            f'[meta]\ndir = "{folder}/meta"\n[data]\ndir = "{folder}/data"\nwal-dir = "{folder}/wal"\n'
            "query-log-enabled = false\n[monitor]\nstore-enabled = false\n"
            f'[http]\nbind-address = "{self.url.removeprefix("http://")}"\nflux-enabled = true\nlog-enabled = false\n'
            "auth-enabled = true\n",
            encoding="utf-8",
        )

    def start(self) -> None:
        """Returns when it answers."""
        self._process = subprocess.Popen(self._command(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        listening = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, listening), daemon=True)
        self._reader.start()
        ended = not listening.wait(START_S) or self._process.poll() is not None
        assert not ended, "InfluxDB did not start:\n" + "".join(self._last)
        if self._numbers == 0:
            self._begin()

    def kill(self) -> None:
        """kill -9; the data stays."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        assert self._reader is not None
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self._process = None

    def freeze(self) -> None:
        """It holds its connections and answers nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def bucket(self, retention: str = "INF") -> Influx:
        """A new, empty bucket, as a configuration names it."""
        self._numbers += 1
        name = f"bucket{self._numbers}"
        self.say(f"CREATE DATABASE {name} WITH DURATION {retention} REPLICATION 1 NAME kept")
        return Influx(self.url, f"{name}/kept", token_file=self.token_file)

    def say(self, influxql: str, database: str = "") -> list[list[Any]]:
        """Run a command, or a query on a database; returns its rows: a way past the code that is tested."""
        body = urllib.parse.urlencode({"q": influxql, "db": database, "epoch": "ns"}).encode()
        allowed = "Basic " + b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        request = urllib.request.Request(f"{self.url}/query", body, {"Authorization": allowed})
        with urllib.request.urlopen(request, timeout=60) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, result
        return [row for series in result.get("series", ()) for row in series["values"]]

    def write(self, bucket: Influx, lines: str) -> None:
        """Write lines that are not ours."""
        asked = urllib.parse.urlencode({"bucket": bucket.bucket, "org": "-", "precision": "ns"})
        headers = {"Authorization": f"Token {USER}:{PASSWORD}"}
        request = urllib.request.Request(f"{self.url}/api/v2/write?{asked}", lines.encode(), headers)
        urllib.request.urlopen(request, timeout=60).close()

    def count(self, bucket: Influx) -> int:
        """How many readings are in it."""
        rows = self.say("SELECT COUNT(value) FROM reading", bucket.bucket.partition("/")[0])
        return int(rows[0][1]) if rows else 0

    def _command(self) -> list[str]:
        return [str(ready(ONE)[0]), "-config", str(self._config)]

    def _begin(self) -> None:
        """What a new one needs before it lets anybody in."""
        self.say(f"CREATE USER {USER} WITH PASSWORD '{PASSWORD}' WITH ALL PRIVILEGES")

    def _read(self, process: "subprocess.Popen[str]", listening: threading.Event) -> None:
        """Drain what it says, and tell when it listens."""
        assert process.stderr is not None
        for line in process.stderr:
            self._last.append(line)
            if "Listening" in line and "http" in line.lower():
                listening.set()
        listening.set()  # it has ended, and whoever waits need wait no longer


class InfluxServer2(InfluxServer):
    """InfluxDB 2.7: an organisation, a token, and a delete of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder
        self._org = ""
        self.token_file.write_text(f"{PASSWORD}\n", encoding="utf-8")

    def bucket(self, retention: str = "INF") -> Influx:
        assert retention == "INF", "what is too old to be taken is a matter of 1.8's tests"
        self._numbers += 1
        name = f"bucket{self._numbers}"
        self._post("buckets", {"orgID": self._org, "name": name, "retentionRules": []})
        return Influx(self.url, name, org="town", token_file=self.token_file)

    def _command(self) -> list[str]:
        # What it says goes to standard output; the reader has standard error.
        where = ["--bolt-path", "bolt", "--sqlite-path", "sqlite", "--engine-path", "engine"]
        where = [str(self._folder / one) if not one.startswith("--") else one for one in where]
        address = self.url.removeprefix("http://")
        return ["sh", "-c", 'exec "$@" >&2', "sh", str(ready(TWO)[0]), *where,
                "--http-bind-address", address, "--reporting-disabled", "--ui-disabled"]  # fmt: skip

    def _begin(self) -> None:
        made = {"username": USER, "password": PASSWORD, "token": PASSWORD, "org": "town", "bucket": "first"}
        self._org = self._post("setup", made)["org"]["id"]

    def _post(self, what: str, said: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Token {PASSWORD}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/api/v2/{what}", json.dumps(said).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)


def _quiet_port() -> int:
    """A free port that the kernel gives to no outgoing connection: it stays free while the server starts or is dead."""
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def influx_store(bucket: Influx, db: Database, clock: Clock) -> InfluxStore:
    """A store over this bucket, its cursor in `db`. Close it."""
    return InfluxStore(bucket, Cursor(db, bucket.name, clock))


@contextlib.contextmanager
def new_influx(folder: Path) -> Iterator[InfluxStore]:
    """An empty store of its own, the way a suite of all stores makes one."""
    db = Database(folder / "cursors.sqlite")
    revisions.upgrade(db)
    store = influx_store(the_server().bucket(), db, ManualClock())
    try:
        yield store
    finally:
        store.close()
        db.close()


_KINDS = {ONE: InfluxServer, TWO: InfluxServer2}
_running: dict[str, tuple[InfluxServer, "tempfile.TemporaryDirectory[str]"]] = {}


def the_server(version: str = ONE) -> InfluxServer:
    """Started when it is first asked for."""
    if version not in _running:
        folder = tempfile.TemporaryDirectory(prefix="influxd-")
        server = _KINDS[version](Path(folder.name))
        _running[version] = server, folder
        server.start()
    return _running[version][0]


def stop_the_server() -> None:
    """At the end of the tests, each that was started."""
    while _running:
        _, (server, folder) = _running.popitem()
        server.kill()
        folder.cleanup()
