"""The hubs' own door: HTTPS with this server's certificate from its own authority, for claims and nothing else.

A browser would not believe that certificate, so the page has a door of its own; a hub believes it because of the mark
in its code. A hub that is claimed never needs this door again.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from fastapi import FastAPI

from server.house import House
from server.identity.keeper import Keeper
from server.identity.routes import for_hubs
from server.site import Guard

STOP_S = 3
AT_ONCE = 64
"""Requests; technicians are few, and whoever comes with more is none."""


class _Door(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the page's; whoever opened this door closes it."""
        yield


@contextlib.asynccontextmanager
async def opened(house: House, keeper: Keeper, listening: socket.socket) -> AsyncIterator[None]:
    """Answer hubs on that socket for as long as this lasts."""
    app = FastAPI(title="Hjemvakt for hubs", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    app.add_middleware(Guard)
    app.include_router(for_hubs)
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=STOP_S,
        lifespan="off",
        limit_concurrency=AT_ONCE,
    )
    settings.load()
    settings.ssl = keeper.context
    door = _Door(settings)
    serving = asyncio.create_task(door.serve(sockets=[listening]), name="hubs' door")
    try:
        yield
    finally:
        door.should_exit = True
        await serving
