"""Physiology as a pure function of time: what is true of a person, whether or not anyone measures it.

    truth(t) = baseline + this person's own offset + time of day + slow and fast noise + the scenario's phases

Nothing is stepped, so any time can be asked for in any order, the past before the start included. Noise is hashed
from the seed at several time scales (minutes, an hour, half a day), as a measured series shows drift and flutter both.
"""

from math import cos, tau
from typing import NamedTuple

import msgspec

from firmware_sim.noise import smooth, swing
from firmware_sim.scenario import Phase, Scenario
from vitals.clock import NS

HOUR_NS = 3600 * NS
DAY_NS = 24 * HOUR_NS


class Truth(msgspec.Struct, frozen=True):
    """The body at one moment, in the units of `vitals.channels`."""

    spo2: float
    pulse_rate: float
    perfusion_index: float
    weight: float
    resp_rate: float
    body_temp: float
    bp_sys: float
    bp_dia: float
    glucose: float


class _Way(NamedTuple):
    """How a channel moves of itself: half-spread between people, daily amplitude and its peak hour (UTC), half-width
    of the noise, and the bounds of what the body can do."""

    person: float
    day: float
    peak_h: float
    noise: float
    low: float
    high: float


_WAYS = {
    "spo2": _Way(0.4, 0.4, 15, 0.9, 50, 99.4),
    "pulse_rate": _Way(3, 4, 16, 5, 30, 220),
    "perfusion_index": _Way(1, 0.5, 15, 1.5, 0.2, 20),
    "weight": _Way(6, 0.15, 20, 0.15, 25, 300),
    "resp_rate": _Way(0.8, 0.8, 15, 1.2, 4, 60),
    "body_temp": _Way(0.15, 0.3, 17, 0.12, 32, 42.5),
    "bp_sys": _Way(6, 6, 12, 6, 60, 250),
    "bp_dia": _Way(4, 4, 12, 4, 35, 150),
    "glucose": _Way(0.6, 0.7, 14, 0.9, 1.5, 35),
}

_SCALES = ((0.1, 0.35), (1.1, 0.4), (13.0, 0.25))
"""Time scales of the noise in hours and their shares, which sum to 1."""


class Body:
    """One person: a seed, a scenario and the moment it starts (nanoseconds since 1970)."""

    def __init__(self, seed: int, scenario: Scenario, start_ns: int = 0) -> None:
        self._seed = seed
        self._scenario = scenario
        self._start_ns = start_ns

    def truth(self, t_ns: int) -> Truth:
        """The body at `t_ns`, before the start as well as after it."""
        return Truth(**{name: self._value(name, way, t_ns) for name, way in _WAYS.items()})

    def _value(self, name: str, way: _Way, t_ns: int) -> float:
        hour = (t_ns - self._start_ns) / HOUR_NS
        value = (
            getattr(self._scenario.baseline, name)
            + way.person * swing(self._seed, name)
            + way.day * cos(tau * ((t_ns % DAY_NS) / HOUR_NS - way.peak_h) / 24)
            + way.noise * sum(part * smooth(hour / scale, self._seed, name, i) for i, (scale, part) in _SCALE_LIST)
            + sum(getattr(phase, name) * _ramp(phase, hour) for phase in self._scenario.phases)
        )
        return float(min(way.high, max(way.low, value)))


_SCALE_LIST = tuple(enumerate(_SCALES))


def _ramp(phase: Phase, hour: float) -> float:
    """How much of a phase is in force: 0 before it, 1 after it, a straight line between."""
    return min(1.0, max(0.0, (hour - phase.at_h) / phase.over_h))
