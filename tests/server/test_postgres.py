"""What PostgreSQL must promise in SQLite's place, against a real one; the stories of the other tests run on it too."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from server.config import Database as DatabaseConfig
from server.config import Influx, load
from server.db import Database, troubled
from server.fleet.quarantine import quarantined
from server.metrics.feeds import Feeds
from server.postgres import address
from server.readings.outside import fed
from tests.postgres import Cluster
from tests.server.conftest import START_NS, Town, acknowledged, spo2
from tests.waiting import until
from vitals.errors import ConfigError, StoreError
from vitals.wire import Batch, encode, up

WAIT_S = 30
notes = sa.Table("notes", sa.MetaData(), sa.Column("text", sa.Text))


@pytest.fixture
def database(postgres: Cluster) -> Iterator[DatabaseConfig]:
    """Here `town` is on PostgreSQL alone."""
    with postgres.database() as made:
        yield made


@pytest.fixture
def db(town: Town) -> Database:
    with town.server.db.write() as tx:
        notes.create(tx)
    return town.server.db


def noted(db: Database) -> list[str]:
    with db.read() as tx:
        return list(tx.scalars(sa.select(notes.c.text)))


def write(tx: sa.Connection, text: str) -> None:
    tx.execute(notes.insert().values(text=text))


def test_two_servers_on_one_database_write_one_after_the_other_and_each_sees_what_the_other_did(
    db: Database, database: DatabaseConfig, tmp_path: Path
) -> None:
    other, saw = Database(database.where(tmp_path)), []

    def write_too() -> None:
        with other.write() as tx:
            saw.extend(tx.scalars(sa.select(notes.c.text)))

    second = threading.Thread(target=write_too)
    with db.write() as tx:
        second.start()
        until(lambda: _waiting(tx) == 1)
        write(tx, "first")
    second.join(WAIT_S)
    other.close()
    assert saw == ["first"], "it looked after its turn had come, not before"


def _waiting(tx: sa.Connection) -> int:
    """How many wait for their turn to write here."""
    asks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM "
    return tx.scalar(sa.text(asks + "pg_database WHERE datname = current_database())")) or 0


def test_a_reader_sees_one_moment_waits_for_nobody_and_cannot_write(db: Database) -> None:
    with db.read() as reader:
        assert reader.scalars(sa.select(notes.c.text)).all() == []
        with db.write() as tx:
            write(tx, "later")
            assert reader.scalars(sa.select(notes.c.text)).all() == []
        assert reader.scalars(sa.select(notes.c.text)).all() == []
    assert noted(db) == ["later"]
    with pytest.raises(sa.exc.InternalError, match="read-only transaction"), db.read() as reader:
        write(reader, "not mine to write")
    assert noted(db) == ["later"]


def test_a_failure_that_somebody_swallowed_is_no_commit(db: Database) -> None:
    """PostgreSQL itself would answer COMMIT with a rollback that nobody is told of."""

    def write_and_swallow() -> None:
        with db.write() as tx:
            write(tx, "before")
            with contextlib.suppress(sa.exc.DataError):
                tx.execute(sa.text("SELECT 1/0"))

    with pytest.raises(StoreError, match="nothing of it is stored") as raised:
        write_and_swallow()
    assert troubled(raised.value)
    assert noted(db) == []
    with db.write() as tx:
        write(tx, "after")
    assert noted(db) == ["after"]


def test_a_connection_that_breaks_before_the_commit_stores_nothing_and_the_next_works(db: Database) -> None:
    def write_and_be_cut_off() -> None:
        with db.write() as tx, db.read() as other:
            write(tx, "lost")
            mine = tx.scalar(sa.text("SELECT pg_backend_pid()"))
            assert other.scalar(sa.text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": mine})

    with pytest.raises(sa.exc.OperationalError) as raised:
        write_and_be_cut_off()
    assert troubled(raised.value)
    with db.write() as tx:
        write(tx, "again")
    assert noted(db) == ["again"]


def test_each_commit_waits_for_the_disk_and_a_server_that_does_not_is_refused(
    db: Database, database: DatabaseConfig, postgres: Cluster, tmp_path: Path
) -> None:
    with db.write() as tx:
        assert tx.scalar(sa.text("SHOW synchronous_commit")) == "on"
    with _set(postgres, "fsync", "off"), pytest.raises(StoreError, match=r"fsync = off.*it must be on"):
        Database(database.where(tmp_path)).reach()


@contextmanager
def _set(postgres: Cluster, name: str, value: str) -> Iterator[None]:
    """The cluster's setting is another for a while."""
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:

        def change(how: str, wanted: str) -> None:
            admin.execute(f"ALTER SYSTEM {how}".encode())
            admin.execute("SELECT pg_reload_conf()")
            until(lambda: admin.execute(f"SHOW {name}".encode()).fetchone() == (wanted,))

        (before,) = admin.execute(f"SHOW {name}".encode()).fetchone() or ("",)
        change(f"SET {name} = {value}", value)
        try:
            yield
        finally:
            change(f"RESET {name}", before)


def test_a_postgresql_that_is_away_is_told_of_and_nothing_is_acknowledged_until_it_is_back(
    town: Town, postgres: Cluster
) -> None:
    message = town.batch(town.rows(spo2(94, START_NS)))
    other = town.batch(town.rows(spo2(95, START_NS), first=1), gateway="gw-2")
    town.beat()
    with postgres.dead():
        for _ in range(2):
            with pytest.raises(sa.exc.OperationalError):
                town.server.receive_many([message, other])
        town.tick(seconds=20)
        health = town.server.health()
        assert (health.status, health.stored, health.quarantined, health.open_alarms) == ("degraded", None, None, None)
        assert any("the database does not answer" in one for one in health.problems)
        names = {metric.name for metric in town.server.meter.registry.collect()}
        assert "hjemvakt_problems" in names
        assert "hjemvakt_readings_stored" not in names
    assert acknowledged(town.server.receive_many([message, other])) == [(0, 0), (1, 1)]
    town.tick(seconds=1)
    health = town.server.health()
    assert (health.status, health.problems, health.stored) == ("ok", [], 2)
    assert town.values("eva") == [94, 95]


def test_with_an_influxdb_beside_it_a_database_that_is_away_is_told_of_all_the_same(
    town: Town, postgres: Cluster, free_port: Callable[[], int]
) -> None:
    """Where the feed stands is in the database. Who asked for it then got an error in place of the whole page."""
    nobody = Influx(f"http://127.0.0.1:{free_port()}", "readings")
    town.send(spo2(94, START_NS))
    with fed(nobody, town.server.db, town.clock) as feed:
        town.server.watches.append(feed.problem)
        town.server.meter.registry.register(Feeds(feed))
        with postgres.dead():
            health = town.server.health()
            names = {metric.name for metric in town.server.meter.registry.collect()}
        assert any("the database does not answer" in one for one in health.problems)
        assert "hjemvakt_problems" in names
        assert "hjemvakt_feed_lag_rows" not in names
        town.tick(seconds=1)
        assert town.server.health().problems == []
        assert "hjemvakt_feed_lag_rows" in {metric.name for metric in town.server.meter.registry.collect()}


def test_a_database_that_cannot_be_reached_is_told_at_the_start_with_what_to_do(town: Town, postgres: Cluster) -> None:
    with postgres.dead(), pytest.raises(StoreError, match=r"cannot be opened.*see that PostgreSQL runs.*server\.toml"):
        town.begin_again()
    town.begin_again()


def test_what_a_failed_statement_was_about_stands_in_no_error(town: Town) -> None:
    with pytest.raises(sa.exc.DataError) as raised, town.server.db.write() as tx:
        tx.execute(sa.text("SELECT CAST(:name AS text), 1/0"), {"name": "Solveig Nilsen"})
    assert "Solveig" not in str(raised.value)


def test_numbers_have_64_bits(town: Town) -> None:
    with town.server.db.write() as tx:
        tx.execute(sa.text("SELECT setval(pg_get_serial_sequence('quarantine', 'id'), 5000000000)"))
        small = tx.execute(
            sa.text(
                "SELECT table_name, column_name FROM information_schema.columns "
                "WHERE table_schema = 'public' AND column_default LIKE 'nextval%' AND data_type <> 'bigint'"
            )
        ).all()
    assert small == []
    assert town.send(spo2(300, START_NS)) == [(0, 0)]
    with town.server.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.max(quarantined.c.id))) == 5_000_000_001


def test_text_with_a_nul_in_it_is_kept_and_acknowledged(town: Town) -> None:
    assert town.send(spo2(94, START_NS, record="a\0b")) == [(0, 0)]
    assert town.send(spo2(95, START_NS), first=1, device="nobody's\0") == [(1, 1)]
    assert town.values("eva") == [94]
    assert town.aside() == ["no patient"]


def test_a_name_too_long_for_an_index_holds_up_nobody_else(town: Town) -> None:
    long = "".join(chr(0x4E00 + n * 7919 % 20_000) for n in range(5_000))
    spoilt = up("gw-1", "obs"), encode(Batch("gw-1", long, START_NS, town.rows(spo2(94, START_NS))))
    good = town.batch(town.rows(spo2(95, START_NS)), gateway="gw-2")
    assert acknowledged(town.server.receive_many([spoilt, good])) == [(0, 0)]
    assert town.values("eva") == [95]
    assert town.aside() == ["server error"]


def test_the_configuration_names_it_and_its_password_stands_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "db-password").write_text("top secret\n", encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        'name = "Prøveby"\n[database]\npassword_file = "db-password"\n'
        'url = "postgresql://hjemvakt@db.example.no:5433/hjemvakt?sslmode=verify-full"\n',
        encoding="utf-8",
    )
    config = load(tmp_path / "server.toml")
    where = config.database.where(config.data)
    assert isinstance(where, sa.URL)
    assert (where.drivername, where.host, where.port, where.password) == (
        "postgresql+psycopg", "db.example.no", 5433, "top secret",
    )  # fmt: skip
    assert "top secret" not in Database(where).name
    assert DatabaseConfig().where(tmp_path) == tmp_path / "hjemvakt.sqlite"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://hjemvakt:secret@localhost/hjemvakt", "password.*password_file"),
        ("postgresql://localhost/hjemvakt?password=secret", "password.*password_file"),
        ("mysql://localhost/hjemvakt", "not that of a PostgreSQL.*postgresql://hjemvakt@localhost/hjemvakt"),
        ("postgresql://localhost", "not that of a PostgreSQL"),
        ("hjemvakt.sqlite", "is no URL"),
        ("postgresql://localhost:port/hjemvakt", "is no URL"),
        ("postgresql://db.example.no/hjemvakt", "another machine.*sslmode=verify-full"),
        ("postgresql://db.example.no/hjemvakt?sslmode=prefer", "another machine"),
        ("postgresql:///hjemvakt?host=/run/postgresql&host=10.0.0.7:5432", "another machine"),
    ],
)
def test_a_database_that_should_not_be_used_so_is_refused_in_words(url: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as raised:
        address(url, None)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["postgresql:///h?host=/run/postgresql", "postgresql://u@[::1]/h", "postgresql:///h"])
def test_what_does_not_leave_the_machine_needs_no_encryption(url: str) -> None:
    assert address(url, None).database == "h"


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="db-password cannot be read"):
        address("postgresql:///h", tmp_path / "db-password")
