"""What InfluxDB will not take, may not see or cannot do, on a real one; and what goes to it at all."""

import logging
import math
import re
import time
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from server.config import Influx, load
from server.db import Database
from server.readings import influx as module
from server.readings.cursor import sink_refusals
from server.readings.influx import AT_ONCE, InfluxStore
from server.readings.lines import Refusal, change
from tests.ports import free_port
from tests.server.conftest import START_NS
from tests.server.readings.influx_server import InfluxServer, influx_store
from tests.server.readings.made import MadeJournal, reading
from vitals.clock import MS, NS, ManualClock
from vitals.errors import ConfigError, StoreError

ALL = (-(2**63), 2**63 - 1)
DAY_NS = 86_400 * NS


def refusals(db: Database) -> list[Refusal]:
    columns = sink_refusals.c
    with db.read() as tx:
        rows = tx.execute(sa.select(columns.first_seq, columns.last_seq, columns.points, columns.reason))
        return [Refusal(*row) for row in rows]


# What is sent


def test_a_line_has_few_tags_and_nothing_of_a_person_but_the_id() -> None:
    journal = MadeJournal()
    journal.file(reading(94.5, START_NS + 123, decimals=1, status=("motion", "stored")))
    (point,) = change(journal.entries).write.values()
    form = (
        r"reading,channel=spo2,device=oximeter,patient=eva value=94\.5,good=false,decimals=1i,t_ns=(\d+)i,"
        r'identity=-?\d+i,stored_ns=\d+i,status="motion stored" (\d+)'
    )
    said = re.fullmatch(form, point.line)
    assert said
    t_ns, place_ns = map(int, said.groups())
    assert t_ns == START_NS + 123
    assert place_ns // MS == t_ns // MS


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 3))
def test_within_an_entry_no_place_is_used_twice_and_each_is_the_same_whenever_it_is_made(
    names: list[int], late_ns: int
) -> None:
    journal = MadeJournal()
    entry = journal.file(*(reading(90, START_NS + late_ns, name=n) for n in names))
    lines = {key: point.line for key, point in change([entry]).write.items()}
    assert len({line.rpartition(" ")[2] for line in lines.values()}) == len(set(names)) == len(lines)
    later = MadeJournal(journal.entries)
    later.file(reading(91, START_NS + late_ns))
    again = {key: point.line for key, point in change(later.entries).write.items()}
    assert again.items() >= lines.items()


def test_a_reading_that_an_entry_names_twice_is_one_point_the_same_as_when_it_comes_alone() -> None:
    """Else its place is taken by itself, and it is written a nanosecond later: two points for one reading."""
    journal = MadeJournal()
    twice, once = journal.file(reading(), reading()), journal.file(reading())
    (first,), (second,) = (change([entry]).write.values() for entry in (twice, once))
    assert first.line.split()[-1] == second.line.split()[-1]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_special_float_is_never_sent(value: float) -> None:
    journal = MadeJournal()
    journal.file(reading(value), reading(94))
    found = change(journal.entries)
    assert [point.line.count("value=94.0") for point in found.write.values()] == [1]
    assert found.refused == [Refusal(1, 1, 1, "the value is no number")]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"device": "a\nreading,patient=odd value=1 1"}, "a name cannot be written as a tag"),
        ({"device": "ends in \\"}, "a name cannot be written as a tag"),
        ({"device": ""}, "a name cannot be written as a tag"),
        ({"t_ns": 2**63 - 1}, "the time is out of range"),
        ({"t_ns": -(2**63)}, "the time is out of range"),
    ],
)
def test_what_a_line_cannot_say_is_set_aside_before_it_is_sent(more: dict[str, object], why: str) -> None:
    journal = MadeJournal()
    journal.file(reading(**more))  # type: ignore[arg-type]
    found = change(journal.entries)
    assert not found.write
    assert [one.reason for one in found.refused] == [why]


# What is refused


@pytest.mark.influx
def test_what_is_beyond_the_retention_is_set_aside_and_the_rest_goes_in(
    influxd: InfluxServer, db: Database, clock: ManualClock
) -> None:
    now_ns = time.time_ns()
    journal = MadeJournal()
    for n in range(20):
        journal.file(*(reading(90, now_ns - (100 * DAY_NS if old else 0) - n * NS) for old in (False, True)))
    store = influx_store(influxd.bucket("7d"), db, clock)
    store.take(journal.entries)
    assert store.position() == 20
    assert len(store.series("eva", "spo2", *ALL).value) == 20
    assert refusals(db) == [Refusal(1, 20, 20, "partial write: points beyond retention policy")]
    assert store.refused() == 20
    assert store.refused_last() == (START_NS, "partial write: points beyond retention policy")
    store.close()


@pytest.mark.influx
def test_a_measurement_of_somebody_elses_in_the_way_does_not_stop_the_feed(
    influxd: InfluxServer, influx: InfluxStore, bucket: Influx, db: Database
) -> None:
    influxd.write(bucket, f'reading,patient=x value="text" {START_NS}')
    journal = MadeJournal()
    journal.file(reading(94), reading(95, START_NS + NS))
    influx.take(journal.entries)
    assert influx.position() == 1
    ((said,)) = refusals(db)
    assert (said.first_seq, said.points) == (1, 2)
    assert "field type conflict" in said.reason


@pytest.mark.influx
def test_the_one_line_that_is_refused_is_found_among_thousands_and_its_words_are_not_told(
    influxd: InfluxServer, influx: InfluxStore, bucket: Influx, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No line of ours is malformed; should one ever be, it must not hold up the others."""

    def spoilt(entries: list[object]) -> object:
        found = change(entries)  # type: ignore[arg-type]
        for key, point in found.write.items():
            if point.seq == 77:
                found.write[key] = msgspec.structs.replace(point, line=point.line.replace("value=", "value=x"))
        return found

    monkeypatch.setattr(module, "change", spoilt)
    journal = MadeJournal()
    for n in range(AT_ONCE + 10):
        journal.file(reading(94, START_NS + n * NS))
    influx.take(journal.entries)
    assert influxd.count(bucket) == AT_ONCE + 9
    ((said,)) = refusals(db)
    assert (said.first_seq, said.last_seq, said.points) == (77, 77, 1)
    assert "unable to parse …: invalid boolean" in said.reason
    assert "eva" not in said.reason


# What it is away for


@pytest.mark.influx
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "http://127.0.0.1:{port}"}, r"away \(NewConnectionError\): it is tried again"),
        ({"bucket": "nowhere/kept"}, r"away \(404: database not found: .nowhere.\): make the bucket"),
        ({"bucket": "bucket1/nowhere"}, r"away \(500: retention policy not found"),
        ({"token_file": "wrong"}, r"away \(401: authorization failed\): give it a token"),
    ],
)
def test_while_it_is_away_everything_waits_and_the_reason_is_told(
    influxd: InfluxServer, bucket: Influx, db: Database, clock: ManualClock, tmp_path: Path,
    wrong: dict[str, str], says: str,
) -> None:  # fmt: skip
    (tmp_path / "wrong").write_text("hjemvakt:wrong\n", encoding="utf-8")
    changes: dict[str, object] = {key: value.format(port=free_port()) for key, value in wrong.items()}
    if "token_file" in changes:
        changes["token_file"] = tmp_path / "wrong"
    store = influx_store(msgspec.structs.replace(bucket, **changes), db, clock)
    journal = MadeJournal()
    journal.file(reading())
    with pytest.raises(StoreError, match=says):
        store.take(journal.entries)
    with pytest.raises(StoreError, match="away"):
        store.series("eva", "spo2", *ALL)
    assert (store.position(), refusals(db)) == (0, [])
    store.close()


@pytest.mark.influx
def test_a_withdrawal_waits_where_it_cannot_be_carried_out(
    influx: InfluxStore, bucket: Influx, influxd: InfluxServer
) -> None:
    """Somebody else's weight must not be forgotten there because the server was away for a moment."""
    journal = MadeJournal()
    wrong = reading(61.0, channel="weight")
    journal.file(wrong, reading(82.0, channel="weight"))
    influx.take(journal.entries)
    journal.file(reading(82.5, START_NS + NS, channel="weight"), withdrawn=[wrong])
    influxd.kill()
    with pytest.raises(StoreError, match="away"):
        influx.take(journal.entries)
    assert influx.position() == 1
    influxd.start()
    influx.take(journal.entries)
    assert influx.series("eva", "weight", *ALL).value == [82.0, 82.5]
    database = bucket.bucket.partition("/")[0]
    assert sorted(row[1] for row in influxd.say("SELECT value FROM reading", database)) == [82.0, 82.5], (
        "nobody sees it"
    )


@pytest.mark.influx
def test_neither_the_token_nor_a_reading_is_logged(
    influxd: InfluxServer, influx: InfluxStore, caplog: pytest.LogCaptureFixture
) -> None:
    journal = MadeJournal()
    journal.file(reading(87.25, patient="eva-4711"))
    with caplog.at_level(logging.DEBUG):
        influx.take(journal.entries)
        influx.series("eva-4711", "spo2", *ALL)
    secret = influxd.token_file.read_text(encoding="utf-8").strip().partition(":")[2]
    assert secret not in caplog.text
    assert "87.25" not in caplog.text


# How it is configured


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ('url = "http://influx.example.no:8086"\nbucket = "b"', "unencrypted"),
        ('url = "https://influx.example.no"\nbucket = "b"', "no token_file"),
        ('url = "influx.example.no"\nbucket = "b"', "is no address"),
        ('url = "https://a:b@influx.example.no"\nbucket = "b"', "is no address"),
        ('url = "http://localhost:8086"\nbucket = ""', "bucket"),
        ('url = "http://localhost:8086"\nbucket = "b"\ntoken_file = "absent"', "absent cannot be read"),
        ('url = "http://localhost:8086"\nbucket = "b"\ntoken_file = "empty"', "holds no token"),
        ('url = "http://localhost:8086"\nbucket = "b"\ntoken = "x"', "token"),
        ('url = "https://influx.example.no"\nbucket = "b"\ntoken_file = "token"\nca_file = "absent"', "cannot be read"),
    ],
)
def test_settings_that_are_unsafe_or_cannot_be_used_are_refused(tmp_path: Path, says: str, words: str) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    (tmp_path / "server.toml").write_text(f'name = "Prøveby"\n[influx]\n{says}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(words)):
        load(tmp_path / "server.toml")


def test_its_files_are_found_beside_the_configuration_and_without_the_table_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n", encoding="utf-8")
    said = '[influx]\nurl = "https://influx.example.no:8086"\norg = "o"\nbucket = "b"\ntoken_file = "token"\n'
    (tmp_path / "server.toml").write_text(f'name = "Prøveby"\n{said}', encoding="utf-8")
    (tmp_path / "without.toml").write_text('name = "Prøveby"\n', encoding="utf-8")
    found = load(tmp_path / "server.toml").influx
    assert found is not None
    assert (found.token(), found.timeout_s) == ("secret", 10)
    assert load(tmp_path / "without.toml").influx is None
