"""The feed: a thread that brings a store outside up to the journal, whenever the store will have it.

It only reads the journal and moves its own cursor. So a store that is away, for a minute or a month, is nothing to
ingest, to the rules or to an acknowledgement; the feed waits, longer each time (at random, so that many do not come
back at once), and goes on where it stopped. It lags, and says so.
"""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from server.db import troubled
from server.readings.contract import Entry
from vitals.clock import NS, Clock
from vitals.errors import StoreError

log = logging.getLogger(__name__)

Read = Callable[[int, int], Sequence[Entry]]
"""The journal's entries after a seq, in order, at most so many."""

LAGS_S = 900
"""From then on it is a problem in /api/health."""
REFUSED_S = 3600
"""So long a refusal stands in /api/health; the metrics and the database have all of them."""
STOP_S = 15.0

_ENTRIES = (10, 500)
_READINGS = (5_000, 20_000)
"""A round is made to hold about so many: few enough for the memory, enough for the wire."""
_PAUSE_S = (1.0, 60.0)


class Sink(Protocol):
    """What is fed: a series store that says what it refused."""

    def position(self) -> int: ...
    def take(self, entries: Sequence[Entry]) -> None: ...
    def refused(self) -> int:
        """Readings that it would not take, since the beginning; the journal has them."""

    def refused_last(self) -> tuple[int, str] | None:
        """When that was last, and why."""


class Feed:
    """Feeds `sink`, called `name`, from the journal: `read` reads it, `last` says how far it goes.

    `poll_s`: how often it looks, in seconds of the wall; `pause_s`: the first and the longest pause while it is away.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        read: Read,
        last: Callable[[], int],
        clock: Clock,
        *,
        poll_s: float = 0.5,
        pause_s: tuple[float, float] = _PAUSE_S,
    ) -> None:
        self.name = name
        self._sink = sink
        self._read = read
        self._last = last
        self._clock = clock
        self._poll_s = poll_s
        self._pause_s = pause_s
        self._entries = 100
        self._failure: str | None = None
        self._waiting_since_ns: int | None = None
        self._written = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"feed-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = STOP_S) -> None:
        """Stop after the round that is under way; what it had not finished is done again next time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def step(self) -> bool:
        """One round; whether there was anything to do. Raises StoreError while the store is away."""
        asked = self._entries
        entries = self._read(self._sink.position(), asked)
        self._waiting_since_ns = entries[0].stored_ns if entries else None
        if not entries:
            return False
        self._sink.take(entries)
        if len(entries) < asked:  # else more may wait, and until it is read nobody knows since when
            self._waiting_since_ns = None
        readings = sum(len(entry.readings) for entry in entries)
        self._written += readings
        if readings > _READINGS[1]:
            self._entries = max(self._entries // 2, _ENTRIES[0])
        elif readings < _READINGS[0] and len(entries) == self._entries:
            self._entries = min(self._entries * 2, _ENTRIES[1])
        return True

    def lag_s(self) -> float:
        """How long ago the oldest entry was stored that the store does not have; 0 where it has all."""
        since_ns = self._waiting_since_ns
        return 0.0 if since_ns is None else max(0, self._clock.now_ns() - since_ns) / NS

    def lag_rows(self) -> int:
        """Rows of the journal that the store does not have."""
        return max(0, self._last() - self._sink.position())

    def written(self) -> int:
        """Readings handed over since the start, those of repeated rounds counted again."""
        return self._written

    def refused(self) -> int:
        """Readings that the store would not take, since the beginning."""
        return self._sink.refused()

    def failure(self) -> str | None:
        """Why the last round failed, or None if it did not."""
        return self._failure

    def problem(self) -> str | None:
        """What is wrong with it now, or None: no personal data."""
        if not self._thread.is_alive() and not self._stopping.is_set():
            return f"the feed of {self.name} has stopped"
        if self.lag_s() > LAGS_S:
            return f"{self.name} is {self.lag_s() / 60:.0f} min behind: {self._failure or 'it is being fed'}"
        try:
            refused = self._sink.refused_last()
        except Exception as error:
            if not troubled(error):
                raise
            return None  # our own database does not answer, and says so itself
        if refused and self._clock.now_ns() - refused[0] < REFUSED_S * NS:
            return f"{self.name} refused readings ({refused[1]}); the journal has them"
        return None

    def _run(self) -> None:
        longest_s = self._pause_s[0]
        while not self._stopping.is_set():
            if self._tried():
                longest_s = self._pause_s[0]
            else:
                self._stopping.wait(random.uniform(0, longest_s))
                longest_s = min(longest_s * 2, self._pause_s[1])

    def _tried(self) -> bool:
        """A round, and the pause behind it where there is nothing more; False if it failed."""
        try:
            more = self.step()
        except StoreError as error:
            if self._failure != error.text:  # once for each trouble, not once for each try
                log.warning("%s; readings wait in the journal", error)
            self._failure = error.text
            return False
        except Exception as error:
            log.exception("feeding %s failed; readings wait in the journal", self.name)
            self._failure = type(error).__name__
            return False
        if self._failure:
            log.info("%s is fed again", self.name)
        self._failure = None
        if not more:
            self._stopping.wait(self._poll_s)
        return True
