"""The gateway as a process of its own: a pty and a virtual radio below, a real broker above."""

import asyncio
import json
import os
import pty
import re
import signal
import sys
import time
import tomllib
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

import gateway
from gateway import app
from gateway.clock.steady import steady_ns
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.visits import devices
from tests.gateway.uplink.broker import PASSWORD, Broker, Server
from tests.ports import free_port
from vitals.block import Block
from vitals.clock import NS, ManualClock
from vitals.events import Event
from vitals.wire import Ack, Row, encode

ROOT = Path(__file__).parents[2]


def configuration(folder: Path, broker: Broker, rest: str) -> Path:
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    path = folder / "gateway.toml"
    path.write_text(
        f'name = "home-01"\nheartbeat_s = 0.2\n[uplink]\nport = {broker.port}\npassword_file = "password"\n'
        f"reconnect_max_s = 0.2\n{rest}"
    )
    return path


@asynccontextmanager
async def process(config: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "gateway", "run", str(config), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


def test_the_version_is_the_projects() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == gateway.VERSION


async def test_no_device_is_visited_by_a_clock_that_was_never_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own clock would be set to 1970, and a dispenser doses by that."""
    looked, visited = asyncio.Event(), asyncio.Event()

    class Unset(ManualClock):
        def now_ns(self) -> int:
            looked.set()
            return super().now_ns()

    async def visits() -> None:
        visited.set()

    monkeypatch.setattr(devices, "LOOK_S", 0.001)
    clock = Unset(17 * NS)
    waiting = asyncio.create_task(devices.when_set(clock, visits))
    for _ in range(3):
        looked.clear()
        await looked.wait()
    assert not visited.is_set()
    clock.advance(hours=24 * 365.25 * 57)
    await waiting
    assert visited.is_set()


@pytest.mark.processes
async def test_it_reports_its_health_and_on_sigterm_says_goodbye_and_ends_well(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    async with process(configuration(tmp_path, lasting_broker, "")) as child:
        await server.until(lambda server: len(server.healths) >= 3)
        child.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(child.communicate(), 10)
    assert child.returncode == 0, said.decode()
    await server.until(lambda server: not server.states[-1].online)
    assert b"Traceback" not in said
    assert server.healths[0].software == f"hjemvakt-gateway {gateway.VERSION}"


@pytest.mark.processes
async def test_a_second_gateway_on_the_same_folder_is_refused_in_one_line(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    config = configuration(tmp_path, lasting_broker, "")
    async with process(config):
        await server.until(lambda server: len(server.healths) >= 1)
        async with process(config) as second:
            _, said = await asyncio.wait_for(second.communicate(), 10)
    assert second.returncode == 2
    assert said.decode().count("\n") == 1
    assert "another process has the spool" in said.decode()


@pytest.mark.processes
async def test_a_gateway_that_dies_is_declared_offline_by_the_broker(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    async with process(configuration(tmp_path, lasting_broker, "")) as child:
        await server.until(lambda server: any(state.online for state in server.states))
        child.kill()
        await server.until(lambda server: not server.states[-1].online)


@pytest.mark.processes
async def test_a_dispenser_that_answers_nonsense_on_its_port_is_seen_and_its_faults_arrive(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    far, near = pty.openpty()
    tty.setraw(far)
    devices = f'[[devices]]\nid = "disp-1"\ndriver = "hjemvakt-dispenser"\nport = "{os.ttyname(near)}"\n'
    async with process(configuration(tmp_path, lasting_broker, devices)):
        heard = asyncio.Event()
        asyncio.get_running_loop().add_reader(far, heard.set)
        async with asyncio.timeout(10):
            await heard.wait()
        asyncio.get_running_loop().remove_reader(far)
        assert os.read(far, 100).endswith(bytes.fromhex("02010401 8deb00")), "HELLO_GET, as the protocol's text has it"
        os.write(far, b"\x05nonsense\x00")
        await server.until(lambda server: len(server.rows) == 1)
        await server.until(lambda server: server.healths[-1].devices[0].faults == 1)
    assert server.healths[-1].devices[0].link == "connected"
    os.close(far)
    os.close(near)


@pytest.mark.processes
async def test_a_hub_whose_server_is_away_tells_its_home_and_says_when_it_is_back(
    lasting_broker: Broker, server: Server, tmp_path: Path
) -> None:
    """The broker is there all the time: that alone does not mean that anybody watches."""
    (tmp_path / "data").mkdir()
    spool = await Spool.open(tmp_path / "data" / app.SPOOL_FILE)
    now_ns, mono_ns = time.time_ns(), steady_ns()
    for ago_ns in (90 * NS, 60 * NS, 30 * NS):
        block = Block("spo2", (now_ns - ago_ns,), (82.0,))
        await spool.put([Heard("oxi-1", now_ns - ago_ns, block, mono_ns - ago_ns)])
    await spool.close()
    at, said = f"127.0.0.1:{free_port()}", tmp_path / "said"
    said.touch()
    speaks = f"import sys; open({str(said)!r}, 'a').write(sys.argv[1] + chr(10))"
    rest = (
        f'[local]\nprogramme = "{ROOT}/configs/programmes/copd.toml"\nlanguage = "en"\naway_after_s = 0.5\n'
        f'listen = "{at}"\ntell = {json.dumps([sys.executable, "-c", speaks])}\n'
    )
    server.acknowledges = False
    async with process(configuration(tmp_path, lasting_broker, rest)) as child, httpx.AsyncClient() as browser:
        await server.until(lambda server: any(lane == "alarm" for lane, _ in server.batches), 40)
        [(_, batch)] = [one for one in server.batches if one[0] == "alarm"][:1]
        assert {row.what.kind for row in batch.rows if isinstance(row.what, Event)} == {"local.alarm"}
        shown = (await browser.get(f"http://{at}/")).text
        assert ">RED</h1>" in shown
        [word] = re.findall(r'name="word" value="(\w+)"', shown)
        assert (await browser.post(f"http://{at}/seen", data={"word": word})).status_code == 303
        await server.until(lambda server: any(_kind(row) == "local.seen" for row in server.rows.values()), 40)
        server.acknowledges = True
        for _, batch in list(server.batches):
            server.acknowledge(batch)
        async with asyncio.timeout(20):
            while "reached again" not in said.read_text():
                server.say("home-01", encode(Ack("", (), time.time_ns())))  # as heartbeats are answered
                await asyncio.sleep(0.05)
        child.send_signal(signal.SIGTERM)
        _, log = await asyncio.wait_for(child.communicate(), 10)
    assert child.returncode == 0, log.decode()
    assert b"Traceback" not in log
    first, *_, last = said.read_text().splitlines()
    assert first.startswith("Important. SpO₂ 82 %")
    assert last.startswith("The service is reached again")


def _kind(row: Row) -> str:
    return row.what.kind if isinstance(row.what, Event) else ""


@pytest.mark.processes
async def test_what_the_gateway_loads_is_what_its_configuration_needs(tmp_path: Path, lasting_broker: Broker) -> None:
    """Memory is bought by imports; a hub with BlueZ never loads Bumble, and none loads numpy."""
    devices = '[[devices]]\nid = "oxi-1"\ndriver = "plx-1822"\naddress = "F0:00:00:00:00:01"\n'
    wanted = {
        "": set(),
        '[radio]\nkind = "bluez"\n' + devices: {"bleak"},
        f'[radio]\nkind = "bumble"\ntransport = "unix:{tmp_path}/hci"\n' + devices: {"bleak", "bumble"},
    }
    heavy = {"numpy", "bleak", "bumble", "serial"}
    for rest, loaded in wanted.items():
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "gateway",
            "run",
            str(configuration(tmp_path, lasting_broker, rest)),
            cwd=ROOT,
            stderr=asyncio.subprocess.PIPE,
        )
        assert child.stderr is not None
        said, modules = "", set[str]()
        while "connected to" not in said or not loaded <= modules:  # the radio begins beside the uplink
            line = (await child.stderr.readline()).decode()
            assert line, f"it ended, having loaded {modules & heavy}"
            said += line
            modules |= set(re.findall(r"\|\s+([a-z_]+)(?:\.|\n)", line))
        child.terminate()
        await child.communicate()
        assert modules & heavy == loaded
