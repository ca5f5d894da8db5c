"""Row 8: the broker is killed, and everybody comes back, each by mutual TLS.

The server is a process with its mosquitto, which it starts again. The hubs are a crowd in a few processes, each with a
key and a certificate of its own and the gateway's own waits. A hub is back when the server has its heartbeat.

How many handshakes the broker has to do is counted where they begin: TCP connections that it accepted, in the busiest
second of all.
"""

import asyncio
import bisect
import contextlib
import os
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.tasks import ended
from server.identity.authority import Authority
from server.identity.desk import spread_s
from tests.faults.crowd import name_of
from tests.faults.ledger import Count
from tests.faults.report import SAY_S, Result, say
from tests.faults.town import ROOT, Part
from tests.ports import free_ports

BACK_S = 150.0
PER_S = 300
COME_FIRST_PER_S = 60.0
COMES_S = 480.0
HEARD_S = 150.0
"""A heartbeat that was lost while the server was not back is made up for by the crowd's third, after 120 s."""
PROCESSES = 2
STEADY_S = 32.0
"""Longer than the uplink calls a connection stable: the waits begin anew."""
_LOOK_S = 0.5


async def run(folder: Path, hubs: int) -> Result:
    """Kill the broker of so many hubs."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    own, port = free_ports(2)
    server = Part("server", ("server", "run", str(_server(folder, hubs, own, port))), b"ready http://", folder / "log")
    _identities(folder, hubs)
    crowd = Crowd(folder, hubs, port)
    try:
        await server.start()
        await server.until_ready()
        async with crowd.running():
            await crowd.until_everybody_is_in(COMES_S, "coming in first")
            await asyncio.sleep(min(STEADY_S, hubs / 10))
            crowd.begin_again()
            killed_s, killed_ns = time.monotonic(), time.time_ns()
            os.kill(_broker(folder), signal.SIGKILL)
            await crowd.until_everybody_is_in(2 * BACK_S, "coming back after the kill")
            back_s = crowd.moments("in")[-1] - killed_s
            heard_s = await _until_heard(folder, hubs, killed_ns) - killed_s
    finally:
        await server.end(signal.SIGTERM)
    knocks = crowd.moments("knock")
    busiest = most_in_a_second(knocks)
    kept = back_s <= BACK_S and busiest <= PER_S
    figures = (
        f"the broker was killed with {hubs:,} hubs in; the last was let in again after {back_s:.1f} s",
        f"the server had everybody's heartbeat after {heard_s:.1f} s",
        f"{len(knocks):,} handshakes, {busiest} in the busiest second, "
        f"{len(knocks) / max(back_s, 1):.0f} a second on average",
    )
    return Result("reconnect, mutual TLS", kept, Count(hubs, 0, 0, 0), figures)


def most_in_a_second(moments: Sequence[float]) -> int:
    """How many of these ascending moments lie within the busiest second, wherever it begins."""
    return max((bisect.bisect_left(moments, moment + 1) - place for place, moment in enumerate(moments)), default=0)


class Crowd:
    """The processes, and what their hubs have told since `begin_again`."""

    def __init__(self, folder: Path, hubs: int, port: int) -> None:
        self._hubs = hubs
        self._in: set[int] = set()
        self._told: list[tuple[float, str]] = []
        self._everybody = asyncio.Event()
        each = -(-hubs // PROCESSES)
        shared = (str(port), str(folder / "hubs"), str(spread_s(hubs)), str(COME_FIRST_PER_S / PROCESSES))
        self._commands = [
            ("-m", "tests.faults.crowd", *shared, str(first), str(min(first + each, hubs)))
            for first in range(0, hubs, each)
        ]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The processes, started, heard, and killed in the end."""
        processes = [
            await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
            for command in self._commands
        ]
        listening = [asyncio.create_task(self._listen(process)) for process in processes]
        try:
            yield
        finally:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            await ended(listening)

    def begin_again(self) -> None:
        """From now on nobody is in who does not say so again."""
        self._in.clear()
        self._told.clear()
        self._everybody.clear()

    async def until_everybody_is_in(self, timeout_s: float, stage: str) -> None:
        """Says now and then how far it is; raises TimeoutError with how many are missing."""
        began_s = time.monotonic()
        while not self._everybody.is_set():
            gone_s = time.monotonic() - began_s
            if gone_s > timeout_s:
                raise TimeoutError(f"{stage}: after {timeout_s:.0f} s {self._hubs - len(self._in)} hubs are not in")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(SAY_S, timeout_s - gone_s + _LOOK_S)):
                    await self._everybody.wait()
            say(f"{stage}: {len(self._in):,} of {self._hubs:,} in after {time.monotonic() - began_s:.0f} s")

    def moments(self, what: str) -> list[float]:
        """When each of these was told of, ascending."""
        return sorted(moment for moment, told in self._told if told == what)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            moment, number, what = line.split()
            self._told.append((float(moment), what.decode()))
            if what == b"in":
                self._in.add(int(number))
                if len(self._in) == self._hubs:
                    self._everybody.set()


def _server(folder: Path, hubs: int, own: int, port: int) -> Path:
    """Its configuration, written: a municipality of hubs without passwords."""
    folder.mkdir(parents=True, exist_ok=True)
    tls = {"names": ["127.0.0.1"], "host": "127.0.0.1", "port": port, "claim_port": 0}
    config = {
        "name": "Prøveby",
        "ladders": str(ROOT / "configs" / "ladders.toml"),
        "web": {"port": 0},
        "broker": {"kind": "mosquitto", "port": own, "tls": tls},
    }
    gateways = [{"id": name_of(number), "place": "Gata 1"} for number in range(hubs)]
    (folder / "municipality.toml").write_text(tomli_w.dumps({"name": "Prøveby", "gateways": gateways}), "utf-8")
    (folder / "server.toml").write_text(tomli_w.dumps(config), "utf-8")
    return folder / "server.toml"


def _identities(folder: Path, hubs: int) -> None:
    """A key and a certificate for each, as the server's own authority makes them."""
    authority, now = Authority.open(folder / "data" / "authority"), datetime.now(UTC)
    (folder / "hubs").mkdir()
    (folder / "hubs" / "authority.pem").write_bytes(authority.pem)
    for number in range(hubs):
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
        asked = request.public_bytes(serialization.Encoding.PEM).decode()
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        issued = authority.issue_hub(name_of(number), asked, now)
        (folder / "hubs" / f"{number}.pem").write_bytes(issued.pem + private)


def _broker(folder: Path) -> int:
    """The process of the server's mosquitto."""
    return int((folder / "data" / "broker" / "mosquitto.pid").read_text())


async def _until_heard(folder: Path, hubs: int, since_ns: int) -> float:
    """The moment (monotonic) when the server has had everybody's heartbeat; raises TimeoutError with how many not."""
    give_up_s = time.monotonic() + HEARD_S
    while (heard := await asyncio.to_thread(_heard, folder, since_ns)) < hubs:
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"all are in, but after {HEARD_S:.0f} s the server has not heard {hubs - heard} hubs")
        await asyncio.sleep(_LOOK_S)
    return time.monotonic()


def _heard(folder: Path, since_ns: int) -> int:
    """How many were heard since; by now they may be offline again, for the crowd's heartbeats are seldom."""
    with contextlib.closing(sqlite3.connect(folder / "data" / "hjemvakt.sqlite", timeout=30)) as db:
        query = "SELECT count(*) FROM gateways WHERE last_heard_ns > ?"
        return int(db.execute(query, (since_ns,)).fetchone()[0])
