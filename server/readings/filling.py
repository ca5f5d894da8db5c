"""The sieve of a database that has much is filled beside everything else, so that a server that starts can answer.

It takes seconds: every identity is read once. Until it is done the sieve says "perhaps" of all, and each reading is
looked up where it can be known exactly. What is filed meanwhile goes into the sieve as ever; what is withdrawn stays in
it. So it has all that there was when the filling began and all that came since, in whatever order.
"""

import itertools
import logging
import threading
from collections.abc import Callable

import sqlalchemy as sa
from sqlalchemy import event

from server.readings import chunks
from server.readings.invalid import every_invalid
from server.readings.sieve import Sieve

log = logging.getLogger(__name__)

FEW = 200_000
"""So many readings are put into the sieve at once, within a tenth of a second."""

AGAIN_S = 5.0
"""So long after the database failed it is tried again."""


def fill(tx: sa.Connection, sieve: Sieve, going: Callable[[], bool] = lambda: True) -> None:
    """Put all that is stored into the sieve, for as long as it is to be `going`; then the sieve is whole."""
    for halves in itertools.chain(chunks.every_identity(tx), every_invalid(tx)):
        if not going():
            return
        sieve.add(halves[:, 0], halves[:, 1])
    sieve.filled()


def fill_beside(engine: sa.Engine, sieve: Sieve) -> threading.Thread:
    """The same by a thread with a connection of its own. It ends when the engine is disposed of."""
    stopping = threading.Event()

    def work() -> None:
        while not stopping.is_set() and not sieve.whole:
            try:
                with engine.connect() as tx:
                    tx.detach()  # a connection that nobody else gets: it is closed even if the pool is gone by then
                    fill(tx, sieve, lambda: not stopping.is_set())
            except Exception:
                log.exception("the sieve could not be filled; until it is, each reading is looked up")
                stopping.wait(AGAIN_S)

    def stop(_engine: sa.Engine) -> None:
        stopping.set()
        thread.join()

    thread = threading.Thread(target=work, name="sieve", daemon=True)
    event.listen(engine, "engine_disposed", stop)
    thread.start()
    return thread
