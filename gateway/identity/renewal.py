"""The hub's certificate is renewed by itself, over the connection that it has: behind any router, through one port.

When two thirds of its life are over a new key is made, and a request for it, signed with the old key, goes up under
`up/renew`. It is said again until the certificate comes down; with the same key, also after a restart, so that the
server gives one certificate however often it is asked. Until the new identity is on disk whole, the old one is the
identity. Then the hub connects anew, as whoever it is now: what was under way is sent again.

A hub that was off for too long cannot renew. It goes on measuring, and a person claims it again.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from gateway.config.model import Config
from gateway.identity.draft import draft
from gateway.identity.held import Held, due, held
from gateway.identity.moment import wall
from vitals.errors import HjemvaktError
from vitals.identity import Renewed, decode, encode

LOOK_S = 600.0
AGAIN_S = 60.0
"""Between two questions; the second comes after so long, each later one after twice as long, at most LOOK_S."""

log = logging.getLogger(__name__)


class Way(Protocol):
    """The connection to the server, see `gateway.uplink.sending.Uplink`."""

    connected: asyncio.Event

    def hear(self, what: str, call: Callable[[bytes], None]) -> None: ...
    def say(self, what: str, payload: bytes) -> None: ...
    def connect_anew(self) -> None: ...


class Renewals:
    """`run()` for ever. `now` is the wall's time, or the server's where the wall's clock was never set; a test has
    its own, and other waits."""

    def __init__(
        self,
        config: Config,
        uplink: Way,
        now: Callable[[], datetime] = wall,
        look_s: float = LOOK_S,
        again_s: float = AGAIN_S,
    ) -> None:
        self._data = Path(config.data)
        self._uplink = uplink
        self._now = now
        self._look_s = look_s
        self._again_s = again_s
        self._late = random.random()
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)
        uplink.hear("certificate", self._heard)

    def _heard(self, payload: bytes) -> None:
        if not self._answers.full():
            self._answers.put_nowait(payload)

    async def run(self) -> None:
        """Look now and then whether it is time."""
        while True:
            try:
                found = held(self._data)
                if found is not None and due(found, self._late) <= self._now() < found.ends:
                    await self._renew(found)
            except HjemvaktError as error:
                log.warning("the certificate was not renewed: %s", error)
            await asyncio.sleep(self._look_s)

    async def _renew(self, old: Held) -> None:
        """Ask until it has come or the old one has ended; raises HjemvaktError for an answer that is no good."""
        while not self._answers.empty():  # to what was asked before
            self._answers.get_nowait()
        made = await asyncio.to_thread(draft, self._data, go_on=True)
        asked, pause_s = encode(made.renewal(old)), self._again_s
        while self._now() < old.ends:
            await self._uplink.connected.wait()
            self._uplink.say("renew", asked)
            try:
                async with asyncio.timeout(pause_s):
                    answer = await self._answers.get()
            except TimeoutError:
                pause_s = min(2 * pause_s, self._look_s)
                continue
            new = await asyncio.to_thread(made.renewed, decode(answer, Renewed), old)
            log.info("the certificate is a new one, until %s", f"{new.ends:%Y-%m-%d}")
            self._uplink.connect_anew()
            return
