"""The hub's clock: its own, and until that was ever set, the server's.

A hub without a battery for its clock starts in 1970. Mostly the network tells it the time soon; where there is no time
service, nobody does, and its devices would never be read. But the server answers, and its answers say the time. So a
clock that was never set goes by the newest answer that can be trusted, and on from there by the steady clock, which
nobody sets (`gateway.clock.steady`). A clock that was set is never touched: who is right where two differ, the server
finds out (`server.ingest.correct`).

*What can be trusted* is an answer under the seal, to a heartbeat of ours: each heartbeat carries a number that was
drawn for it, and its answer repeats that. So the answer was made between asking and hearing. It is taken to be of the
middle, which is off by half of the round trip at most; one that took longer than ROUND_S tells no time. A recording of
an answer has another number, and who cannot seal cannot answer: without a key there is no time from the server.

*A better answer* (a quicker one) replaces the one before, and after MOST_S any does, since no two clocks go at one
rate. The step between two is below ROUND_S, and so never taken for a clock that was set
(`gateway.visits.frame.JUMP_S`).
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.clock.steady import steady_ns
from vitals.clock import NS, Clock

SET_SINCE_NS = 1_735_689_600 * NS
"""2025-01-01: a clock that shows less was never set."""
ROUND_S = 2.0
MOST_S = 600.0
"""Both in seconds of the wall."""


def is_set(clock: Clock) -> bool:
    """Whether the clock shows a time that can be."""
    return clock.now_ns() >= SET_SINCE_NS


class _Told(NamedTuple):
    """The server's time in the middle of a round trip, what the steady clock showed then, and how long the trip was."""

    server_ns: int
    mono_ns: int
    round_ns: int


class HubClock:
    """`own` is the clock that the configuration names, `steady` the one that nobody sets."""

    def __init__(self, own: Clock, steady: Callable[[], int] = steady_ns) -> None:
        self._own = own
        self._steady = steady
        self._asked: tuple[int, int] | None = None
        """The number of the newest heartbeat, and when it was sent by the steady clock."""
        self._told: _Told | None = None

    @property
    def speed(self) -> float:
        return self._own.speed

    def now_ns(self) -> int:
        own_ns = self._own.now_ns()
        return own_ns if own_ns >= SET_SINCE_NS else self.server_ns() or own_ns

    def server_ns(self) -> int | None:
        """What the server's clock shows now; None where it has told nothing since the start."""
        if self._told is None:
            return None
        return self._told.server_ns + round((self._steady() - self._told.mono_ns) * self.speed)

    @property
    def borrowed(self) -> bool:
        """Whether it goes by the server's time now."""
        return self._told is not None and not is_set(self._own)

    def told(self) -> datetime | None:
        """The server's time now, where it goes by that."""
        return datetime.fromtimestamp(self.now_ns() / NS, UTC) if self.borrowed else None

    def ask(self) -> int:
        """The number for a heartbeat that is sent now; an answer to an earlier one tells no time any more."""
        number = secrets.randbits(62) + 1
        self._asked = number, self._steady()
        return number

    def answered(self, number: int, server_ns: int) -> None:
        """The server has said its time, under the seal, in its answer to the heartbeat of that number."""
        if self._asked is None or number != self._asked[0]:
            return
        (_, asked_ns), now_ns = self._asked, self._steady()
        self._asked = None
        told = _Told(server_ns + round((now_ns - asked_ns) * self.speed / 2), now_ns, now_ns - asked_ns)
        if told.round_ns < ROUND_S * NS and (self._told is None or self._better(told, self._told)):
            self._told = told

    def _better(self, new: _Told, old: _Told) -> bool:
        return new.round_ns <= old.round_ns or new.mono_ns - old.mono_ns > MOST_S * NS
