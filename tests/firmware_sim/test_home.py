"""A home running: a small Bluetooth central and a serial line meet its devices as the gateway's process would."""

import asyncio
import os
import signal
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
import serial
from bumble import core, ll
from bumble.att import ATT_Error
from bumble.core import UUID
from bumble.hci import Address

from firmware_sim.devices import _gatt
from firmware_sim.devices._frame import Deframer, frame
from firmware_sim.radio import Radio
from tests.firmware_sim.hands import central, home

OXIMETER, SCALE = "F0:00:00:00:00:01", "F0:00:00:00:00:02"
STORY = """
title = "busy"
[habits]
oximeter = { every_min = 1 }
scale = { at_hours = [7, 19], history_days = 2 }
[[doses]]
dose_id = 4
at_h = 0.2
window_min = 1
[silent_from_h]
oximeter = 40
"""
HOME = """
seed = 3
[clock]
speed = 240.0
start_ns = {now}
origin_ns = {now}
[[homes]]
name = "home-01"
scenario = "busy.toml"
radio = "{radio}"
[[homes.devices]]
kind = "oximeter"
id = "oxi"
address = "{oximeter}"
{oximeter_extra}
[[homes.devices]]
kind = "scale"
id = "scale"
address = "{scale}"
[[homes.devices]]
kind = "dispenser"
id = "pills"
port = "pills"
memory = "pills.log"
"""


def write_config(folder: Path, oximeter_extra: str = "", radio: str = "unix-server:radio") -> Path:
    (folder / "busy.toml").write_text(STORY, encoding="utf-8")
    path = folder / "sim.toml"
    text = HOME.format(now=time.time_ns(), radio=radio, oximeter=OXIMETER, scale=SCALE, oximeter_extra=oximeter_extra)
    path.write_text(text, encoding="utf-8")
    return path


async def test_an_oximeter_is_found_set_listened_to_and_read(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)) as seen, central(f"unix:{tmp_path}/radio") as host:
        measured = await seen.until("measured")
        advert = await host.find(OXIMETER)
        assert UUID("1822") in advert.data.get(0x03)
        connection = await host.connect(OXIMETER)
        assert await host.read("2a25") == b"OXI"
        assert (await host.read("2a19"))[0] == 90
        await host.listen("2a5e", "2a52")
        await host.write("2a52", b"\x01\x01")
        heard = [await host.hears()]
        while heard[-1][0] != "2a52":
            heard.append(await host.hears())
        first = heard[0][1]
        assert (first[1], first[3]) == (measured["spo2"], measured["pulse_rate"])
        assert first[13] & 2, "flagged as from storage"
        assert heard[-1][1].hex() == "06000101"
        uuid, live = await host.hears()
        assert uuid == "2a5e"
        assert not live[13] & 2, "made while connected"
        new_year_ns = 1_798_761_600 * 10**9
        await host.write("2a2b", _gatt.current_time(new_year_ns))
        assert 0 <= _gatt.read_current_time(await host.read("2a2b")) - new_year_ns < 600 * 10**9
        await connection.disconnect()


async def test_the_access_point_refuses_as_the_book_says(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)) as seen, central(f"unix:{tmp_path}/radio") as host:
        await seen.until("measured")
        await host.connect(OXIMETER)
        with pytest.raises(ATT_Error) as refused:
            await host.write("2a52", b"\x01\x01")
        assert refused.value.error_code == 0xFD


async def test_a_scale_tells_its_history_oldest_first(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)), central(f"unix:{tmp_path}/radio") as host:
        await host.connect(SCALE)
        await host.listen("2a9d")
        history = [(await host.hears())[1] for _ in range(4)]
        assert [packet[3:] for packet in history] == sorted(packet[3:] for packet in history)
        assert all(60 < int.from_bytes(packet[1:3], "little") / 200 < 95 for packet in history)


async def test_a_gateway_that_was_killed_finds_a_working_radio_and_nothing_lost(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)) as seen:
        await seen.until("measured")
        async with central(f"unix:{tmp_path}/radio") as killed:
            await killed.connect(OXIMETER)
            await killed.listen("2a5e", "2a52")
        async with central(f"unix:{tmp_path}/radio") as back:
            await back.connect(OXIMETER)
            await back.listen("2a5e", "2a52")
            await back.write("2a52", b"\x01\x01")
            measured = seen.all[1]
            _, first = await back.hears()
            assert (first[1], first[3]) == (measured["spo2"], measured["pulse_rate"])


async def test_the_newest_gateway_wins(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)), central(f"unix:{tmp_path}/radio") as old:
        await old.connect(SCALE)
        async with central(f"unix:{tmp_path}/radio") as new:
            await new.connect(SCALE)
            async with asyncio.timeout(5):
                await old.transport.source.terminated


async def test_a_connection_that_is_called_off_leaves_the_adapter_free(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)), central(f"unix:{tmp_path}/radio") as host:
        with pytest.raises(core.TimeoutError):
            await host.device.connect(Address("F0:00:00:00:00:77"), timeout=0.2)
        await host.connect(SCALE)


async def test_a_connection_that_never_came_to_be_is_reported(tmp_path: Path) -> None:
    """A device that stops advertising in the instant it is connected to: no real adapter leaves that unsaid."""
    radio = Radio(f"unix-server:{tmp_path}/radio")
    await radio.open()
    try:
        async with central(f"unix:{tmp_path}/radio") as host:
            (adapter,) = radio.air.controllers
            asked, create = asyncio.Event(), adapter.on_hci_le_create_connection_command
            adapter.on_hci_le_create_connection_command = lambda command: (create(command), asked.set())[0]
            connecting = asyncio.ensure_future(host.device.connect(Address(SCALE)))
            async with asyncio.timeout(5):
                await asked.wait()
                adapter.on_ll_advertising_pdu(ll.AdvInd(advertiser_address=Address(SCALE), data=b""))
                connection, gone = await connecting, asyncio.Event()
                connection.on("disconnection", lambda reason: gone.set())
                await gone.wait()
    finally:
        await radio.close()


async def test_a_device_that_hangs_up_does_so_when_it_has_told_everything(tmp_path: Path) -> None:
    config = write_config(tmp_path, oximeter_extra="[homes.devices.faults]\nhangs_up = true")
    (tmp_path / "busy.toml").write_text(STORY.replace("oximeter = 40", "oximeter = 0.05"), encoding="utf-8")
    async with home(config) as seen, central(f"unix:{tmp_path}/radio") as host:
        await seen.until("fell silent")
        connection, gone = await host.connect(OXIMETER), asyncio.Event()
        connection.on("disconnection", lambda reason: gone.set())
        await host.listen("2a5e", "2a52")
        await host.write("2a52", b"\x01\x01")
        while (await host.hears())[0] != "2a52":
            assert not gone.is_set()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_the_radio_may_be_a_loopback_port_as_well(tmp_path: Path, unused_tcp_port: int) -> None:
    where = f"127.0.0.1:{unused_tcp_port}"
    async with home(write_config(tmp_path, radio=f"tcp-server:{where}")), central(f"tcp-client:{where}") as host:
        await host.connect(SCALE)


async def test_on_a_bad_path_everything_arrives_in_the_end(tmp_path: Path) -> None:
    faults = "[homes.devices.faults]\ndrop = 0.4\nduplicate = 0.3\ndelay_s = 0.01"
    config = write_config(tmp_path, oximeter_extra=faults)
    async with home(config) as seen, central(f"unix:{tmp_path}/radio") as host:
        missing: set[tuple[int, int]] = set()
        while len(missing) < 6:
            await seen.next()
            missing = {(h["spo2"], h["pulse_rate"]) for h in seen.all if h["what"] == "measured"}
        connections = 0
        async with asyncio.timeout(20):
            while missing:
                connections += 1
                with suppress(Exception):  # the connection may drop at any step
                    await host.connect(OXIMETER)
                    await host.listen("2a5e", "2a52")
                    await host.write("2a52", b"\x01\x01")
                    while missing and host.device.connections:
                        with suppress(TimeoutError):
                            async with asyncio.timeout(0.1):
                                _, packet = await host.heard.get()
                                missing.discard((packet[1], packet[3]))
        assert connections > 1, "with this seed the fourth indication is the first to cost the connection"


async def test_a_dose_is_seen_and_read_over_the_line_and_released(tmp_path: Path) -> None:
    async with home(write_config(tmp_path)) as seen:
        await seen.until("dose due")
        with serial.Serial(str(tmp_path / "pills"), 115200, timeout=5) as line:
            line.write(frame(b"\x02\x01" + struct.pack("<I", 1)))
            deframer, payloads = Deframer(), list[bytes]()
            while not any(payload[0] == 0x85 for payload in payloads):
                payloads += deframer.feed(await asyncio.to_thread(line.read, 1))
            events = [payload[18] for payload in payloads if payload[0] == 0x82]
            assert events[:2] == [19, 1]
            log_id = msgspec.msgpack.decode((tmp_path / "pills.log").read_bytes())["log"]["log_id"]
            line.write(frame(b"\x03\x02" + struct.pack("<II", log_id, 2)))
            while payloads[-1][0] != 0x83:
                payloads += deframer.feed(await asyncio.to_thread(line.read, 1))
            assert payloads[-1] == b"\x83\x02" + struct.pack("<I", 2)


async def test_a_dispenser_remembers_through_a_restart_of_the_simulator(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    async with home(config) as seen:
        await seen.until("dose due")
    async with home(config):
        pass
    memory = msgspec.msgpack.decode((tmp_path / "pills.log").read_bytes())
    types = [entry["type"] for entry in memory["log"]["entries"]]
    assert types[:2] == [19, 1]
    assert types.count(19) == 2


@pytest.mark.processes
async def test_the_process_says_ready_first_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "firmware_sim", "run", str(config), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            assert await process.stdout.readline() == b'{"what":"ready"}\n'
            assert (tmp_path / "radio").is_socket()
            happening = msgspec.json.decode(await process.stdout.readline())
            assert {"t_ns", "wall_ns", "home", "device", "what"} <= happening.keys()
            process.send_signal(signal.SIGTERM)
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
    assert (process.returncode, err) == (0, b"")
    assert not (tmp_path / "radio").exists()
    assert not (tmp_path / "pills").is_symlink()
