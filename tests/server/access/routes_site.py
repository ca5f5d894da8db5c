"""The region's server on the loopback, as browsers and Schemathesis reach it."""

import threading

import uvicorn

from server.access import sessions, store
from server.access.door import COOKIE
from tests.ports import free_port
from tests.waiting import until

from .conftest import Region


class Site:
    """The server behind an address, and a way in for whoever works there."""

    def __init__(self, town: Region) -> None:
        port = free_port()
        self.town = town
        self.url = f"http://127.0.0.1:{port}"
        self._web = uvicorn.Server(
            uvicorn.Config(town.site(), port=port, log_level="error", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._web.run)
        self._thread.start()
        until(lambda: self._web.started)

    def comes(self, who: str) -> dict[str, str]:
        """That person signs in, also one who was locked out; returns the cookie, by name."""
        with self.town.write() as tx:
            store.unlock(tx, who)
            return {COOKIE: sessions.open_session(tx, who, self.town.wall_ns)}

    def close(self) -> None:
        """Both end, the address and the server."""
        self._web.should_exit = True
        self._thread.join(20)
        self.town.server.close()
