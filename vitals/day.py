"""When people are awake: nobody is asked for a measurement in the night unless it cannot wait.

The hours are those of where the patient lives. A night spans midnight: it begins in the evening and ends in the
morning. What is reckoned here goes by the calendar, so an hour that summer time takes or gives is where people have it.
"""

from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import NamedTuple

from vitals.clock import NS


class Day(NamedTuple):
    """The waking hours in `zone`: from `morning` (inclusive) to `evening` (exclusive), 0 to 24; 0 and 24: always."""

    zone: tzinfo
    morning: int
    evening: int

    def local(self, t_ns: int) -> datetime:
        """That moment as the clock on the wall shows it, to the second."""
        return datetime.fromtimestamp(t_ns // NS, UTC).astimezone(self.zone)

    def awake(self, t_ns: int) -> bool:
        """Whether it is day then."""
        return self.morning <= self.local(t_ns).hour < self.evening

    def begins_ns(self, t_ns: int) -> int:
        """That moment if it is day then, else the next morning."""
        if self.awake(t_ns):
            return t_ns
        local = self.local(t_ns)
        return self._at(local + timedelta(days=local.hour >= self.evening), self.morning)

    def ends_ns(self, t_ns: int) -> int:
        """The end of the day that `t_ns` lies in; `t_ns` must be in the day."""
        return self._at(self.local(t_ns), self.evening)

    def _at(self, day: datetime, hour: int) -> int:
        date = day.date() + timedelta(days=hour == 24)
        return int(datetime.combine(date, time(hour % 24), self.zone).timestamp()) * NS
