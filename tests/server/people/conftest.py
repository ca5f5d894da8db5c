"""A small municipality with a clock that stands still and phones that everybody can read."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from server.access import organisations
from server.access import store as access
from server.access.vault import Vault
from server.alarms import store as alarms
from server.alarms import table, timeline
from server.alarms.model import Alarm, Trigger
from server.api import Health
from server.config import Config, Web
from server.config import Database as DatabaseConfig
from server.db import Database
from server.escalation import store as ladders
from server.escalation.model import load
from server.escalation.tick import climb_due
from server.live.hub import Hub
from server.municipality import Municipality, Patient, Shift, Staff
from server.notify.delivery import Post, deliver_due
from server.notify.phone import FakePhone, messages
from server.oncall import store as oncall
from server.patients import store as patients
from server.patients.programmes import load as load_programmes
from server.worklist import Rows
from tests.lite import lay
from tests.server.conftest import SQLITE
from vitals.alarm import Kind, Level, Reason
from vitals.clock import NS, ManualClock

START = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
LADDERS = Path(__file__).parents[3] / "configs" / "ladders.toml"
PASSWORD = "a long enough secret"  # noqa: S105
_QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)

STAFF = (
    Staff("kari", "Kari Olsen", "nurse", _QUICK, "90000001"),
    Staff("per", "Per Hansen", "nurse", _QUICK, "90000002"),
    Staff("ingrid", "Ingrid Dahl", "doctor", _QUICK, "90000003"),
    Staff("odd", "Odd Berg", "administrator", _QUICK, "90000004"),
)
PATIENTS = (
    Patient("solveig", "Solveig Nilsen", 1944, "Rognan", "copd", "75000001", ("COPD",)),
    Patient("arne", "Arne Lund", 1950, "Fauske", "heart-failure"),
)


def reason(level: Level, rule: str = "spo2_floor", t_ns: int = 0, low: float = 84.0) -> Reason:
    return Reason(rule, "1", level, {"low": low}, {"nb": f"SpO₂ {low} %", "en": f"SpO₂ {low} %"}, t_ns)


class Ward:
    """The story's voice: what the rules say, how time passes, what the phones show."""

    def __init__(self, folder: Path, database: DatabaseConfig = SQLITE) -> None:
        self.clock = ManualClock(int(START.timestamp()) * NS)
        lay(database.where(folder))
        self.db = Database(database.where(folder))
        self.vault = Vault.open(folder / "authority")
        self.config = Config(name="Saltdal", data=folder, demo=True, web=Web())
        self.programmes = load_programmes(None)
        rows = Rows(self.db, self.programmes, self.clock)
        self.hub = Hub(rows, self.clock, counted=rows.access_count)
        self.phone = FakePhone(self.db, ring=self.hub.phone)
        self.senders: dict[str, object] = {"sms": self.phone}
        self.staffed()
        with self.db.write() as tx:
            patients.apply(tx, Municipality("Saltdal", patients=PATIENTS), self.now_ns)
            ladders.apply(tx, load(LADDERS))

    @property
    def now_ns(self) -> int:
        return self.clock.now_ns()

    def health(self) -> Health:
        return Health(status="ok", problems=[], broker="none", stored=0, quarantined=0, open_alarms=0, tick_age_s=0.0)

    def staffed(self, staff: tuple[Staff, ...] = STAFF, shifts: tuple[Shift, ...] = ()) -> None:
        town = Municipality("Saltdal", staff=staff, shifts=shifts)
        with self.db.write() as tx:
            organisations.apply(tx, town, self.now_ns)
            access.apply(tx, town, self.now_ns)
            oncall.apply(tx, town)

    def hear(
        self,
        *reasons: Reason | Level,
        patient: str = "solveig",
        kind: Kind = Kind.CLINICAL,
        trigger: Trigger | None = None,
    ) -> bool:
        """The rules speak, and what must go out goes out."""
        said = [reason(one, t_ns=self.now_ns) if isinstance(one, Level) else one for one in reasons]
        with self.db.write() as tx:
            changed = alarms.judge(tx, patient, kind, said, frozenset(), self.now_ns, trigger)
        self.deliver()
        return changed

    def calm(self, patient: str = "solveig", kind: Kind = Kind.CLINICAL) -> None:
        """The rules find nothing, for long enough."""
        self.hear(patient=patient, kind=kind)
        self.clock.advance(minutes=15)
        self.hear(patient=patient, kind=kind)

    def later(self, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> list[str]:
        """Time passes, then the engine looks once; returns what the phones showed at that."""
        before = len(self.phones())
        self.clock.advance(hours=hours, minutes=minutes, seconds=seconds)
        self.tick()
        return self.phones()[before:]

    def tick(self) -> None:
        with self.db.write() as tx:
            climb_due(tx, self.now_ns)
        self.deliver()

    def deliver(self) -> list[str]:
        return deliver_due(Post(self.db, self.senders), self.now_ns)  # type: ignore[arg-type]

    def phones(self, name: str | None = None) -> list[str]:
        """`Name: text` of every message, or the texts of one person."""
        with self.db.read() as tx:
            shown = messages(tx)
        return [f"{m.to}: {m.text}" if name is None else m.text for m in shown if name in (None, m.to)]

    def alarm(self, number: int | None = None) -> Alarm:
        """That alarm, or the newest."""
        with self.db.read() as tx:
            if number is None:
                number = tx.scalar(sa.select(sa.func.max(table.alarms.c.id)))
            found = table.get(tx, number or 0)
        assert found is not None, "there is no alarm"
        return found

    def count(self) -> int:
        with self.db.read() as tx:
            return tx.scalar(sa.select(sa.func.count()).select_from(table.alarms)) or 0

    def timeline(self, what: str | None = None) -> list[str]:
        """The newest alarm's timeline: the words, or the English sentences of one word."""
        with self.db.read() as tx:
            rows = timeline.entries(tx, [self.alarm().id])[self.alarm().id]
        return [row.what for row in rows] if what is None else [row.en for row in rows if row.what == what]

    def does(self, deed: Callable[..., Alarm], *args: object) -> Alarm:
        """A person acts on the newest alarm."""
        with self.db.write() as tx:
            return deed(tx, self.alarm(), *args)

    def acknowledge(self, name: str, expires_s: float = 3600.0) -> Alarm:
        return self.does(alarms.acknowledge, name, self.now_ns, expires_s)

    def escalate(self, name: str) -> Alarm:
        alarm = self.does(alarms.escalate, name, self.now_ns)
        self.deliver()
        return alarm

    def close(self, name: str) -> Alarm:
        return self.does(alarms.close, name, self.now_ns, "phoned_patient", "resolved_at_home", 4, "")


@pytest.fixture
def ward(tmp_path: Path, database: DatabaseConfig) -> Iterator[Ward]:
    ward = Ward(tmp_path, database)
    yield ward
    ward.db.close()


@pytest.fixture
def words() -> SimpleNamespace:
    """What a test needs to say: `reason(level, rule)`, the staff, the patients, the password."""
    return SimpleNamespace(
        reason=reason, staff=STAFF, patients=PATIENTS, password=PASSWORD, ladders=LADDERS, Ward=Ward,
        replace=msgspec.structs.replace,
    )  # fmt: skip
