"""The arithmetic of the reports, purely: columns in, figures out.

Times are whole nanoseconds until the very end. A percentile is interpolated between the two nearest (NumPy's `linear`),
so the median of an even number is the mean of the middle two.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitals.clock import NS

DAY_NS = 86_400 * NS


class Took(msgspec.Struct, frozen=True):
    """How long `n` things took, in seconds; None of none."""

    n: int
    median_s: float | None
    p90_s: float | None


def took(began_ns: NDArray[np.int64], ended_ns: NDArray[np.int64]) -> Took:
    """Of each pair of `[n]` moments."""
    if not began_ns.size:
        return Took(0, None, None)
    lasted_s = (ended_ns - began_ns) / NS
    median_s, p90_s = np.percentile(lasted_s, [50, 90])
    return Took(int(began_ns.size), float(median_s), float(p90_s))


def per_100_days(count: int, days: float) -> float | None:
    """So many in a hundred days; None where nobody was watched."""
    return count / days * 100 if days > 0 else None


def watched_days(spans: Sequence[tuple[int, int]], from_ns: int, to_ns: int) -> float:
    """How many days the spans cover together between two moments; what several cover counts once."""
    if not spans or to_ns <= from_ns:
        return 0.0
    ends = np.sort(np.clip(np.asarray(spans, np.int64), from_ns, to_ns), axis=0)
    # Whichever begins belong to whichever ends: sorted apart, the cover begins where as many had ended as had begun.
    open_at = np.arange(1, len(ends)) == np.searchsorted(ends[:, 1], ends[1:, 0] - 1, side="right")
    begins = ends[:, 0][np.r_[True, open_at]]
    closes = ends[:, 1][np.r_[open_at, True]]
    return float((closes - begins).sum()) / DAY_NS
