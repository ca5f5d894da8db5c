"""What a monitor reads of a hub, and that reading it costs the hub nothing: not a row, not a socket, not its end."""

import asyncio
import contextlib
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from drivers.contract import Rx
from gateway import VERSION, door, metrics
from gateway.clock.hub import HubClock
from gateway.config.file import load
from gateway.config.model import UplinkConfig
from gateway.metrics import Parts, serve
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.uplink.sending import Uplink
from gateway.visits.packets import Bytes
from gateway.visits.session import Session
from tests.gateway.test_app import ROOT, configuration, process
from tests.gateway.uplink.broker import PASSWORD, Broker, Server
from tests.gateway.visits.scripted import T0_NS, InMemory, Scripted
from tests.metrics_page import section, told
from tests.ports import free_port
from vitals.clock import ManualClock
from vitals.errors import ConfigError
from vitals.wire import Health

WAIT_S = 15


class Hub:
    """A hub's parts around a spool, with two devices and no network."""

    def __init__(self, spool: Spool, uplink: Uplink | None = None) -> None:
        self.spool = spool
        self.clock = ManualClock(T0_NS)
        self.sessions = [Session(device, Scripted, spool, self.clock) for device in ("oxi-1", "oxi-2")]
        self.notes: list[str] = []
        self.troubles = {"scan": 0}
        self.uplink = uplink or Uplink("home-01", UplinkConfig(), spool, HubClock(self.clock), 60, self._health)
        self.at = ("127.0.0.1", free_port())

    def _health(self) -> Health:
        return Health("home-01", self.spool.epoch, T0_NS, "test", self.spool.status.queued)

    async def visited(self, words: str, device: int = 0) -> None:
        """The device says this and falls silent."""
        connection = InMemory(words)

        async def opened() -> InMemory:
            return connection

        await self.sessions[device].visit(opened)

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[httpx.AsyncClient]:
        """Serving, until the block ends."""
        parts = Parts(
            self.spool, lambda: self.sessions, self.uplink, self.clock, lambda: self.notes, lambda: self.troubles
        )  # fmt: skip
        task = asyncio.create_task(serve(self.at, parts))
        transport = httpx.AsyncHTTPTransport(retries=5)
        home = "http://{}:{}".format(*self.at)
        try:
            async with asyncio.timeout(WAIT_S), httpx.AsyncClient(base_url=home, transport=transport) as monitor:
                yield monitor
        finally:
            await ended([task])

    async def samples(self) -> dict[tuple[str, ...], float]:
        async with self.asked() as monitor:
            return samples((await monitor.get("/metrics")).text)


def samples(text: str) -> dict[tuple[str, ...], float]:
    return {
        (one.name, *(value for _, value in sorted(one.labels.items()))): one.value
        for family in read_text(text)
        for one in family.samples
    }


async def test_rows_are_counted_and_grow_old_until_the_server_has_taken_them_over(spool: Spool) -> None:
    hub = Hub(spool)
    await hub.visited("p72 p73 p74")
    hub.clock.advance(minutes=10)
    before = await hub.samples()
    spool.release([(1, 2)])
    await spool.flushed()
    after = await hub.samples()
    names = ("rows_queued", "oldest_wait_seconds", "rows_stored_total", "rows_acknowledged_total")
    assert [before[(f"hjemvakt_hub_{name}",)] for name in names] == [3, 600, 3, 0]
    assert [after[(f"hjemvakt_hub_{name}",)] for name in names] == [1, 600, 3, 2]
    spool.release([(3, 3)])
    await spool.flushed()
    assert [(await hub.samples())[(f"hjemvakt_hub_{name}",)] for name in names] == [0, 0, 3, 3]


async def test_faults_are_told_by_their_code_and_a_code_that_nobody_knows_is_other(spool: Spool) -> None:
    hub = Hub(spool)
    await hub.visited("fsecret fmore")
    await hub.visited("fagain", 1)
    hub.sessions[0].account.faults["the patient's name"] += 1
    told = await hub.samples()
    assert {key[1]: value for key, value in told.items() if key[0] == "hjemvakt_hub_faults_total"} == {
        "short packet": 3,
        "other": 1,
    }


async def test_devices_are_told_by_their_link_troubles_and_notes_by_their_number(spool: Spool) -> None:
    hub = Hub(spool)
    await hub.visited("p72")
    hub.notes.append("the spool is full")
    hub.troubles["scan"] = 3
    told = await hub.samples()
    links = {link: told[("hjemvakt_hub_devices", link)] for link in metrics.LINKS}
    assert links == {"never": 1, "idle": 1, "connected": 0, "lost": 0}
    assert told[("hjemvakt_hub_notes",)] == 1
    assert told[("hjemvakt_hub_adapter_troubles_total", "scan")] == 3
    assert told[("hjemvakt_build_info", "gateway", VERSION)] == 1


async def test_the_spool_and_the_bytes_nobody_has_understood_are_measured(spool: Spool) -> None:
    hub = Hub(spool)
    before = await hub.samples()
    await Bytes(spool, "oxi-1").keep([Rx("2a5f", bytes(60_000), T0_NS)])
    after = await hub.samples()
    assert (before[("hjemvakt_hub_raw_bytes",)], after[("hjemvakt_hub_raw_bytes",)]) == (0, 60_000)
    grown = after[("hjemvakt_hub_spool_bytes",)] - before[("hjemvakt_hub_spool_bytes",)]
    assert 60_000 <= grown < 80_000
    assert after[("hjemvakt_hub_spool_limit_bytes",)] == 256 << 20
    assert after[("hjemvakt_hub_spool_full",)] == 0


async def test_the_uplink_counts_its_connections(mortal_broker: Broker, spool: Spool, tmp_path: Path) -> None:
    server = await Server(mortal_broker).start()
    (tmp_path / "password").write_text(PASSWORD)
    config = UplinkConfig(
        port=mortal_broker.port, password_file=str(tmp_path / "password"), protocol=5, reconnect_max_s=0.2
    )
    hub = Hub(spool)
    hub.uplink = Uplink("home-01", config, spool, HubClock(hub.clock), 3600, hub._health)
    names = ("connected", "connections_total")
    assert [(await hub.samples())[(f"hjemvakt_hub_uplink_{name}",)] for name in names] == [0, 0]
    running = asyncio.create_task(hub.uplink.run())
    async with asyncio.timeout(WAIT_S):
        await hub.uplink.connected.wait()
    assert [(await hub.samples())[(f"hjemvakt_hub_uplink_{name}",)] for name in names] == [1, 1]
    mortal_broker.kill()
    mortal_broker.start()
    await server.until(lambda server: [state.online for state in server.states].count(True) >= 2)
    assert (await hub.samples())[("hjemvakt_hub_uplink_connections_total",)] == 2
    await ended([running])
    await server.stop()


async def test_the_page_lists_what_is_told_and_what_is_told_is_on_the_page(spool: Spool) -> None:
    hub = Hub(spool)
    await hub.visited("fx")
    async with hub.asked() as monitor:
        plain = await monitor.get("/metrics")
        accepts = {"Accept": "application/openmetrics-text; version=1.0.0"}
        modern = await monitor.get("/metrics", headers=accepts)
    assert told(read_text(plain.text)) == section("Hub")
    assert plain.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert modern.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert "hjemvakt_hub_faults" in {one.name for one in read_openmetrics(modern.text)}
    for name in ("home-01", "oxi-1", "oxi-2", "scripted"):
        assert name not in plain.text


async def test_only_that_page_is_there_and_only_to_be_read(spool: Spool) -> None:
    async with Hub(spool).asked() as monitor:
        assert (await monitor.get("/")).status_code == 404
        assert (await monitor.get("/metrics/../spool.sqlite")).status_code == 404
        assert (await monitor.post("/metrics")).status_code == 405
        assert (await monitor.get("/metrics?name=x")).status_code == 200


@pytest.mark.parametrize("said", [b"", b"GET", b"\x00\xff\r\n\r\n", b"GET /metrics HTTP/1.1\r\nX: " + bytes(20_000)])
async def test_whoever_asks_badly_is_hung_up_on_and_the_next_is_answered(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    hub = Hub(spool)
    async with hub.asked() as monitor:
        await monitor.get("/metrics")
        with monkeypatch.context() as hurry:  # for this one alone: a busy machine takes longer over a good question
            hurry.setattr(door, "ASK_S", 0.2)
            reader, writer = await asyncio.open_connection(*hub.at)
            writer.write(said)
            answer = b""
            with contextlib.suppress(ConnectionError):
                answer = await reader.read()
            writer.close()
        assert b"hjemvakt_" not in answer
        assert (await monitor.get("/metrics")).status_code == 200


async def test_whoever_holds_the_line_does_not_hold_up_the_end(spool: Spool) -> None:
    hub = Hub(spool)
    writers = []
    async with hub.asked() as monitor:
        await monitor.get("/metrics")
        for _ in range(door.MOST_AT_ONCE - 1):
            _, writer = await asyncio.open_connection(*hub.at)
            writers.append(writer)
        assert (await monitor.get("/metrics")).status_code == 200
        assert [task.get_name() for task in asyncio.all_tasks()].count("metrics") == len(writers)
    assert "metrics" not in {task.get_name() for task in asyncio.all_tasks()}
    for writer in writers:
        writer.close()


async def test_a_port_that_is_taken_is_said_once_and_had_when_it_is_free(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "AGAIN_S", 0.01)
    hub = Hub(spool)
    squatter = await asyncio.start_server(lambda *_: None, *hub.at)
    said = asyncio.Event()

    class Listening(logging.Handler):
        tried = 0

        def emit(self, record: logging.LogRecord) -> None:
            self.tried += 1
            if self.tried >= 3:
                said.set()

    listening = Listening()
    caplog.set_level(logging.DEBUG, "gateway.door")
    door.log.addHandler(listening)
    try:
        async with hub.asked() as monitor:
            await said.wait()
            squatter.close()
            await squatter.wait_closed()
            answer = None
            while answer is None:
                try:
                    answer = await monitor.get("/metrics")
                except httpx.ConnectError:
                    continue
            assert answer.status_code == 200
    finally:
        door.log.removeHandler(listening)
    errors = [one for one in caplog.records if one.levelname == "ERROR"]
    assert ["metrics cannot be served on" in one.getMessage() for one in errors] == [True]


@pytest.mark.processes
async def test_the_running_gateway_serves_them_and_ends_well_with_somebody_on_the_line(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    port = free_port()
    config = configuration(tmp_path, lasting_broker, f'[metrics]\nlisten = "127.0.0.1:{port}"\n')
    async with process(config) as child:
        await server.until(lambda server: len(server.healths) >= 1)
        async with httpx.AsyncClient() as monitor:
            told = samples((await monitor.get(f"http://127.0.0.1:{port}/metrics")).text)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        child.terminate()
        _, said = await asyncio.wait_for(child.communicate(), 10)
        writer.close()
    assert (child.returncode, b"Traceback" in said) == (0, False), said.decode()
    assert told[("hjemvakt_hub_uplink_connected",)] == 1
    assert told[("process_resident_memory_bytes",)] > 1_000_000


@pytest.mark.processes
def test_a_hub_that_nobody_asks_does_not_load_what_would_answer() -> None:
    check = "import sys, gateway.app; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize("listen", ["9109", ":9109", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000"])
def test_an_address_that_is_none_is_said_in_one_line(tmp_path: Path, listen: str) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(f'name = "home-01"\n[uplink]\n[metrics]\nlisten = "{listen}"\n')
    with pytest.raises(ConfigError, match="is no address") as refused:
        load(file)
    assert str(file) in str(refused.value)


def test_an_address_that_others_can_reach_is_allowed_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "gateway.toml"
    for listen, warnings in (("[::1]:9109", 0), ("127.0.0.1:9109", 0), ("0.0.0.0:9109", 1)):
        caplog.clear()
        file.write_text(f'name = "home-01"\n[uplink]\n[metrics]\nlisten = "{listen}"\n')
        assert load(file).metrics.address() == (listen.rpartition(":")[0].strip("[]"), 9109)
        assert len(caplog.records) == warnings
