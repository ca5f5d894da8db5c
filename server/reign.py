"""One server at a time acts: the one that has the data folder and the database. Another is refused, or stands by.

Two that acted at once would store nothing wrong, since writers take turns (`server.postgres`), but both would climb the
ladders and call, and each would remember things that the other had changed. So whoever serves has two locks: the
kernel's on its data folder (`server.keeping`), and on PostgreSQL, which two machines can reach, an advisory lock of the
database's own, on a connection that does nothing else. Both go with the process, however that ends.

*A stand-by* tries every LOOK_S until it has both, and then begins like any other start: all that matters is in the
database. PostgreSQL finds out at once that a process is gone, and within half a minute that a machine is.

*A connection that breaks* takes the lock with it. The server takes it again as soon as PostgreSQL answers, before a
stand-by does, which lets it go first for GRACE_S. Where somebody has it all the same, the server stops: it is no longer
the one. A pooler that hands one connection to several (PgBouncer by transaction) cannot keep such a lock.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from server import postgres
from server.config import Config
from server.keeping import Taken, kept
from vitals.errors import StoreError

log = logging.getLogger(__name__)

LOOK_S = 1.0
PATIENCE_S = 5.0
"""So long a start waits for PostgreSQL to notice that the server before it is gone."""
GRACE_S = 5.0

_REIGN = int.from_bytes(b"hj-reign")


async def begin(stack: contextlib.ExitStack, config: Config, *, standby: bool) -> "Reign | None":
    """Be the one that acts, until `stack` is left; raises StoreError where another is, or waits for it (`standby`).

    None on SQLite, where the data folder is all there is.
    """
    await _taken(lambda: stack.enter_context(kept(config.data)), math.inf if standby else 0.0)
    where = config.database.where(config.data)
    if isinstance(where, Path):
        return None
    reign = Reign(where)
    stack.callback(reign.close)
    await _taken(reign.take, math.inf if standby else PATIENCE_S)
    return reign


async def _taken(take: Callable[[], None], patience_s: float) -> None:
    until_s, said = time.monotonic() + patience_s, ""
    while True:
        try:
            return take()
        except Taken as error:
            if time.monotonic() >= until_s:
                raise
            why = error.text
        except StoreError as error:
            if patience_s < math.inf:
                raise
            why = error.text
        if why != said and patience_s == math.inf:
            log.info("standing by: %s", why)
            said = why
        await asyncio.sleep(LOOK_S)


class Reign:
    """The lock on a PostgreSQL database. `take` it, then `look` now and then whether it is still there."""

    def __init__(self, url: sa.URL) -> None:
        self._name = url.render_as_string(hide_password=True)
        self._engine = postgres.engine(url)
        self._connection: sa.Connection | None = None
        self._not_before_s = 0.0
        self.lost = False
        """Whether somebody else has it now."""
        self.on_lost: Callable[[], None] = lambda: None

    def take(self) -> None:
        """Raises Taken where somebody has it, StoreError where the database does not answer."""
        if not self._tried(wait=True):
            mend = "stop it first, or let this one stand by: --standby"
            raise Taken(f"another server acts on the database {self._name}", mend)

    def look(self, _now_ns: int) -> None:
        """Take it again where the connection broke; raises StoreError while the database does not answer."""
        if self.lost:
            return
        with contextlib.suppress(sa.exc.DBAPIError):
            if self._connection is not None:
                self._connection.scalar(sa.select(1))
                return
        self._drop()
        if self._tried(wait=False):
            log.warning("the connection that keeps the database for us broke; we have it again")
            return
        self.lost = True
        log.error("another server acts on the database %s now: this one stops", self._name)
        self.on_lost()

    def close(self) -> None:
        self._drop()
        self._engine.dispose()

    def _tried(self, *, wait: bool) -> bool:
        """Whether we have it now. `wait`: after a connection that broke, somebody else goes first."""
        try:
            if self._connection is None:
                self._connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if wait and time.monotonic() < self._not_before_s:
                return False
            return bool(self._connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_REIGN))))
        except sa.exc.DBAPIError as error:
            self._drop()
            self._not_before_s = time.monotonic() + GRACE_S
            why = " ".join(str(error.orig).split())
            raise StoreError(f"the database {self._name} cannot be opened ({why})", postgres.REACH) from error

    def _drop(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sa.exc.DBAPIError):
                self._connection.invalidate()
                self._connection.close()
            self._connection = None
