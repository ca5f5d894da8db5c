"""One server at a time acts on a database, with real processes: a second is refused, or stands by and takes over."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
import sqlalchemy as sa

from server.config import Database as DatabaseConfig
from server.keeping import Taken
from server.reign import Reign
from tests.ports import free_port
from tests.postgres import Cluster
from tests.server.conftest import LADDERS, TOWN
from tests.waiting import until
from vitals.errors import StoreError

ROOT = Path(__file__).parents[2]
START_S = 90


class Machine:
    """Where servers are started; on PostgreSQL each has a data folder of its own, as on machines of their own."""

    def __init__(self, folder: Path, database: DatabaseConfig) -> None:
        self._folder = folder
        self._database = database
        self._stack = ExitStack()
        (folder / "municipality.toml").write_text(TOWN, encoding="utf-8")

    def start(self, name: str, *more: str) -> "Serving":
        data = name if self._database.url else "data"
        config = self._folder / f"{name}.toml"
        config.write_text(
            f'name = "Prøveby"\ndata = "{self._folder / data}"\nladders = "{LADDERS}"\n'
            f'municipality = "{self._folder / "municipality.toml"}"\n[web]\nport = 0\n'
            f'[broker]\nkind = "embedded"\nport = {free_port()}\n[database]\nurl = "{self._database.url}"\n',
            encoding="utf-8",
        )
        return Serving(config, self._folder / f"{name}.log", self._stack, *more)

    def close(self) -> None:
        self._stack.close()


class Serving:
    def __init__(self, config: Path, log: Path, stack: ExitStack, *more: str) -> None:
        self._log = log
        with log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "server", "run", str(config), *more], cwd=ROOT, stdout=out, stderr=out
            )
        stack.callback(self.kill)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def says(self, words: str) -> None:
        until(lambda: words in self.said() or self.process.poll() is not None, START_S)
        assert words in self.said(), self.said()

    def serves(self) -> None:
        self.says("ready http://")
        address = self.said().partition("ready ")[2].split()[0]
        assert httpx.get(f"{address}/api/health", timeout=START_S).status_code == 200


@pytest.fixture
def machine(tmp_path: Path, database: DatabaseConfig) -> Iterator[Machine]:
    machine = Machine(tmp_path, database)
    yield machine
    machine.close()


def test_a_second_server_is_refused_and_one_that_stands_by_takes_over_when_the_first_is_killed(
    machine: Machine,
) -> None:
    first = machine.start("first")
    first.serves()
    second, standby = machine.start("second"), machine.start("standby", "--standby")
    assert second.process.wait(START_S) == 1
    assert "stop it first" in second.said()
    assert "ready" not in second.said()
    standby.says("standing by: ")
    assert "ready" not in standby.said()
    first.kill()
    standby.serves()


@pytest.fixture
def url(postgres: Cluster, tmp_path: Path) -> Iterator[sa.URL]:
    with postgres.database() as made:
        where = made.where(tmp_path)
        assert isinstance(where, sa.URL)
        yield where


@pytest.fixture
def reigns(url: sa.URL) -> Iterator[list[Reign]]:
    made = [Reign(url) for _ in range(3)]
    yield made
    for one in made:
        one.close()


def cut(url: sa.URL) -> None:
    """PostgreSQL ends every connection to the database, as when it starts again."""
    with psycopg.connect(dbname="postgres", user="hjemvakt", host=str(url.query["host"]), autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (url.database,))


def test_after_a_connection_that_broke_the_one_that_had_it_goes_first_and_stops_where_it_comes_too_late(
    reigns: list[Reign], url: sa.URL
) -> None:
    acting, standby, stranger = reigns
    ended: list[str] = []
    acting.on_lost = lambda: ended.append("acting")
    acting.take()
    acting.look(0)
    with pytest.raises(Taken, match="another server acts"):
        standby.take()
    cut(url)
    with pytest.raises(StoreError, match="cannot be opened"):
        standby.take()
    with pytest.raises(Taken):
        standby.take()
    acting.look(0)
    assert not acting.lost, "nobody was quicker"
    cut(url)
    stranger.take()
    acting.look(0)
    acting.look(0)
    assert (acting.lost, ended) == (True, ["acting"]), "told once: it is not the one any more"
