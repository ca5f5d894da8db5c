"""A home with an oximeter and a cuff, and two nurses who look at it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.access.door import Door
from server.alarms import table, timeline
from server.alarms.model import Alarm
from server.audit.store import audit
from server.config import Database as DatabaseConfig
from server.config import Fleet
from server.readings.fold import fold
from server.site import build
from tests.server.conftest import TOWN, Town, spo2
from vitals.block import Block
from vitals.clock import NS

HOME = "http://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
MINUTE = 60 * NS
_KEPT = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_STAFF = "".join(
    f'\n[[staff]]\nid = "{id_}"\nname = "{name}"\nrole = "{role}"\nphone = "+4790000000"\npassword_hash = "{_KEPT}"\n'
    for id_, name, role in (
        ("siri", "Siri Berg", "nurse"), ("per", "Per Dahl", "doctor"), ("anne", "Anne Drift", "administrator"),
    )
)  # fmt: skip
_CUFF = '\n[[assignments]]\ndevice = "cuff"\npatient = "eva"\nfrom = 2026-01-01T00:00:00Z\n'


class Home(Town):
    """Eva's, where it is eight in the morning."""

    def __init__(self, folder: Path, database: DatabaseConfig) -> None:
        quiet = Fleet(offline_after_s=100 * 86_400)  # these stories are not about the hub
        super().__init__(folder, TOWN + _STAFF + _CUFF, database, fleet=quiet)
        self._seq = 0
        self._people: dict[str, httpx.AsyncClient] = {}

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    def hear(self, *blocks: Block, device: str = "oximeter") -> None:
        """Rows that nobody has sent before, whatever is in them."""
        self._seq += len(blocks)
        assert self.send(*blocks, first=self._seq - len(blocks), device=device)

    def finger(self, *values: float, every_min: int = 1) -> None:
        """Saturations, the last of them now."""
        for one in values:
            self.clock.advance(minutes=every_min)
            self.hear(spo2(one, self.now_ns, record=f"r-{self.now_ns}"))

    def cuff(self, sys: float, dia: float, pulse: float) -> None:
        """One measurement of the cuff, now."""
        t_ns = (self.now_ns,)
        self.hear(
            Block("bp_sys", t_ns, (sys,)), Block("bp_dia", t_ns, (dia,)), Block("pulse_rate", t_ns, (pulse,)),
            device="cuff",
        )  # fmt: skip

    def fold(self) -> None:
        while fold(self.server.db):
            pass

    def alarm(self) -> Alarm | None:
        """Eva's open clinical alarm."""
        with self.server.db.read() as tx:
            return table.open_of(tx, "eva", "clinical")

    def alarms(self) -> int:
        with self.server.db.read() as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(table.alarms)) or 0

    def timeline(self, what: str, alarm: int = 1) -> list[tuple[str, str | None]]:
        """The sentences of one word in an alarm's timeline, and who is named."""
        with self.server.db.read() as tx:
            return [(row.en, row.who) for row in timeline.entries(tx, [alarm])[alarm] if row.what == what]  # type: ignore[attr-defined]

    def audited(self, what: str) -> list[tuple[str, str]]:
        with self.server.db.read() as tx:
            rows = tx.execute(sa.select(audit).where(audit.c.what == what).order_by(audit.c.id))
            return [(row.who, row.detail) for row in rows]

    def begin_again(self) -> None:
        super().begin_again()
        self._people = {}

    async def person(self, name: str) -> httpx.AsyncClient:
        """A browser that they have signed in with."""
        if name not in self._people:
            app = build(self.server, door=Door(self.server.db, secure=False))
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=HOME, headers={"Origin": HOME})
            answer = await client.post("/api/session", json={"username": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self._people[name] = client
        return self._people[name]

    async def newest(self, channel: str = "spo2", who: str = "siri") -> list[dict[str, Any]]:
        answer = await (await self.person(who)).get(f"/api/patients/eva/readings/latest?channel={channel}")
        assert answer.status_code == 200, answer.text
        readings: list[dict[str, Any]] = answer.json()["readings"]
        return readings

    async def invalidate(
        self, reading: str, reason: str = "wrong_person", who: str = "siri", **more: object
    ) -> httpx.Response:
        body = {"reading": reading, "reason": reason, **more}
        return await (await self.person(who)).post("/api/patients/eva/readings/invalidate", json=body)

    async def reinstate(self, correction: str, why: str = "it was her after all", who: str = "siri") -> httpx.Response:
        body = {"correction": correction, "why": why}
        return await (await self.person(who)).post("/api/patients/eva/readings/reinstate", json=body)


@pytest.fixture
def home(tmp_path: Path, database: DatabaseConfig) -> Iterator[Home]:
    home = Home(tmp_path, database)
    yield home
    home.server.close()


@pytest.fixture
async def signed_out(home: Home) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=build(home.server, door=Door(home.server.db, secure=False)))
    async with httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME}) as client:
        yield client
