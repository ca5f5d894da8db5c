"""What is usual for a new patient: limits of their own, learned from the first weeks and proposed, purely.

A floor is proposed below what the patient usually has, a ceiling above it: by SPREADS robust standard deviations
(1.4826 times the median absolute deviation, which a few odd readings do not move), with a least spread, since a
fortnight of equal readings does not make a person a machine. Every day counts alike, however often was measured in it.

Nothing is proposed from too little (LEAST_DAYS, LEAST_READINGS), from a patient who is not settled (a spread above
`most_spread`), or who is usually beyond what is safe: then a person has to think, not an average. A proposal is never
beyond its caps, nor the rule's bounds, whatever was measured; it is only ever a proposal. The numbers in LEARNED want a
clinician's eye before use (check).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from statistics import median
from typing import Literal, NamedTuple

import msgspec

from vitals.channels import CHANNELS
from vitals.day import Day

SPREADS = 3.0
LEAST_DAYS = 7
LEAST_READINGS = 10
_NORMAL = 1.4826


class Learn(NamedTuple):
    """How a limit is learned from `channel`: on which `side` it lies, and within which caps it may be proposed."""

    channel: str
    side: Literal["low", "high"]
    least_spread: float
    most_spread: float
    caps: tuple[float, float]


LEARNED: Mapping[str, Learn] = {
    "spo2_floor": Learn("spo2", "low", 1.0, 3.0, (86.0, 92.0)),
    "pulse_ceiling": Learn("pulse_rate", "high", 4.0, 15.0, (100.0, 130.0)),
}
"""By limit (check). 86 %: below it NEWS2 gives 2 points or more on either scale; 131 /min is 3 points (RCP 2017)."""

Why = Literal["few", "unsettled", "beyond", "same"]


class Proposal(msgspec.Struct, frozen=True):
    """A limit that would suit: `value`, in place of `usual`, from so many readings on so many days."""

    limit: str
    value: float
    usual: float
    median: float
    spread: float
    readings: int
    days: int


def propose(
    limit: str, t_ns: Sequence[int], value: Sequence[float], usual: float, bounds: tuple[float, float], zone: tzinfo
) -> Proposal | Why:
    """The proposal for `limit` from good readings of its channel, or why there is none.

    `usual` is the limit that holds now; `bounds` what a person may set it to. few: too few readings or days; unsettled:
    they differ too much; beyond: the patient is usually past the caps; same: it would change nothing.
    """
    how = LEARNED[limit]
    by_day = _by_day(t_ns, value, zone)
    if len(by_day) < LEAST_DAYS or len(value) < LEAST_READINGS:
        return "few"
    middle = median(median(day) for day in by_day)
    spread = _NORMAL * median(median(abs(one - middle) for one in day) for day in by_day)
    if spread > how.most_spread:
        return "unsettled"
    low, high = max(how.caps[0], bounds[0]), min(how.caps[1], bounds[1])
    if (middle < low) if how.side == "low" else (middle > high):
        return "beyond"
    room = SPREADS * max(spread, how.least_spread)
    found = _rounded(middle - room if how.side == "low" else middle + room, how)
    found = min(max(found, low), high)
    if found == usual:
        return "same"
    return Proposal(limit, found, usual, middle, round(spread, 2), len(value), len(by_day))


def _by_day(t_ns: Sequence[int], value: Sequence[float], zone: tzinfo) -> list[list[float]]:
    calendar = Day(zone, 0, 24)
    days: dict[object, list[float]] = {}
    for moment, one in zip(t_ns, value, strict=True):
        days.setdefault(calendar.local(moment).date(), []).append(one)
    return list(days.values())


def _rounded(value: float, how: Learn) -> float:
    """Away from the patient's own values, to what a person reads."""
    step = CHANNELS[how.channel].resolution
    whole = math.floor if how.side == "low" else math.ceil
    return round(whole(round(value / step, 6)) * step, CHANNELS[how.channel].decimals)
