"""A home with a device on every kind of link: what streams, what is only overheard, what answers, what garbles."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import serial
from bumble.core import AdvertisingData
from bumble.hci import Address

from firmware_sim.config import load
from tests.firmware_sim.hands import Central, Seen, central, home

HOME = """
person = "Kari"
scenario = "busy.toml"
devices = [
    "mi-scale",
    "heart-belt",
    "mt-sics",
    "bci",
    { kind = "scale", faults = { malformed = 0.5 } },
]
[clock]
speed = 120.0
start_ns = %s
origin_ns = %s
"""
STORY = """
title = "busy"
[habits]
oximeter = { every_min = 4 }
scale = { every_min = 2, at_hours = [7, 19], history_days = 4 }
"""


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[tuple[Seen, Central, dict[str, Any]]]:
    """The home; a host; the devices by kind."""
    (folder / "busy.toml").write_text(STORY, encoding="utf-8")
    path = folder / "kari.toml"
    path.write_text(HOME % (time.time_ns(), time.time_ns()), encoding="utf-8")
    devices = {device.kind: device for device in load(path).homes[0].furnished}
    async with home(path) as seen, central(f"unix:{folder}/kari/radio") as host:
        yield seen, host, devices


def from_scale(happening: dict[str, Any], kind: str) -> bool:
    return str(happening["device"]).endswith(f"-{kind}")


async def test_a_scale_that_is_only_listened_to_says_each_weighing_and_takes_no_connection(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, host, devices):
        address = devices["mi-scale"].address
        told = set()
        for _ in range(2):
            count = len(told)
            while len(told) == count:
                advert = await host.find(address)
                assert advert.data.get(AdvertisingData.COMPLETE_LOCAL_NAME) == "MI_SCALE"
                told |= {bytes(data) for _, data in advert.data.get_all(AdvertisingData.SERVICE_DATA_16_BIT_UUID)}
        assert all(data for data in told)
        await seen.until("weighed", lambda happening: from_scale(happening, "mi-scale"))
        async with asyncio.timeout(5):
            connection, gone = await host.device.connect(Address(address)), asyncio.Event()
            connection.on("disconnection", lambda reason: gone.set())
            await gone.wait()


async def test_a_stream_on_the_air_runs_by_the_wall(tmp_path: Path) -> None:
    async with living(tmp_path) as (_, host, devices):
        await host.connect(devices["heart-belt"].address)
        await host.listen("2a37")
        assert {(await host.hears())[0] for _ in range(2)} == {"2a37"}


async def test_a_scale_on_a_line_answers_and_then_says_each_weighing_at_whatever_speed(tmp_path: Path) -> None:
    async with living(tmp_path) as (seen, _, devices):
        with serial.Serial(devices["mt-sics"].port, 9600, timeout=5) as line:
            line.write(b"SIR\r\n")
            first = await asyncio.to_thread(line.readline)
            assert first.startswith(b"S ")
            weighed = await seen.until("weighed", lambda happening: from_scale(happening, "mt-sics"))
            stable = f"S S {weighed['weight']:>10.2f} kg\r\n".encode()
            async with asyncio.timeout(10):
                while await asyncio.to_thread(line.readline) != stable:
                    pass


async def test_a_stream_on_a_line_talks_unasked(tmp_path: Path) -> None:
    async with living(tmp_path) as (_, _, devices):
        with serial.Serial(devices["bci"].port, 115200, timeout=5) as line:
            heard = await asyncio.to_thread(line.read, 500)
        starts = [place for place, byte in enumerate(heard) if byte & 0x80]
        assert len(starts) >= 99
        assert {later - sooner for sooner, later in pairwise(starts)} == {5}


async def test_a_device_that_garbles_sends_the_right_one_after_it(tmp_path: Path) -> None:
    async with living(tmp_path) as (_, host, devices):
        await host.connect(devices["scale"].address)
        await host.listen("2a9d")
        heard = []
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                while True:
                    heard.append((await host.heard.get())[1])
        whole = [packet for packet in heard if len(packet) == 10]
        garbled = [(place, packet) for place, packet in enumerate(heard) if len(packet) != 10]
        assert len(whole) == len(set(whole)) >= 8
        assert garbled
        for place, packet in garbled[:-1]:
            after = next(later for later in heard[place:] if len(later) == 10)
            assert after.startswith(packet) or packet.startswith(after)
