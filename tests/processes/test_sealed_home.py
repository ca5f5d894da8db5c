"""A claimed home over a real mosquitto: sealed up, signed down, its devices set from the server, and no forgery taken.

Server, broker and gateway are processes of their own; the devices are the simulator's, on serial lines.
"""

import asyncio
import contextlib
import secrets
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
import tomli_w
from paho.mqtt.enums import CallbackAPIVersion

from gateway.afar.configuration import FILE
from server.access.passwords import hash_password
from server.broker.accounts import hash_password as hash_gateway_password
from server.db import Database
from server.fleet.seals import Signer, give_key
from tests.faults.ledger import Ledger
from tests.faults.load import Source
from tests.faults.town import ROOT, Part
from tests.mqtt import end
from tests.ports import free_port
from vitals import wire
from vitals.block import Block
from vitals.seal import fresh
from vitals.wire import Batch, Row

HOME, SOON_S = "home-1", 40
PASSWORD = secrets.token_hex(8)
CONFIG = f"/api/gateways/{HOME}/config"


@dataclass
class Town:
    """The server, the home, and two dispensers on their lines."""

    folder: Path
    broker_port: int = field(default_factory=free_port)
    web_port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder / "ledger")
        (self.folder / "lines").mkdir()
        self.boxes = [Source(f"box-{n}", n, self.line(n), self.ledger) for n in (1, 2)]
        self.server_data = self.folder / "server" / "data"
        self.home_data = self.folder / HOME / "data"
        web, broker = {"port": self.web_port}, {"kind": "mosquitto", "port": self.broker_port}
        server = {"name": "Salten", "ladders": str(ROOT / "configs" / "ladders.toml"), "web": web, "broker": broker}
        _write(self.folder / "server" / "server.toml", server)
        _write(self.folder / "server" / "municipality.toml", _municipality())
        _write(self.folder / HOME / "password", PASSWORD)
        uplink = {"port": self.broker_port, "password_file": "password", "reconnect_max_s": 0.5}
        device = {"id": "box-1", "driver": "hjemvakt-dispenser", "port": str(self.line(1))}
        _write(self.folder / HOME / "gateway.toml", {"name": HOME, "uplink": uplink, "devices": [device]})
        self.server = self._part("server", "server.toml", b"ready http://")
        self.home = self._part(HOME, "gateway.toml", b": running, ")

    def _part(self, name: str, config: str, mark: bytes) -> Part:
        program = "server" if name == "server" else "gateway"
        return Part(name, (program, "run", str(self.folder / name / config)), mark, self.folder / f"{name}.log", None)

    def line(self, number: int) -> Path:
        return self.folder / "lines" / f"box-{number}"

    def claim(self) -> None:
        """What claiming leaves at both ends."""
        secret, identity = fresh(), self.home_data / "identity"
        db = Database(self.server_data / "hjemvakt.sqlite")
        with db.write() as tx:
            give_key(tx, HOME, secret, 0)
        db.close()
        _write(identity / "batch.key", secret.hex())
        _write(identity / "server.pub", Signer(self.server_data / "authority").public_pem().decode())

    def told(self) -> list[str]:
        """The records of the boxes that the server has, each as often as it has it."""
        with contextlib.closing(sqlite3.connect(self.server_data / "hjemvakt.sqlite")) as db:
            rows = db.execute("SELECT device, record FROM events WHERE kind LIKE 'dispenser.%'").fetchall()
        return sorted(f"{device} {record}" for device, record in rows)


def _municipality() -> dict[str, object]:
    since, kept = datetime(2020, 1, 1, tzinfo=UTC), hash_password(PASSWORD)
    return {
        "name": "Salten",
        "patients": [{"id": "p-1", "name": "Eva", "birth_year": 1940, "place": "Rognan", "programme": "general"}],
        "gateways": [{"id": HOME, "place": "Rognan", "patient": "p-1",
                      "password_hash": hash_gateway_password(PASSWORD, iterations=10)}],
        "assignments": [{"device": f"box-{n}", "patient": "p-1", "from": since} for n in (1, 2)],
        "staff": [{"id": id_, "name": id_, "role": role, "phone": "+4790000000", "password_hash": kept}
                  for id_, role in (("anne", "administrator"), ("kari", "nurse"))],
    }  # fmt: skip


def _write(path: Path, what: dict[str, object] | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(what if isinstance(what, str) else tomli_w.dumps(what), encoding="utf-8")


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    town = Town(tmp_path)
    try:
        await town.server.start()
        await town.server.until_ready()
        town.claim()
        await town.home.start()
        await town.home.until_ready()
        yield town
    finally:
        for part in (town.home, town.server):
            await part.end(signal.SIGTERM)
        for box in town.boxes:
            box.close()
        town.ledger.close()


async def signed_in(town: Town, who: str, stack: contextlib.AsyncExitStack) -> httpx.AsyncClient:
    home = f"http://127.0.0.1:{town.web_port}"
    client = await stack.enter_async_context(httpx.AsyncClient(base_url=home, headers={"Origin": home}))
    answer = await client.post("/api/session", json={"username": who, "password": PASSWORD})
    assert answer.status_code == 200
    return client


async def until(holds: Callable[[], object]) -> None:
    """Another process does it, and tells nobody."""
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def forge(town: Town) -> bytes:
    """Somebody who has the home's password publishes a reading; the broker lets it pass."""
    now_ns = datetime.now(UTC).timestamp() * 1e9
    row = Row(9_999, "box-1", int(now_ns), Block("spo2", (int(now_ns),), (80.0,)))
    payload = wire.encode(Batch(HOME, "forged", int(now_ns), (row,)))
    client = mqtt.Client(CallbackAPIVersion.VERSION2, HOME)
    client.username_pw_set(HOME, PASSWORD)
    client.connect("127.0.0.1", town.broker_port)
    client.loop_start()
    client.publish(wire.up(HOME, "obs"), payload, qos=1).wait_for_publish(SOON_S)
    end(client)
    return payload


@pytest.mark.processes
@pytest.mark.mosquitto
async def test_a_claimed_home(town: Town) -> None:
    async with contextlib.AsyncExitStack() as stack:
        anne, kari = [await signed_in(town, who, stack) for who in ("anne", "kari")]

        async def equipment() -> dict[str, object]:
            (row,) = (await anne.get("/api/fleet")).json()
            return row  # type: ignore[no-any-return]

        async def shows(**wanted: object) -> None:
            async with asyncio.timeout(SOON_S):
                while {name: (await equipment())[name] for name in wanted} != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

        first, second = town.boxes
        first.open_lid(20)
        await until(lambda: len(town.told()) >= 20)
        wish = {"devices": [{"id": "box-2", "driver": "hjemvakt-dispenser", "port": str(town.line(2))}]}
        answer = await anne.put(CONFIG, json={"version": 0, "settings": wish | {"heartbeat_s": 1.0}})
        assert answer.status_code == 200
        await shows(config="applied", queued=0)
        assert [device["id"] for device in (await equipment())["devices"]] == ["box-2"]  # type: ignore[union-attr, index]
        second.open_lid(20)
        await until(lambda: town.told() == sorted(town.ledger.records()))

        order = {"id": "00000000000d05e1", "device": "box-2", "kind": "test", "why": "To hear it beep"}
        assert (await kari.post("/api/patients/p-1/orders", json=order)).status_code == 200
        async with asyncio.timeout(SOON_S):
            while (await kari.get("/api/patients/p-1/orders")).json()[0]["state"] != "done":
                await asyncio.sleep(0.1)
                second.open_lid(0)  # its firmware lives on, and tells what it has done

        forged = await asyncio.to_thread(forge, town)
        async with asyncio.timeout(SOON_S):
            while not (aside := (await anne.get("/api/quarantine")).json()):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert [(one["reason"], bytes.fromhex(one["data_hex"])) for one in aside] == [("seal", forged)]

        wrong = {"version": 1, "settings": {"devices": [{"id": "box-1", "driver": "nobody's", "port": "/dev/x"}]}}
        assert (await anne.put(CONFIG, json=wrong)).status_code == 200
        await shows(config="refused")
        assert "no driver" in str((await equipment())["config_refused"])

        await until((town.home_data / FILE).exists)
        await town.home.end(signal.SIGKILL)
        await town.home.start()
        await town.home.until_ready()
        second.open_lid(20)
        await until(lambda: town.told() == sorted(town.ledger.records()))
        assert b"configuration 1 from afar" in (town.folder / f"{HOME}.log").read_bytes()
