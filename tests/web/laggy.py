"""A wire that takes its time, to find tests that only pass because the server happened to be quick.

`pytest -m chromium --laggy 500 tests/web` keeps each request half a second before the server has it. A test that
presses a button and goes on before the page has said what became of it loses what it pressed, every time and not once
a week.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send


class Laggy:
    """Every request to the API waits for `lag_s` before the server hears of it."""

    def __init__(self, app: ASGIApp, lag_s: float) -> None:
        self._app = app
        self._lag_s = lag_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Wait, and hand it on."""
        if scope["type"] == "http" and scope["path"].startswith("/api/"):
            await asyncio.sleep(self._lag_s)
        await self._app(scope, receive, send)
