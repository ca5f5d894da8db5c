"""A real PostgreSQL of our own for the tests: its own folder, its own socket, with fsync, gone when they end, however.

Its files are kept in memory where the system has room for that: processes are killed here, power is not cut, and a
database for each test is made and dropped several times as fast.

Its text is sorted as in Norwegian, not by code points: what relies on an order it did not ask for is found out.
PostgreSQL refuses to run as root, so where the tests do, it runs as the system's own user for it.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from server import revisions
from server.config import Database as DatabaseConfig
from server.db import Database
from tests.waiting import until

WAIT_S = 60
_TEMPLATE = "town"
_SETTINGS = {
    "fsync": "on", "listen_addresses": "''", "max_connections": "200",
    "shared_buffers": "32MB", "max_wal_size": "256MB",
}  # fmt: skip
_MEMORY, _DISK = Path("/dev/shm"), Path("/tmp")  # noqa: S108 - a folder of a random name is made in it
_ROOM = 2 << 30
"""Bytes that must be free in memory for a cluster to be there."""


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL's programs, which Debian keeps off the path; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    elsewhere = shutil.which("initdb")
    return found[-1].parent if found else Path(elsewhere).resolve().parent if elsewhere else None


class Cluster:
    """One PostgreSQL server: `start`, `stop`, `kill`; and databases on it, made of one that has our tables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        locale = ("--locale-provider=icu", "--icu-locale=nb-NO")
        words = ("--no-sync", "--auth=trust", "--username=hjemvakt", "--encoding=UTF8", *locale)
        subprocess.run([*self._command("initdb"), *words], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
            settings.write(f"unix_socket_directories = '{folder}'\n")

    def url(self, database: str) -> str:
        return f"postgresql://hjemvakt@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers, recovered from whatever there was."""
        with (self.folder / "log").open("ab") as log:
            command = self._command("postgres", "setpriv", "--pdeathsig=INT")  # it ends with tests that are killed
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        until(self._answers, WAIT_S)

    def stop(self) -> None:
        """Stop it in order: connections are closed, and the next start has nothing to recover."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it at once, as a crash does: nothing is written any more, and the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    @contextmanager
    def dead(self) -> Iterator[None]:
        """It dies at once, and is there again afterwards."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def add_template(self) -> None:
        """Make the database that the others are copies of, at the newest revision."""
        self._say(f"CREATE DATABASE {_TEMPLATE}")
        db = Database(DatabaseConfig(self.url(_TEMPLATE)).where(self.folder))
        revisions.upgrade(db)
        db.close()

    @contextmanager
    def database(self) -> Iterator[DatabaseConfig]:
        """A database that nobody else uses, dropped at the end."""
        self._made += 1
        name = f"town_{self._made}"
        self._say(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        try:
            yield DatabaseConfig(self.url(name))
        finally:
            self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def _say(self, what: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(what.encode())

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()
        try:
            self._say("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)
        self._process.wait(WAIT_S)

    def _command(self, program: str, *how: str) -> list[str]:
        """`program` on our data, as the system's own user for it where we are root."""
        folder = binaries()
        assert folder is not None
        owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
        return [*owner, *how, str(folder / program), "-D", str(self.folder / "data")]


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that runs, in a folder with a short path: a socket's has room for a hundred characters."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM
    folder = Path(tempfile.mkdtemp(prefix="hjemvakt-pg-", dir=_MEMORY if roomy else _DISK))
    try:
        cluster = Cluster(folder)
        cluster.start()
        try:
            cluster.add_template()
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder)
