"""The recent course of a channel: what is usual for this person, and whether the newest reading leaves it.

A course is made of readings, not of history: the last good reading of each STEP of time, the newest SAMPLES of them,
none further than REACH before the newest. So it is the same for every order of arrival, a replay makes it again, and a
gateway that has the readings of one home knows what the server knows. One reading a step, because a finger that stays
in the clip for a minute, or is measured three times for certainty, has been seen once and not sixty times.

Everything is told of the newest reading n and those before it, i < n:

    weight      w_i = exp(-(t_n - t_i) / tau)
    mean        (worth * m0 + sum w_i v_i) / (worth + sum w_i): what was usual before the newest
    sd          sqrt((WORTH * s0^2 + sum w_i (v_i - mean)^2) / (WORTH + sum w_i)), never below the channel's floor
    z_i         (v_i - mean) / sd, both as they were before i; within ±Z_MOST, so that one slip is not a trend
    rise, fall  the CUSUM of z - SLACK and of -z - SLACK up to and with the newest, never below 0; the first LEARNING
                readings teach and do not count; only in a direction that does harm
    slope       Theil-Sen per day: the median over all pairs of the newest SLOPE_SAMPLES readings

Source: exponential weights for readings at uneven times and a prior for what is not known yet are textbook matter; that
a prior is worth about 4 readings, CUSUM in the harmful direction and Theil-Sen on few points suit sparse home data was
tried on public records. CUSUM's slack of half a standard deviation: Page 1954, tuned to a shift of one (check). STEP,
REACH and the table's numbers are general knowledge of adults at rest, not of any one group of patients (check).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triage.contract import NEVER, Bools, Floats, Times, Track
from vitals.clock import NS

STEP_NS = 4 * 3600 * NS
REACH_NS = 30 * 86_400 * NS
SAMPLES = 32
SLOPE_SAMPLES = 16
LEAST_FOR_SLOPE = 3
WORTH = 4.0
LEARNING = 4
SLACK = 0.5
Z_MOST = 4.0

_DAY_NS = 86_400.0 * NS


class Usual(NamedTuple):
    """What is known of a channel before anything is known of the person, in the channel's unit.

    `worth`: so many readings is `mean` worth against the person's own. 0 where a person is their own only norm; then
    nothing is usual before the first reading. `sd`: how far one person's readings lie apart; `sd_least` what is never
    undercut, the device's own noise. `tau_days`: after so long a reading counts for a third. `rise`, `fall`: which way
    does harm.
    """

    mean: float
    worth: float
    sd: float
    sd_least: float
    tau_days: float
    rise: bool
    fall: bool


# All (check). People are alike in temperature and breathing; saturation, pulse and pressure are half their own; weight
# and what a spirometer or a questionnaire tells is theirs alone.
USUAL: Mapping[str, Usual] = {
    "spo2": Usual(96.0, 1.0, 1.5, 0.8, 7.0, False, True),
    "pulse_rate": Usual(75.0, 1.0, 7.0, 3.0, 7.0, True, True),
    "heart_rate": Usual(75.0, 1.0, 7.0, 3.0, 7.0, True, True),
    "resp_rate": Usual(16.0, 4.0, 2.0, 1.0, 7.0, True, True),
    "bp_sys": Usual(130.0, 1.0, 10.0, 5.0, 14.0, True, True),
    "bp_dia": Usual(78.0, 1.0, 7.0, 4.0, 14.0, True, True),
    "body_temp": Usual(36.7, 4.0, 0.3, 0.15, 7.0, True, True),
    "weight": Usual(80.0, 0.0, 0.7, 0.3, 10.0, True, True),
    "glucose": Usual(8.0, 1.0, 2.5, 1.0, 7.0, True, True),
    "peak_flow": Usual(400.0, 0.0, 25.0, 12.0, 14.0, False, True),
    "fev1": Usual(2.0, 0.0, 0.12, 0.06, 14.0, False, True),
    "fvc": Usual(3.0, 0.0, 0.15, 0.08, 14.0, False, True),
    "oxygen_flow": Usual(0.0, 0.0, 0.5, 0.25, 7.0, True, False),
    "breathlessness": Usual(0.0, 0.0, 0.6, 0.4, 14.0, True, False),
    "pain": Usual(0.0, 0.0, 1.2, 0.6, 14.0, True, False),
    "cat_score": Usual(15.0, 0.0, 2.5, 1.5, 30.0, True, False),
    "exact_score": Usual(40.0, 0.0, 4.0, 2.5, 14.0, True, False),
    "steps": Usual(3000.0, 0.0, 1200.0, 400.0, 14.0, False, True),
}


class Usuals(NamedTuple):
    """`USUAL` as columns, each [P]: what is usual of the channel in each row. `rise` and `fall` are 1 or 0."""

    mean: Floats
    worth: Floats
    sd: Floats
    sd_least: Floats
    tau_days: Floats
    rise: Floats
    fall: Floats

    @classmethod
    def of(cls, channels: Sequence[str]) -> "Usuals":
        """One row a channel. Raises KeyError for one whose course is not known."""
        table = np.array([USUAL[name] for name in channels], np.float64)
        return cls(*table.reshape(-1, len(cls._fields)).T)

    def take(self, rows: NDArray[np.intp]) -> "Usuals":
        """These rows, as often as they are named."""
        return Usuals(*(column[rows] for column in self))


def steps(t_ns: Times) -> Times:
    """Which step of time each moment is in, of any shape."""
    step: Times = t_ns // STEP_NS
    return step


def kept(t_ns: Times, good: Bools) -> NDArray[np.intp]:
    """Which readings of one series, ordered by time and value, its course is made of: their places, in order."""
    places = np.flatnonzero(good)
    step = steps(t_ns[places])
    places = places[np.flatnonzero(np.append(step[1:] != step[:-1], True))] if len(places) else places
    within = t_ns[places] >= t_ns[places[-1]] - REACH_NS if len(places) else np.zeros(0, np.bool_)
    newest: NDArray[np.intp] = places[within][-SAMPLES:]
    return newest


def track(t_ns: Times, value: Floats, usual: Usuals) -> Track:
    """The courses of P series from their readings [P, SAMPLES], newest last and padded in front with NEVER and NaN.

    Row by row: what is in the other rows makes no difference, not even in the last bit.
    """
    value, t_ns = np.ascontiguousarray(value.T), np.ascontiguousarray(t_ns.T)  # [SAMPLES, P]: each step one stroke
    there = ~np.isnan(value)
    newest_ns = t_ns[-1]
    age_days = np.where(there, newest_ns - t_ns, 0) / _DAY_NS
    moved = np.where(there, value - usual.mean, 0.0)  # from the population's mean, so that squares stay small
    weight = np.where(there, np.exp(-age_days / usual.tau_days), 0.0)

    # With the weights as of the newest: what the prior is worth at reading i has then shrunk by the same factor.
    before = _before(weight), _before(weight * moved), _before(weight * moved * moved)
    prior = np.where(there, weight, 1.0)
    total, first, second = before
    with np.errstate(invalid="ignore", divide="ignore"):  # no reading and no prior: nothing is usual, which is NaN
        mean = first / (usual.worth * prior + total)
        square = WORTH * prior * usual.sd**2 + second - 2 * mean * first + mean * mean * total
        sd = np.maximum(np.sqrt(np.maximum(square / (WORTH * prior + total), 0)), usual.sd_least)
        z = np.clip((moved - mean) / sd, -Z_MOST, Z_MOST)
    sd = np.where(np.isnan(mean), np.nan, sd)

    count = there.sum(axis=0).astype(np.float64)
    place = there.cumsum(axis=0, dtype=np.int8)
    learned = there & (place > LEARNING)
    known = count > LEARNING
    return Track(
        count=count,
        t_ns=np.where(count > 0, newest_ns, NEVER),
        value=value[-1].copy(),
        mean=np.where(count > 0, mean[-1] + usual.mean, np.nan),
        sd=np.where(count > 0, sd[-1], np.nan),
        rise=np.where(known & (usual.rise > 0), _cusum(np.where(learned, z - SLACK, 0.0)), np.nan),
        fall=np.where(known & (usual.fall > 0), _cusum(np.where(learned, -z - SLACK, 0.0)), np.nan),
        slope=_theil_sen(age_days[-SLOPE_SAMPLES:], value[-SLOPE_SAMPLES:]),
    )


def current(now_ns: int, seen: Track) -> Track:
    """The course as of `now_ns`: none where the newest reading is further back than REACH."""
    gone = seen.t_ns < now_ns - REACH_NS  # NEVER is
    if not gone.any():
        return seen
    bare = {
        name: np.where(gone, np.nan, column) for name, column in vars(seen).items() if name not in ("count", "t_ns")
    }
    return Track(count=np.where(gone, 0.0, seen.count), t_ns=np.where(gone, NEVER, seen.t_ns), **bare)


def _before(terms: Floats) -> Floats:
    """The sum [K, P] of what stands before each."""
    sums = np.zeros_like(terms)
    for index in range(1, len(terms)):
        np.add(sums[index - 1], terms[index - 1], out=sums[index])
    return sums


def _cusum(terms: Floats) -> Floats:
    """The CUSUM [P] at the end of `terms` [K, P]: the greatest sum that ends there, or 0."""
    total, most = np.zeros(terms.shape[1]), np.zeros(terms.shape[1])
    for term in terms[::-1]:
        total = total + term
        most = np.maximum(most, total)
    return most


def _theil_sen(age_days: Floats, value: Floats) -> Floats:
    """The median slope a day [P] over all pairs of [K, P]; NaN below LEAST_FOR_SLOPE readings."""
    size, patients = value.shape
    slopes = np.empty((patients, size * (size - 1) // 2))
    start = 0
    for apart in range(1, size):
        stop = start + size - apart
        run_days = age_days[:-apart] - age_days[apart:]  # 0 only where a reading is missing, whose value is NaN
        slopes[:, start:stop] = ((value[apart:] - value[:-apart]) / np.where(run_days == 0, 1.0, run_days)).T
        start = stop
    slopes.sort(axis=1)  # NaN last
    count = (~np.isnan(value)).sum(axis=0)
    pairs = count * (count - 1) // 2
    rows = np.arange(patients)
    middle = (slopes[rows, np.maximum(pairs - 1, 0) // 2] + slopes[rows, pairs // 2 * (pairs > 1)]) / 2
    return np.where(count >= LEAST_FOR_SLOPE, middle, np.nan)
