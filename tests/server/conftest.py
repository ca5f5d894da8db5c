"""What the server's tests share: a small town, a clock that stands still, and gateways that speak."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from server.app import Server
from server.broker.accounts import hash_password
from server.config import Config
from server.config import Database as DatabaseConfig
from server.escalation.setback import Machine, Shown
from tests.lite import lay
from tests.ports import free_port
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.events import Event, Fault
from vitals.wire import Ack, Batch, DeviceHealth, Health, Row, State, decode, encode, state, up

LADDERS = Path(__file__).parents[2] / "configs" / "ladders.toml"
SQLITE = DatabaseConfig()
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
START_NS = int(START.timestamp()) * NS

TOWN = f"""
name = "Prøveby"

[[patients]]
id = "eva"
name = "Eva"
birth_year = 1940
place = "Gata 1"
programme = "copd"

[[patients]]
id = "odd"
name = "Odd"
birth_year = 1950
place = "Gata 2"
programme = "heart-failure"

[[gateways]]
id = "gw-1"
place = "Gata 1"
patient = "eva"
password_hash = "{hash_password("gw-1-secret", iterations=10)}"

[[gateways]]
id = "gw-2"
place = "Gata 2"
patient = "odd"
password_hash = "{hash_password("gw-2-secret", iterations=10)}"

[[assignments]]
device = "oximeter"
patient = "eva"
from = 2026-01-01T00:00:00Z

[[assignments]]
device = "scale"
patient = "odd"
from = 2026-01-01T00:00:00Z
to = 2026-03-01T12:00:00Z

[[assignments]]
device = "scale"
patient = "eva"
from = 2026-03-01T18:00:00Z

[[staff]]
id = "kari"
name = "Kari"
role = "nurse"
phone = "+4700000101"
password_hash = "$argon2id$none"
"""


def at(text: str) -> int:
    """Nanoseconds of an ISO time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS


def spo2(value: float, t_ns: int, **more: object) -> Block:
    return Block("spo2", (t_ns,), (value,), **more)  # type: ignore[arg-type]


class Town:
    """The server with its clock, and what gateways do to it."""

    def __init__(self, folder: Path, municipality: str = TOWN, database: DatabaseConfig = SQLITE, **more: Any) -> None:
        self.folder = folder
        self.clock = ManualClock(START_NS)
        self.machine: Machine = Shown
        (folder / "municipality.toml").write_text(municipality, encoding="utf-8")
        self.config = Config(
            "Prøveby", folder / "data", folder / "municipality.toml", LADDERS, demo=True, database=database, **more
        )
        lay(database.where(self.config.data))
        self.server = Server(self.config, self.clock, self.machine)

    def begin_again(self) -> None:
        """The server stops and starts on the same data."""
        self.server.close()
        self.server = Server(self.config, self.clock, self.machine)

    def rows(self, *what: Block | Event | Fault, first: int = 0, device: str = "oximeter") -> tuple[Row, ...]:
        return tuple(Row(first + n, device, self.clock.now_ns(), one) for n, one in enumerate(what))

    def batch(self, rows: Iterable[Row], gateway: str = "gw-1", epoch: str = "e") -> tuple[str, bytes]:
        return up(gateway, "obs"), encode(Batch(gateway, epoch, self.clock.now_ns(), tuple(rows)))

    def send(self, *what: Block | Event | Fault, first: int = 0, device: str = "oximeter") -> list[tuple[int, int]]:
        """Send rows in one batch; returns the ranges that were acknowledged."""
        return acknowledged(self.server.receive(*self.batch(self.rows(*what, first=first, device=device))))

    def beat(self, gateway: str = "gw-1", devices: tuple[DeviceHealth, ...] = (), queued: int = 0) -> None:
        told = Health(gateway, "e", self.clock.now_ns(), "0.1", queued, devices=devices)
        [(_, answer)] = self.server.receive(up(gateway, "health"), encode(told))
        assert decode(answer, Ack).ranges == ()

    def will(self, gateway: str = "gw-1") -> None:
        """The gateway's last will is published."""
        self.server.receive(state(gateway), encode(State(gateway, False, self.clock.now_ns())))

    def tick(self, **step: float) -> None:
        self.server.tick(self.clock.advance(**step))

    def values(self, patient: str, channel: str = "spo2") -> list[float]:
        from server.readings.store import series

        with self.server.db.read() as tx:
            return series(tx, patient, channel, 0, 2**62).value

    def aside(self) -> list[str]:
        """The reasons in quarantine, oldest first."""
        from server.fleet.store import quarantine

        with self.server.db.read() as tx:
            return [one.reason for one in reversed(quarantine(tx, 1000))]


def acknowledged(answers: Iterable[tuple[str, bytes]]) -> list[tuple[int, int]]:
    return [
        (first, last)
        for topic, payload in answers
        if topic.endswith("/down/ack")
        for first, last in decode(payload, Ack).ranges
    ]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[DatabaseConfig]:
    """An empty database of each kind that the server runs on: whoever asks for it is tested on both."""
    if request.param == "sqlite":
        yield SQLITE
        return
    with request.getfixturevalue("postgres").database() as made:
        yield made


@pytest.fixture
def town(tmp_path: Path, database: DatabaseConfig) -> Iterator[Town]:
    town = Town(tmp_path, database=database)
    yield town
    town.server.close()


@pytest.fixture(scope="session", name="free_port")
def _free_port() -> Callable[[], int]:
    """Gives a TCP port that was free a moment ago."""
    return free_port


def broken(payload: bytes, find: bytes, put: bytes) -> bytes:
    """The payload with something replaced that is surely there."""
    assert find in payload
    return payload.replace(find, put)
