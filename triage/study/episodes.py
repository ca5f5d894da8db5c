"""What a score would do to a nurse: how often it calls, how often it is right, whom it finds and how early.

At a threshold a patient's first row with that score or more is an **episode**; for `refractory_h` hours after it the
patient is quiet, and the next such row is the next episode. An episode is **right** if its row is a case: the onset
follows within the horizon. The **sensitivity** is the share of patients with a case among whom there is a right
episode, and the **lead time** runs from a patient's first right episode to the onset. Episodes are counted for each
100 **patient-days** watched, before the onset. A row without a score calls nobody.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Floats
from triage.study.auroc import Weights, interval
from triage.study.outcome import Outcome
from triage.study.wide import Rows


@dataclass(frozen=True)
class Alerts:
    """What comes of one threshold. The intervals are of a bootstrap by patient, the threshold held."""

    threshold: float
    episodes: int
    per_100_days: float
    ppv: float
    ppv_interval: tuple[float, float]
    sensitivity: float
    sensitivity_interval: tuple[float, float]
    lead_h: float
    """The median, in hours."""
    lead_quartiles_h: tuple[float, float]


def starts(patient: Rows, hour: Floats, over: Bools, refractory_h: float) -> Rows:
    """The rows, of n sorted by patient and hour, at which an episode begins, in order."""
    hit = np.flatnonzero(over)
    if not len(hit):
        return hit
    # One axis for all: a patient's hours, moved so far that the next patient's cannot be within reach.
    moved = hour[hit] - hour.min() + patient[hit] * (np.ptp(hour) + refractory_h + 1)
    now = np.flatnonzero(np.concatenate([[True], patient[hit][1:] != patient[hit][:-1]]))
    found = [now]
    while len(now):
        after = np.searchsorted(moved, moved[now] + refractory_h)
        there = after < len(hit)
        now, after = now[there], after[there]
        now = after[patient[hit][after] == patient[hit][now]]
        found.append(now)
    return hit[np.sort(np.concatenate(found))]


def at_budget(score: Floats, known: Outcome, budget: float, refractory_h: float, draws: Weights) -> Alerts | None:
    """The lowest threshold with at most `budget` episodes for each 100 patient-days; None where none has so few.

    `score` [n] is that of the outcome's rows. With few different scores the next lower threshold can be far beyond.
    """
    days = float(known.days.sum())
    values = np.unique(score[~np.isnan(score)])

    def rate(place: int) -> float:
        return 100 * len(starts(known.patient, known.hour, score >= values[place], refractory_h)) / days

    place = _first(len(values), lambda place: rate(place) <= budget)
    return None if place == len(values) else alerts(score, known, float(values[place]), refractory_h, draws)


def alerts(score: Floats, known: Outcome, threshold: float, refractory_h: float, draws: Weights) -> Alerts:
    """What comes of `threshold`. `draws` [B, P] is the bootstrap (`auroc.draws`); without draws no interval."""
    begun = starts(known.patient, known.hour, score >= threshold, refractory_h)
    patient, right = known.patient[begun], known.case[begun]
    patients = len(known.onset)
    count = np.bincount(patient, minlength=patients)
    hits = np.bincount(patient, right, minlength=patients)
    ill = np.bincount(known.patient, known.case, minlength=patients) > 0
    found, first = np.unique(patient[right], return_index=True)
    lead_h = known.onset[found] - known.hour[begun][right][first]
    low, middle, high = np.percentile(lead_h, (25, 50, 75)) if len(lead_h) else (np.nan,) * 3
    return Alerts(
        threshold=threshold,
        episodes=len(begun),
        per_100_days=100 * len(begun) / float(known.days.sum()),
        ppv=_ratio(hits.sum(), count.sum()),
        ppv_interval=interval(_ratios(draws @ hits, draws @ count)),
        sensitivity=_ratio(len(found), ill.sum()),
        sensitivity_interval=interval(_ratios(draws @ (ill & (hits > 0)), draws @ ill)),
        lead_h=float(middle),
        lead_quartiles_h=(float(low), float(high)),
    )


def _first(length: int, holds: Callable[[int], bool]) -> int:
    """The first place below `length` where `holds` is true, if it stays true from there on; `length` if nowhere."""
    low, high = 0, length
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _ratios(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0))
