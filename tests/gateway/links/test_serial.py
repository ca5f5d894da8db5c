"""A serial device over a pty: bytes both ways, a port that vanishes, and one that comes back."""

import asyncio
import errno
import os
import pty
import tty
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import serial  # type: ignore[import-untyped]

from drivers.contract import Serial
from gateway.links.serial import open_port, serve
from gateway.spool.store import Spool
from gateway.visits.session import Session
from tests.gateway.visits.scripted import OnSerial
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.errors import LinkError
from vitals.wire import Row

LINE = Serial(115200)


class Far:
    """The device's end of a pty; the gateway's end stands under `name`, as a USB adapter's link would."""

    def __init__(self, name: Path) -> None:
        self._name = name
        self._far, near = pty.openpty()
        tty.setraw(self._far)
        name.unlink(missing_ok=True)
        name.symlink_to(os.ttyname(near))
        self._near = near

    def say(self, data: bytes) -> None:
        os.write(self._far, data)

    async def hear(self) -> bytes:
        loop, heard = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self._far, heard.set)
        async with asyncio.timeout(5):
            await heard.wait()
        loop.remove_reader(self._far)
        return os.read(self._far, 4096)

    def unplug(self) -> None:
        if self._far >= 0:
            os.close(self._near)
            os.close(self._far)
            self._far = -1
            self._name.unlink()


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    far = Far(tmp_path / "port")
    yield far
    far.unplug()


async def test_bytes_go_both_ways(far: Far, tmp_path: Path, clock: RunningClock) -> None:
    before_ns = clock.now_ns()
    connection = await open_port(str(tmp_path / "port"), LINE, clock)
    far.say(b"\x00\x82\xff")
    [rx] = await connection.receive()
    assert (rx.pipe, rx.data) == ("serial", b"\x00\x82\xff")
    assert before_ns <= rx.t_ns <= clock.now_ns()
    await connection.send("serial", b"\x01\x00")
    assert await far.hear() == b"\x01\x00"
    await connection.close()
    await connection.close()


async def test_a_port_that_is_not_there_says_so(tmp_path: Path, clock: RunningClock) -> None:
    with pytest.raises(LinkError, match=r"nothing does not open \(No such file or directory\): plug the device in"):
        await open_port(str(tmp_path / "nothing"), LINE, clock)


async def test_a_port_that_refuses_its_settings_says_so_and_is_left_free(
    far: Far, tmp_path: Path, clock: RunningClock
) -> None:
    """A pseudo-terminal has no parity. Python tells that by an error that is no OSError."""
    with pytest.raises(LinkError, match=r"refuses 2400 baud, 7E1 .*see `baud`"):
        await open_port(str(tmp_path / "port"), Serial(2400, 7, "E"), clock)
    connection = await open_port(str(tmp_path / "port"), LINE, clock)
    await connection.close()


async def test_what_came_before_the_port_vanished_is_still_delivered(
    far: Far, tmp_path: Path, clock: RunningClock
) -> None:
    connection = await open_port(str(tmp_path / "port"), LINE, clock)
    far.say(b"last words")
    first = await connection.receive()
    far.unplug()
    with pytest.raises(LinkError, match="vanished"):
        await asyncio.wait_for(connection.receive(), 5)
    assert b"".join(rx.data for rx in first) == b"last words"
    with pytest.raises(LinkError):
        await connection.send("serial", b"anyone?")
    await connection.close()


async def test_only_one_gateway_reads_a_port(far: Far, tmp_path: Path, clock: RunningClock) -> None:
    connection = await open_port(str(tmp_path / "port"), LINE, clock)
    with pytest.raises(LinkError, match=r"does not open .*: another program reads it"):
        await open_port(str(tmp_path / "port"), LINE, clock)
    await connection.close()


async def test_a_port_that_is_not_ours_says_who_may_open_it(
    clock: RunningClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port x: [Errno 13] Permission denied: 'x'")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(LinkError, match=r"x does not open \(Permission denied\): let the hub's user .* dialout"):
        await open_port("x", LINE, clock)


async def test_a_device_that_is_unplugged_and_plugged_in_again_is_read_on(
    far: Far, tmp_path: Path, clock: RunningClock, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.links.serial.RETRY_MOST_S", 0.1)
    stored = asyncio.Event()
    spool.on_stored = stored.set
    session = Session("disp-1", OnSerial, spool, clock)
    serving = asyncio.create_task(serve(str(tmp_path / "port"), OnSerial.card, session.visit, clock))
    ends = [far]
    for value in (b"p71 ", b"p72 "):
        assert await ends[-1].hear() == b"hello\n"
        ends[-1].say(value)
        async with asyncio.timeout(5):
            await stored.wait()
        stored.clear()
        ends[-1].unplug()
        ends.append(Far(tmp_path / "port"))
    assert await ends[-1].hear() == b"hello\n"
    serving.cancel()
    await asyncio.wait([serving])
    ends[-1].unplug()
    rows = [msgspec.json.decode(row.json, type=Row).what for row in await spool.take(0, 10)]
    assert [row.value[0] for row in rows if isinstance(row, Block)] == [71, 72]
