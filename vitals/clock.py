"""Calendar time as an argument: a clock is something to ask, so that a story can be told at any speed.

Everything clinical (when a reading was taken, how long a nurse has been waited for) asks a `Clock`. Timeouts on a
wire are not clinical and use the event loop's own time. A duration in a configuration is in the clock's time.

A `RunningClock` maps the wall to the story with one straight line, `now = origin + (wall - start) * speed`, so
processes that share the three numbers share the time. With speed 1 and origin equal to start it is the wall clock.
"""

import time
from typing import Protocol

import msgspec

NS = 1_000_000_000
MS = 1_000_000
MOST_SPEED = 100_000.0


class Clock(Protocol):
    """Anything that knows the time."""

    @property
    def speed(self) -> float:
        """Clock seconds that pass in one second of the wall."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01T00:00Z."""


class RunningClock(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The wall clock, or with other numbers a faster one. It is also the `[clock]` table of every configuration.

    Raises ValueError (what is wrong, what to do) for a clock that would not go forward, or would be millennia away.
    """

    speed: float = 1.0
    start_ns: int = 0
    origin_ns: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.speed <= MOST_SPEED:
            raise ValueError(f"speed {self.speed:g}", f"time goes forward: give it above 0, at most {MOST_SPEED:g}")
        if self.speed != 1.0 and not self.start_ns:
            mend = "give start_ns, the wall's time when the clock began, and origin_ns, what it showed then"
            raise ValueError(f"speed {self.speed:g} from nowhere", mend)

    def now_ns(self) -> int:
        wall_ns = time.time_ns()
        if self.speed == 1.0 and self.start_ns == self.origin_ns:
            return wall_ns
        return self.origin_ns + int((wall_ns - self.start_ns) * self.speed)

    def wall_s(self, clock_s: float) -> float:
        """Seconds of the wall that `clock_s` seconds of this clock take."""
        return clock_s / self.speed


class ManualClock:
    """Stands still until a test moves it."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    @property
    def speed(self) -> float:
        return 1.0

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, *, hours: float = 0, minutes: float = 0, seconds: float = 0) -> int:
        """Move on and return the new time; going back is refused."""
        step_ns = round((hours * 3600 + minutes * 60 + seconds) * NS)
        if step_ns < 0:
            raise ValueError("a clock moves forward; make a new ManualClock to begin earlier")
        self._now_ns += step_ns
        return self._now_ns
