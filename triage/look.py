"""Ways for a rule to look at its window: the good samples, the newest of them, how old they are.

Everything is [P, K] or [P], with NaN and NEVER where there is nothing. Differences of time are taken in whole
nanoseconds and only then made seconds, so that a limit of exactly one hour means exactly one hour.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from triage.contract import NEVER, Bools, Floats, Series, Times, Window
from vitals.clock import NS

_LAST = np.int64(np.iinfo(np.int64).max)
_AT_ONCE = 10_000
"""So many moments are looked for at once, each in a row of samples."""


@dataclass(frozen=True)
class Newest:
    """The newest present sample of each patient: `value` [P] (NaN if none), `t_ns` [P] (NEVER), `age_s` [P] (NaN)."""

    value: Floats
    t_ns: Times
    age_s: Floats


def good(w: Window, channel: str) -> Series:
    """The channel's samples [P, K] with those that the device doubted, or that are implausible, left out."""
    series = w.channel[channel]
    trusted = w.quality.get(channel)
    if trusted is None or (trusted | np.isnan(series.value)).all():
        return series
    return Series(np.where(trusted, series.t_ns, NEVER), np.where(trusted, series.value, np.nan))


def good_or_last(w: Window, channel: str) -> Series:
    """As `good`; of whom the device doubted all that the window shows, the last good sample is in the newest place.

    It is the newest of the channel's course, which the rule `tracks`: a finger that slips out of the clip, or a device
    that doubts a minute of seconds, fills the window and would hide what was measured before. It may be older than the
    window; how old it may be is for the rule's limits to say.
    """
    series, course = good(w, channel), w.track[channel]
    some = np.flatnonzero(np.isnan(series.value[:, -1]) & (course.t_ns != NEVER))
    some = some[np.isnan(series.value[some]).all(axis=1)]
    if not len(some):
        return series
    t_ns, value = series.t_ns.copy(), series.value.copy()
    t_ns[some, -1], value[some, -1] = course.t_ns[some], course.value[some]
    return Series(t_ns, value)


def perfused(w: Window, series: Series, least: Floats) -> Series:
    """The samples [P, K] without those beside which the device measured, at the same moment, a `perfusion_index` below
    `least` [P]: a finger too cold to measure on. Where it measures no perfusion, its own flags have to do."""
    perfusion = w.channel["perfusion_index"]
    row, place = np.nonzero(perfusion.value < least[:, None])  # Few fingers are cold: each such moment is looked for.
    if not len(row):
        return series
    doubted = np.zeros(series.value.shape, np.bool_)
    for start in range(0, len(row), _AT_ONCE):
        some = row[start : start + _AT_ONCE]
        t_ns = perfusion.t_ns[some, place[start : start + _AT_ONCE], None]
        which, beside = np.nonzero(series.t_ns[some] == t_ns)
        doubted[some[which], beside] = True
    return Series(np.where(doubted, NEVER, series.t_ns), np.where(doubted, np.nan, series.value))


def newest(w: Window, series: Series) -> Newest:
    """The newest sample that is there, of each patient."""
    value, t_ns = series.value[:, -1].copy(), series.t_ns[:, -1].copy()
    gone = np.flatnonzero(np.isnan(value))  # Mostly the last column is the answer, and else there is mostly none.
    t_ns[gone] = NEVER
    there = ~np.isnan(series.value[gone])
    some = np.flatnonzero(there.any(axis=1))
    if len(some):  # only theirs are searched
        rows, place = gone[some], there.shape[1] - 1 - there[some, ::-1].argmax(axis=1)
        value[rows], t_ns[rows] = series.value[rows, place], series.t_ns[rows, place]
    return Newest(value, t_ns, age_s(w.now_ns, t_ns))


def age_s(now_ns: int, t_ns: Times) -> Floats:
    """Seconds from `t_ns` to `now_ns`, of any shape; NaN for NEVER."""
    never = t_ns == NEVER
    return np.where(never, np.nan, (now_ns - np.where(never, now_ns, t_ns)) / NS)


def within(series: Series, end_ns: Times, span_s: Floats) -> Series:
    """The samples [P, K] taken in the `span_s` [P] seconds up to `end_ns` [P], both ends included; none if NaN."""
    none = (end_ns == NEVER) | np.isnan(span_s)
    since_ns = np.where(none, _LAST, end_ns - np.floor(np.where(none, 0.0, span_s) * NS).astype(np.int64))
    return _between(series, since_ns, end_ns + 1)


def before(series: Series, end_ns: Times, gap_s: float, span_s: float) -> Series:
    """The samples [P, K] from `span_s` to `gap_s` seconds before `end_ns` [P], the nearer end not included."""
    since_ns = np.where(end_ns == NEVER, _LAST, end_ns - math.floor(span_s * NS))
    return _between(series, since_ns, end_ns - math.floor(gap_s * NS))


def _between(series: Series, since_ns: Times, until_ns: Times) -> Series:
    """The samples [P, K] from a moment [P] on and before another; `since_ns` is later than NEVER."""
    gone = (series.t_ns < since_ns[:, None]) | (series.t_ns >= until_ns[:, None])
    return Series(np.where(gone, NEVER, series.t_ns), np.where(gone, np.nan, series.value))


def apart(series: Series, gap_s: float) -> Series:
    """The samples [P, K] with no two of them closer than `gap_s`, from the newest back: what was measured again at once
    was measured once, and the last time counts."""
    kept, next_ns = np.zeros(series.t_ns.shape, np.bool_), np.full(len(series.t_ns), _LAST)
    for place in range(series.t_ns.shape[1] - 1, -1, -1):
        t_ns = series.t_ns[:, place]
        kept[:, place] = (t_ns != NEVER) & (t_ns <= next_ns - round(gap_s * NS))
        next_ns = np.where(kept[:, place], t_ns, next_ns)
    return Series(np.where(kept, series.t_ns, NEVER), np.where(kept, series.value, np.nan))


def held_since(series: Series, member: Bools, gap_s: float) -> Times:
    """Since when [P] every sample up to the newest has been a `member` [P, K], with no more than `gap_s` between two.

    NEVER where the newest sample is none.
    """
    since_ns = np.full(len(member), NEVER)
    there = series.t_ns != NEVER
    newest = there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    rows = np.flatnonzero((there & member)[np.arange(len(member)), newest])  # Only theirs are looked through.
    if len(rows):
        since_ns[rows] = _held_since(series.t_ns[rows], there[rows], member[rows], round(gap_s * NS))
    return since_ns


def _held_since(times: Times, there: Bools, member: Bools, gap_ns: int) -> Times:
    t_ns = np.where(there, times, _LAST)
    after = np.full_like(t_ns, _LAST)
    after[:, :-1] = np.minimum.accumulate(t_ns[:, :0:-1], axis=1)[:, ::-1]  # of each sample the next
    apart = there & (after != _LAST) & (after - np.where(there, times, after) > gap_ns)
    broken = there & (~member | apart)
    held = there & (np.cumsum(broken[:, ::-1], axis=1)[:, ::-1] == 0)
    since_ns: Times = np.where(held, t_ns, _LAST).min(axis=1)  # the newest is
    return since_ns


def count(value: Floats) -> Times:
    """How many numbers are there in each row [P, K]."""
    there: Times = (~np.isnan(value)).sum(axis=1)
    return there


def mean(value: Floats) -> Floats:
    """The mean [P] of the numbers that are there in each row [P, K]; NaN where there are none."""
    found = count(value)
    return np.where(found > 0, np.nansum(value, axis=1) / np.maximum(found, 1), np.nan)


def limited(w: Window, names: Iterable[str]) -> Bools:
    """Which patients [P] have all of these limits."""
    return np.asarray(~np.isnan([w.limit[name] for name in names]).any(axis=0))


def fresh(w: Window, channel: str, fresh_s: Floats) -> Floats:
    """The newest good value [P], NaN where it is older than `fresh_s` [P]."""
    last = newest(w, good(w, channel))
    return np.where(last.age_s <= fresh_s, last.value, np.nan)


def recent(w: Window, channel: str, span_s: Floats) -> Floats:
    """The good values [P, K] of the last `span_s` [P] seconds; NaN where there are none, or no span."""
    series = good(w, channel)
    return np.where(series.t_ns >= _since_ns(w, span_s)[:, None], series.value, np.nan)


def highest(w: Window, channel: str, span_s: Floats) -> Floats:
    """The highest good value [P] of the last `span_s` [P] seconds; NaN where there is none."""
    found = np.full(w.patients, np.nan)
    some = np.flatnonzero(w.channel[channel].t_ns[:, -1] != NEVER)  # Of most channels most patients have nothing.
    if len(some):
        series, trusted = w.channel[channel], w.quality.get(channel)
        counts = series.t_ns[some] >= _since_ns(w, span_s)[some, None]
        if trusted is not None:
            counts &= trusted[some]
        found[some] = np.fmax.reduce(np.where(counts, series.value[some], np.nan), axis=1)
    return found


def _since_ns(w: Window, span_s: Floats) -> Times:
    """So many seconds ago [P]; in the time to come for NaN."""
    since_ns: Times = w.now_ns - np.where(np.isnan(span_s), -1, np.floor(span_s * NS)).astype(np.int64)
    return since_ns


def median(value: Floats) -> Floats:
    """The median [P] of the numbers that are there in each row [P, K]; NaN where there are none."""
    ordered = np.sort(value, axis=1)  # NaN last
    count = np.isfinite(ordered).sum(axis=1)
    rows = np.arange(len(value))
    upper = ordered[rows, np.minimum(count // 2, value.shape[1] - 1)]
    lower = ordered[rows, np.maximum(count - 1, 0) // 2]
    return np.where(count > 0, (lower + upper) / 2, np.nan)


def hours(seconds: Floats) -> Floats:
    """Seconds as hours."""
    return seconds / 3600
