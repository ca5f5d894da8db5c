"""A day with everything in it that makes a decision hard to rebuild, lived through by a real server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.access.store import account
from server.alarms import store, table
from server.alarms.model import Alarm, To
from server.cases import store as cases
from server.cases.model import Answer, Sbar
from server.config import Fleet
from server.corrections import store as corrections
from server.corrections.store import Correction
from server.corrections.words import invalidated, reinstated
from server.patients.store import PatientRecord, patient
from server.readings.fold import fold
from server.readings.store import measured
from tests.server.conftest import SQLITE, TOWN, Town, spo2
from vitals.block import Block
from vitals.clock import NS

DOCTOR = """
[[staff]]
id = "ingrid"
name = "Ingrid"
role = "doctor"
phone = "+4700000102"
password_hash = "$argon2id$none"
"""
PERSONAL = "[patients.limits]\nspo2_floor = 88\nspo2_expected_s = 1200\n"
MINUTE = 60 * NS


class Day(Town):
    """Eva's floor is her own, and she measures every twenty minutes."""

    def __init__(self, folder: Path) -> None:
        eva, rest = TOWN.split('programme = "copd"\n', 1)
        town = f'{eva}programme = "copd"\n{PERSONAL}{rest}{DOCTOR}'
        super().__init__(folder, town, SQLITE, fleet=Fleet(offline_after_s=180))
        self._seq = 0

    def hear(self, *blocks: Block) -> None:
        """Rows that nobody has sent before."""
        self._seq += len(blocks)
        assert self.send(*blocks, first=self._seq - len(blocks))

    def finger(self, value: float, *, ago_min: float = 0, status: tuple[str, ...] = ()) -> int:
        """A saturation, measured so long ago and sent now; returns when it was measured."""
        t_ns = self.clock.now_ns() - round(ago_min * MINUTE)
        self.hear(spo2(value, t_ns, record=f"r-{t_ns}", status=status))
        return t_ns

    def minutes(self, count: float, *, heard: bool = True) -> None:
        """Time passes in the server's own rounds; the gateways are heard each minute, or not."""
        for step in range(round(count * 4)):
            self.tick(seconds=15)
            if heard and step % 4 == 0:
                self.clock.advance(seconds=0.5)
                self.beat("gw-1")
                self.beat("gw-2")
            if step % 40 == 39:
                fold(self.server.db, at_least=1)

    def alarm(self, kind: str = "clinical", patient_id: str = "eva") -> Alarm:
        with self.server.db.read() as tx:
            found = [one for one in table.every(tx, patient_id) if one.kind == kind]
        return found[-1]

    def acknowledge(self, alarm: Alarm) -> None:
        self.clock.advance(seconds=1)
        with self.server.db.write() as tx:
            store.acknowledge(tx, alarm, "Kari", self.clock.now_ns(), 3600.0)

    def close(self, alarm: Alarm) -> None:
        self.clock.advance(seconds=1)
        with self.server.db.write() as tx:
            store.close(tx, alarm, "Kari", self.clock.now_ns(), "phoned_patient", "resolved_at_home", 4)

    def does(self, deed: Callable[..., object], alarm: Alarm, *said: object) -> None:
        """Kari does something else to an alarm."""
        self.clock.advance(seconds=1)
        with self.server.db.write() as tx:
            deed(tx, alarm, *said)

    def send_on(self, alarm: Alarm) -> None:
        """Kari sends it to Ingrid as a case."""
        self.clock.advance(seconds=1)
        note = Sbar("s", "b", "a", "r")
        with self.server.db.write() as tx:
            kari, to = account(tx, "kari"), To("doctor", "ingrid", "Ingrid")
            assert kari is not None
            cases.send(tx, alarm, kari, to, note, "nb", {"nb": note, "en": note}, self.clock.now_ns())

    def answer(self, said: Answer, case: int = 1) -> None:
        """Ingrid answers it."""
        self.clock.advance(seconds=1)
        with self.server.db.write() as tx:
            ingrid, found = account(tx, "ingrid"), cases.get(tx, case)
            assert ingrid is not None
            assert found is not None
            cases.answer(
                tx, self.server.programmes, found, ingrid, said, "Inhale", (), self.clock.now_ns(), 3600.0
            )  # fmt: skip

    def wrong(self, t_ns: int) -> Correction:
        """Kari says that what was measured then was a guest's."""
        self.clock.advance(seconds=1)
        now_ns = self.clock.now_ns()
        with self.server.db.write() as tx:
            (one, _), *_ = measured(tx, "eva", "oximeter", t_ns)
            done = corrections.invalidate(
                tx, "eva", t_ns, one.identity, "wrong_person", "", alone=False, who="kari", name="Kari", now_ns=now_ns
            )
            assert done is not None
            rules = self.server.programmes.rules("copd")
            store.correct(tx, "eva", rules, [one], now_ns, "invalidated", invalidated(done.correction), "Kari")
            self.server.look(tx, {"eva": ()}, now_ns)
        return done.correction

    def right(self, correction: Correction) -> None:
        """She takes that back."""
        self.clock.advance(seconds=1)
        now_ns = self.clock.now_ns()
        with self.server.db.write() as tx:
            done = corrections.reinstate(tx, correction, "hers after all", who="kari", name="Kari", now_ns=now_ns)
            readings = [one for one, _ in done.correction.readings]
            rules = self.server.programmes.rules("copd")
            store.correct(tx, "eva", rules, readings, now_ns, "reinstated", reinstated(done.correction), "Kari")
            self.server.look(tx, {"eva": ()}, now_ns)

    def person(self, patient_id: str = "eva") -> PatientRecord:
        with self.server.db.read() as tx:
            found = patient(tx, patient_id)
        assert found is not None
        return found


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    day = Day(tmp_path)
    yield day
    day.server.close()


def live(day: Day) -> None:
    """Hours in which much happens."""
    day.minutes(7)
    day.finger(86)
    day.minutes(8)
    guest = day.finger(83)
    day.minutes(2)
    correction = day.wrong(guest)
    day.minutes(12)
    day.finger(95)
    day.minutes(3)
    day.right(correction)
    day.minutes(1)
    day.finger(86)
    day.finger(87.0, ago_min=-0.1)
    day.acknowledge(day.alarm())
    day.minutes(5)
    day.finger(85, status=("motion",))
    day.minutes(5)
    day.close(day.alarm())
    day.finger(82, ago_min=45)  # late, and older than what the alarm arose from
    day.minutes(30)
    day.finger(96)
    day.minutes(15)
    day.finger(80)  # news
    day.minutes(50)  # she measures no more: the technical alarm
    day.minutes(8, heard=False)  # and then the gateway is dead
    day.begin_again()
    day.minutes(12)
    day.finger(97)
    day.minutes(15)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The day when it is over: to look at."""
    day = Day(tmp_path_factory.mktemp("lived"))
    live(day)
    yield day
    day.server.close()
