"""`hjemvakt scan` and `hjemvakt capture`, against simulated devices: a virtual radio, and a serial line.

The commands run in a thread of their own, with a loop of their own, as they would in a process.
"""

import asyncio
import io
import json
import os
import pty
import signal
import sys
import time
import tty
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from drivers.capture import differences, parse
from drivers.catalogue import find
from drivers.contract import Rx
from firmware_sim.app import load, run
from gateway.commands.capture import Tape, taped
from gateway.spool.store import Spool
from hjemvakt.__main__ import main
from vitals.block import Block
from vitals.wire import Row

ROOT = Path(__file__).parents[2]
OXIMETER = "F0:00:00:00:00:01"
CLOCK = "[clock]\nspeed = 240.0\nstart_ns = {now}\norigin_ns = {now}\n"
STORY = """
title = "calm"
[habits]
oximeter = { every_min = 8 }
[[doses]]
dose_id = 4
at_h = 0.1
window_min = 1
"""
HOMES = f"""
[[homes]]
name = "home-01"
scenario = "calm.toml"
radio = "unix-server:radio"
[[homes.devices]]
kind = "oximeter"
id = "oxi"
address = "{OXIMETER}"
[[homes.devices]]
kind = "dispenser"
id = "pills"
port = "pills"
memory = "pills.log"
"""
GATEWAY = """
name = "home-01"
{clock}
[uplink]
[radio]
kind = "bumble"
transport = "unix:{folder}/radio"
[[devices]]
id = "oxi-1"
driver = "plx-1822"
address = "{address}"
[[devices]]
id = "pills-1"
driver = "hjemvakt-dispenser"
port = "{folder}/pills"
"""


@asynccontextmanager
async def home(folder: Path) -> AsyncIterator[Path]:
    """A home with an oximeter and a dispenser; gives the configuration of its gateway."""
    clock = CLOCK.format(now=time.time_ns())
    (folder / "calm.toml").write_text(STORY)
    (folder / "sim.toml").write_text(clock + HOMES)
    config = folder / "gateway.toml"
    config.write_text(GATEWAY.format(clock=clock, folder=folder, address=OXIMETER))
    measured = asyncio.Event()
    running = asyncio.create_task(
        run(load(folder / "sim.toml"), lambda told: measured.set() if told["what"] == "measured" else None)
    )
    try:
        async with asyncio.timeout(10):
            await measured.wait()
        yield config
    finally:
        running.cancel()
        await asyncio.wait([running])


async def called(*arguments: str) -> int:
    return await asyncio.to_thread(main, arguments)


async def stored(config: Path) -> list[Row]:
    spool = await Spool.open(config.parent / "data" / "spool.sqlite")
    try:
        return [msgspec.json.decode(row.json, type=Row) for row in await spool.take(0, 1000)]
    finally:
        await spool.close()


async def test_a_scan_shows_who_advertises_and_which_driver_takes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    radio = ("--radio", "bumble", "--transport", f"unix:{tmp_path}/radio", "--seconds", "1")
    async with home(tmp_path):
        assert await called("scan", *radio, "--json") == 0
        (told,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert await called("scan", *radio) == 0
    assert told.pop("rssi") < 0
    assert told == {"address": OXIMETER, "name": told["name"], "services": ["1822"], "drivers": ["plx-1822"]}
    head, row = capsys.readouterr().out.splitlines()
    assert row[head.index("ADDRESS") :].startswith(OXIMETER)
    assert row[head.index("DRIVERS") :].startswith("plx-1822")
    assert row[head.index("SERVICES") :] == "1822"


@pytest.mark.parametrize(("device", "driver"), [("oxi-1", "plx-1822"), ("pills-1", "hjemvakt-dispenser")])
async def test_a_recorded_session_is_a_capture_that_the_driver_repeats_and_nothing_is_lost_by_it(
    device: str, driver: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "live.cap"
    async with home(tmp_path) as config:
        assert await called("capture", device, str(file), "--config", str(config), "--quiet", "1") == 0
    taken = parse(file.read_text(), file.name)
    assert taken.driver == driver
    assert differences(taken, find(driver)) == []
    expected = [line for step in taken.steps for line in step.expected]
    rows = await stored(config)
    assert len(rows) == sum(line[0] in "=@!" for line in expected) > 0
    assert not any(line.startswith("!") for line in expected)
    assert {row.device for row in rows} == {device}
    said = capsys.readouterr()
    blocks = sum(isinstance(row.what, Block) for row in rows)
    assert f"{file}: {sum(step.rx is not None for step in taken.steps)} packets, {blocks} readings" in said.out


@pytest.mark.processes
async def test_ctrl_c_ends_a_recording_well(tmp_path: Path) -> None:
    far, near = pty.openpty()
    tty.setraw(far)
    config, file = tmp_path / "gateway.toml", tmp_path / "live.cap"
    config.write_text(
        'name = "home-01"\n[uplink]\n[[devices]]\nid = "pills-1"\ndriver = "hjemvakt-dispenser"\n'
        f'port = "{os.ttyname(near)}"\n'
    )
    command = ["-m", "hjemvakt", "capture", "pills-1", str(file), "--config", str(config), "--quiet", "60"]
    # A shell tells what it starts in the background to ignore Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    child = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    os.set_blocking(far, False)
    loop, heard = asyncio.get_running_loop(), asyncio.Queue[bytes]()
    loop.add_reader(far, lambda: heard.put_nowait(os.read(far, 4096)))
    happy = parse((ROOT / "tests/drivers/captures/hjemvakt-dispenser-happy.cap").read_text())
    answer = next(step.rx for step in happy.steps if step.rx is not None and any(">" in line for line in step.expected))
    try:
        async with asyncio.timeout(20):
            assert (await heard.get()).endswith(bytes.fromhex("02010401 8deb00")), "hello"
            os.write(far, answer.data)
            await heard.get()
        child.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(child.communicate(), 10)
    finally:
        loop.remove_reader(far)
        if child.returncode is None:
            child.kill()
        os.close(far)
        os.close(near)
    assert child.returncode == 0, err.decode()
    assert b"Traceback" not in err
    assert b"1 packets" in out
    assert differences(parse(file.read_text()), find("hjemvakt-dispenser")) == []


async def test_time_on_a_tape_never_goes_back() -> None:
    """A packet that came while hello waited is older than the hello."""
    text, packet = io.StringIO(), bytes.fromhex("0061004800")
    start_ns = 1_795_248_000_250_000_000
    reader = taped(find("plx-1822"), Tape(text, "plx-1822"))("")
    reader.hello(start_ns)
    (spo2, _) = reader.feed(Rx("2a5f", packet, start_ns - 10**9))
    assert isinstance(spo2, Block)
    assert spo2.t_ns == (start_ns,)
    assert "# start 2026-11-21T08:00:00Z\n+ 0.25\n" in text.getvalue()
    assert differences(parse(text.getvalue()), find("plx-1822")) == []


def test_a_tape_keeps_the_bookmark_its_driver_began_with() -> None:
    text = io.StringIO()
    taped(find("hjemvakt-dispenser"), Tape(text, "hjemvakt-dispenser"))("9f3c0001:41").hello(10**18)
    taken = parse(text.getvalue())
    assert taken.bookmark == "9f3c0001:41"
    assert differences(taken, find("hjemvakt-dispenser")) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["scan", "--radio", "bumble"], "add --transport unix:"),
        (["scan", "--transport", "unix:x"], "--transport is of --radio bumble"),
        (["scan", "--radio", "bumble", "--transport", "unix:x", "--adapter", "hci0"], "--adapter is of --radio bluez"),
        (["capture", "oxi-2", "new.cap"], "has no device 'oxi-2': did you mean oxi-1"),
        (["capture", "x", "new.cap"], "has no device 'x': it has oxi-1, pills-1"),
        (["capture", "pills-1", "gateway.toml"], "gateway.toml is there already: choose another name"),
        (["capture", "pills-1", "no/where.cap"], "no/where.cap cannot be written"),
        (["capture", "pills-1", "new.cap"], "pills does not open"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line_and_leaves_no_file(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "gateway.toml"
    config.write_text(GATEWAY.format(clock="", folder=tmp_path, address=OXIMETER))
    assert main([*arguments, "--config", "gateway.toml"] if arguments[0] == "capture" else arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hjemvakt: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert not (tmp_path / "new.cap").exists()


def test_a_radio_that_is_not_there_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gateway.links.bumble_host.READY_S", 0.1)
    assert main(["scan", "--radio", "bumble", "--transport", f"unix:{tmp_path}/nothing"]) == 2
    assert "does not scan" in capsys.readouterr().err
