"""Fitting the research score: a logistic regression whose coefficients may not be negative, by our own small solver.

**What is fitted.** Case or control (`outcome`) on the features, with an offset for each three hours of the stay: the
model is asked what distinguishes cases from controls of the same time, and the hour is not in the score that comes of
it. Of the control rows every fourth is used, four times over: a patient's hours resemble one another.

**How.** Newton's method on the penalised likelihood (L2 on the standardised coefficients, none on the intercept); each
step minimises a quadratic under the bounds, by coordinate descent. Nothing in it is random.

**How it is judged.** Patients are dealt into five folds, those with an onset and those without apart. The penalty for
a fold is chosen among the other four, by the time-matched AUROC of a cross-validation among them alone, so nothing
that judges has had a hand in the choice.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from triage.contract import Bools, Floats
from triage.study.auroc import pairs
from triage.study.features import NAMES
from triage.study.model import Model
from triage.study.outcome import Outcome
from triage.study.wide import Rows

PENALTIES = (10.0, 100.0, 1000.0, 10_000.0)
FOLDS, INNER_FOLDS = 5, 4
THINNED = 4
BIN_H, BINS = 3, 40

Progress = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Rowset:
    """The n rows of an outcome, with their features [n, F], missing ones 0."""

    x: Floats
    known: Outcome

    def of(self, chosen: Bools) -> Rows:
        """The rows of the patients that are `chosen` [P]."""
        return np.flatnonzero(chosen[self.known.patient])


def logistic(x: Floats, y: Floats, offset: Floats, weight: Floats, penalty: float) -> tuple[Floats, float]:
    """The coefficients [F], none negative, and the intercept, of n rows `x` [n, F]."""
    rows = np.column_stack([x, np.ones(len(x))])
    ridge = np.append(np.full(x.shape[1], penalty), 0.0)
    floor = np.append(np.zeros(x.shape[1]), -np.inf)
    beta = np.zeros(rows.shape[1])
    for _ in range(50):
        odds = rows @ beta + offset
        p = 1 / (1 + np.exp(-odds))
        curvature = (rows * (weight * p * (1 - p))[:, None]).T @ rows + np.diag(ridge)
        slope = rows.T @ (weight * (y - p)) - ridge * beta
        new = _bounded(curvature, curvature @ beta + slope, beta, floor)
        moved = float(np.abs(new - beta).max())
        beta = new
        if moved < 1e-8:
            break
    return beta[:-1], float(beta[-1])


def _bounded(a: Floats, b: Floats, start: Floats, floor: Floats) -> Floats:
    """The x ≥ `floor` that minimises ½ x·a·x − b·x, from `start`, one coordinate after another."""
    x = start.copy()
    for _ in range(2000):
        before = x.copy()
        for j in range(len(x)):
            x[j] = max(floor[j], x[j] + (b[j] - a[j] @ x) / a[j, j])
        if np.abs(x - before).max() < 1e-10:
            break
    return x


def fitted(data: Rowset, chosen: Bools, penalty: float) -> Model:
    """The model of the `chosen` [P] patients."""
    known = data.known
    rows = data.of(chosen)
    y, hour, patient = known.case[rows].astype(np.float64), known.hour[rows], known.patient[rows]
    offset = _hour_odds(hour, y)
    used = (y == 1) | ((np.floor(hour) + patient) % THINNED == 0)
    x, weight = data.x[rows[used]], np.where(y[used] == 1, 1.0, float(THINNED))
    mean, scale = x.mean(axis=0), x.std(axis=0)
    scale[scale == 0] = 1.0
    beta, intercept = logistic((x - mean) / scale, y[used], offset[used], weight, penalty)
    coefficient = beta / scale
    middle = float(np.average(offset[used], weights=weight))
    return Model(
        coefficient=dict(zip(NAMES, coefficient.tolist(), strict=True)),
        mean=dict(zip(NAMES, mean.tolist(), strict=True)),
        scale=dict(zip(NAMES, scale.tolist(), strict=True)),
        intercept=intercept + middle - float(coefficient @ mean),
        thresholds={},
    )


def _hour_odds(hour: Floats, y: Floats) -> Floats:
    """[n] the log odds of a case at about that hour, drawn towards those of all hours where there are few rows."""
    bins = np.clip(np.floor(hour / BIN_H), 0, BINS).astype(np.int64)
    rows = np.bincount(bins, minlength=BINS + 1)
    cases = np.bincount(bins, y, minlength=BINS + 1)
    rate = (cases + 50 * y.mean()) / (rows + 50)
    odds: Floats = np.log(rate / (1 - rate))[bins]
    return odds


def linear(model: Model, x: Floats) -> Floats:
    """The score [n] of features [n, F], missing ones 0."""
    return np.asarray(x @ np.array([model.coefficient[name] for name in NAMES]))


def folds(known: Outcome, number: int, seed: int) -> Rows:
    """[P] which fold a patient is in: as many with an onset in each as can be."""
    random = np.random.default_rng(seed)
    fold = np.empty(len(known.onset), np.int64)
    for group in (np.isfinite(known.onset), ~np.isfinite(known.onset)):
        members = np.flatnonzero(group)
        fold[members] = random.permutation(len(members)) % number
    return fold


def out_of_fold(data: Rowset, penalty: float, among: Bools, number: int, seed: int) -> Floats:
    """The score [n] of each row by a model made without its patient; NaN for patients not `among` [P]."""
    score = np.full(len(data.x), np.nan)
    fold = folds(data.known, number, seed)
    for here in range(number):
        rows = data.of(among & (fold == here))
        score[rows] = linear(fitted(data, among & (fold != here), penalty), data.x[rows])
    return score


def best_penalty(data: Rowset, among: Bools, seed: int) -> float:
    """The penalty with the best time-matched AUROC in a cross-validation of the patients `among` [P]."""
    found = [(_matched(data, out_of_fold(data, penalty, among, INNER_FOLDS, seed)), penalty) for penalty in PENALTIES]
    return max(found)[1]


def nested(data: Rowset, seed: int, progress: Progress) -> tuple[Floats, list[float]]:
    """The out-of-fold score [n], and the penalty chosen for each fold."""
    score, chosen = np.full(len(data.x), np.nan), []
    fold = folds(data.known, FOLDS, seed)
    for here in progress(range(FOLDS)):
        others = fold != here
        penalty = best_penalty(data, others, seed + 1 + here)
        rows = data.of(~others)
        score[rows] = linear(fitted(data, others, penalty), data.x[rows])
        chosen.append(penalty)
    return score, chosen


def _matched(data: Rowset, score: Floats) -> float:
    known = data.known
    return pairs(score, known.case, known.patient, known.stratum()).auroc()
