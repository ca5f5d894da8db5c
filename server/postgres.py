"""PostgreSQL in SQLite's place, with the same promises.

- **One writer at a time.** A writing transaction first takes an advisory lock of the whole database, so two servers
  that were started on one database take turns like two threads of one. It reads at READ COMMITTED, and because it took
  the lock before it looked and nobody else may write, what it reads stays so. The lock goes with the transaction, also
  when its server dies.
- **On disk when it returns.** `synchronous_commit=on` is asked for by each connection, and a server that runs without
  `fsync` is refused: an acknowledged reading that a power cut takes away is the one thing that must not happen.
- **No false success.** PostgreSQL answers COMMIT of a transaction in which something failed with a quiet ROLLBACK;
  here that is an error. A connection that breaks is an error as well, and what was written may or may not be there.
- **Readers** see one moment (REPEATABLE READ, READ ONLY) and wait for nobody.
- **Nobody waits for ever**: not for a lock (30 s, as on SQLite), not for a host that has fallen silent (15 s).

PostgreSQL's text cannot hold the character NUL, which damaged messages may; it is kept as `␀`.
"""

from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg.types.string import StrDumperUnknown
from sqlalchemy import event

from vitals.errors import ConfigError, StoreError

READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
"""Execution options of those who read."""

REACH = "see that PostgreSQL runs, that [database] in server.toml names it, its user and the password rightly"

_TURN = int.from_bytes(b"hjemvakt")
_HOME = ("", "localhost", "127.0.0.1", "::1")
_SECURE = ("require", "verify-ca", "verify-full")
_SESSION = {
    "synchronous_commit": "on", "lock_timeout": "30s", "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}  # fmt: skip
_CONNECT = {
    "application_name": "hjemvakt", "client_encoding": "utf8", "connect_timeout": 5, "keepalives_idle": 10,
    "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000,
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
}  # fmt: skip
_TRUSTED = {"fsync": "on", "full_page_writes": "on", "server_encoding": "UTF8"}


def address(url: str, password_file: Path | None) -> sa.URL:
    """The URL to connect with, its password read now; raises ConfigError."""
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise ConfigError("[database] url is no URL", _FORM) from error
    if parsed.drivername not in ("postgresql", "postgres") or not parsed.database:
        raise ConfigError("[database] url is not that of a PostgreSQL database", _FORM)
    if parsed.password is not None or "password" in parsed.query:
        raise ConfigError(
            "[database] url has a password in it", "put it alone into a file, and name that as password_file"
        )
    if _elsewhere(parsed) and parsed.query.get("sslmode") not in _SECURE:
        raise ConfigError(
            "[database] url leads to another machine without saying that the connection is encrypted",
            "end it with ?sslmode=verify-full (and sslrootcert=…), or with ?sslmode=require",
        )
    return parsed.set(drivername="postgresql+psycopg", password=_password(password_file))


def engine(url: sa.URL) -> sa.Engine:
    """An engine on `url`. A connection of it raises StoreError where that database is not to be trusted."""
    made = sa.create_engine(url, connect_args=_CONNECT, hide_parameters=True)
    event.listen(made, "connect", _prepare)
    event.listen(made, "begin", _take_turn)
    event.listen(made, "commit", _refuse_quiet_rollback)
    return made


def size(tx: sa.Connection) -> int:
    """Bytes on disk of the whole database."""
    return int(tx.scalar(sa.text("SELECT pg_database_size(current_database())")) or 0)


def too_much(error: BaseException | None) -> bool:
    """Whether PostgreSQL refused one row for good, because something in it is longer than an index can hold."""
    return isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith("54")


class _Text(StrDumperUnknown):
    def dump(self, obj: str) -> Any:
        return super().dump(obj.replace("\0", "␀"))


def _prepare(connection: psycopg.Connection[Any], _record: object) -> None:
    connection.adapters.register_dumper(str, _Text)
    settings = ", ".join(f"current_setting('{name}')" for name in _TRUSTED)
    with connection.cursor() as cursor:
        found = cursor.execute(f"SELECT {settings}").fetchone() or ()
    connection.rollback()
    for (name, wanted), value in zip(_TRUSTED.items(), found, strict=True):
        if value != wanted:
            raise StoreError(
                f"PostgreSQL has {name} = {value}, so it cannot be trusted with readings", f"it must be {wanted}"
            )


def _take_turn(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("writing", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")


def _refuse_quiet_rollback(connection: sa.Connection) -> None:
    status = connection.connection.dbapi_connection.info.transaction_status  # type: ignore[union-attr]
    if status == psycopg.pq.TransactionStatus.INERROR:
        raise StoreError("a part of the transaction failed, so nothing of it is stored", "it is tried again")


def _elsewhere(url: sa.URL) -> bool:
    """Whether it leads over a network. A host that begins with a slash is the folder of a socket."""
    hosts = [url.host or "", *url.normalized_query.get("host", ()), *url.normalized_query.get("hostaddr", ())]
    names = (host.partition(":")[0] if host.count(":") == 1 else host for host in hosts)
    return any(name not in _HOME and not name.startswith("/") for name in names)


def _password(file: Path | None) -> str | None:
    """None where there is no file: libpq then looks into PGPASSWORD and ~/.pgpass by itself."""
    if file is None:
        return None
    try:
        return file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be read ({error.strerror})", "put the database's password in it, alone"
        ) from error


_FORM = "write it as postgresql://hjemvakt@localhost/hjemvakt, or leave it out for SQLite in the data folder"
