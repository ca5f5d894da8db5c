"""A database in which readings were plain rows is brought over whole: every reading, event, time and count."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from server import revisions
from server.db import Database
from server.readings import journal
from server.readings.model import EVER_NS, Occurrence, Reading
from server.readings.store import events, keep, keep_events, latest, series
from tests.faults.ledger import promised_readings, shown_readings
from tests.server.conftest import START_NS, Town, spo2
from vitals.clock import NS

HOUR = 3600 * NS
COUNT = 12_000


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)  # no other kind is so old
def test_nothing_is_lost_or_doubled(tmp_path: Path, town: Town) -> None:
    given = [_reading(number) for number in range(COUNT)]
    happened = [
        Occurrence("eva", START_NS + n, bytes([n]) * 16, "dispenser.missed", {"dose_id": n}, "dispenser.missed",
                   float(n), "box", str(n), None, START_NS)
        for n in range(3)
    ]  # fmt: skip
    path = tmp_path / "old.sqlite"
    _old(path, given, happened, total=COUNT + 3 + 5)  # five are held

    town.server.close()
    (town.folder / "data" / "hjemvakt.sqlite").unlink()
    path.rename(town.folder / "data" / "hjemvakt.sqlite")
    town.begin_again()

    with town.server.db.read() as tx:
        assert journal.stored(tx) == COUNT + 3 + 5
        filed = [one for entry in journal.read(tx, 0, 1000) for one in entry.readings]
        assert sorted(filed, key=lambda one: one.identity) == sorted(given, key=lambda one: one.identity)
        assert [one for entry in journal.read(tx, 0, 1000) for one in entry.events] == happened
        assert events(tx, "eva", *EVER_NS) == happened
        for patient in ("eva", "odd"):
            mine = sorted((one.t_ns, one.value) for one in given if one.patient_id == patient)
            found = series(tx, patient, "spo2", *EVER_NS)
            assert list(zip(found.t_ns, found.value, strict=True)) == mine
        newest = latest(tx, ["eva"])["eva"]["spo2"]
        assert (newest.t_ns, newest.stored_ns) == (given[-2].t_ns, given[-2].received_ns + 2)
    with town.server.db.write() as tx:
        assert keep(tx, given[:50], 5) == []
        assert keep_events(tx, happened, 5) == []
    town.server.fold(town.clock.now_ns())
    database = town.server.db.path
    names = sorted(f"{one.device} {one.record}" for one in given)
    assert sorted(shown_readings(database)) == sorted(promised_readings(database)) == names
    town.send(spo2(95, START_NS))
    with town.server.db.read() as tx:
        assert journal.stored(tx) == COUNT + 3 + 6


def _reading(number: int) -> Reading:
    t_ns = START_NS - (COUNT - number) * HOUR
    patient = ("eva", "odd")[number % 2]
    return Reading(
        patient, "spo2", t_ns, number.to_bytes(16, "big"), 90 + number % 10 / 10, 1,
        ("stored", "motion") if number % 3 else (), f"device of {patient}", str(number) if number % 5 else None,
        t_ns - 7 if number % 7 else None, t_ns + 7,
    )  # fmt: skip


def _old(path: Path, given: list[Reading], happened: list[Occurrence], total: int) -> None:
    """A database as it was at revision 0005, with these in it."""
    db = Database(path)
    with db.write() as tx:
        revisions.upgrade_to(tx, "0005")
        for who in ("eva", "odd"):
            tx.execute(
                sa.text("INSERT INTO patients VALUES (:id, :id, 1940, '', 'copd', '', '[]', '{}', 0)"), {"id": who}
            )
        row = ":patient_id, :channel, :t_ns, :identity, :value, :decimals, :status, :good, :device, :record"
        tx.execute(
            sa.text(f"INSERT INTO readings VALUES ({row}, :device_t_ns, :received_ns, :stored_ns)"),
            [
                {name: getattr(one, name) for name in one.__struct_fields__}
                | {"status": " ".join(one.status), "good": one.good, "stored_ns": one.received_ns + 2}
                for one in given
            ],
        )
        row = ":patient_id, :t_ns, :identity, :kind, :data, :sample, :sample_value, :device, :record"
        tx.execute(
            sa.text(f"INSERT INTO events VALUES ({row}, :device_t_ns, :received_ns, :received_ns)"),
            [
                {name: getattr(one, name) for name in one.__struct_fields__} | {"data": json.dumps(one.data)}
                for one in happened
            ],
        )
        tx.execute(sa.text(f"INSERT INTO journal VALUES (1, 0, 0, x'00', {total})"))
    db.close()


@pytest.mark.parametrize("total", [0, 4])
def test_a_database_without_readings_keeps_its_count(tmp_path: Path, total: int) -> None:
    """Four may be held, with nothing filed."""
    path = tmp_path / "old.sqlite"
    db = Database(path)
    with db.write() as tx:
        revisions.upgrade_to(tx, "0005")
        if total:
            tx.execute(sa.text(f"INSERT INTO journal VALUES (1, 0, 0, x'00', {total})"))
    revisions.upgrade(db)
    with db.read() as tx:
        assert journal.stored(tx) == total
    db.close()
