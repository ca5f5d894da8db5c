"""The pump: it turns what changed into events, again and again, and rests between.

Time alone makes a value stale without any event, so it has all rows built anew every REFRESH_S, some at a time and
between those that changed.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

REFRESH_S = 60.0
REFRESHED = 50
"""So many rows are built anew at a time: whoever was measured meanwhile waits only for these."""
COALESCE_S = 0.05
SHARE = 2
"""The pump rests so many times as long as a core worked for it: thousands of changes a second must not keep the
readings out. How long it waited for a turn does not count: a server that is busy with everybody would make whoever was
measured wait thrice."""
MOST_REST_S = 0.5
UNSEEN_SHARE = 20
UNSEEN_REST_S = 5.0
"""The same while no screen is open. The rows are kept up all the same: whoever opens one need not wait for them."""


class Pump:
    """`drain` builds the rows of whoever changed, and of these; `names`: whose rows there are; `failed` is called where
    they could not be built."""

    def __init__(
        self, drain: Callable[[Sequence[str]], object], names: Callable[[], list[str]], failed: Callable[[], None]
    ) -> None:
        self._drain = drain
        self._names = names
        self._failed = failed
        self._running: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._called = False
        """It has been woken and has not begun since."""
        self._seen = asyncio.Event()

    def wake(self) -> None:
        """From any thread: something changed."""
        if self._running and not self._called:
            self._called = True
            loop, woken = self._running
            with contextlib.suppress(RuntimeError):  # the loop has closed
                loop.call_soon_threadsafe(woken.set)

    def watched(self, screens: int) -> None:
        """So many screens are open."""
        if screens:
            self._seen.set()
        else:
            self._seen.clear()

    @property
    def running(self) -> bool:
        """Whether it has begun and has not ended."""
        return self._running is not None

    async def run(self) -> None:
        """Drain whenever something changed, for as long as the site is up."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        woken.set()  # for what changed before there was a pump
        self._running = loop, woken
        try:
            refresh_at, old = loop.time() + REFRESH_S, list[str]()
            while True:
                if not old:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout_at(refresh_at):
                            await woken.wait()
                woken.clear()
                self._called = False
                began = loop.time()
                if began >= refresh_at:
                    refresh_at, old = began + REFRESH_S, await asyncio.to_thread(self._names)
                now, old = old[:REFRESHED], old[REFRESHED:]
                await self._rest(await self.drained(now), refresh_at - loop.time())
        finally:
            self._running = None

    async def drained(self, also: Sequence[str]) -> float:
        """Drain in a thread; returns for how long a core worked. What fails is logged: the pump itself never stops."""
        try:
            return await asyncio.to_thread(self._worked, also)
        except Exception:
            log.exception("the rows of the worklist could not be built; every screen is told to fetch anew")
            self._failed()
            return MOST_REST_S

    def _worked(self, also: Sequence[str]) -> float:
        began_s = time.thread_time()
        self._drain(also)
        return time.thread_time() - began_s

    async def _rest(self, worked_s: float, refresh_s: float) -> None:
        """Longer while nobody looks, but not past the next refresh, and cut short by whoever begins to."""
        if self._seen.is_set():
            await asyncio.sleep(max(COALESCE_S, min(SHARE * worked_s, MOST_REST_S)))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(COALESCE_S, min(UNSEEN_SHARE * worked_s, UNSEEN_REST_S, refresh_s))):
                await self._seen.wait()
