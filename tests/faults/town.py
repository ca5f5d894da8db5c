"""A small municipality of real processes: a server with its broker, and gateways with devices on serial lines.

Each part is started as it would be on a machine of its own, from configuration files, and ended by its process id.
What it says goes to a file in the folder.
"""

import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w
from argon2 import PasswordHasher

from gateway.identity.held import FOLDER
from gateway.identity.seals import BATCH_KEY
from server.broker import accounts
from server.db import Database
from server.fleet.seals import give_key
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
READY_S = 40.0
ADMINISTRATOR = "anne"
"""Who signs in with the plan's password."""
_LOOK_S = 0.05
_SINCE = datetime(2020, 1, 1, tzinfo=UTC)
_DEVICES_EACH = 2


@dataclass(frozen=True)
class Plan:
    """What to build. `broker`: mosquitto, embedded or external (then `port` is where it answers).

    `clocks`: gateway -> its [clock]; the others have the wall's.
    """

    folder: Path
    broker: str
    gateways: Sequence[str]
    port: int = field(default_factory=free_port)
    clocks: Mapping[str, Mapping[str, float | int]] = field(default_factory=dict)
    server_clock: Mapping[str, float | int] = field(default_factory=dict)
    within: Mapping[str, str] = field(default_factory=dict)
    """Part -> the network namespace that it runs in; the others run in this process's."""
    host: str = "127.0.0.1"
    """Where the broker is, for the gateways and the server."""
    hasty: bool = True
    """Gateways that beat often and are never away for long; else as they are by default."""
    keys: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """Gateway -> the secret of its seal, as claiming leaves it at both ends."""
    accounts: Sequence[str] = ()
    """Gateways that are known to the server and have no process."""
    password: str = field(default_factory=lambda: secrets.token_hex(12), repr=False)

    @property
    def database(self) -> Path:
        return self.folder / "server" / "data" / "hjemvakt.sqlite"

    def devices(self, gateway: str) -> list[str]:
        return [f"{gateway}-box-{number}" for number in range(1, _DEVICES_EACH + 1)]

    def line(self, device: str) -> Path:
        return self.folder / "lines" / device


class Part:
    """One process, started until it says `ready`, killed, started again."""

    def __init__(
        self, name: str, arguments: Sequence[str], ready: bytes, log: Path, namespace: str | None = None
    ) -> None:
        self.name = name
        within = ("ip", "netns", "exec", namespace) if namespace else ()
        self._command = (*within, sys.executable, "-m", *arguments)
        self._mark = ready
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None
        self.ready = asyncio.Event()
        self.said = ""
        """The line in which it said so."""

    async def start(self) -> None:
        """Start it; `ready` is set when it says so."""
        self.ready.clear()
        self._process = await asyncio.create_subprocess_exec(
            *self._command, cwd=ROOT, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._listening = asyncio.create_task(self._listen(self._process))

    @property
    def pid(self) -> int:
        """Of the process that was started last; raises AssertionError where none runs."""
        assert self._process is not None
        return self._process.pid

    async def until_ready(self) -> None:
        """Raises TimeoutError when it does not come up."""
        async with asyncio.timeout(READY_S):
            await self.ready.wait()

    async def end(self, how: signal.Signals) -> None:
        """Send it the signal and wait until it is gone; nothing where it is not running."""
        if self._process is None or self._listening is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        try:
            await asyncio.wait_for(self._process.wait(), 15)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._listening
        self._process = None

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        with self._log.open("ab") as log:
            async for line in process.stderr:
                log.write(line)
                if self._mark in line:
                    self.said = line.decode()
                    self.ready.set()


class Town:
    """The parts of one plan."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        _write_all(plan)
        self.server = self._part("server", "server", b"ready http://")
        self.gateways = [self._part(name, "gateway", b": running, ") for name in plan.gateways]

    def _part(self, name: str, program: str, ready: bytes) -> Part:
        folder = self.plan.folder
        arguments = (program, "run", str(folder / name / f"{program}.toml"))
        return Part(name, arguments, ready, folder / f"{name}.log", self.plan.within.get(name))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Town"]:
        """Everything started, and ended whatever happens."""
        try:
            await self.server.start()
            await self.server.until_ready()
            _give_keys(self.plan)
            for gateway in self.gateways:
                await gateway.start()
            for gateway in self.gateways:
                await gateway.until_ready()
            yield self
        finally:
            for part in (*self.gateways, self.server):
                await part.end(signal.SIGTERM)
            self.end_broker(signal.SIGTERM)

    def broker_pid(self) -> int | None:
        """The process of the server's mosquitto, known by its working folder; None while there is none."""
        folder = self.plan.folder / "server" / "data" / "broker"
        try:
            pid = int((folder / "mosquitto.pid").read_text())
            return pid if Path(f"/proc/{pid}/cwd").resolve(strict=True) == folder.resolve() else None
        except (OSError, ValueError):
            return None

    def end_broker(self, how: signal.Signals) -> bool:
        """Send it the signal; False where there was none."""
        pid = self.broker_pid()
        if pid is None:
            return False
        try:
            os.kill(pid, how)
        except ProcessLookupError:
            return False
        return True


async def until(condition: Callable[[], bool], most_s: float) -> float:
    """Wait for what another process does, at most so long; returns how many seconds it took."""
    begun_s = time.monotonic()
    while time.monotonic() - begun_s < most_s:
        if await asyncio.to_thread(condition):
            break
        await asyncio.sleep(_LOOK_S)
    return time.monotonic() - begun_s


async def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _give_keys(plan: Plan) -> None:
    db = Database(plan.database)
    with db.write() as tx:
        for gateway, secret in plan.keys.items():
            give_key(tx, gateway, secret, 0)
    db.close()


def _write_all(plan: Plan) -> None:
    broker: dict[str, Any] = {"kind": plan.broker, "host": plan.host, "port": plan.port}
    if plan.broker == "external":
        broker["password_file"] = str(_secret(plan.folder / "server" / "password", plan.password))
    server: dict[str, Any] = {
        "name": "Prøveby",
        "ladders": str(ROOT / "configs" / "ladders.toml"),
        "web": {"port": 0},
        "broker": broker,
    }
    if plan.server_clock:
        server["clock"] = dict(plan.server_clock)
    _write(plan.folder / "server" / "server.toml", server)
    _write(plan.folder / "server" / "municipality.toml", _municipality(plan))
    for name in plan.gateways:
        write_gateway(plan, name)
    for name, secret in plan.keys.items():
        _secret(plan.folder / name / "data" / FOLDER / BATCH_KEY, secret.hex())


def _municipality(plan: Plan) -> dict[str, Any]:
    hashed = accounts.hash_password(plan.password, iterations=10)
    patients = {name: f"p-{number}" for number, name in enumerate((*plan.gateways, *plan.accounts), 1)}
    return {
        "name": "Prøveby",
        "patients": [
            {"id": patient, "name": patient, "birth_year": 1950, "place": "Gata 1", "programme": "general"}
            for patient in patients.values()
        ],
        "gateways": [
            {"id": name, "place": "Gata 1", "patient": patient, "password_hash": hashed}
            for name, patient in patients.items()
        ],
        "assignments": [
            {"device": device, "patient": patient, "from": _SINCE}
            for name, patient in patients.items()
            for device in plan.devices(name)
        ],
        "staff": [
            {"id": "kari", "name": "Kari", "role": "nurse", "phone": "+4700000101", "password_hash": "$argon2id$none"},
            {
                "id": ADMINISTRATOR,
                "name": "Anne",
                "role": "administrator",
                "phone": "+4700000102",
                "password_hash": PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(plan.password),
            },
        ],
    }


def write_gateway(plan: Plan, name: str) -> None:
    folder = plan.folder / name
    config: dict[str, Any] = {
        "name": name,
        "uplink": {
            "host": plan.host,
            "port": plan.port,
            "password_file": str(_secret(folder / "password", plan.password)),
        },
        "devices": [
            {"id": device, "driver": "hjemvakt-dispenser", "port": str(plan.line(device))}
            for device in plan.devices(name)
        ],
    }
    if plan.hasty:
        config["heartbeat_s"] = 5.0
        config["uplink"]["reconnect_max_s"] = 1.0
    if name in plan.clocks:
        config["clock"] = dict(plan.clocks[name])
    _write(folder / "gateway.toml", config)


def _secret(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def _write(path: Path, table: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
