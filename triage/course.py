"""The recent course of a channel: what is usual for this person, and whether the newest reading leaves it.

A course is made of readings, not of history: the last good reading of each STEP of time, the newest SAMPLES of them,
none further than REACH before the newest. So it is the same for every order of arrival, a replay makes it again, and a
gateway that has the readings of one home knows what the server knows. One reading a step, because a finger that stays
in the clip for a minute, or is measured three times for certainty, has been seen once and not sixty times.

Everything is told of the newest reading n and those before it, i < n:

    weight      w_i = exp(-(t_n - t_i) / tau)
    mean        (worth * m0 + sum w_i v_i) / (worth + sum w_i): what was usual before the newest
    sd          sqrt((WORTH * s0^2 + sum w_i (v_i - mean)^2) / (WORTH + sum w_i)), never below the channel's floor
    median      of the readings taken a day or more before the newest, where there are LEAST_FOR_MEDIAN: what is usual,
                with nothing in it of a day on which somebody may be ill already; of channels that the table names
    z_i         (v_i - mean) / sd, both as they were before i; within ±Z_MOST, so that one slip is not a trend
    rise, fall  the CUSUM of z - SLACK and of -z - SLACK up to and with the newest, never below 0; the first LEARNING
                readings teach and do not count; only in a direction that does harm
    slope       Theil-Sen per day: the median over all pairs of readings

Source: exponential weights for readings at uneven times and a prior for what is not known yet are textbook matter; that
a prior is worth about 4 readings, CUSUM in the harmful direction and Theil-Sen on few points suit sparse home data was
tried on public records. CUSUM's slack of half a standard deviation: Page 1954, tuned to a shift of one (check). STEP,
REACH and the table's numbers are general knowledge of adults at rest, not of any one group of patients (check).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from triage.contract import NEVER, Bools, Floats, Times, Track
from triage.pace import REACH_NS as REACH_NS
from triage.pace import SAMPLES as SAMPLES
from triage.pace import STEP_NS
from vitals.clock import NS

LEAST_FOR_SLOPE = 3
LEAST_FOR_MEDIAN = 4
WORTH = 4.0
LEARNING = 4
SLACK = 0.5
Z_MOST = 4.0

_DAY_NS = 86_400.0 * NS
_AT_ONCE = 1_000
"""So many series are worked on at once: what lies between two steps then stays close to the processor."""


class Usual(NamedTuple):
    """What is known of a channel before anything is known of the person, in the channel's unit.

    `worth`: so many readings is `mean` worth against the person's own. 0 where a person is their own only norm; then
    nothing is usual before the first reading. `sd`: how far one person's readings lie apart; `sd_least` what is never
    undercut, the device's own noise. `tau_days`: after so long a reading counts for a third. `rise`, `fall`: which way
    does harm. `median`: whether it is told, too; putting readings in order takes its time.
    """

    mean: float
    worth: float
    sd: float
    sd_least: float
    tau_days: float
    rise: bool
    fall: bool
    median: bool = False


# All (check). People are alike in temperature and breathing; saturation, pulse and pressure are half their own; weight
# and what a spirometer or a questionnaire tells is theirs alone.
USUAL: Mapping[str, Usual] = {
    "spo2": Usual(96.0, 1.0, 1.5, 0.8, 7.0, False, True, median=True),
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
    """`USUAL` as columns, each [P]: what is usual of the channel in each row. A flag is 1 or 0."""

    mean: Floats
    worth: Floats
    sd: Floats
    sd_least: Floats
    tau_days: Floats
    rise: Floats
    fall: Floats
    median: Floats

    @classmethod
    def of(cls, channels: Sequence[str]) -> "Usuals":
        """One row a channel. Raises KeyError for one whose course is not known."""
        table = np.array([USUAL[name] for name in channels], np.float64)
        return cls(*table.reshape(-1, len(cls._fields)).T)

    def take(self, rows: NDArray[np.intp]) -> "Usuals":
        """These rows, as often as they are named."""
        return Usuals(*np.stack(self).take(rows, axis=1))


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


class Desk:
    """Room to compute in, kept from one time to the next: to be given memory anew costs more than the arithmetic on it.

    For one at a time: who computes beside somebody else brings a desk of their own.
    """

    def __init__(self) -> None:
        self._room: dict[str, NDArray[Any]] = {}

    def __call__(self, name: str, *shape: int, dtype: DTypeLike = np.float64) -> NDArray[Any]:
        """The room of that name in this shape. It holds whatever was left there."""
        size = math.prod(shape)
        room = self._room.get(name)
        if room is None or len(room) < size:
            self._room[name] = room = np.empty(size, dtype)
        return room[:size].reshape(shape)


def track(t_ns: Times, value: Floats, usual: Usuals, desk: Desk | None = None) -> Track:
    """The courses of P series from their readings [P, K], newest last and padded in front with NEVER and NaN.

    K is SAMPLES, or less where no series has as many, but more than LEARNING: what is not there is not computed. Row
    by row: what is in the other rows makes no difference, not even in the last bit.
    """
    desk = desk or Desk()
    parts = [
        _track(t_ns[rows], value[rows], Usuals(*(column[rows] for column in usual)), desk)
        for rows in (slice(start, start + _AT_ONCE) for start in range(0, max(len(t_ns), 1), _AT_ONCE))
    ]
    if len(parts) == 1:
        return parts[0]
    return Track(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))


def current(now_ns: int, seen: Track) -> Track:
    """The course as of `now_ns`: none where the newest reading is further back than REACH."""
    gone = seen.t_ns < now_ns - REACH_NS  # NEVER is
    if not gone.any():
        return seen
    bare = {
        name: np.where(gone, np.nan, column) for name, column in vars(seen).items() if name not in ("count", "t_ns")
    }
    return Track(count=np.where(gone, 0.0, seen.count), t_ns=np.where(gone, NEVER, seen.t_ns), **bare)


def _track(t_ns: Times, value: Floats, usual: Usuals, desk: Desk) -> Track:
    # [K, P] from here on, a step being one stroke through memory, and counted from the newest: numbers are small.
    t_ns, value = np.ascontiguousarray(t_ns.T), np.ascontiguousarray(value.T)
    newest_ns, newest = t_ns[-1], value[-1]
    gone = np.isnan(value, out=desk("gone", *value.shape, dtype=np.bool_))
    count = len(value) - np.add.reduce(gone.view(np.uint8), axis=0, dtype=np.uint8).astype(np.int64)
    known, taught = count > 0, count > LEARNING
    ago_ns = np.subtract(newest_ns, t_ns, out=desk("ago_ns", *value.shape, dtype=np.int64))
    age_days = np.divide(ago_ns, _DAY_NS, out=desk("age_days", *value.shape))
    moved = np.subtract(value, newest, out=desk("moved", *value.shape))
    with np.errstate(all="ignore"):  # what no reading stands behind is NaN, or not looked at
        slope = _theil_sen(age_days, moved, count, desk)
        median = _median(age_days, value, usual)
        if gone.any():
            np.putmask(age_days, gone, np.inf)
            np.putmask(moved, gone, 0.0)
        mean, sd, z = _against_usual(age_days, moved, newest, usual, desk)
    rise, fall = _cusums(z, count, desk)
    return Track(
        count=count.astype(np.float64),
        t_ns=np.where(known, newest_ns, NEVER),
        value=newest.copy(),
        mean=np.where(known, mean + newest, np.nan),
        sd=np.where(known & ~np.isnan(mean), sd, np.nan),
        median=median,
        rise=np.where(taught & (usual.rise > 0), rise, np.nan),
        fall=np.where(taught & (usual.fall > 0), fall, np.nan),
        slope=slope,
    )


def _median(age_days: Floats, value: Floats, usual: Usuals) -> Floats:
    """The median [P] of the values [K, P] that are a day old or more, where it is told; NaN below LEAST_FOR_MEDIAN."""
    (told,) = usual.median.nonzero()
    early = age_days.take(told, axis=1) >= 1.0
    ordered = np.ascontiguousarray(np.where(early, value.take(told, axis=1), np.nan).T)
    ordered.sort(axis=1)  # NaN last
    count = len(value) - np.add.reduce(np.isnan(ordered), axis=1, dtype=np.int64)
    first, line = np.arange(len(told)) * len(value), ordered.reshape(-1)
    middle = (line.take(first + np.maximum(count - 1, 0) // 2) + line.take(first + count // 2)) / 2
    median = np.full(value.shape[1], np.nan)
    median[told] = np.where(count >= LEAST_FOR_MEDIAN, middle, np.nan)
    return median


def _against_usual(
    age_days: Floats, moved: Floats, newest: Floats, usual: Usuals, desk: Desk
) -> tuple[Floats, Floats, Floats]:
    """The mean, counted from the newest reading, and sd [P] before it; the z [K - LEARNING, P] of what counts.

    Weights are as of the newest: by reading i, what the prior is worth has shrunk as much as its weight.
    """
    weight = np.divide(age_days, -usual.tau_days, out=desk("weight", *moved.shape))
    np.exp(weight, out=weight)
    sums = desk("sums", len(moved), 3, len(newest))
    sums[:, 0] = weight
    np.multiply(weight, moved, out=sums[:, 1])
    np.multiply(sums[:, 1], moved, out=sums[:, 2])
    for index in range(1, len(sums)):
        sums[index] += sums[index - 1]
    total, first, second = sums[LEARNING - 1 : -1].swapaxes(0, 1)  # of what stands before each
    weight, moved = weight[LEARNING:], moved[LEARNING:]

    mean, share, sd = (desk(name, *moved.shape) for name in ("mean", "share", "sd"))
    np.multiply(weight, usual.worth, out=share)
    np.multiply(share, usual.mean - newest, out=mean)
    mean += first
    share += total
    mean /= share

    np.multiply(mean, total, out=sd)  # the squares: second - mean * (2 * first - mean * total)
    first += first
    np.subtract(first, sd, out=sd)
    sd *= mean
    np.subtract(second, sd, out=sd)
    np.multiply(weight, WORTH * usual.sd**2, out=share)
    sd += share
    np.multiply(weight, WORTH, out=share)
    share += total
    sd /= share
    np.maximum(sd, 0, out=sd)
    np.sqrt(sd, out=sd)
    np.maximum(sd, usual.sd_least, out=sd)

    z = np.subtract(moved, mean, out=share)
    z /= sd
    np.clip(z, -Z_MOST, Z_MOST, out=z)
    return mean[-1], sd[-1], z


def _cusums(z: Floats, count: NDArray[np.int64], desk: Desk) -> Floats:
    """The CUSUM upwards and downwards [2, P] at the end of `z` [K, P]: the greatest sum that ends there, or 0."""
    if (count < len(z) + LEARNING).any():
        np.putmask(z, np.arange(len(z), 0, -1)[:, None] > count - LEARNING, np.nan)  # which ends the sum
    terms = desk("changes", len(z), 2, z.shape[1])
    np.subtract(z, SLACK, out=terms[:, 0])
    np.subtract(-SLACK, z, out=terms[:, 1])
    total, most = np.zeros(terms.shape[1:]), np.zeros(terms.shape[1:])
    for term in terms[::-1]:
        np.add(total, term, out=total)
        np.fmax(most, total, out=most)
    return most


def _theil_sen(age_days: Floats, value: Floats, count: NDArray[np.int64], desk: Desk) -> Floats:
    """The median slope a day [P] over all pairs of [K, P]; NaN below LEAST_FOR_SLOPE readings.

    In half the width: no device gives more digits, and putting them in order is most of the work.
    """
    size, patients = value.shape
    pairs = size * (size - 1) // 2
    both = desk("both", size, 2, patients, dtype=np.float32)
    np.negative(age_days, out=both[:, 0], casting="same_kind")
    both[:, 1] = value
    slopes, apart = (desk(name, *shape, dtype=np.float32)
                     for name, shape in (("slopes", (pairs, patients)), ("apart", both.shape)))  # fmt: skip
    start = 0
    for places in range(1, size):
        stop = start + size - places
        np.subtract(both[places:], both[:-places], out=apart[places:])
        np.divide(apart[places:, 1], apart[places:, 0], out=slopes[start:stop])
        start = stop
    ordered = desk("ordered", patients, pairs, dtype=np.float32)
    ordered[:] = slopes.T
    ordered.sort(axis=1)  # NaN last: one of the two is missing
    known, first, line = count * (count - 1) // 2, np.arange(patients) * pairs, ordered.reshape(-1)
    lower = line.take(first + np.maximum(known - 1, 0) // 2)
    middle = (lower + line.take(first + known // 2).astype(np.float64)) / 2
    slope: Floats = np.where(count >= LEAST_FOR_SLOPE, middle, np.nan)
    return slope
