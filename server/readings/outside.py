"""A store outside, as `server.toml` names it, fed from this server's journal for as long as the server runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from server.config import Influx
from server.db import Database
from server.readings import journal
from server.readings.contract import Entry
from server.readings.cursor import Cursor
from server.readings.feed import Feed
from server.readings.influx import InfluxStore
from vitals.clock import Clock


@contextmanager
def fed(config: Influx, db: Database, clock: Clock) -> Iterator[Feed]:
    """The feed of this bucket, at work; stopped at the end. Raises ConfigError for a token that cannot be read."""

    def read(after_seq: int, limit: int) -> Sequence[Entry]:
        with db.read() as tx:
            return journal.read(tx, after_seq, limit)

    def last() -> int:
        with db.read() as tx:
            return journal.last_seq(tx)

    store = InfluxStore(config, Cursor(db, config.name, clock))
    feed = Feed("InfluxDB", store, read, last, clock)
    feed.start()
    try:
        yield feed
    finally:
        feed.stop()
        store.close()
