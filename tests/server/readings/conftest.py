"""What the tests of stores share: an InfluxDB, a database for cursors."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Influx
from server.db import Database
from server.readings.influx import InfluxStore
from tests.lite import lay
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import InfluxServer, influx_store, stop_the_server, the_server
from vitals.clock import ManualClock


@pytest.fixture(scope="session", autouse=True)
def _one_server() -> Iterator[None]:
    yield
    stop_the_server()


@pytest.fixture
def influxd() -> InfluxServer:
    return the_server()


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    lay(tmp_path / "hjemvakt.sqlite")
    db = Database(tmp_path / "hjemvakt.sqlite")
    yield db
    db.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START_NS)


@pytest.fixture
def bucket(influxd: InfluxServer) -> Influx:
    return influxd.bucket()


@pytest.fixture
def influx(bucket: Influx, db: Database, clock: ManualClock) -> Iterator[InfluxStore]:
    store = influx_store(bucket, db, clock)
    yield store
    store.close()
