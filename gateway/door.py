"""The smallest HTTP there is: one question, one answer, and the connection is closed.

A hub answers a monitor (`gateway.metrics`) and shows a page to the home (`gateway.home.page`). A server of some
library's would bring threads to the loop's data, and a stop that waits for them. Whoever asks slowly or says too much
is hung up on; more than MOST_AT_ONCE are not heard.

A port that is taken must not keep a hub from its devices: it is said in the log, and tried again.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from gateway.tasks import ended
from vitals.errors import ConfigError

ASK_S = 5.0
"""So long may somebody take to ask."""
MOST_BYTES = 8_192
MOST_AT_ONCE = 4
AGAIN_S = 30.0

log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request. `path` is without what follows a question mark; `headers` have lower-case names."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Answer = Callable[[Asked], Awaitable[bytes]]
"""The whole response, see `response`."""


def address(listen: str | None, where: str) -> tuple[str, int] | None:
    """Host and port of `127.0.0.1:9109`, or None; `where` names the key. Raises ConfigError."""
    if listen is None:
        return None
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"{where} listen = {listen!r} is no address", 'write it as "127.0.0.1:9109"')
    return host.strip("[]"), int(port)


def response(status: str, body: bytes, *headers: str) -> bytes:
    """A response, encoded."""
    lines = (f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", "")
    return "\r\n".join(lines).encode("latin-1") + body


async def serve(at: tuple[str, int], what: str, answer: Answer) -> None:
    """Answer at this host and port, for ever. `what` names it in the log."""
    level = logging.ERROR
    while True:
        try:
            await _Door(what, answer).run(at)
        except OSError as error:
            log.log(level, "%s cannot be served on %s:%d (%s): tried again", what, *at, error.strerror or error)
            level = logging.DEBUG  # said once
        await asyncio.sleep(AGAIN_S)


class _Door:
    """The listening socket and the conversations behind it."""

    def __init__(self, what: str, answer: Answer) -> None:
        self._what = what
        self._answer = answer
        self._talks: set[asyncio.Task[None]] = set()

    async def run(self, at: tuple[str, int]) -> None:
        """For ever; raises OSError when the port cannot be had."""
        server = await asyncio.start_server(self._come_in, *at, limit=MOST_BYTES)
        log.info("%s at http://%s:%d/", self._what, *at)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            await ended(self._talks)

    def _come_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._talks) >= MOST_AT_ONCE:
            writer.close()
            return
        talk = asyncio.create_task(self._talk(reader, writer), name=self._what)
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(ASK_S):
                writer.write(await self._answer(await _asked(reader)))
                await writer.drain()
        except (TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            log.debug("a question for %s was not asked to its end", self._what)
        except Exception:
            log.exception("%s could not be told", self._what)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _asked(reader: asyncio.StreamReader) -> Asked:
    """Raises ValueError for a length that is none, or too much."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = first.partition(" ")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length") or 0)
    if not 0 <= length <= MOST_BYTES:
        raise ValueError(f"a body of {length} bytes")
    return Asked(method, rest.split(" ")[0].partition("?")[0], headers, await reader.readexactly(length))
