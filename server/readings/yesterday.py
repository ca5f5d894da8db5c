"""What a channel's newest value is compared with: the newest one of a day before that the device trusts.

It was measured 20 to 36 hours before the newest. The newest moves on with each reading, and so does that stretch of
time. So what will come into it within the next hour is read along with what is in it, and until then nobody need look
into the database again for a reading that comes in its time. One that comes late may change it, and asks anew.
"""

from bisect import bisect_right
from math import inf

import msgspec
import numpy as np

from server.readings.values import Values, good
from vitals.clock import NS

BEFORE_NS = 20 * 3600 * NS, 36 * 3600 * NS
"""The value of a day before is the newest that the device trusts, measured so long before: from and to."""

AHEAD_NS = 3600 * NS


class Yesterday(msgspec.Struct, frozen=True, gc=False):
    """Of one channel, for a newest value measured between two moments.

    `trusted`: when and what, by time: the newest that was old enough at the first of them, and what is by the last.
    """

    from_ns: int
    until_ns: int
    trusted: tuple[tuple[int, float], ...]

    def holds(self, newest_ns: int, first_ns: int) -> bool:
        """Whether it says how it is for a newest value of that moment, after readings the first of which is of
        `first_ns` have been filed."""
        return self.from_ns <= newest_ns <= self.until_ns and first_ns > self.until_ns - BEFORE_NS[0]

    def before(self, newest_ns: int) -> float | None:
        """The value of a day before that moment; None: there is none."""
        place = bisect_right(self.trusted, (newest_ns - BEFORE_NS[0], inf))
        if not place or self.trusted[place - 1][0] < newest_ns - BEFORE_NS[1]:
            return None
        return self.trusted[place - 1][1]


def span(newest_ns: int) -> tuple[int, int]:
    """Between which moments `yesterday` must know all of the channel, both inclusive."""
    return newest_ns - BEFORE_NS[1], newest_ns + AHEAD_NS - BEFORE_NS[0]


def yesterday(newest_ns: int, values: Values) -> Yesterday:
    """It, for a newest value measured then or within AHEAD_NS after. `values`: all there are in `span`."""
    trusted = values.only(np.flatnonzero(good(values.flags)))
    old = int(trusted.t_ns.searchsorted(newest_ns - BEFORE_NS[0], "right"))
    kept = trusted.only(slice(max(0, old - 1), None))
    pairs = zip(kept.t_ns.tolist(), kept.value.tolist(), strict=True)
    return Yesterday(newest_ns, newest_ns + AHEAD_NS, tuple(pairs))
