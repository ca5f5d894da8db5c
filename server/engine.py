"""The engine: a thread that calls `tick` again and again, and another that looks at its watch.

Everything that is due by the clock happens in a tick, from rows in the database; a tick that was missed is made up for
by the next. So the one thing that must not happen unnoticed is that ticks stop coming.
"""

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

from vitals.clock import Clock

log = logging.getLogger(__name__)

STUCK_S = 15.0
"""A tick that takes longer is shown in /api/health and logged, with the place where it is stuck."""


class Engine:
    """Calls `tick(clock.now_ns())` every `tick_s` seconds of the wall until it is stopped.

    `took` is told how long each tick took, in seconds.
    """

    def __init__(
        self,
        tick: Callable[[int], None],
        clock: Clock,
        tick_s: float,
        *,
        stuck_s: float = STUCK_S,
        name: str = "engine",
        took: Callable[[float], None] = lambda took_s: None,
    ) -> None:
        self._name = name
        self._tick = tick
        self._clock = clock
        self._tick_s = tick_s
        self._stuck_s = stuck_s
        self._took = took
        self._stopping = threading.Event()
        self._finished = time.monotonic()
        self._failure: str | None = None
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._watchdog = threading.Thread(target=self._guard, name=f"{name}-watchdog", daemon=True)

    def start(self) -> None:
        self._finished = time.monotonic()
        self._thread.start()
        self._watchdog.start()

    def leave(self) -> None:
        """Begin no further tick; `stop` then waits for the one that is running."""
        self._stopping.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """Stop after the tick that is running."""
        self.leave()
        for thread in (self._thread, self._watchdog):
            if thread.is_alive():
                thread.join(timeout_s)

    def age_s(self) -> float:
        """Seconds since a tick was last finished."""
        return time.monotonic() - self._finished

    def problem(self) -> str | None:
        """What is wrong with it now, or None."""
        if not self._thread.is_alive() and not self._stopping.is_set():
            return f"the {self._name} has stopped"
        if self.age_s() > self._tick_s + self._stuck_s:
            return f"the {self._name} has been stuck for {self.age_s():.0f} s"
        return self._failure

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                self._tick(self._clock.now_ns())
                self._failure = None
            except Exception as error:
                self._failure = f"a tick failed ({type(error).__name__})"
                log.exception("a tick failed; the next one tries again")
            self._finished = time.monotonic()
            self._took(self._finished - began)
            self._stopping.wait(max(0.0, self._tick_s - (self._finished - began)))

    def _guard(self) -> None:
        told = 0.0
        while not self._stopping.wait(self._stuck_s / 4):
            if self.age_s() > self._tick_s + self._stuck_s and told != self._finished:
                told = self._finished
                log.error("the %s has been stuck for %.0f s, here:\n%s", self._name, self.age_s(), self._where())

    def _where(self) -> str:
        frame = sys._current_frames().get(self._thread.ident or 0)
        return "".join(traceback.format_stack(frame)) if frame else "its thread is gone"
