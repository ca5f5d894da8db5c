"""What a monitor reads of the server: the right numbers, to the right reader, and nothing of anybody."""

import asyncio
import contextlib
import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from msgspec.structs import replace
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from server.config import Metrics, load
from server.identity.desk import revoke
from server.metrics.meter import ENGINES, REASONS
from server.site import build
from tests.metrics_page import PAGE, Line, section, told
from tests.server.conftest import LADDERS, START_NS, TOWN, Town, spo2
from vitals.clock import NS
from vitals.errors import ConfigError
from vitals.events import FAULTS, Fault
from vitals.wire import Batch, Health, Row, encode, up

ROOT = Path(__file__).parents[2]
TOKEN = "0123456789abcdef" * 2
ADMITTED = {"Authorization": f"Bearer {TOKEN}"}
PEOPLE = ("eva", "odd", "kari", "oximeter", "scale", "gata", "gw-1", "gw-2", "prøveby")

Samples = dict[tuple[str, ...], float]
"""A name and its labels' values, in order of the labels' names, to the value."""


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n", encoding="utf-8")
    return path


@contextlib.asynccontextmanager
async def served(town: Town, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    """The running site over real HTTP, with these settings."""
    town.server.config = replace(town.config, metrics=metrics)
    with socket.create_server(("127.0.0.1", 0)) as door:
        home = f"http://127.0.0.1:{door.getsockname()[1]}"
        site = uvicorn.Server(uvicorn.Config(build(town.server), log_level="error", timeout_graceful_shutdown=5))
        serving = asyncio.create_task(site.serve(sockets=[door]))
        try:
            async with asyncio.timeout(30), httpx.AsyncClient(base_url=home) as monitor:
                yield monitor
        finally:
            site.should_exit = True
            await asyncio.wait_for(serving, 20)


async def scraped(monitor: httpx.AsyncClient) -> list[Metric]:
    answer = await monitor.get("/metrics", headers=ADMITTED)
    assert answer.status_code == 200, answer.text
    return list(read_text(answer.text))


def samples(families: list[Metric]) -> Samples:
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in families
        for one in family.samples
    }


# Who may ask


async def test_without_a_word_about_it_in_the_configuration_there_is_no_such_page(town: Town) -> None:
    async with served(town, Metrics()) as monitor:
        answer = await monitor.get("/metrics", headers=ADMITTED)
        assert answer.status_code == 404
        assert "hjemvakt_" not in answer.text


@pytest.mark.parametrize(
    "said", [None, "", TOKEN, "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"]
)
async def test_only_the_whole_token_opens_it_not_even_the_loopback_does(
    town: Town, token_file: Path, said: str | None
) -> None:
    async with served(town, Metrics(token_file)) as monitor:
        answer = await monitor.get("/metrics", headers={} if said is None else {"Authorization": said})
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert "hjemvakt_" not in answer.text
        assert (await monitor.get("/metrics", headers=ADMITTED)).status_code == 200


async def test_a_token_of_strange_letters_is_a_wrong_one(town: Town, token_file: Path) -> None:
    async with served(town, Metrics(token_file)) as monitor:
        answer = await monitor.get("/metrics", headers={b"Authorization": b"Bearer \xe6\xf8\xe5"})
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "hjemvakt.example.no"}, 404),
        ({"X-Forwarded-For": "203.0.113.9"}, 404),
        ({"X-Forwarded-For": "127.0.0.1"}, 404),
        ({"X-Real-IP": "127.0.0.1"}, 404),
        ({"Forwarded": "for=127.0.0.1"}, 404),
        ({"Via": "1.1 proxy"}, 404),
    ],
)
async def test_the_loopback_is_believed_only_where_no_proxy_shows(
    town: Town, headers: dict[str, str], status: int
) -> None:
    async with served(town, Metrics(loopback=True)) as monitor:
        assert (await monitor.get("/metrics", headers=headers)).status_code == status


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("[metrics]\nloopback = true\n[web]\nsecure = true", "not safe behind a proxy"),
        ('[metrics]\nloopback = true\n[web]\naddress = "https://h.example.no"', "not safe behind a proxy"),
        ('[metrics]\nloopback = true\ntoken_file = "token"', "choose one"),
        ('[metrics]\ntoken_file = "absent"', "absent cannot be read"),
        ('[metrics]\ntoken_file = "short"', "no token of 24 characters or more"),
        ('[metrics]\ntoken_fil = "short"', "did you mean 'token_file'?"),
    ],
)
def test_settings_that_would_open_it_to_the_world_are_refused(
    tmp_path: Path, token_file: Path, settings: str, words: str
) -> None:
    (tmp_path / "short").write_text("hunter2\n", encoding="utf-8")
    (tmp_path / "server.toml").write_text(f'name = "Prøveby"\n{settings}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(words)):
        load(tmp_path / "server.toml")


def test_the_token_is_found_beside_the_configuration(tmp_path: Path, token_file: Path) -> None:
    (tmp_path / "server.toml").write_text('name = "Prøveby"\n[metrics]\ntoken_file = "token"\n', encoding="utf-8")
    assert load(tmp_path / "server.toml").metrics.token() == TOKEN


# What is told


async def test_what_came_is_counted_once_each_after_its_commit(town: Town, token_file: Path) -> None:
    town.beat()
    for _ in range(2):  # the second time they are duplicates
        town.send(spo2(94, START_NS), spo2(95, START_NS + NS), Fault("bad checksum", "x", START_NS))
    town.send(Fault("Eva Olsen, Gata 1", "a gateway may send any word", START_NS), first=9)
    town.will()
    town.server.receive("hjemvakt/1/gw-1/up/obs", b"nonsense")
    town.server.receive(*town.batch((), gateway="gw-9"))
    with town.server.db.write() as tx:
        revoke(tx, "gw-2", "returned", "test", START_NS)
    town.server.receive(*town.batch((), gateway="gw-2"))
    async with served(town, Metrics(token_file)) as monitor:
        told = samples(await scraped(monitor))
    assert told[("hjemvakt_readings_stored_total",)] == 2
    kinds = {kind: told[("hjemvakt_messages_total", kind)] for kind in ("batch", "heartbeat", "state", "refused")}
    assert kinds == {"batch": 3, "heartbeat": 1, "state": 1, "refused": 3}
    assert told[("hjemvakt_rows_total", "new")] == 4
    assert told[("hjemvakt_rows_total", "duplicate")] == 3
    reasons = {key[1]: value for key, value in told.items() if key[0] == "hjemvakt_quarantined_total"}
    assert reasons == {"bad checksum": 1, "other": 1, "does not parse": 1, "unknown gateway": 1, "revoked": 1}
    assert told[("hjemvakt_quarantine_things",)] == 5
    assert told[("hjemvakt_ingest_commit_seconds_count",)] == 8


async def test_what_is_rolled_back_is_not_counted(
    town: Town, token_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as broken:
        broken.setattr("server.ingest.pile.keep", full)
        assert town.send(spo2(94, START_NS)) == []
    async with served(town, Metrics(token_file)) as monitor:
        told = samples(await scraped(monitor))
    assert ("hjemvakt_rows_total", "new") not in told
    assert told[("hjemvakt_quarantined_total", "server error")] == 1


async def test_the_way_from_a_gateway_is_the_time_from_its_receipt_also_after_a_night_without_a_network(
    town: Town, token_file: Path
) -> None:
    def sent(first: int, *ages_s: float) -> None:
        now_ns = town.clock.now_ns()
        rows = [
            Row(first + n, "oximeter", now_ns - round(age_s * NS), spo2(90 + first + n, START_NS - n * NS))
            for n, age_s in enumerate(ages_s)
        ]
        town.server.receive(up("gw-1", "obs"), encode(Batch("gw-1", "e", now_ns, tuple(rows))))

    sent(0, 0.4, 8 * 3600)
    sent(2, -30)  # its clock is ahead of ours
    async with served(town, Metrics(token_file)) as monitor:
        told = samples(await scraped(monitor))
    name = "hjemvakt_receipt_to_commit_seconds"
    assert [told[(f"{name}_bucket", le)] for le in ("0.1", "0.5", "21600.0", "86400.0", "+Inf")] == [1, 2, 2, 3, 3]
    assert told[(f"{name}_sum",)] == pytest.approx(8 * 3600 + 0.4)


async def test_alarms_messages_and_what_waits_in_the_homes_grow_old_with_the_clock(
    town: Town, token_file: Path
) -> None:
    waiting = Health("gw-1", "e", START_NS, "0.1", 40, oldest_ns=START_NS - 600 * NS)
    town.beat("gw-2", queued=2)
    town.server.receive(up("gw-1", "health"), encode(waiting))
    async with served(town, Metrics(token_file)) as monitor:
        before = samples(await scraped(monitor))
        town.send(spo2(70, START_NS))
        town.server.senders.clear()
        town.server.decide(town.clock.now_ns())
        town.clock.advance(seconds=30)
        after = samples(await scraped(monitor))
    alarm, oldest = ("hjemvakt_alarms_open", "clinical", "high"), "hjemvakt_alarm_oldest_unacknowledged_seconds"
    assert (before[alarm], before[(oldest, "clinical")]) == (0, 0)
    assert (after[alarm], after[(oldest, "clinical")], after[(oldest, "technical")]) == (1, 30, 0)
    assert after[("hjemvakt_outbox_waiting", "alarm")] == 1
    assert after[("hjemvakt_outbox_oldest_seconds", "alarm")] == 30
    assert after[("hjemvakt_outbox_waiting", "question")] == 0
    assert (after[("hjemvakt_gateways",)], after[("hjemvakt_gateways_online",)]) == (2, 2)
    assert (after[("hjemvakt_gateways_queued_rows",)], after[("hjemvakt_gateways_queued_rows_max",)]) == (42, 40)
    assert before[("hjemvakt_gateways_oldest_wait_seconds",)] == 600
    assert after[("hjemvakt_gateways_oldest_wait_seconds",)] == 630
    with town.server.db.read() as tx:
        assert after[("hjemvakt_database_bytes", "main")] == town.server.db.sizes(tx)["main"] > 0


async def test_no_person_device_or_home_is_told_unless_gateways_are_asked_for(town: Town, token_file: Path) -> None:
    busy(town)
    async with served(town, Metrics(token_file)) as monitor:
        text = (await monitor.get("/metrics", headers=ADMITTED)).text
    said = set(re.findall(r'"([^"]*)"', text))
    assert not [one for one in said for name in PEOPLE if name in one.casefold()]
    async with served(town, Metrics(token_file, per_gateway=True)) as monitor:
        told = samples(await scraped(monitor))
    assert (told[("hjemvakt_gateway_online", "gw-1")], told[("hjemvakt_gateway_online", "gw-2")]) == (1, 0)
    assert told[("hjemvakt_gateway_queued_rows", "gw-1")] == 7
    assert ("hjemvakt_gateway_online", "eva") not in told


def busy(town: Town) -> None:
    """Something of everything has happened."""
    town.beat(queued=7)
    for _ in range(2):
        town.send(spo2(70, START_NS), Fault("bad checksum", "x", START_NS))
    for engine in ENGINES:
        town.server.meter.rounds_of(engine)(0.01)
        town.server.meter.watch(engine, lambda: 0.5)


async def test_the_page_lists_what_is_told_and_what_is_told_is_on_the_page(town: Town, token_file: Path) -> None:
    busy(town)
    async with served(town, Metrics(token_file)) as monitor:
        assert told(await scraped(monitor)) == section("Server")
    async with served(town, Metrics(token_file, per_gateway=True)) as monitor:
        assert told(await scraped(monitor)) - section("Server") == section("Server, for each gateway")


async def test_a_monitor_that_asks_for_openmetrics_gets_it(town: Town, token_file: Path) -> None:
    busy(town)
    accepts = {"Accept": "application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4; q=0.5"}
    async with served(town, Metrics(token_file)) as monitor:
        answer = await monitor.get("/metrics", headers=ADMITTED | accepts)
        plain = await monitor.get("/metrics", headers=ADMITTED)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.headers["cache-control"] == "no-store"
    assert {one.name for one in read_openmetrics(answer.text)} >= {"hjemvakt_build", "hjemvakt_rows"}
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_every_reason_that_a_driver_may_give_has_a_name_of_its_own() -> None:
    assert set(FAULTS) < REASONS


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_scrape_walks_through_what_is_kept_for_ever(town: Town) -> None:
    """Closed alarms, sent messages and readings grow without end; the quarantine is counted along an index."""
    busy(town)
    asked: list[tuple[str, Any]] = []

    def remember(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(town.server.db.engine, "before_cursor_execute", remember)
    list(town.server.meter.registry.collect())
    sa.event.remove(town.server.db.engine, "before_cursor_execute", remember)
    assert len(asked) > 5
    with town.server.db.read() as tx:
        steps = {
            step.detail
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for step in tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        }
    whole = {step for step in steps if step.startswith("SCAN") and " INDEX " not in step} - {"SCAN CONSTANT ROW"}
    assert whole <= {"SCAN journal", "SCAN gateways", "SCAN held"}, "its last row; homes and questions are few"
    assert {step for step in steps if " alarms" in step} == {"SCAN alarms USING INDEX one_open_alarm"}


@pytest.mark.processes
def test_the_running_server_tells_of_its_engines(tmp_path: Path, free_port: Callable[[], int]) -> None:
    (tmp_path / "municipality.toml").write_text(TOWN, encoding="utf-8")
    (tmp_path / "server.toml").write_text(
        f'name = "Prøveby"\nladders = "{LADDERS}"\ntick_s = 0.02\n[web]\nport = 0\n[metrics]\nloopback = true\n'
        f'[broker]\nkind = "embedded"\nport = {free_port()}\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "server", "run", str(tmp_path / "server.toml")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        ready = next(line for line in process.stderr if "ready http://" in line)
        address = ready.split("ready ")[1].split()[0]
        until = time.monotonic() + 20
        counts: dict[str, float] = {}
        while min((counts.get(engine, 0) for engine in ENGINES), default=0) < 2 and time.monotonic() < until:
            with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
                told = samples(list(read_text(answer.read().decode())))
            counts = {engine: told[("hjemvakt_engine_round_seconds_count", engine)] for engine in ENGINES}
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(
                urllib.request.Request(f"{address}/metrics", headers={"X-Forwarded-For": "10.0.0.1"}), timeout=10
            )
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        assert process.wait(15) == 0
    assert min(counts.values()) >= 2
    assert all(0 <= told[("hjemvakt_engine_round_age_seconds", engine)] < 10 for engine in ENGINES)
    assert told[("process_resident_memory_bytes",)] > 1_000_000
    assert "Traceback" not in rest


# What is made of it


def known() -> dict[str, Line]:
    """Every name a query may use, to the metric it is of."""
    titles = ("Server", "Server, for each gateway", "Server, for a store outside", "Hub")
    lines = {line for title in titles for line in section(title)}
    names = {one.name: one for one in lines}
    for one in lines:
        if one.kind == "histogram":
            names |= {one.name + ending: one for ending in ("_bucket", "_sum", "_count")}
    return names


def expressions() -> list[str]:
    """The dashboard's queries."""
    board = json.loads((ROOT / "configs" / "grafana" / "hjemvakt.json").read_text(encoding="utf-8"))
    return [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("query", expressions())
def test_every_query_of_the_dashboard_asks_for_what_there_is(query: str) -> None:
    names = set(re.findall(r"\b(?:hjemvakt|process)_\w+", query))
    ours = {name for name in names if name.startswith("hjemvakt_")}
    assert names
    assert ours <= known().keys()
    assert names - ours <= {"process_resident_memory_bytes"}
    labels = {label.strip() for by in re.findall(r"by \(([^)]*)\)", query) for label in by.split(",")}
    labels |= set(re.findall(r"[{,]\s*(\w+)\s*=", query))
    assert labels - {"le", "instance"} <= {label for name in ours for label in known()[name].labels}


def test_every_metric_is_on_the_dashboard_or_is_one_that_names_a_home() -> None:
    asked = {name for query in expressions() for name in re.findall(r"hjemvakt_\w+", query)}
    shown = {known()[name].name for name in asked}
    left_out = {
        "hjemvakt_hub_acknowledgements_ignored_total",
        "hjemvakt_hub_rows_queued", "hjemvakt_hub_spool_full", "hjemvakt_hub_raw_bytes",
        "hjemvakt_question_oldest_seconds",
    }  # fmt: skip
    assert {one.name for one in section("Server") | section("Hub")} - left_out <= shown


def test_the_alerts_for_operators_are_of_metrics_that_there_are() -> None:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    named = set(re.findall(r"hjemvakt_[a-z_]+", text))
    assert len(named) > 8
    assert named <= known().keys(), f"see {PAGE.name}"
