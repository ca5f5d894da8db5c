"""The area under the ROC curve: how often a case has a higher score than a control, half of the ties counted.

It is counted exactly, in whole numbers, over all pairs of a case and a control in the same stratum: with one stratum
the ordinary AUROC, with a stratum for each hour the *time-matched* one, where each hour gives as many pairs as it has.
Why that: in hospital data the hour since admission by itself foresees much, and a score that knows the hour, or only
how long it has been measuring, looks clever. Against controls of the same hour it does not.

Sorted once, the rows of a patient can be counted as often as one likes, so a bootstrap by patient costs a gather and a
cumulative sum a draw and no sorting. Rows of one patient are not independent; patients are.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage.contract import Bools, Floats
from triage.study.wide import Rows

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Cases [a] and controls [b] that share a stratum with one, sorted by stratum and score.

    The controls of case i's stratum are first[i] to last[i]; those below it end at below[i], those that tie with it
    at upto[i].
    """

    case: Rows
    """[a] the patient of each case."""
    control: Rows
    """[b] the patient of each control."""
    first: Rows
    below: Rows
    upto: Rows
    last: Rows

    def auroc(self, weight: Weights | None = None) -> float:
        """The AUROC with each patient counted `weight` [P] times (once); NaN where there is no pair."""
        if weight is None:
            before, once = np.arange(len(self.control) + 1), np.ones(len(self.case), np.int64)
        else:
            before, once = np.concatenate([[0], np.cumsum(weight[self.control])]), weight[self.case]
        start = before[self.first]
        won_twice = int((once * (before[self.below] + before[self.upto] - 2 * start)).sum())
        pairs = int((once * (before[self.last] - start)).sum())
        return won_twice / (2 * pairs) if pairs else float("nan")


def pairs(score: Floats, case: Bools, patient: Rows, stratum: Rows | None = None) -> Pairs:
    """The pairs among n rows. Rows whose score is NaN are left out: what is not known is not ranked."""
    known = ~np.isnan(score)
    score, case, patient = score[known], case[known], patient[known]
    stratum = np.zeros(len(score), np.int64) if stratum is None else stratum[known]
    shared = np.isin(stratum, stratum[case])
    score, case, patient, stratum = score[shared], case[shared], patient[shared], stratum[shared]
    order = np.lexsort((score, stratum))
    score, case, patient, stratum = score[order], case[order], patient[order], stratum[order]
    new_stratum = _changes(stratum)
    new_tie = new_stratum | _changes(score)
    before = np.concatenate([[0], np.cumsum(~case)])  # controls before each place
    return Pairs(
        case=patient[case],
        control=patient[~case],
        first=before[_begin(new_stratum)][case],
        below=before[_begin(new_tie)][case],
        upto=before[_end(new_tie)][case],
        last=before[_end(new_stratum)][case],
    )


def draws(patients: int, number: int, seed: int) -> NDArray[np.int64]:
    """[number, patients] how often each patient is drawn when as many as there are are drawn with replacement."""
    random = np.random.default_rng(seed)
    even = np.full(patients, 1 / patients)
    return random.multinomial(patients, even, number)


def interval(values: Floats) -> tuple[float, float]:
    """From the 2.5th to the 97.5th percentile of the draws; NaN where there are none."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.percentile(known, (2.5, 97.5))
    return float(low), float(high)


def _changes(value: NDArray[np.generic]) -> Bools:
    """[n] where a value differs from the one before it."""
    return np.concatenate([np.ones(min(1, len(value)), np.bool_), value[1:] != value[:-1]])


def _begin(new: Bools) -> Rows:
    """[n] where the run that each place is in begins."""
    return np.maximum.accumulate(np.where(new, np.arange(len(new)), 0))


def _end(new: Bools) -> Rows:
    """[n] where that run ends, exclusive."""
    begins = np.flatnonzero(new)
    return np.append(begins[1:], len(new))[np.cumsum(new) - 1] if len(new) else np.empty(0, np.int64)
