"""From a reading to an alarm, in one transaction; and nobody is forgotten when the rules themselves fail."""

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from server.alarms.model import Alarm
from server.alarms.store import judge
from server.alarms.table import alarms, all_open
from server.alarms.timeline import timeline
from server.app import FOLD_READINGS
from server.escalation import tick
from server.notify.phone import messages
from server.readings.chunks import stored
from server.sentry import trouble
from server.watch import Watch
from tests.server.conftest import START_NS, Town, acknowledged, spo2
from vitals.alarm import Kind, Level, Reason
from vitals.clock import NS


def low(town: Town, first: int = 0) -> None:
    """Readings that the COPD programme alarms on."""
    now = town.clock.now_ns()
    town.send(*(spo2(80, now - n * 60 * NS) for n in (2, 1, 0)), first=first)


def clinical(town: Town) -> list[str]:
    with town.server.db.read() as tx:
        return [one.patient_id for one in all_open(tx) if one.kind == "clinical"]


def technical(town: Town) -> list[str]:
    """The rules that have spoken in Eva's technical alarm."""
    with town.server.db.read() as tx:
        return [reason.rule for one in all_open(tx, ["eva"]) if one.kind == "technical" for reason in one.reasons]


def test_a_low_reading_raises_an_alarm_with_the_readings_own_times_on_its_timeline(town: Town) -> None:
    town.clock.advance(minutes=5)
    low(town)
    assert clinical(town) == ["eva"]
    with town.server.db.read() as tx:
        entries = tx.execute(sa.select(timeline.c.what, timeline.c.t_ns).order_by(timeline.c.id)).all()
    assert [tuple(entry) for entry in entries[:3]] == [
        (what, town.clock.now_ns()) for what in ("taken", "received", "stored")
    ]
    assert "told" in [entry.what for entry in entries]


def test_a_reading_that_comes_late_is_looked_at_all_the_same(town: Town) -> None:
    """The gateway was cut off for two hours; what it then sends is still red."""
    taken_ns = town.clock.now_ns()
    town.clock.advance(hours=2)
    town.send(*(spo2(80, taken_ns + n * 60 * NS) for n in range(3)))
    assert clinical(town) == ["eva"]


def test_the_page_is_told_after_the_commit_of_whom_it_concerns(town: Town) -> None:
    town.server.hub.drain()
    low(town)
    assert [one.about for one in town.server.hub.drain() if one.name == "patient"] == ["eva"]


def about(town: Town) -> set[str | None]:
    """Of whom the page is told now."""
    return {one.about for one in town.server.hub.drain() if one.name == "patient"}


def test_the_page_is_told_also_where_a_commit_seemed_to_fail_and_did_not(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes again then is nothing new: an alarm would stand on no page until that is renewed by time alone."""
    write = town.server.db.write

    @contextmanager
    def cut_off() -> Iterator[sa.Connection]:
        with write() as tx:
            yield tx
        raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("the connection broke"))

    town.server.hub.drain()
    message = town.batch(town.rows(*(spo2(80, town.clock.now_ns() - n * 60 * NS) for n in (2, 1, 0))))
    with monkeypatch.context() as patch:
        patch.setattr(town.server.db, "write", cut_off)
        with pytest.raises(sa.exc.OperationalError):
            town.server.receive(*message)
    assert clinical(town) == ["eva"]
    assert acknowledged(town.server.receive(*message)) == [(0, 2)]
    assert about(town) == {"eva"}


def test_the_page_is_told_of_whom_a_look_at_everybody_came_to_before_it_failed(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.LOOKED_AT", 1)
    town.server.hub.drain()
    town.tick()
    about(town)
    look = town.server._look

    def fails_on_odd(tx: sa.Connection, people: list[str], *more: Any) -> set[str]:
        if people == ["odd"]:
            raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))
        return look(tx, people, *more)

    monkeypatch.setattr(town.server, "_look", fails_on_odd)
    town.server.decide(town.clock.advance(minutes=10))
    assert technical(town) == ["gateway_silent"]
    assert about(town) == {"eva"}


def test_when_the_rules_fail_the_reading_is_kept_and_the_next_tick_looks_again(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "look", _fails)
        low(town)
        assert town.values("eva") == [80, 80, 80]
        assert town.server.health().problems == ["watch fails (ZeroDivisionError)"]
        town.tick(seconds=1)
        assert town.server.health().status == "degraded"
    assert clinical(town) == []
    town.tick(seconds=1)
    assert clinical(town) == ["eva"]
    assert town.server.health().problems == []


def test_a_heartbeat_that_could_not_be_stored_was_not_heard(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """What that gateway has waiting could not be stored either, so nobody can say yet that its devices are silent."""
    town.clock.advance(hours=30)
    town.begin_again()
    with monkeypatch.context() as patch:
        patch.setattr(town.server.db, "write", _full(town.server.db.write))
        for _ in range(10):
            with pytest.raises(sa.exc.OperationalError):
                town.send(spo2(96, START_NS, record="1"))
            town.clock.advance(minutes=1)
    town.send(spo2(96, START_NS, record="1"))
    assert technical(town) == []
    for _ in range(6):
        town.beat()
        town.tick(minutes=1)
    assert technical(town) == ["device_silent"]


def _full(write: Callable[[], AbstractContextManager[sa.Connection]]) -> Callable[[], object]:
    """A disk that has no room for a commit."""

    @contextmanager
    def refused() -> Iterator[sa.Connection]:
        with write() as tx:
            yield tx
            raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))

    return refused


def test_a_server_that_stopped_before_the_rules_ran_looks_at_everybody_when_it_starts(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "look", _fails)
        low(town)
    town.begin_again()
    town.tick(seconds=1)
    assert clinical(town) == ["eva"]


def test_one_part_that_fails_does_not_keep_the_others_from_their_work(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    low(town)
    monkeypatch.setattr(Watch, "look", _fails)
    monkeypatch.setattr("server.app.climb_due", _fails)
    town.tick(seconds=20)
    assert town.server.health().problems == ["escalation fails (ZeroDivisionError)", "watch fails (ZeroDivisionError)"]
    assert [one.name for one in town.server.hub.drain()].count("phone") == 1


@pytest.mark.parametrize("part", ["decide", "climb"])
def test_whoever_watches_from_outside_sees_that_a_part_has_not_got_through_for_long(
    town: Town, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """Its thread is stuck, or each of its turns fails: no message is late of alarms that are never raised or climb."""
    wall_s = [time.monotonic()]
    monkeypatch.setattr("server.app.time", SimpleNamespace(monotonic=lambda: wall_s[0], thread_time=time.thread_time))
    town.tick(seconds=1)
    with monkeypatch.context() as patch:
        patch.setattr("server.fleet.store.grown_old" if part == "decide" else "server.app.climb_due", _fails)
        town.tick(seconds=300)
        wall_s[0] += 300
        town.tick(seconds=1)
        assert trouble(town.server.health().model_dump(), 120) == "stuck"
    town.tick(seconds=1)
    assert trouble(town.server.health().model_dump(), 120) is None
    wall_s[0] += 300
    (town.server.climb if part == "decide" else town.server.decide)(town.clock.now_ns())
    assert trouble(town.server.health().model_dump(), 120) == "stuck", "the other has stood still"


def test_health_counts_without_naming_anybody(town: Town) -> None:
    low(town)
    town.send(spo2(300, START_NS), first=9)
    health = town.server.health()
    assert (health.status, health.stored, health.quarantined, health.open_alarms) == ("ok", 3, 1, 1)
    assert "eva" not in health.model_dump_json().lower()


def _fails(*_: object, **__: object) -> set[str]:
    raise ZeroDivisionError


def test_one_patient_the_rules_fail_on_keeps_nobody_else_from_an_alarm(town: Town) -> None:
    mend = spoilt_alarm(town, episode=b"{")
    low(town)
    town.tick(seconds=20)
    assert set(clinical(town)) == {"eva", "odd"}
    assert town.server.health().problems == ["watch fails (DecodeError)"]
    mend()
    town.tick(seconds=1)
    assert town.server.health().problems == []


def test_rules_that_fail_on_everybody_are_not_tried_on_each(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of tries in each tick would keep the readings from being stored."""
    tries = []

    def fails(_watch: Watch, _tx: object, people: object, *_: object) -> set[str]:
        tries.append(people)
        raise ZeroDivisionError

    monkeypatch.setattr(Watch, "look", fails)
    monkeypatch.setattr("server.patients.store.ids", lambda _tx: [str(n) for n in range(1000)])
    town.tick(seconds=1)
    assert len(tries) < 150


def test_many_the_rules_fail_on_keep_nobody_between_them_from_being_looked_at(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A programme's rule that fails, fails on all who are in it; those of another programme are among them by name."""
    everybody, looked_at = [f"{n:03}" for n in range(200)], set[str]()
    failing, mended = set(everybody[::2]), False

    def looks(_watch: Watch, _tx: object, people: Collection[str], *_: object) -> set[str]:
        if not mended and not failing.isdisjoint(people):
            raise ZeroDivisionError
        looked_at.update(people)
        return set()

    monkeypatch.setattr(Watch, "look", looks)
    monkeypatch.setattr("server.patients.store.ids", lambda _tx: everybody)
    for _ in range(10):
        town.tick(seconds=1)
    assert looked_at == set(everybody[1::2])
    mended = True
    town.tick(seconds=1)
    assert looked_at == set(everybody)
    assert town.server.health().problems == []


def test_alarms_that_are_raised_by_the_thousand_let_readings_in_between_and_show_as_they_come(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole network is away."""
    everybody, at_once, shown = [f"{n:04}" for n in range(2000)], list[int](), list[int]()

    def raises(_watch: Watch, _tx: object, people: Collection[str], *_: object) -> set[str]:
        shown.append(len([one for one in town.server.hub.drain() if one.name == "patient"]))
        at_once.append(len(people))
        return {one for one in people if one < "0800"}

    town.server.hub.drain()
    monkeypatch.setattr(Watch, "look", raises)
    monkeypatch.setattr("server.patients.store.ids", lambda _tx: everybody)
    town.tick(seconds=1)
    assert at_once == [500, *[50] * 7, 500, 500, 150]
    assert shown[:3] == [0, 500, 50]


def test_one_alarm_that_cannot_climb_keeps_no_other_from_climbing(town: Town) -> None:
    mend = spoilt_alarm(town, climb=b"{", due_ns=0)
    low(town)
    town.tick(minutes=6)
    assert rung(town, "eva")
    assert "escalation fails (DecodeError)" in town.server.health().problems
    mend()
    town.tick(seconds=1)
    assert "escalation fails (DecodeError)" not in town.server.health().problems


def test_what_climbed_first_is_told_whatever_becomes_of_the_thousands_after_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_alarms(town)
    monkeypatch.setattr("server.app.CLIMBED_AT", 1)
    turn = tick._turn

    def full(tx: sa.Connection, alarm: Alarm, now_ns: int) -> None:
        if alarm.patient_id == "eva":
            raise sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full"))
        turn(tx, alarm, now_ns)

    with monkeypatch.context() as patch:
        patch.setattr(tick, "_turn", full)
        town.tick(minutes=6)
    assert (rung(town, "eva"), rung(town, "odd")) == (1, 2)
    town.tick(seconds=1)
    assert (rung(town, "eva"), rung(town, "odd")) == (2, 2)


def test_thousands_that_are_due_at_once_make_no_turn_that_never_ends(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches the engine would start the server anew, and it would begin with all of them again."""
    two_alarms(town)
    monkeypatch.setattr("server.app.CLIMBED_AT", 1)
    monkeypatch.setattr("server.app.CLIMB_S", 0.0)
    town.tick(minutes=6)
    assert (rung(town, "eva"), rung(town, "odd")) == (1, 2)
    town.tick(seconds=1)
    assert (rung(town, "eva"), rung(town, "odd")) == (2, 2)


def two_alarms(town: Town) -> None:
    """The nurse has been told of both, and is the next on their ladders again: nobody else is there."""
    spoilt_alarm(town)
    low(town)
    town.tick(minutes=6)
    assert (rung(town, "eva"), rung(town, "odd")) == (1, 1)


def spoilt_alarm(town: Town, **columns: object) -> Callable[[], None]:
    """Odd has an alarm whose row cannot be used any more; returns what makes it whole again."""
    now_ns = town.clock.now_ns()
    reason = Reason("weight_gain", "1", Level.HIGH, {}, {"nb": "vekt", "en": "weight"}, now_ns)
    with town.server.db.write() as tx:
        judge(tx, "odd", Kind.CLINICAL, [reason], frozenset(), now_ns)
        whole = dict(tx.execute(sa.select(alarms)).mappings().one())
        if columns:
            tx.execute(alarms.update().values(**columns))

    def mend() -> None:
        with town.server.db.write() as tx:
            tx.execute(
                alarms.update().where(alarms.c.id == whole["id"]).values(**{name: whole[name] for name in columns})
            )

    return mend


def rung(town: Town, patient: str) -> int:
    """How often a phone rang for this patient's clinical alarm."""
    with town.server.db.read() as tx:
        number = tx.scalar(sa.select(alarms.c.id).where(alarms.c.patient_id == patient, alarms.c.kind == "clinical"))
        return sum(one.alarm_id == str(number) for one in messages(tx))


def test_everybody_is_looked_at_also_where_they_are_more_than_one_transaction_takes(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.LOOKED_AT", 1)
    for gateway in ("gw-1", "gw-2"):
        town.beat(gateway)
    town.tick(minutes=10)
    with town.server.db.read() as tx:
        assert {one.patient_id for one in all_open(tx) if one.kind == "technical"} == {"eva", "odd"}


def test_a_server_that_leaves_ends_what_takes_long_after_the_piece_it_is_at(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded: list[int] = []

    def piece(*_: object, at_least: int = 0, **__: object) -> int:
        folded.append(at_least)
        if len(folded) == 3:
            town.server.leave()
        return int(len(folded) < 9)

    monkeypatch.setattr("server.app.fold", piece)
    monkeypatch.setattr("server.app.FOLD_PIECES", 1)
    town.server.fold(town.clock.now_ns())
    assert folded == [0, FOLD_READINGS, FOLD_READINGS], "one piece of what has waited, and all of a flood"
    monkeypatch.setattr("server.app.FOLD_PIECES", 4)
    town.server.fold(town.clock.now_ns())
    assert folded[3:] == [0], "and no further piece of a round"
    looked: list[list[str]] = []
    monkeypatch.setattr("server.app.LOOKED_AT", 1)
    monkeypatch.setattr(town.server, "_look", lambda _tx, people, *_: looked.append(people) or set())
    town.server.decide(town.clock.now_ns())
    assert looked == [["eva"]]


def test_what_has_waited_is_folded_a_piece_in_each_round_and_what_comes_meanwhile_waits_in_its_turn(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.readings.fold.MOST", 1)
    monkeypatch.setattr("server.app.FOLD_PIECES", 1)
    for number in range(3):
        town.send(spo2(97, town.clock.now_ns() - number * NS), first=number)
    folded: list[int] = []
    for number in range(4):
        town.server.fold(town.clock.now_ns())
        with town.server.db.read() as tx:
            folded.append(stored(tx))
        town.send(spo2(96, town.clock.now_ns() - number * NS), first=3 + number)
    assert folded == [1, 2, 3, 3]
    town.server.fold(town.clock.advance(seconds=61))
    with town.server.db.read() as tx:
        assert stored(tx) == 4
    assert len(town.values("eva")) == 7
    monkeypatch.setattr("server.app.FOLD_PIECES", 2)
    town.server.fold(town.clock.now_ns())
    with town.server.db.read() as tx:
        assert stored(tx) == 6, "or some pieces"
