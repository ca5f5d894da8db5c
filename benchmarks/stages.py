"""The real server, which writes down when each message came to each of its stages: for `bench_page`.

    python -m benchmarks.stages CONFIG FILE [LEFT OUT ...]

One ear hears all messages in the order in which they are sent, and stores them in it; so the number of a message says
which it is, at the sender, at the ear and in what was stored, and nothing need be read in it. Moments are of the
monotonic clock, which all processes of a machine share. What else the server does meanwhile is written down beside it:
looks at people, folds, copies of the log, and the pauses of the garbage collector. Any of OTHERS may be left out, to
tell what the readings wait for.
"""

import gc
import sys
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec

import server.app
from server.__main__ import main
from server.ingest.inbox import Inbox
from server.live.hub import Hub

Span = tuple[float, float]

OTHERS = {"look": "_look_around", "fold": "_fold", "log": "_copy_log"}
"""What the server does beside its readings, and the part of it that does."""


class Batch(msgspec.Struct, array_like=True):
    """Messages that were stored together: how many, when they were taken up, had the lock, and were committed; and for
    how long a core worked."""

    count: int
    taken_s: float
    begun_s: float
    committed_s: float
    worked_s: float


class Drain(msgspec.Struct, array_like=True):
    """Rows that were built and told together: when it began and ended, and for how long a core worked."""

    began_s: float
    ended_s: float
    worked_s: float


class Stages(msgspec.Struct):
    """What was written down. `heard_s`: each message; `rows`: each drain; `others`: all else, by name."""

    heard_s: list[float] = []
    batches: list[Batch] = []
    rows: list[Drain] = []
    others: dict[str, list[Span]] = {}

    def of(self, number: int, starts: list[int]) -> tuple[float, float, float, float, float] | None:
        """When message `number` was heard, taken up, begun, committed, and when its row was told; None: it was not.

        `starts`: of each batch the number of its first message.
        """
        place = bisect_right(starts, number) - 1
        if number >= len(self.heard_s) or number >= starts[place] + self.batches[place].count:
            return None
        batch = self.batches[place]
        row = bisect_left(self.rows, batch.committed_s, key=lambda one: one.began_s)
        if row == len(self.rows):
            return None
        return self.heard_s[number], batch.taken_s, batch.begun_s, batch.committed_s, self.rows[row].ended_s


_found = Stages()


def _spans(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    spans = _found.others.setdefault(name, [])

    def timed(*given: Any, **named: Any) -> Any:
        began_s = time.perf_counter()
        try:
            return call(*given, **named)
        finally:
            spans.append((began_s, time.perf_counter()))

    return timed


def _not_done(*_given: Any) -> tuple[()]:
    return ()


def _watch(left_out: Collection[str]) -> None:
    """Put a watch on each stage, and leave out what is to be."""
    begun = threading.local()
    hear, receive, take, drain = Inbox._on_message, server.app.Server._receive, server.app.ingest.take, Hub.drain
    pause_s = [0.0]

    def heard(self: Inbox, *given: Any) -> None:
        _found.heard_s.append(time.perf_counter())
        hear(self, *given)

    def taken(*given: Any) -> Any:
        begun.s = time.perf_counter()
        return take(*given)

    def received(self: Any, messages: Any, *early: Any) -> Any:
        taken_s, worked_s = time.perf_counter(), time.thread_time()
        answers = receive(self, messages, *early)
        worked_s = time.thread_time() - worked_s
        _found.batches.append(Batch(len(messages), taken_s, begun.s, time.perf_counter(), worked_s))
        return answers

    def drained(self: Hub, *given: Any, **named: Any) -> Any:
        began_s, worked_s = time.perf_counter(), time.thread_time()
        try:
            return drain(self, *given, **named)
        finally:
            _found.rows.append(Drain(began_s, time.perf_counter(), time.thread_time() - worked_s))

    def collected(phase: str, _info: object) -> None:
        if phase == "start":
            pause_s[0] = time.perf_counter()
        else:
            _found.others.setdefault("gc", []).append((pause_s[0], time.perf_counter()))

    Inbox._on_message = heard  # type: ignore[method-assign]
    server.app.Server._receive = received  # type: ignore[method-assign]
    server.app.ingest.take = taken  # type: ignore[assignment]
    Hub.drain = drained  # type: ignore[method-assign]
    gc.callbacks.append(collected)
    for name, part in OTHERS.items():
        setattr(
            server.app.Server, part, _not_done if name in left_out else _spans(name, getattr(server.app.Server, part))
        )


def load(path: Path) -> Stages:
    """What a server wrote down that has stopped."""
    return msgspec.json.decode(path.read_bytes(), type=Stages)


if __name__ == "__main__":
    _watch(sys.argv[3:])
    code = main(["run", sys.argv[1]])
    Path(sys.argv[2]).write_bytes(msgspec.json.encode(_found))
    raise SystemExit(code)
