"""A bathroom with one scale, and everybody who steps on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.audit.store import audit
from server.broker.accounts import hash_password
from server.config import Database as DatabaseConfig
from server.config import Fleet, Web
from server.held import store, views
from server.held.store import Question
from server.notify.phone import messages
from server.site import build
from tests.server.conftest import SQLITE, Town
from vitals.alarm import Kind
from vitals.block import Block
from vitals.clock import NS
from vitals.wire import Batch, encode, up

HOUR, DAY = 3600 * NS, 86_400 * NS
HOME = "https://hjemvakt.test"
PASSWORD = "a long enough secret"  # noqa: S105
_GATEWAY = hash_password("gw-secret", iterations=10)
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

TOWN = f"""
name = "Prøveby"

[[patients]]
id = "kari"
name = "Kari Testesen"
birth_year = 1944
place = "Gata 1"
programme = "heart-failure"
phone = "+4790000000"

[[patients]]
id = "odd"
name = "Odd"
birth_year = 1950
place = "Gata 2"
programme = "heart-failure"

[[gateways]]
id = "gw-1"
place = "Gata 1"
patient = "kari"
password_hash = "{_GATEWAY}"

[[gateways]]
id = "gw-2"
place = "Gata 2"
patient = "odd"
password_hash = "{_GATEWAY}"

[[assignments]]
device = "scale"
patient = "kari"
from = 2026-01-01T00:00:00Z

[[assignments]]
device = "cuff"
patient = "kari"
from = 2026-01-01T00:00:00Z
user_slot = 1

[[assignments]]
device = "odds-scale"
patient = "odd"
from = 2026-01-01T00:00:00Z

[[staff]]
id = "siri"
name = "Siri Berg"
role = "nurse"
phone = "+4790000001"
password_hash = "{_QUICK}"

[[staff]]
id = "per"
name = "Per Dahl"
role = "nurse"
phone = "+4790000002"
password_hash = "{_QUICK}"

[[staff]]
id = "anne"
name = "Anne Drift"
role = "administrator"
phone = "+4790000003"
password_hash = "{_QUICK}"
"""


class Bathroom(Town):
    """It is 09:00 on a Monday in March where Kari lives."""

    def __init__(self, folder: Path, web: Web | None = None, database: DatabaseConfig = SQLITE) -> None:
        patient = Fleet(offline_after_s=100 * 86_400)  # these stories are not about the hub
        super().__init__(folder, TOWN, database, web=web or Web(address=HOME), fleet=patient)
        self._seq = 0

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    def tells(self, *blocks: Block, device: str = "scale", gateway: str = "gw-1") -> tuple[str, bytes]:
        """The message of a gateway with these blocks; sending it is the caller's."""
        rows = self.rows(*blocks, first=self._seq, device=device)
        self._seq += len(blocks)
        return up(gateway, "obs"), encode(Batch(gateway, "e", self.now_ns, rows))

    def hear(self, *blocks: Block, device: str = "scale", gateway: str = "gw-1") -> None:
        assert self.server.receive(*self.tells(*blocks, device=device, gateway=gateway)), "acknowledged"

    def weigh(self, *kg: float, device: str = "scale") -> None:
        """Somebody steps on the scale now, and again a minute later for each further weight."""
        for one in kg:
            self.hear(weight(one, self.now_ns), device=device)
            self.clock.advance(minutes=1)

    def mornings(self, *kg: float) -> None:
        """One weight a day; afterwards it is the same hour of the day after the last."""
        for one in kg:
            self.weigh(one)
            self.tick(hours=23, minutes=59)

    def questions(self, patient: str = "kari") -> list[Question]:
        """The open ones."""
        with self.server.db.read() as tx:
            return store.all_open(tx, [patient])

    def question(self) -> Question:
        """The only open one."""
        (one,) = self.questions()
        return one

    def held(self, question: Question) -> list[tuple[str, float]]:
        with self.server.db.read() as tx:
            return [(one.channel, one.value) for one in store.readings_of(tx, [question.id])[question.id]]

    def says(self, said: str, question: Question | None = None, who: str = "siri") -> None:
        """A nurse answers, as the route does."""
        one = question or self.question()
        with self.server.db.write() as tx:
            filed = store.answer(
                tx, one, one.version, said, who=who, name=who.title(), by="staff", now_ns=self.now_ns  # type: ignore[arg-type]
            )  # fmt: skip
            self.server.look(tx, {one.patient_id: filed}, self.now_ns)

    def view(self, patient: str = "kari") -> object:
        with self.server.db.read() as tx:
            return views.of_patient(tx, patient)

    def weights(self, patient: str = "kari") -> list[float]:
        return self.values(patient, "weight")

    def rules(self, patient: str = "kari", kind: Kind = Kind.CLINICAL) -> set[str]:
        """Which rules speak in the open alarm of that kind."""
        from server.alarms import table

        with self.server.db.read() as tx:
            alarm = table.open_of(tx, patient, kind.value)
        return {reason.rule for reason in alarm.reasons} if alarm else set()

    def phones(self, name: str = "Kari Testesen") -> list[str]:
        with self.server.db.read() as tx:
            return [one.text for one in messages(tx) if one.to == name]

    def link(self) -> str:
        """The path of the link in the last message to Kari."""
        return self.phones()[-1].split(HOME)[1]

    def audited(self, what: str = "answer question") -> list[tuple[str, str]]:
        with self.server.db.read() as tx:
            rows = tx.execute(sa.select(audit).where(audit.c.what == what).order_by(audit.c.id))
            return [(row.who, row.detail) for row in rows]


def weight(kg: float, t_ns: int, *status: str, **more: object) -> Block:
    return Block("weight", (t_ns,), (kg,), 1, status, **more)  # type: ignore[arg-type]


@pytest.fixture
def bathroom(tmp_path: Path, database: DatabaseConfig) -> Iterator[Bathroom]:
    bathroom = Bathroom(tmp_path, database=database)
    yield bathroom
    bathroom.server.close()


@pytest.fixture
async def visitor(bathroom: Bathroom) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody has signed in with."""
    transport = httpx.ASGITransport(app=build(bathroom.server))
    async with httpx.AsyncClient(transport=transport, base_url=HOME, headers={"Origin": HOME}) as client:
        yield client


async def sign_in(client: httpx.AsyncClient, username: str) -> httpx.AsyncClient:
    answer = await client.post("/api/session", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return client
