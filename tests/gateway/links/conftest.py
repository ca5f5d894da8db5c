"""Both ends of a radio in this process: the simulated air, a controller behind a socket, and a host on it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from bumble.link import LocalLink

from gateway.links.bumble_host import BumbleHost
from gateway.tasks import ended
from tests.gateway.links.test_bluetooth import Socket


@pytest.fixture
async def link() -> LocalLink:
    return LocalLink()


@pytest.fixture
async def socket(link: LocalLink, tmp_path: Path) -> AsyncIterator[Socket]:
    socket = Socket(tmp_path / "hci", link)
    await socket.start()
    yield socket
    await socket.kill()


@pytest.fixture
async def host(socket: Socket) -> AsyncIterator[BumbleHost]:
    """Up and running; it ends before its controller."""
    host = BumbleHost(socket.spec)
    task = asyncio.create_task(host.run())
    async with asyncio.timeout(5):
        await host.ready.wait()
    yield host
    await ended([task])
