"""A real PostgreSQL of our own for the tests: its own folder, its own socket, with fsync, gone when they end.

Its text is sorted as in Norwegian, not by code points: what relies on an order it did not ask for is found out.
PostgreSQL refuses to run as root, so where the tests do, it runs as the system's own user for it.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from server import revisions
from server.config import Database as DatabaseConfig
from server.db import Database

WAIT_S = 60
_TEMPLATE = "town"
_SETTINGS = {"fsync": "on", "listen_addresses": "''", "max_connections": "200", "shared_buffers": "32MB"}


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
        if os.getuid() == 0:
            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        locale = ("--locale-provider=icu", "--icu-locale=nb-NO")
        self._run("initdb", "--no-sync", "--auth=trust", "--username=hjemvakt", "--encoding=UTF8", *locale)
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
            settings.write(f"unix_socket_directories = '{folder}'\n")

    def url(self, database: str) -> str:
        return f"postgresql://hjemvakt@/{database}?host={self.folder}"

    def start(self) -> None:
        """Start it and wait until it answers, recovered from whatever there was."""
        self._run("pg_ctl", "start", "--wait", f"--timeout={WAIT_S}", "--silent", f"--log={self.folder / 'log'}")

    def stop(self) -> None:
        """Stop it in order: connections are closed, and the next start has nothing to recover."""
        self._run("pg_ctl", "stop", "--mode=fast", f"--timeout={WAIT_S}", "--silent")

    def kill(self) -> None:
        """End it at once, as a crash does: nothing is written any more, and the next start recovers from the log."""
        self._run("pg_ctl", "stop", "--mode=immediate", f"--timeout={WAIT_S}", "--silent")

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
    def database(self, *, empty: bool = False) -> Iterator[DatabaseConfig]:
        """A database that nobody else uses, dropped at the end."""
        self._made += 1
        name = f"town_{self._made}"
        self._say(f"CREATE DATABASE {name} TEMPLATE {'template0' if empty else _TEMPLATE}")
        try:
            yield DatabaseConfig(self.url(name))
        finally:
            self._say(f"DROP DATABASE {name} WITH (FORCE)")

    def _say(self, what: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(what.encode())

    def _run(self, program: str, *words: str) -> None:
        folder = binaries()
        assert folder is not None
        as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] if os.getuid() == 0 else []
        command = [*as_owner, str(folder / program), f"--pgdata={self.folder / 'data'}", *words]
        done = subprocess.run(command, cwd=self.folder, check=False, capture_output=True, text=True, timeout=WAIT_S * 2)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"


@contextmanager
def running() -> Iterator[Cluster]:
    """A cluster that runs, in a folder with a short path: a socket's has room for a hundred characters."""
    folder = Path(tempfile.mkdtemp(prefix="hjemvakt-pg-", dir="/tmp"))
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
