"""The contract of a series store, held against real InfluxDBs: 1.8, and 2.7 where it was built (`make influx27`)."""

import itertools
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from server.config import Influx
from server.db import Database
from server.readings.contract import SeriesStore
from server.readings.cursor import Cursor
from server.readings.influx import InfluxStore
from server.readings.store import Reading, SeriesColumns
from tests.influxd import ONE, TWO
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import InfluxServer, the_server
from tests.server.readings.made import MadeJournal, reading
from vitals.clock import MS, NS, ManualClock

ALL = (-(2**63), 2**63 - 1)
DAY_NS = 86_400 * NS

pytestmark = pytest.mark.influx


@pytest.fixture(params=[ONE, pytest.param(TWO, marks=pytest.mark.influx27)])
def influxd(request: pytest.FixtureRequest) -> InfluxServer:
    return the_server(request.param)


@pytest.fixture
def store(influx: InfluxStore) -> SeriesStore:
    return influx


def test_an_empty_store_has_nothing_of_anybody(store: SeriesStore) -> None:
    assert store.position() == 0
    assert store.series("eva", "spo2", *ALL) == SeriesColumns([], [], [], 0)
    assert store.buckets("eva", "spo2", *ALL, 60).t_ns == []


def test_what_was_filed_is_read_back_to_the_nanosecond_in_order(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(reading(94, START_NS + 1), reading(36.55, START_NS, channel="body_temp", decimals=2))
    journal.file(reading(93.5, START_NS, decimals=1, status=("motion",)), reading(88, START_NS, patient="odd"))
    store.take(journal.entries)
    assert store.position() == 2
    assert store.series("eva", "spo2", *ALL) == SeriesColumns([START_NS, START_NS + 1], [93.5, 94], [False, True], 1)
    assert store.series("eva", "body_temp", *ALL) == SeriesColumns([START_NS], [36.55], [True], 2)
    assert store.series("odd", "spo2", *ALL).value == [88]
    assert store.series("odd", "body_temp", *ALL).value == []


def test_both_ends_of_a_span_belong_to_it(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(*(reading(90 + n, START_NS + n) for n in range(5)))
    store.take(journal.entries)
    assert store.series("eva", "spo2", START_NS + 1, START_NS + 3).value == [91, 92, 93]
    assert store.buckets("eva", "spo2", START_NS + 1, START_NS + 3, 60).count == [3]
    assert store.series("eva", "spo2", START_NS + 3, START_NS + 1).value == []


def test_readings_of_one_nanosecond_are_as_many_as_they_are(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(*(reading(90, START_NS, name=n) for n in range(300)))
    for n in range(300, 340):
        journal.file(reading(90, START_NS, name=n))
    journal.file(reading(90, START_NS, device="another"))
    store.take(journal.entries)
    assert len(store.series("eva", "spo2", START_NS, START_NS).value) == 341
    assert store.buckets("eva", "spo2", START_NS, START_NS, 1).count == [341]


def test_entries_that_come_again_change_nothing(store: SeriesStore) -> None:
    journal = MadeJournal()
    for n in range(10):
        journal.file(reading(90 + n, START_NS + n * NS))
    store.take(journal.read(0, 6))
    store.take(journal.read(2, 6))
    store.take(journal.read(0, 3))
    assert store.position() == 8
    assert store.series("eva", "spo2", *ALL).value == [90 + n for n in range(8)]


@pytest.mark.parametrize("together", [True, False])
def test_what_is_withdrawn_is_not_seen_and_its_neighbours_are(store: SeriesStore, together: bool) -> None:
    journal = MadeJournal()
    right, wrong = reading(82.0, channel="weight", name=1), reading(61.0, channel="weight", name=2)
    journal.file(right, wrong)
    journal.file(withdrawn=[wrong])
    for entries in [journal.entries] if together else [[one] for one in journal.entries]:
        store.take(entries)
    assert store.series("eva", "weight", *ALL).value == [82.0]
    assert store.buckets("eva", "weight", *ALL, 60).count == [1]
    journal.file(wrong)
    store.take(journal.read(2, 1))
    assert sorted(store.series("eva", "weight", *ALL).value) == [61.0, 82.0], "it was theirs after all"


def test_what_is_withdrawn_and_filed_in_one_entry_counts_again(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(reading(61.0, channel="weight"))
    journal.file(reading(61.0, channel="weight"), withdrawn=[reading(61.0, channel="weight")])
    store.take(journal.read(0, 1))
    store.take(journal.entries)
    assert store.series("eva", "weight", *ALL).value == [61.0]


def test_a_reading_may_move_to_whom_it_belongs(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(reading(61.0, channel="weight", patient="eva"))
    journal.file(reading(61.0, channel="weight", patient="odd"), withdrawn=[reading(61.0, channel="weight")])
    store.take(journal.entries)
    assert store.series("eva", "weight", *ALL).value == []
    assert store.series("odd", "weight", *ALL).value == [61.0]


def test_to_withdraw_what_never_came_is_nothing(store: SeriesStore) -> None:
    journal = MadeJournal()
    journal.file(withdrawn=[reading()])
    store.take(journal.entries)
    assert store.position() == 1


def test_a_bucket_is_a_multiple_of_its_step_and_empty_ones_are_left_out(store: SeriesStore) -> None:
    journal = MadeJournal()
    begin_ns = START_NS // DAY_NS * DAY_NS
    journal.file(
        reading(90, begin_ns - 1), reading(91, begin_ns), reading(95, begin_ns + 59 * NS, status=("motion",)),
        reading(92, begin_ns + 180 * NS, device="another"), reading(93, begin_ns + 181 * NS),
    )  # fmt: skip
    store.take(journal.entries)
    found = store.buckets("eva", "spo2", *ALL, 60)
    assert found.t_ns == [begin_ns - 60 * NS, begin_ns, begin_ns + 180 * NS]
    assert (found.low, found.high) == ([90, 91, 92], [90, 95, 93])
    assert found.mean == pytest.approx([90, 93, 92.5])
    assert found.count == [1, 2, 2]


READING = st.builds(
    reading,
    st.floats(0, 300, allow_nan=False),
    st.one_of(
        st.integers(START_NS - 5, START_NS + 5),
        st.integers(START_NS // MS - 3, START_NS // MS + 3).map(lambda ms: ms * MS),
        st.integers(START_NS - 7 * DAY_NS, START_NS + 7 * DAY_NS),
    ),
    name=st.integers(0, 3),
    channel=st.sampled_from(("spo2", "weight")),
    device=st.sampled_from(("oximeter", "a scale, of = sorts", 'på "badet"\\n')),
    decimals=st.integers(-2, 3),
    status=st.sampled_from(((), ("motion",), ("stored", "estimated"))),
)
_NUMBERS = itertools.count()


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    filed=st.lists(st.lists(READING, max_size=6), min_size=1, max_size=6),
    withdraws=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4),
    cut=st.integers(1, 12),
    ends=st.tuples(st.integers(-5, 5), st.integers(-5, 5), st.sampled_from((1, MS, DAY_NS))),
    step_s=st.sampled_from((1, 7, 60, 3600, 86_400, 604_800)),
)
def test_it_says_what_a_store_of_a_few_lines_says(
    db: Database,
    clock: ManualClock,
    bucket: Influx,
    filed: list[list[Reading]],
    withdraws: list[tuple[int, int]],
    cut: int,
    ends: tuple[int, int, int],
    step_s: int,
) -> None:
    patient = f"patient-{next(_NUMBERS)}"
    journal = MadeJournal()
    own = [[replace(one, patient_id=patient) for one in some] for some in filed]
    for some in own:
        journal.file(*some)
    for which, place in withdraws:
        some = own[which % len(own)]
        if some:
            journal.file(withdrawn=[some[place % len(some)]])
    store = InfluxStore(bucket, Cursor(db, patient, clock))
    try:
        store.take(journal.read(0, cut))
        store.take(journal.entries)
        first, last = sorted((START_NS + ends[0] * ends[2], START_NS + ends[1] * ends[2]))
        for channel, span in (("spo2", ALL), ("weight", ALL), ("spo2", (first, last))):
            assert store.series(patient, channel, *span) == journal.series(patient, channel, *span)
            found, right = (one.buckets(patient, channel, *span, step_s) for one in (store, journal))
            assert (found.t_ns, found.low, found.high, found.count) == (right.t_ns, right.low, right.high, right.count)
            assert all(map(math.isclose, found.mean, right.mean))
    finally:
        store.close()
