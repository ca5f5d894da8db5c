"""The server and its disk: the real `server.app.Server` on real files, and the ear between it and the broker.

The ear keeps `server.ingest.inbox`'s order: store and commit, answer, and only then acknowledge to the broker, which
repeats what was not. Power fails before or after any of the server's commits, or between its answers and that
acknowledgement; the disk may be full for a while.
"""

import asyncio
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa

from server.app import Server
from server.config import Config
from server.ingest.early import read_early
from server.ingest.store import Early
from tests.lite import empty
from tests.swarm.net import Broker, Message
from vitals.clock import Clock

AT_ONCE = 50
_GATHER_S, _RETRY_S = 1.0, 60.0


class Cut(BaseException):
    """The power of the server failed here. Nothing in the server may catch it, so it is no Exception."""


class Centre:
    """One server. `took(answers)` is called after each time it was given messages, `ticked` after each turn."""

    def __init__(
        self, config: Config, clock: Clock, loop: asyncio.AbstractEventLoop, broker: Broker, draw: random.Random,
        counts: Counter[str],
    ) -> None:  # fmt: skip
        self._config = config
        self._clock = clock
        self._loop = loop
        self._broker = broker
        self._draw = draw
        self._counts = counts
        self._listening = False
        self._wrong = False
        self.server: Server | None = None
        self.started_ns = 0
        self.full = False
        """Its disk takes nothing."""
        self.cut: tuple[str, int] | None = None
        """Where the power fails next: "before" or "after" the so-manieth commit from now."""
        self.took: Callable[[list[Message]], None] = lambda answers: None
        self.ticked: Callable[[bool], None] = lambda whole: None
        self.died: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.cut, self.started_ns = None, self._clock.now_ns()
        if not self._config.data.exists():
            self._config.data.mkdir(parents=True)
            (self._config.data / "hjemvakt.sqlite").write_bytes(empty())
        self.server = Server(self._config, self._clock)
        self.server.publish = lambda messages: None
        self._watch_commits(self.server)
        self.wake()

    def kill(self) -> None:
        if self.server:
            self.server.close()
        self.server = None

    def wake(self) -> None:
        """There may be something at the broker."""
        if not self._listening and self.server and self._broker.waiting:
            self._listening = True
            self._loop.call_later(_GATHER_S, self._hear)

    def tick(self) -> None:
        """The engine's turn."""
        if self.server is None:
            return
        self._wrong = False
        with self._mortal():
            self.server.tick(self._clock.now_ns())
        self.ticked(self.server is not None and not self._wrong)

    def act(self, work: Callable[[Server], None]) -> None:
        """What a person does at the staff page."""
        if self.server is not None and not self.full:
            with self._mortal():
                work(self.server)

    def _hear(self) -> None:
        self._listening = False
        if self.server is None or not self._broker.up or not self._broker.waiting:
            return
        messages = [self._broker.waiting[place] for place in range(min(AT_ONCE, len(self._broker.waiting)))]
        answers: list[Message] | None = None
        with self._mortal():
            try:
                answers = self.server.receive_many(messages, self._early(messages))
            except sa.exc.OperationalError:
                self._counts["messages that could not be stored"] += len(messages)
        self.took(answers or [])
        if answers is None:
            self._hear_later()
            return
        for answer in answers:
            self._broker.down_to(*answer)
        if self._draw.random() < self._broker.weather.lost:  # the acknowledgement to the broker is lost
            self._counts["messages delivered again"] += len(messages)
            self._hear_later()
            return
        for _ in messages:
            self._broker.waiting.popleft()
        self.wake()

    def _early(self, messages: Sequence[Message]) -> list[Early]:
        """At times so much waits that some of it, or all, is read before its turn."""
        cut = self._draw.randrange(2 * len(messages)) - len(messages) + 1
        return [Early(messages[:cut], read_early(messages[:cut], self._clock.speed))] if cut > 0 else []

    def _hear_later(self) -> None:
        """The same messages once more, after a while; until then nothing else is listened to."""
        self._listening = True
        self._loop.call_later(_RETRY_S, self._hear)

    @contextmanager
    def _mortal(self) -> Iterator[None]:
        try:
            yield
        except Cut:
            self.kill()
            self.died()

    def _watch_commits(self, server: Server) -> None:
        write = server.db.write

        @contextmanager
        def watched() -> Iterator[sa.Connection]:
            with write() as tx:
                yield tx
                if self.full:
                    self._wrong = True
                    self._counts["commits a full disk refused"] += 1
                    raise sa.exc.OperationalError("COMMIT", {}, sqlite3.OperationalError("database or disk is full"))
                self._maybe_cut("before")
            self._maybe_cut("after")

        server.db.write = watched  # type: ignore[method-assign]

    def _maybe_cut(self, place: str) -> None:
        if self.cut is None or self.cut[0] != place:
            return
        if self.cut[1] > 1:
            self.cut = (place, self.cut[1] - 1)
            return
        self.cut, self._wrong = None, True
        self._counts[f"servers cut {place} a commit"] += 1
        raise Cut(place)
