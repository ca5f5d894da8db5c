"""When a person measures: every so often, at hours of the day, or no more. Pure, and the same whenever it is asked."""

from collections.abc import Iterator
from math import floor

from firmware_sim.body import DAY_NS, HOUR_NS
from firmware_sim.noise import share
from vitals.clock import NS

_LATENESS = 0.15
"""Nobody is punctual: up to this share of the interval late, and up to this share of an hour for a daily habit."""


class Routine:
    """Moments of one habit. `every_min` counts from `start_ns`; `at_hours` (of the day, UTC) from `since_ns`.

    Between `start_ns` and `on_ns` (when the simulator came up) there are none, and none from `until_ns` on.
    """

    def __init__(
        self,
        seed: int,
        start_ns: int,
        *,
        every_min: float | None = None,
        at_hours: tuple[float, ...] = (),
        since_ns: int | None = None,
        on_ns: int | None = None,
        until_ns: int | None = None,
    ) -> None:
        self._seed = seed
        self._start_ns = start_ns
        self._every_ns = round(every_min * 60 * NS) if every_min else None
        self._at_hours = at_hours
        self._since_ns = start_ns if since_ns is None else since_ns
        self._on_ns = start_ns if on_ns is None else on_ns
        self.until_ns = until_ns

    @property
    def first_ns(self) -> int:
        """No moment is earlier than this."""
        return min(self._start_ns, self._since_ns)

    def next_ns(self, after_ns: int) -> int | None:
        """The first moment later than `after_ns`, or None."""
        moment = self._following(after_ns)
        if moment is not None and self._start_ns <= moment < self._on_ns:
            moment = self._following(self._on_ns - 1)
        return None if moment is None or (self.until_ns is not None and moment >= self.until_ns) else moment

    def _following(self, after_ns: int) -> int | None:
        moments = (*self._periodic(after_ns), *self._daily(after_ns))
        return min((t for t in moments if t > after_ns), default=None)

    def _periodic(self, after_ns: int) -> Iterator[int]:
        if self._every_ns is None:
            return
        nearest = floor((after_ns - self._start_ns) / self._every_ns)
        for number in range(max(0, nearest - 1), max(0, nearest) + 2):
            late = _LATENESS * share(self._seed, "every", number)
            yield self._start_ns + round((number + late) * self._every_ns)

    def _daily(self, after_ns: int) -> Iterator[int]:
        day = max(after_ns, self._since_ns) // DAY_NS
        for number in range(day - 1, day + 2):
            for hour in self._at_hours:
                late = _LATENESS * share(self._seed, "daily", number, str(hour))
                moment = number * DAY_NS + round((hour + late) * HOUR_NS)
                if moment >= self._since_ns:
                    yield moment
