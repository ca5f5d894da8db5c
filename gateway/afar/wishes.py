"""What the server wishes of this home: the newest document, on disk before it counts.

It holds all that the patient is asked and told (`vitals.wire.Wishes`); what is not in it is not wished any more. It is
believed like a command: with the server's signature wherever this hub can check one. The highest version stays, so an
old one that somebody plays again changes nothing. What was stored is looked at again at the start, in the same way.

The programme that the patient follows comes with it, and is what this hub judges by while the server is away
(`gateway.home.local`). A programme decides who is told of what, so it counts only with a signature that was checked
here, and a document whose time is over is not taken up: nobody brings an old one to a hub that has lost its own.

Nothing here decides: a request ends by its own time, or because what it asks for was measured, whether or not the
server can be heard.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from gateway.files import store
from gateway.identity.seals import Seals
from vitals.clock import Clock
from vitals.errors import HjemvaktError, WireError
from vitals.wire import Request, Telling, Wishes, decode, down

FILE = "wishes.signed"

log = logging.getLogger(__name__)


class Wished:
    """The document of the gateway `name`, kept in the folder `data`. `on_change` is called when another counts."""

    def __init__(self, name: str, data: Path, seals: Seals, clock: Clock) -> None:
        self._name = name
        self._file = data / FILE
        self._topic = down(name, "wishes")
        self._seals = seals
        self._clock = clock
        self._arrived: bytes | None = None
        self._wake = asyncio.Event()
        self.now = Wishes(name, 0, 0)
        self.on_change: Callable[[], None] = lambda: None
        self._remember()

    def arrived(self, payload: bytes) -> None:
        """A message under `down/wishes`; the newest is looked at by `run`."""
        self._arrived = payload
        self._wake.set()

    async def run(self) -> None:
        """Take what arrives, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.turn()

    async def turn(self) -> None:
        """What `run` does when it is woken."""
        payload, self._arrived = self._arrived, None
        if payload is None:
            return
        try:
            wished = self._read(payload)
            if wished.version <= self.now.version:
                return
            if wished.expires_ns and wished.expires_ns <= self._clock.now_ns():
                raise WireError("old", "its time is over, or the hub's clock is wrong", "it is sent anew")
            await asyncio.to_thread(store, self._file, payload)
        except (HjemvaktError, OSError) as error:
            log.error("what the server wishes of this home is refused: %s", error)
            return
        self.now = wished
        log.info("the home is asked for %d measurements and %d questions", len(wished.requests), len(wished.asking))
        self.on_change()

    def requests(self, now_ns: int, newest_ns: Mapping[str, int]) -> list[Request]:
        """What the patient is still to measure or to answer."""
        return [
            one for one in self.now.requests
            if now_ns < one.until_ns and newest_ns.get(one.channel, one.from_ns - 1) < one.from_ns
        ]  # fmt: skip

    def telling(self, now_ns: int) -> list[Telling]:
        """What the home is told."""
        return [one for one in self.now.telling if now_ns < one.until_ns]

    def _read(self, payload: bytes) -> Wishes:
        wished = decode(self._seals.believed(self._topic, payload), Wishes)
        if wished.gateway != self._name:
            raise WireError("foreign gateway", f"wishes of {wished.gateway!r}", "send them under its own topic")
        return wished if self._seals.signed else msgspec.structs.replace(wished, followed=None)

    def _remember(self) -> None:
        try:
            self.now = self._read(self._file.read_bytes())
        except FileNotFoundError:
            return
        except (HjemvaktError, OSError) as error:
            log.error("%s cannot be used, the home is asked nothing until it is sent anew: %s", self._file, error)
