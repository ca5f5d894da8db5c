"""The server with an InfluxDB beside it: what gateways send is there, and what the monitor is told."""

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families as read_text

from server.config import Influx
from server.metrics.feeds import Feeds
from server.readings import journal
from server.readings.outside import fed
from tests.metrics_page import section, told
from tests.server.conftest import LADDERS, START_NS, TOWN, Town, spo2
from tests.server.readings.influx_server import InfluxServer
from tests.server.readings.test_feed import until
from vitals.block import Block
from vitals.clock import NS

ROOT = Path(__file__).parents[3]


def test_the_journal_tells_what_was_filed_of_each_message(town: Town) -> None:
    town.send(spo2(94, START_NS), Block("weight", (START_NS,), (80.0,)))
    town.send(spo2(95, START_NS + NS), spo2(30, START_NS), first=2)
    town.send(spo2(95, START_NS + NS), first=3)
    with town.server.db.read() as tx:
        entries = journal.read(tx, 0, 10)
        assert journal.last_seq(tx) == len(entries) == 2
        assert journal.read(tx, 1, 10) == entries[1:]
    assert [sorted(one.value for one in entry.readings) for entry in entries] == [[80.0, 94.0], [95.0]]
    assert {(one.patient_id, one.device) for entry in entries for one in entry.readings} == {("eva", "oximeter")}
    assert {entry.stored_ns for entry in entries} == {START_NS}


@pytest.mark.influx
def test_what_a_gateway_sends_is_in_influxdb_and_the_page_of_metrics_is_right(
    town: Town, influxd: InfluxServer, bucket: Influx
) -> None:
    town.send(*(spo2(90 + n, START_NS + n * NS) for n in range(9)))
    with fed(bucket, town.server.db, town.clock) as feed:
        until(lambda: influxd.count(bucket) == 9)
        town.send(spo2(89, START_NS + 10 * NS), first=9)
        until(lambda: influxd.count(bucket) == 10)
        until(lambda: feed.written() == 10 and feed.lag_rows() == 0)
        families = Feeds(feed).collect()
        assert told(families) == section("Server, for a store outside")
        numbers = {sample.name: sample.value for one in families for sample in one.samples}
    assert numbers == {
        "hjemvakt_feed_lag_seconds": 0, "hjemvakt_feed_lag_rows": 0, "hjemvakt_feed_readings_total": 10,
        "hjemvakt_feed_refused_total": 0,
    }  # fmt: skip
    with fed(bucket, town.server.db, town.clock) as feed:
        until(lambda: feed.lag_rows() == 0)
        assert feed.written() == 0, "it goes on where it stopped"


@pytest.mark.influx
def test_an_influxdb_that_hangs_holds_up_no_acknowledgement(town: Town, influxd: InfluxServer, bucket: Influx) -> None:
    impatient = replace(bucket, timeout_s=0.5)
    with fed(impatient, town.server.db, town.clock) as feed:
        influxd.freeze()
        try:
            for n in range(100):
                begun = time.monotonic()
                assert town.send(spo2(90, START_NS - n * NS), first=n) == [(n, n)]
                assert time.monotonic() - begun < 5, "it waits for nobody: 5 s is a very busy machine"
            until(lambda: feed.failure() == "InfluxDB is away (ReadTimeoutError)")
            assert feed.lag_rows() == 100
        finally:
            influxd.thaw()
        until(lambda: feed.lag_rows() == 0)
    assert influxd.count(bucket) == 100


@pytest.mark.influx
@pytest.mark.processes
def test_a_server_whose_influxdb_is_away_runs_as_ever_and_says_how_far_it_is_behind(
    tmp_path: Path, free_port: Callable[[], int]
) -> None:
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        f'name = "Prøveby"\nladders = "{LADDERS}"\ntick_s = 0.02\n[web]\nport = 0\n[metrics]\nloopback = true\n'
        f'[broker]\nkind = "embedded"\nport = {free_port()}\n'
        f'[influx]\nurl = "http://127.0.0.1:{free_port()}"\nbucket = "nobody"\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "server", "run", str(tmp_path / "server.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "ready http://" in line)
        address = ready.split("ready ")[1].split()[0]
        with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
            names = {one.name for one in read_text(answer.read().decode())}
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(20) == 0
    assert {"hjemvakt_feed_lag_seconds", "hjemvakt_feed_refused"} <= names
    assert "Traceback" not in rest
