"""What a plain opinion is made of: one patient's readings, newest last, and a verdict."""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import NamedTuple

from vitals.alarm import Audience, Level
from vitals.clock import NS

PATIENT, KIN, NURSE = Audience.PATIENT, Audience.KIN, Audience.NURSE


UNKNOWN, CALM, LOW, MEDIUM, HIGH = Level.UNKNOWN, Level.CALM, Level.LOW, Level.MEDIUM, Level.HIGH


class Seen(NamedTuple):
    """One reading: how old it is in nanoseconds, its value, and whether it is to be trusted."""

    age_ns: int
    value: float
    good: bool


Patient = Mapping[str, list[Seen]]


Limits = Mapping[str, float]


class Told(NamedTuple):
    """A verdict that is not for a nurse."""

    level: Level
    audience: Audience


def verdict(opinion: Level | Told) -> Told:
    """An opinion in full. A level alone is for a nurse."""
    return opinion if isinstance(opinion, Told) else Told(opinion, NURSE)


def missing(*numbers: float) -> bool:
    return any(math.isnan(number) for number in numbers)


def trusted(readings: list[Seen], fresh_s: float) -> list[Seen]:
    """The good ones, newest last; none at all if the newest of them is older than `fresh_s`."""
    readings = [seen for seen in readings if seen.good]
    return readings if readings and readings[-1].age_ns <= fresh_s * NS else []


def close_to_newest(readings: list[Seen], span_s: float) -> list[Seen]:
    return [seen for seen in readings if seen.age_ns - readings[-1].age_ns <= span_s * NS]


def lately(readings: list[Seen], span_s: float) -> list[float]:
    """Every good value of the last so many seconds."""
    return [seen.value for seen in readings if seen.good and seen.age_ns <= span_s * NS]


def rounded(value: float, step: str = "1") -> Decimal:
    """To whole ones, or to the step given, halves up; a mean is first freed of what binary numbers leave behind."""
    return Decimal(repr(round(value, 6))).quantize(Decimal(step), ROUND_HALF_UP)
