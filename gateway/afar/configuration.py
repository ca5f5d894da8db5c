"""Configuration from afar: what the server wants, taken up without a restart and without touching the queue.

`gateway.toml` is the base. A signed document from the server (`vitals.wire.Desired`) may put other devices, another
heartbeat and limits in its place. It is looked at as a whole before anything is touched:

    not signed by the server, or for another gateway     refused
    older than what runs, or its time is over            refused: nobody brings an old configuration back by
                                                         playing it again
    unknown key, unknown driver, two devices on a port   refused, as `hjemvakt gateway check` would

What is refused leaves what runs alone, and the heartbeat says why. What is taken up replaces the visits to the devices
and nothing else: spool, uplink and orders know nothing of it.

It runs on trial first. When the devices' part fails within TRIAL_S, what ran before runs again. After that it is
stored, as it was signed; a process that a new configuration brings down comes up with the one before. The server sends
it until the heartbeat says that it runs, so what was not stored yet is not lost.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from drivers.catalogue import find
from gateway.config.file import desired
from gateway.config.model import Config, Find
from gateway.files import store
from gateway.identity.seals import Seals
from gateway.tasks import ended
from vitals.clock import Clock
from vitals.errors import HjemvaktError, WireError
from vitals.wire import Desired, decode, down

FILE = "desired.signed"
TRIAL_S = 10.0
"""In seconds of the wall."""

Serve = Callable[[Config], Coroutine[Any, Any, None]]

log = logging.getLogger(__name__)


class Running(NamedTuple):
    """A configuration in use. `version` 0: the file's own. `payload`: the document as it was signed."""

    config: Config
    version: int = 0
    hash: str = ""
    limits: dict[str, float] = {}  # noqa: RUF012 - nobody writes to it
    payload: bytes = b""


class Afar:
    """What runs, and why the last document that came does not.

    `on_change` is called when either has changed. Raises nothing: a stored document that cannot be used any more is
    refused like one that comes, and the base runs.
    """

    def __init__(self, base: Config, seals: Seals, find_driver: Find = find, clock: Clock | None = None) -> None:
        self._base = base
        self._clock = clock or base.clock
        self._seals = seals
        self._find = find_driver
        self._topic = down(base.name, "config")
        self._file = Path(base.data) / FILE
        self._arrived: bytes | None = None
        self._wake = asyncio.Event()
        self._failed = (0, "")
        self.refused = ""
        self.running = Running(base)
        self.on_change: Callable[[], None] = lambda: None
        self._remember()

    def arrived(self, payload: bytes) -> None:
        """A message under `down/config`; the newest is looked at by `run`."""
        self._arrived = payload
        self._wake.set()

    async def run(self, serve: Serve) -> None:
        """Serve the devices as they are configured, for ever; raises what `serve` raises when nothing is on trial."""
        kept: Running | None = None
        """What ran before, while what runs is on trial."""
        serving = self._begun(serve)
        try:
            while True:
                stood = await self._rest(TRIAL_S if kept else None)
                before = self.running
                if serving.done():
                    if kept is None:
                        return serving.result()
                    self._fall_back(kept, serving.exception())
                    kept, serving = None, self._begun(serve)
                    self._wake.set()  # something may have arrived in the same moment
                    self.on_change()
                elif self._look():
                    kept = kept or before
                    if self.running.config.devices != before.config.devices:
                        await ended([serving])
                        serving = self._begun(serve)
                    self.on_change()
                elif kept and stood and self._store():
                    kept = None
        finally:
            await ended([serving])

    def _begun(self, serve: Serve) -> "asyncio.Task[None]":
        serving = asyncio.create_task(serve(self.running.config), name="devices")
        serving.add_done_callback(lambda _: self._wake.set())
        return serving

    async def _rest(self, most_s: float | None) -> bool:
        """Until something has happened; True when nothing has for so long."""
        try:
            async with asyncio.timeout(most_s):
                await self._wake.wait()
        except TimeoutError:
            return True
        self._wake.clear()
        return False

    def _look(self) -> bool:
        """Look at what has arrived; True when it runs from now on."""
        payload, self._arrived = self._arrived, None
        if payload is None:
            return False
        before, self.refused, now_ns = self.refused, "", self._clock.now_ns()
        try:
            wanted = self._read(payload)
            new = (wanted.version, wanted.hash) != (self.running.version, self.running.hash)
            if new:
                self._check_due(wanted, now_ns)
                self.running = self._made(wanted, payload)
                log.info("configuration %d from afar: %s", wanted.version, self.running.config.summary())
        except HjemvaktError as error:
            new, self.refused = False, str(error)
            if before != self.refused:
                log.error("a configuration from afar is refused: %s", error)
        if not new and before != self.refused:
            self.on_change()
        return new

    def _read(self, payload: bytes) -> Desired:
        wanted = decode(self._seals.proved(self._topic, payload), Desired)
        if wanted.gateway != self._base.name:
            raise WireError("foreign gateway", f"a configuration of {wanted.gateway!r}", "send it under its own topic")
        return wanted

    def _check_due(self, wanted: Desired, now_ns: int) -> None:
        if wanted.version <= self.running.version:
            raise WireError(
                "old", f"version {wanted.version} is not newer than {self.running.version}, which runs", "save it anew"
            )
        if wanted.expires_ns <= now_ns:
            raise WireError("old", "its time is over, or the hub's clock is wrong", "it is sent anew")
        if (wanted.version, wanted.hash) == self._failed:
            raise WireError("failed", "the devices' part failed with it", "see the hub's log, and change it")

    def _made(self, wanted: Desired, payload: bytes) -> Running:
        config = desired(self._base, wanted.body, f"version {wanted.version}", self._find)
        return Running(config, wanted.version, wanted.hash, wanted.body.limits, payload)

    def _fall_back(self, kept: Running, error: BaseException | None) -> None:
        log.error("the devices' part failed with configuration %d, and the one before runs again", self.running.version,
                  exc_info=error)  # fmt: skip
        self._failed = (self.running.version, self.running.hash)
        self.refused = f"the devices' part failed with version {self.running.version} ({type(error).__name__})"
        self.running = kept

    def _remember(self) -> None:
        """What was stored, if it can still be used."""
        try:
            payload = self._file.read_bytes()
        except FileNotFoundError:
            return
        except OSError as error:
            self.refused = f"{self._file} cannot be read ({error.strerror})"
            return
        try:
            self.running = self._made(self._read(payload), payload)
        except HjemvaktError as error:
            self.refused = f"what was stored: {error}"
            log.error("%s cannot be used, the devices are those of the file: %s", self._file, error)
        else:
            log.info("configuration %d from afar, in place of the file's own devices", self.running.version)

    def _store(self) -> bool:
        """Put what runs where a restart finds it, whole or not at all; False when the disk refuses."""
        try:
            store(self._file, self.running.payload)
        except OSError as error:
            log.error("configuration %d runs but is not stored (%s): tried again", self.running.version, error.strerror)
            return False
        return True
