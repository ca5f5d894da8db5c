"""The gateway's own Bluetooth host on the simulated air."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.links.bumble_host import BumbleHost
from gateway.tasks import ended
from tests.gateway.links.air import Socket


@pytest.fixture
async def host(socket: Socket) -> AsyncIterator[BumbleHost]:
    """Up and running; it ends before its controller."""
    host = BumbleHost(socket.spec)
    task = asyncio.create_task(host.run())
    async with asyncio.timeout(5):
        await host.ready.wait()
    yield host
    await ended([task])
