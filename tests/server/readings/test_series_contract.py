"""What every series store does, whatever it is made of. Another store is one more name in STORES, and a way to make it.

The reference is a plain dict of what was entered and not withdrawn.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.db import Database
from server.patients.store import patients
from server.readings.contract import Buckets, Entry, SeriesStore, Withdrawn
from server.readings.embedded import Embedded
from server.readings.model import Reading
from tests.lite import lay
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import new_influx
from vitals.clock import NS

DAY = 86_400 * NS
PEOPLE = ("eva", "odd")
Made = contextlib.AbstractContextManager[SeriesStore]


@contextlib.contextmanager
def embedded(folder: Path) -> Iterator[SeriesStore]:
    """Chunks in a new database with PEOPLE."""
    lay(folder / "store.sqlite")
    db = Database(folder / "store.sqlite")
    with db.write() as tx:
        for one in PEOPLE:
            person = {"id": one, "name": one, "birth_year": 1940, "place": "", "programme": "copd", "phone": ""}
            tx.execute(patients.insert().values(**person, conditions=[], limits={}, changed_ns=0))
    yield Embedded(db)
    db.close()


STORES: dict[str, Callable[[Path], Made]] = {"embedded": embedded, "influx": new_influx}
"""By name: how to make an empty store for PEOPLE."""
NAMES = [pytest.param(name, marks=[pytest.mark.influx] if name == "influx" else []) for name in STORES]


@pytest.fixture(params=NAMES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SeriesStore]:
    with STORES[request.param](tmp_path) as made:
        yield made


def reading(
    number: int, t_ns: int, value: float, patient: str = "eva", channel: str = "spo2", **more: object
) -> Reading:
    given = {"decimals": 0, "status": (), "device": "oximeter", "record": None, "device_t_ns": None} | more
    return Reading(patient, channel, t_ns, number.to_bytes(16, "big"), value, received_ns=t_ns, **given)  # type: ignore[arg-type]


def test_an_empty_store_has_nothing(store: SeriesStore) -> None:
    assert store.position() == 0
    assert store.series("eva", "spo2", 0, 2**62).t_ns == []
    assert store.buckets("eva", "spo2", 0, 2**62, 60).count == []


def test_a_series_has_both_its_ends_oldest_first_with_words_and_decimals(store: SeriesStore) -> None:
    times = [START_NS + n * NS for n in (3, 0, 2, 1, 4)]
    store.take([Entry(1, START_NS, tuple(reading(n, t, 90.0 + n, decimals=n % 2) for n, t in enumerate(times)))])
    found = store.series("eva", "spo2", START_NS + NS, START_NS + 3 * NS)
    assert (found.t_ns, found.value) == ([START_NS + n * NS for n in (1, 2, 3)], [93, 92, 90])
    assert (found.good, found.decimals) == ([True] * 3, 1)


def test_what_the_device_doubts_is_told(store: SeriesStore) -> None:
    doubted = reading(2, START_NS + NS, 80, status=("stored", "motion"))
    store.take([Entry(1, START_NS, (reading(1, START_NS, 90, status=("stored",)), doubted))])
    assert store.series("eva", "spo2", 0, 2**62).good == [True, False]


def test_patients_and_channels_are_told_apart(store: SeriesStore) -> None:
    store.take(
        [
            Entry(1, START_NS, (reading(1, START_NS, 90), reading(2, START_NS, 70, channel="pulse_rate"))),
            Entry(2, START_NS, (reading(3, START_NS, 91, "odd"),)),
        ]
    )
    assert [store.series(who, what, 0, 2**62).value for who in PEOPLE for what in ("spo2", "pulse_rate", "weight")] == [
        [90], [70], [], [91], [], [],
    ]  # fmt: skip


def test_two_readings_of_one_moment_are_two(store: SeriesStore) -> None:
    store.take([Entry(1, START_NS, (reading(1, START_NS, 94), reading(2, START_NS, 94)))])
    assert store.series("eva", "spo2", START_NS, START_NS).value == [94, 94]


def test_the_same_entries_again_change_nothing(store: SeriesStore) -> None:
    entries = [Entry(n, START_NS, (reading(n, START_NS + n * NS, 90.0 + n),)) for n in (1, 2, 3)]
    store.take(entries[:2])
    store.take(entries)
    store.take(entries[:1])
    assert store.position() == 3
    assert store.series("eva", "spo2", 0, 2**62).value == [91, 92, 93]


def test_an_entry_without_readings_moves_the_position(store: SeriesStore) -> None:
    store.take([Entry(5, START_NS)])
    assert store.position() == 5


def test_what_is_withdrawn_is_gone_and_may_come_back(store: SeriesStore) -> None:
    one = reading(1, START_NS, 90)
    store.take([Entry(1, START_NS, (one, reading(2, START_NS + NS, 91)))])
    gone = Withdrawn("eva", "spo2", START_NS, one.identity)
    store.take([Entry(2, START_NS, withdrawn=(gone,))])
    assert store.series("eva", "spo2", 0, 2**62).value == [91]
    store.take([Entry(3, START_NS, (one,)), Entry(4, START_NS, withdrawn=(gone,)), Entry(5, START_NS, (one,))])
    assert store.series("eva", "spo2", 0, 2**62).value == [90, 91]


def test_buckets_begin_at_multiples_of_their_step_and_empty_ones_are_left_out(store: SeriesStore) -> None:
    minute = START_NS - START_NS % (60 * NS)
    values = [(0, 90.0), (59, 92.0), (60, 80.0), (200, 70.0), (201, 71.0)]
    store.take([Entry(1, minute, tuple(reading(s, minute + s * NS, value) for s, value in values))])
    assert store.buckets("eva", "spo2", minute, minute + 201 * NS, 60) == Buckets(
        [minute, minute + 60 * NS, minute + 180 * NS], [90, 80, 70], [91, 80, 70.5], [92, 80, 71], [2, 1, 2]
    )
    assert store.buckets("eva", "spo2", minute + NS, minute + 59 * NS, 60).count == [1]


def test_a_week_of_many_thousands_is_read_whole(store: SeriesStore) -> None:
    count = 9_000
    given = [reading(n, START_NS + n * NS, float(n % 40 + 60)) for n in range(count)]
    for seq in range(6):
        store.take([Entry(seq + 1, START_NS, tuple(given[seq::6]))])
    found = store.series("eva", "spo2", START_NS, START_NS + count * NS)
    assert found.t_ns == [one.t_ns for one in given]
    assert found.value == [one.value for one in given]
    assert store.series("eva", "spo2", START_NS + 4000 * NS, START_NS + 4009 * NS).t_ns == found.t_ns[4000:4010]


STEPS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(-20, 20), st.sampled_from(PEOPLE), st.booleans()),
        max_size=8,
    ),
    max_size=8,
)


@settings(max_examples=30, deadline=None)
@given(steps=STEPS, together=st.integers(1, 4), span=st.tuples(st.integers(-21, 21), st.integers(0, 42)))
@pytest.mark.parametrize("name", NAMES)
def test_a_store_is_what_was_entered_and_not_withdrawn(
    name: str,
    steps: list[list[tuple[int, int, str, bool]]],
    together: int,
    span: tuple[int, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Out of order over many weeks, and withdrawn and entered again, within one call and over several."""
    entries, truth = _played(steps)
    from_ns, to_ns = START_NS + span[0] * DAY, START_NS + (span[0] + span[1]) * DAY
    with STORES[name](tmp_path_factory.mktemp("store")) as store:
        for start in range(0, len(entries), together):
            store.take(entries[start : start + together])
        for patient in PEOPLE:
            found = store.series(patient, "spo2", from_ns, to_ns)
            wanted = sorted(
                (one.t_ns, one.value)
                for one in truth.values()
                if one.patient_id == patient and from_ns <= one.t_ns <= to_ns
            )
            assert sorted(zip(found.t_ns, found.value, strict=True)) == wanted
            assert found.t_ns == sorted(found.t_ns)


def _played(steps: list[list[tuple[int, int, str, bool]]]) -> tuple[list[Entry], dict[bytes, Reading]]:
    """Entries of these steps: what is there already is withdrawn, else entered. And what is left of it all."""
    truth: dict[bytes, Reading] = {}
    entries = []
    for seq, step in enumerate(steps):
        readings, withdrawn = [], []
        seen: set[int] = set()
        for name, day, patient, back in step:
            if name in seen:
                continue
            seen.add(name)
            identity = name.to_bytes(16, "big")
            if identity in truth:
                one = truth.pop(identity)
                withdrawn.append(Withdrawn(one.patient_id, one.channel, one.t_ns, identity))
            if back or identity not in {one.identity for one in withdrawn}:
                one = reading(name, START_NS + day * DAY + seq, 60.0 + name, patient)
                truth[identity] = one
                readings.append(one)
        entries.append(Entry(seq + 1, START_NS, tuple(readings), (), tuple(withdrawn)))
    return entries, truth
