"""Finding readings again: the newest, a stretch, and what the rules want to see."""

import sqlite3
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from server.readings.store import events, latest, series
from tests.server.conftest import START_NS, Town, spo2
from tests.server.samples import seen
from triage.grid import Need
from vitals.block import Block
from vitals.channels import CHANNELS
from vitals.clock import NS
from vitals.events import Event

HOUR = 3600 * NS


def test_the_latest_is_the_newest_by_time_of_measurement_with_the_value_of_a_day_before(town: Town) -> None:
    for n, (hours, value) in enumerate([(-2, 95), (-1, 90), (-40, 80), (-26, 97), (-30, 85)]):
        town.send(spo2(value, START_NS + hours * HOUR, decimals=1, status=("stored",)), first=n)
    town.send(Block("pulse_rate", (START_NS,), (70.0,)), first=9)
    with town.server.db.read() as tx:
        newest = latest(tx, ["eva", "odd"])
        assert newest == latest(tx, None)
        assert latest(tx, []) == {}
    assert set(newest) == {"eva"}
    one = newest["eva"]["spo2"]
    assert (one.t_ns, one.value, one.decimals, one.status) == (START_NS - HOUR, 90, 1, ("stored",))
    assert one.before_value == 97
    assert newest["eva"]["pulse_rate"].before_value is None


def test_a_series_has_both_its_ends_and_says_what_the_device_doubted(town: Town) -> None:
    town.send(*(spo2(90 + n, START_NS + n * NS, status=("motion",) if n == 2 else ()) for n in range(5)))
    with town.server.db.read() as tx:
        found = series(tx, "eva", "spo2", START_NS + NS, START_NS + 3 * NS)
        nothing = series(tx, "eva", "spo2", START_NS + HOUR, START_NS + 2 * HOUR)
    assert (found.value, found.good) == ([91, 92, 93], [True, False, True])
    assert (nothing.value, nothing.decimals) == ([], 0)


def test_events_come_oldest_first_with_their_numbers(town: Town) -> None:
    for n in (2, 0, 1):
        town.send(Event("dispenser.missed", START_NS + n * NS, {"dose_id": n}, record=str(n)), first=n)
    with town.server.db.read() as tx:
        assert [one.data["dose_id"] for one in events(tx, "eva", START_NS, START_NS + NS)] == [0, 1]


def test_the_rules_see_an_event_under_the_name_they_know(town: Town) -> None:
    town.send(Event("dispenser.missed", START_NS, {"dose_id": 4, "time_critical": 1}))
    need = {"dispenser.missed": Need(0, 4), "dispenser.missed_critical": Need(0, 4)}
    with town.server.db.read() as tx:
        (sample,) = seen(tx, ["eva"], need, START_NS)
    assert sample[:3] == ("eva", "dispenser.missed_critical", START_NS)


@settings(max_examples=20, deadline=None)
@given(
    taken=st.lists(st.tuples(st.sampled_from(["spo2", "pulse_rate"]), st.integers(-50, 0), st.integers(60, 99))),
    samples=st.integers(1, 6),
    window_s=st.sampled_from([0, 10, 30]),
    now=st.integers(-20, 0),
)
def test_the_rules_get_at_least_the_newest_they_asked_for_and_nothing_outside_the_window(
    taken: list[tuple[str, int, int]], samples: int, window_s: int, now: int
) -> None:
    with TemporaryDirectory() as folder:
        town = Town(Path(folder))
        if taken:
            town.send(*(Block(name, (START_NS + t * NS,), (float(value),)) for name, t, value in taken))
        need = {"spo2": Need(window_s, samples), "pulse_rate": Need(0, 1)}
        with town.server.db.read() as tx:
            found = seen(tx, ["eva", "odd"], need, START_NS + now * NS)
        town.server.close()
    got = defaultdict(list)
    for _, name, t_ns, value, _good in found:
        got[name].append(((t_ns - START_NS) // NS, value))
    for name, (span_s, count, _) in need.items():
        there = sorted((t, v) for n, t, v in taken if n == name and t <= now and (not span_s or t >= now - span_s))
        wanted = there[-count:]
        assert set(wanted[1:]) <= set(got[name])
        assert set(got[name]) <= set(there)
        assert len(got[name]) >= len(wanted)


def test_a_whole_town_fits_in_a_query_where_a_database_allows_no_more_variables_than_its_own_default(
    town: Town,
) -> None:
    """Debian raises the limit of variables; others do not, and then two thousand patients were too many."""
    town.send(spo2(95, START_NS))
    needs = {name: Need(0, 1) for name in CHANNELS}
    people = [f"p{n}" for n in range(3000)] + ["eva"]
    with town.server.db.read() as tx:
        raw = tx.connection.driver_connection
        if isinstance(raw, sqlite3.Connection):
            raw.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 32_766)
        assert [one.value for one in seen(tx, people, needs, START_NS)] == [95]
