"""Two municipalities and a hospital on one server, and everybody who works there."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import tomli_w
from argon2 import PasswordHasher
from fastapi import FastAPI

from server.access.door import Door
from server.alarms import store as alarms
from server.audit.store import audit
from server.broker.accounts import hash_password
from server.config import Config
from server.config import Database as DatabaseConfig
from server.held.store import held
from server.site import build
from tests.server.conftest import SQLITE, Town
from vitals.alarm import Kind, Level, Reason

HOME = "http://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_GATEWAY = hash_password("gw-secret", iterations=10)

STAFF = {
    "kari": ("Kari Olsen", "nurse", "salten"), "ingrid": ("Ingrid Dahl", "doctor", "salten"),
    "odd": ("Odd Berg", "administrator", "salten"), "berit": ("Berit Moe", "nurse", "bodo"),
    "bjarne": ("Bjarne Lie", "doctor", "bodo"), "bente": ("Bente Vik", "administrator", "bodo"),
    "siri": ("Siri Hov", "specialist", "nlsh"), "hege": ("Hege Aas", "nurse", "nlsh"),
}  # fmt: skip
"""User name: name, role, organisation. Solveig is Salten's, Arne is Bodø's."""
ELSEWHERE = ("berit", "bjarne", "bente", "siri", "hege")


def region(**more: Any) -> dict[str, Any]:
    """`municipality.toml`, with more of what `more` names."""
    town: dict[str, Any] = {
        "name": "Salten",
        "organisations": [
            {"id": "salten", "name": "Saltdal kommune", "kind": "municipality"},
            {"id": "bodo", "name": "Bodø kommune", "kind": "municipality"},
            {"id": "nlsh", "name": "Nordlandssykehuset", "kind": "hospital"},
        ],
        "patients": [
            {"id": "solveig", "name": "Solveig Nilsen", "birth_year": 1944, "place": "Storgata 1", "programme": "copd"},
            {"id": "arne", "name": "Arne Lund", "birth_year": 1950, "place": "Havnegata 2", "programme": "copd",
             "organisation": "bodo"},
        ],
        "gateways": [
            {"id": "gw-1", "place": "Storgata 1", "patient": "solveig", "password_hash": _GATEWAY},
            {"id": "gw-2", "place": "Havnegata 2", "patient": "arne", "password_hash": _GATEWAY},
            {"id": "gw-drawer", "place": "in a drawer", "password_hash": _GATEWAY},
        ],
        "staff": [
            {"id": id_, "name": name, "role": role, "organisation": where, "password_hash": _QUICK, "phone": "+479000"}
            for id_, (name, role, where) in STAFF.items()
        ],
    }  # fmt: skip
    return town | more


class Region(Town):
    """The server, an hour that stands still, and what happens in it."""

    def __init__(self, folder: Path, database: DatabaseConfig = SQLITE, **more: Any) -> None:
        town = region(**more.pop("town", {}))
        self.wall_ns = 1_000_000_000_000_000_000
        super().__init__(folder, tomli_w.dumps(town), database, **more)

    def site(self, **more: Any) -> FastAPI:
        self.app = build(self.server, door=Door(self.server.db, secure=False, wall=lambda: self.wall_ns, **more))
        return self.app

    def reconfigured(self, **more: Any) -> None:
        """The server begins again with another municipality file."""
        self.config.municipality.write_text(tomli_w.dumps(region(**more)), encoding="utf-8")
        self.begin_again()

    def alarm(self, patient: str = "solveig") -> None:
        """The rules find that somebody is ill."""
        now_ns = self.clock.now_ns()
        said = Reason("spo2_floor", "1", Level.HIGH, {"low": 84.0}, {"nb": "SpO₂ 84 %", "en": "SpO₂ 84 %"}, now_ns)
        with self.server.db.write() as tx:
            alarms.judge(tx, patient, Kind.CLINICAL, [said], frozenset(), now_ns)
        self.server.hub.patient_changed(patient)

    def asked(self, patient: str = "solveig") -> None:
        """A question about a reading."""
        with self.server.db.write() as tx:
            asked = {"patient_id": patient, "device": "scale", "because": "weight", "opened_ns": 0, "version": 1}
            tx.execute(held.insert().values(asked))

    def audited(self, patient: str | None = "solveig") -> list[tuple[str, str]]:
        """Who and what, of the entries about that patient, oldest first."""
        with self.server.db.read() as tx:
            rows = tx.execute(sa.select(audit).where(audit.c.patient_id == patient).order_by(audit.c.id))
            return [(row.who, row.what) for row in rows]

    def write(self) -> contextlib.AbstractContextManager[sa.Connection]:
        return self.server.db.write()

    @property
    def settings(self) -> Config:
        return self.config


@pytest.fixture
def town_region(tmp_path: Path, database: DatabaseConfig) -> Iterator[Region]:
    made = Region(tmp_path, database)
    made.site()
    yield made
    made.server.close()


Comes = Callable[[str], Any]


@pytest.fixture
async def comes(town_region: Region) -> AsyncIterator[Comes]:
    """`await comes("kari")` is a browser with her session."""
    async with contextlib.AsyncExitStack() as stack:

        async def come(username: str) -> httpx.AsyncClient:
            client = await stack.enter_async_context(visitor(town_region.app))
            answer = await client.post("/api/session", json={"username": username, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            return client

        yield come


def visitor(app: FastAPI) -> httpx.AsyncClient:
    """A browser that nobody has signed in with."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=HOME, headers={"Origin": HOME})
