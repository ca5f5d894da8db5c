"""The database is full: somebody is called beside the ladder, by what is in memory."""

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from server.municipality import Shift
from server.notify import ways
from server.notify.emergency import CALM_S, PATIENCE_S, REFRESH_S, RETRY_S, Emergency
from server.notify.phone import phone
from server.notify.sender import Message, Receipt, SendError
from tests.server.people.conftest import STAFF, START, Ward

AGAIN_S = 900.0
FIRST = ["Kari Olsen", "Per Hansen", "Odd Berg"]


class Provider:
    """A telephone company; `refuses` are the names it cannot reach."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.refuses: set[str] = set()

    def send(self, message: Message) -> Receipt:
        if message.to in self.refuses:
            raise SendError("no answer", "try again")
        self.sent.append(message)
        return Receipt(str(len(self.sent)))

    def names(self) -> list[str]:
        """Whom it has reached since it was asked the last time."""
        names = [message.to for message in self.sent]
        self.sent.clear()
        return names


class Night:
    """A ward whose database may be full, and the seconds of a clock on the wall."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward
        self.provider = Provider()
        self.emergency = Emergency(ward.db, {"sms": self.provider}, AGAIN_S)
        self.now_s = 0.0
        self._most = 0
        with ward.db.write() as tx:
            tx.exec_driver_sql("CREATE TABLE ballast (bytes BLOB)")
        self.pass_by(0)

    def pass_by(self, seconds: float) -> None:
        """So much later, the engine having tried to write each second."""
        until_s = self.now_s + seconds
        while True:
            with contextlib.suppress(sa.exc.OperationalError), self.ward.db.write() as tx:
                self._limit(tx)
                tx.exec_driver_sql("INSERT INTO ballast VALUES (zeroblob(20000))")
            self.emergency.turn(self.ward.now_ns, self.now_s)
            if self.now_s >= until_s:
                return
            self.now_s += 1
            self.ward.clock.advance(seconds=1)

    def fill(self) -> None:
        """From now on the database cannot grow."""
        with self.ward.db.read() as tx:
            self._most = tx.exec_driver_sql("PRAGMA page_count").scalar_one()

    def make_room(self) -> None:
        self._most = 1_000_000

    def _limit(self, tx: sa.Connection) -> None:
        if self._most:
            tx.exec_driver_sql(f"PRAGMA max_page_count = {self._most}")


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    ward = Ward(tmp_path)
    yield Night(ward)
    ward.db.close()


def test_nobody_is_called_for_a_moment(night: Night) -> None:
    night.fill()
    night.pass_by(PATIENCE_S - 2)
    night.make_room()
    night.pass_by(100)
    assert night.provider.names() == []


def test_who_is_on_call_and_every_administrator_are_called_once_and_again_with_the_doctors(night: Night) -> None:
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    said = night.provider.sent[0]
    assert said.address == "90000001"
    assert "its disk is full" in said.text
    assert said.alarm_id is None
    keys = {message.dedupe for message in night.provider.sent}
    assert night.provider.names() == FIRST
    night.pass_by(AGAIN_S - 10)
    assert night.provider.names() == []
    night.pass_by(10)
    assert not keys & {message.dedupe for message in night.provider.sent}
    assert night.provider.names() == [*FIRST, "Ingrid Dahl"]


def test_whoever_was_called_hears_that_it_is_over_and_a_second_time_is_a_new_one(night: Night) -> None:
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    before = {message.dedupe for message in night.provider.sent}
    night.provider.sent.clear()
    night.make_room()
    night.pass_by(CALM_S + 2)
    assert all("stores again" in message.text for message in night.provider.sent)
    assert sorted(night.provider.names()) == sorted(FIRST)
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    assert not before & {message.dedupe for message in night.provider.sent}
    assert night.provider.names() == FIRST


def test_the_shift_that_begins_meanwhile_is_the_one_that_is_called(night: Night) -> None:
    change = START + timedelta(hours=4)
    night.ward.staffed(
        shifts=(
            Shift("nurse", "kari", datetime(2026, 1, 1, tzinfo=UTC), change),
            Shift("nurse", "per", change, datetime(2027, 1, 1, tzinfo=UTC)),
        )
    )
    night.pass_by(REFRESH_S + 1)
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    assert night.provider.names() == ["Kari Olsen", "Odd Berg"]
    night.ward.clock.advance(hours=4)
    night.pass_by(AGAIN_S)
    assert night.provider.names() == ["Per Hansen", "Odd Berg", "Ingrid Dahl"]


def test_one_who_cannot_be_reached_is_tried_again_and_a_monitor_hears_when_nobody_can(night: Night) -> None:
    night.provider.refuses = {one.name for one in STAFF}
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    assert "nobody could be told" in (night.emergency.problem() or "")
    night.provider.refuses = {"Odd Berg"}
    night.pass_by(RETRY_S + 2)
    assert night.provider.names() == ["Kari Olsen", "Per Hansen"]
    assert night.emergency.problem() is None
    night.provider.refuses = set()
    night.pass_by(RETRY_S + 2)
    assert night.provider.names() == ["Odd Berg"]


def test_without_a_nurse_or_an_administrator_the_doctors_are_called_at_once(night: Night) -> None:
    night.ward.staffed(staff=tuple(one for one in STAFF if one.role == "doctor"))
    night.pass_by(REFRESH_S + 1)
    night.fill()
    night.pass_by(PATIENCE_S + 2)
    assert night.provider.names() == ["Ingrid Dahl"]


def test_a_number_of_their_own_is_called_and_is_one_though_the_municipality_has_none(night: Night) -> None:
    night.ward.staffed(tuple(msgspec.structs.replace(one, phone="") if one.id == "kari" else one for one in STAFF))
    with night.ward.db.write() as tx:
        ways.add(tx, "kari", "sms", "+4799999991", "mine", 0.0, night.ward.now_ns, confirmed=True)
        ways.add(tx, "odd", "sms", "+4799999994", "mine", 0.0, night.ward.now_ns, confirmed=True)
        ways.add(tx, "odd", "email", "odd@example.no", "", 0.0, night.ward.now_ns, confirmed=True)
    night.pass_by(REFRESH_S)
    night.fill()
    night.pass_by(PATIENCE_S + 1)
    assert {one.to: one.address for one in night.provider.sent} == {
        "Kari Olsen": "+4799999991", "Per Hansen": "90000002", "Odd Berg": "+4799999994",
    }  # fmt: skip


def test_the_fake_phone_rings_on_a_full_disk_and_is_written_when_there_is_room(night: Night) -> None:
    ward = night.ward
    first = Message("a", None, "sms", "Kari Olsen", "nurse", "90000001", "en", ward.now_ns)
    second = Message("b", None, "sms", "Per Hansen", "nurse", "90000002", "to", ward.now_ns)
    with ward.db.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER costly BEFORE INSERT ON phone BEGIN INSERT INTO ballast VALUES (zeroblob(90000)); END"
        )
    night.fill()
    night.pass_by(1)
    assert ward.phone.send(first) == ward.phone.send(first)
    with ward.db.read() as tx:
        assert [one.text for one in ward.phone.shown(tx)] == ["en"]
        assert tx.scalar(sa.select(sa.func.count()).select_from(phone)) == 0
    night.make_room()
    night.pass_by(1)
    ward.phone.send(second)
    with ward.db.read() as tx:
        assert [one.text for one in ward.phone.shown(tx)] == ["en", "to"]
        assert list(tx.scalars(sa.select(phone.c.dedupe).order_by(phone.c.id))) == ["a", "b"]
