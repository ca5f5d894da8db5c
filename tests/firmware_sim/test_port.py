"""The serial port: a path that stays, a gateway that comes and goes, a simulator that never waits for it."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from firmware_sim.ports import SerialPort
from vitals.errors import ConfigError


class Line:
    """The device's end, and what arrived there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()
        self.port = SerialPort(path, self.heard.put_nowait)

    async def hears(self, length: int) -> bytes:
        heard = b""
        async with asyncio.timeout(5):
            while len(heard) < length:
                heard += await self.heard.get()
        return heard


@pytest.fixture
async def line(tmp_path: Path) -> Iterator[Line]:  # type: ignore[misc]
    line = Line(tmp_path / "ports" / "dispenser")
    yield line
    line.port.close()


def gateway(line: Line) -> serial.Serial:
    return serial.Serial(str(line.path), 115200, timeout=5, exclusive=True)


async def test_every_byte_passes_both_ways_untouched(line: Line) -> None:
    everything = bytes(range(256))
    with gateway(line) as opened:
        opened.write(everything)
        assert await line.hears(256) == everything
        line.port.write(everything)
        assert await asyncio.to_thread(opened.read, 256) == everything


async def test_the_gateway_may_close_and_open_again(line: Line) -> None:
    for _ in range(3):
        with gateway(line) as opened:
            opened.write(b"\x00\x0d\x03")
            assert await line.hears(3) == b"\x00\x0d\x03"
            line.port.write(b"\x11\x0a\x00")
            assert await asyncio.to_thread(opened.read, 3) == b"\x11\x0a\x00"


async def test_nobody_there_holds_nothing_up_and_the_line_lives_on(line: Line) -> None:
    for _ in range(300):
        line.port.write(bytes(1000))
    with gateway(line) as opened:
        opened.write(b"hello")
        assert await line.hears(5) == b"hello"


async def test_a_reader_who_comes_late_is_not_told_what_was_long_ago(tmp_path: Path) -> None:
    now_s = [0.0]
    port = SerialPort(tmp_path / "stream", lambda data: None, lambda: now_s[0])
    try:
        for second in range(60):
            now_s[0] = float(second)
            port.write(bytes([second]) * 1000)
        with serial.Serial(str(tmp_path / "stream"), 115200, timeout=5) as late:
            port.write(b"now")
            heard = b""
            while not heard.endswith(b"now"):
                heard += await asyncio.to_thread(late.read, 1)
        assert not set(heard) & set(range(8, 58))
    finally:
        port.close()


async def test_a_burst_larger_than_the_kernel_s_buffer_arrives_whole(line: Line) -> None:
    burst = os.urandom(40_000)
    with gateway(line) as opened:
        line.port.write(burst)
        assert await asyncio.to_thread(opened.read, len(burst)) == burst


async def test_the_path_is_taken_over_from_a_simulator_that_crashed_and_goes_with_this_one(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.symlink_to("/nowhere/at/all")
    line = Line(path)
    with gateway(line) as opened:
        opened.write(b"x")
        assert await line.hears(1) == b"x"
    line.port.close()
    assert not path.is_symlink()


async def test_something_else_at_the_path_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "port"
    path.write_text("precious", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a link"):
        SerialPort(path, lambda data: None)
    assert path.read_text(encoding="utf-8") == "precious"
