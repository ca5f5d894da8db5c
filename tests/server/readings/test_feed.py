"""The feed: an outage of InfluxDB loses nothing, doubles nothing and holds nobody up."""

import threading
import time
from collections.abc import Callable, Sequence

import pytest

from server.config import Influx
from server.db import Database
from server.readings.contract import Entry
from server.readings.feed import LAGS_S, REFUSED_S, Feed
from server.readings.influx import InfluxStore
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import InfluxServer, influx_store
from tests.server.readings.made import MadeJournal, reading
from vitals.clock import NS, ManualClock
from vitals.errors import StoreError

ALL = (0, 2**62)
QUICK = {"poll_s": 0.01, "pause_s": (0.02, 0.2)}


class Away:
    """A store that is away for so many rounds, and then takes everything."""

    def __init__(self, rounds: int = 0) -> None:
        self.rounds = rounds
        self.taken: list[Entry] = []
        self.tried = threading.Event()
        self.refusal: tuple[int, str] | None = None

    def position(self) -> int:
        return self.taken[-1].seq if self.taken else 0

    def take(self, entries: Sequence[Entry]) -> None:
        self.tried.set()
        if self.rounds:
            self.rounds -= 1
            raise StoreError("it is away", "wait")
        self.taken += entries

    def refused(self) -> int:
        return 3 if self.refusal else 0

    def refused_last(self) -> tuple[int, str] | None:
        return self.refusal


def until(holds: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        threading.Event().wait(0.01)


def many(entries: int, readings: int, journal: MadeJournal | None = None) -> MadeJournal:
    """A journal of so many entries with so many readings each, each of a moment of its own."""
    made = journal or MadeJournal()
    for _ in range(entries):
        first = made.last() * readings
        made.file(*(reading(50 + n % 50, START_NS + (first + n) * NS) for n in range(readings)))
    return made


def test_what_waits_is_fed_in_order_and_once(clock: ManualClock) -> None:
    journal, sink = many(1234, 1), Away(rounds=3)
    feed = Feed("store", sink, journal.read, journal.last, clock, **QUICK)
    feed.start()
    until(lambda: feed.lag_rows() == 0)
    many(5, 1, journal)
    until(lambda: feed.lag_rows() == 0)
    feed.stop()
    assert sink.taken == journal.entries
    assert feed.problem() is None


def test_it_says_how_far_it_is_behind_and_why_when_that_lasts(clock: ManualClock) -> None:
    journal, sink = many(3, 2), Away(rounds=10**9)
    feed = Feed("the store", sink, journal.read, journal.last, clock, **QUICK)
    assert feed.problem() == "the feed of the store has stopped"
    feed.start()
    assert sink.tried.wait(30)
    clock.advance(seconds=61)
    assert (feed.lag_s(), feed.lag_rows()) == (60, 3)
    assert feed.problem() is None, "an hour's work of somebody else is no problem of ours"
    clock.advance(seconds=LAGS_S)
    until(lambda: feed.problem() == "the store is 16 min behind: it is away")
    sink.rounds = 0
    until(lambda: feed.lag_rows() == 0)
    until(lambda: feed.problem() is None)
    feed.stop()
    assert feed.lag_s() == 0


def test_between_two_rounds_of_many_it_does_not_seem_to_have_all(clock: ManualClock) -> None:
    """A monitor may ask at any moment of a long catching up; each time it asked just then, its alert began anew."""
    journal, sink = many(250, 1), Away()
    told: list[str | None] = []

    def read(after: int, limit: int) -> Sequence[Entry]:
        told.append(feed.problem())
        return journal.read(after, limit)

    feed = Feed("the store", sink, read, journal.last, clock, poll_s=60)
    clock.advance(seconds=LAGS_S + 60)
    feed.start()
    until(lambda: feed.lag_rows() == 0 and feed.lag_s() == 0)
    feed.stop()
    assert told[1] == "the store is 16 min behind: it is being fed"


def test_a_refusal_is_told_for_a_while(clock: ManualClock) -> None:
    journal, sink = MadeJournal(), Away()
    sink.refusal = (clock.now_ns(), "field type conflict")
    feed = Feed("the store", sink, journal.read, journal.last, clock, **QUICK)
    feed.start()
    assert feed.problem() == "the store refused readings (field type conflict); the journal has them"
    clock.advance(seconds=REFUSED_S)
    assert feed.problem() is None
    feed.stop()


def test_a_round_holds_what_the_wire_and_the_memory_like(clock: ManualClock) -> None:
    asked: list[int] = []

    def read(journal: MadeJournal) -> Callable[[int, int], Sequence[Entry]]:
        def some(after: int, limit: int) -> Sequence[Entry]:
            asked.append(limit)
            return journal.read(after, limit)

        return some

    small, large = many(2000, 1), many(300, 1000)
    feed = Feed("small", Away(), read(small), small.last, clock)
    while feed.step():
        pass
    assert asked[:5] == [100, 200, 400, 500, 500]
    asked.clear()
    feed = Feed("large", Away(), read(large), large.last, clock)
    while feed.step():
        pass
    assert asked[:4] == [100, 50, 25, 12]


@pytest.mark.influx
def test_influxdb_is_killed_again_and_again_and_has_every_reading_once(
    influxd: InfluxServer, influx: InfluxStore, bucket: Influx, clock: ManualClock
) -> None:
    journal = many(60, 500)
    feed = Feed("influx", influx, journal.read, journal.last, clock, **QUICK)
    feed._entries = 10  # small rounds, so that the kills fall between and into them
    feed.start()
    try:
        for fed in (5_000, 12_000):
            until(lambda fed=fed: feed.written() >= fed)
            influxd.kill()
            many(60, 500, journal)  # ingest goes on meanwhile
            until(lambda: feed.failure() is not None)
            influxd.start()
        until(lambda: feed.lag_rows() == 0)
    finally:
        feed.stop()
    assert influxd.count(bucket) == 180 * 500
    assert influx.series("eva", "spo2", *ALL) == journal.series("eva", "spo2", *ALL)
    assert influx.refused() == 0


@pytest.mark.influx
def test_a_server_that_dies_between_writing_and_moving_the_cursor_writes_again_and_doubles_nothing(
    influxd: InfluxServer, bucket: Influx, db: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = many(20, 50)
    store = influx_store(bucket, db, clock)
    with monkeypatch.context() as dying:
        dying.setattr("server.readings.cursor.Cursor.advance", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            store.take(journal.read(0, 15))
    store.close()
    again = influx_store(bucket, db, clock)
    assert again.position() == 0
    again.take(journal.read(0, 20))
    assert influxd.count(bucket) == 1000
    again.close()


@pytest.mark.influx
def test_a_bucket_far_behind_catches_up(
    influxd: InfluxServer, influx: InfluxStore, bucket: Influx, clock: ManualClock
) -> None:
    journal = many(100, 1000)
    feed = Feed("influx", influx, journal.read, journal.last, clock, **QUICK)
    while feed.step():
        pass
    assert influxd.count(bucket) == 100_000
    assert (feed.lag_rows(), feed.lag_s()) == (0, 0)
