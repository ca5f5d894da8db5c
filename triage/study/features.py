"""What the research score looks at: of each parameter the newest value, what is usual, and what has added up.

Everything is made from the newest `SAMPLES` good readings of the last `WINDOW_S`, so of the past alone, and the same
code serves a rule's window on people and a table's rows. Every feature is 0 or more, and more is worse:

    high, low      how far the newest value lies above or below a population's usual one, in its standard deviations
    points         the mean NEWS2 points of the readings, newer ones weighing more, one reading of 0 points added
    rise, fall     how far the newest value lies above or below the person's own usual one, in the same unit; the
                   population's value stands in for four readings of the person's

A weight falls by exp(−Δt/τ), τ = 24 h, with the time from a reading to the newest. A parameter whose newest reading is
older than `FRESH_S` is **missing**: its features are NaN, and it adds nothing and takes nothing away. How often a
parameter is measured is deliberately no feature, nor is the time since admission: both say what the staff thinks.

The adverse CUSUM is what `hjemvakt triage evaluate --score cusum` measures; it has no fitted number in it.

Source: points from RCP NEWS2 2017 (`triage.rules.news2`). The usual values are the medians, the spreads the standard
deviations of the development data (PhysioNet/CinC Challenge 2019, set B, doi 10.13026/v64v-d857, CC BY 4.0), rounded.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from triage.contract import NEVER, Floats, Series, Times, Window
from triage.look import Newest, good, newest
from triage.scores import news2
from vitals.clock import NS

WINDOW_S, SAMPLES = 48 * 3600.0, 32
FRESH_S, TAU_S = 24 * 3600.0, 24 * 3600.0
PRIOR_POINTS, PRIOR_VALUES = 1.0, 4.0
SLACK = 0.5
"""What a reading may lie off, in standard deviations, before the CUSUM grows."""


class Usual(NamedTuple):
    """A population's usual value of a channel and its spread, in the channel's unit, and which way harm lies."""

    middle: float
    spread: float
    harm: tuple[int, ...]


USUAL: Mapping[str, Usual] = {
    "resp_rate": Usual(18.5, 5.0, (1,)),
    "spo2": Usual(97.5, 2.5, (-1,)),
    "bp_sys": Usual(124.0, 22.0, (-1,)),
    "pulse_rate": Usual(85.0, 17.0, (1,)),
    "body_temp": Usual(36.9, 0.7, (1, -1)),
}
OXYGEN = "oxygen_flow"
READS = (*USUAL, OXYGEN)
OF_EACH = ("high", "low", "points", "rise", "fall")
NAMES = (*(f"{channel}_{feature}" for channel in USUAL for feature in OF_EACH), f"{OXYGEN}_points")


def features(w: Window) -> dict[str, Floats]:
    """The features [P] by name (`NAMES`), NaN where the parameter is missing. `w` shows the channels of `READS`."""
    series = {channel: good(w, channel) for channel in READS}
    values = {channel: one.value for channel, one in series.items()}
    shape = values[OXYGEN].shape
    points = news2.points(values | {"consciousness": np.full(shape, np.nan)}, np.ones(shape))
    found = {}
    for channel in USUAL:
        for name, value in _of_channel(w, channel, series[channel], points[channel]).items():
            found[f"{channel}_{name}"] = value
    found[f"{OXYGEN}_points"] = _if_fresh(newest(w, Series(series[OXYGEN].t_ns, points[OXYGEN])))
    return found


def cusum(w: Window) -> Floats:
    """The sum [P] of the adverse CUSUMs of the channels of `USUAL`; NaN where none of them has a fresh reading.

    Of a channel: max(0, C + z − ½) from reading to reading, z the distance from the usual value in the direction of
    harm, in standard deviations. Where both directions harm it is the greater of the two.
    """
    total, known = np.zeros(w.patients), np.zeros(w.patients, np.bool_)
    for channel, usual in USUAL.items():
        series = good(w, channel)
        fresh = newest(w, series).age_s <= FRESH_S
        off = (series.value - usual.middle) / usual.spread
        worst = np.max([_added_up(sign * off) for sign in usual.harm], axis=0)
        total += np.where(fresh, worst, 0)
        known |= fresh
    return np.where(known, total, np.nan)


def _added_up(off: Floats) -> Floats:
    """The CUSUM [P] after the newest of the readings [P, K], from 0 before the oldest of them."""
    so_far = np.cumsum(np.where(np.isnan(off), 0, off - SLACK), axis=1)
    return np.asarray(so_far[:, -1] - np.minimum(so_far.min(axis=1), 0))


def _of_channel(w: Window, channel: str, series: Series, points: Floats) -> dict[str, Floats]:
    middle, spread, _ = USUAL[channel]
    last = newest(w, series)
    now = (_if_fresh(last) - middle) / spread
    weight = _weights(series, last.t_ns)
    sum_of_weights = weight.sum(axis=1)
    # The newest weighs 1, and is no part of what was usual before it.
    off = _total(weight, (series.value - middle) / spread) - now
    before = off / (sum_of_weights - 1 + PRIOR_VALUES)
    return {
        "high": np.maximum(now, 0),
        "low": np.maximum(-now, 0),
        "points": np.where(np.isnan(now), np.nan, _total(weight, points) / (sum_of_weights + PRIOR_POINTS)),
        "rise": np.maximum(now - before, 0),
        "fall": np.maximum(before - now, 0),
    }


def _if_fresh(last: Newest) -> Floats:
    return np.where(last.age_s <= FRESH_S, last.value, np.nan)


def _weights(series: Series, newest_ns: Times) -> Floats:
    """[P, K] what each reading weighs; 0 where there is none."""
    there = series.t_ns != NEVER
    before_ns = np.where(there, newest_ns[:, None], 0) - np.where(there, series.t_ns, 0)
    return np.where(there, np.exp(before_ns / (-TAU_S * NS)), 0)


def _total(weight: Floats, value: Floats) -> Floats:
    return np.asarray(np.where(weight > 0, weight * value, 0).sum(axis=1))
