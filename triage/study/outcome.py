"""What a score is asked to foresee: which rows are cases, which are controls, and which are left out.

A label says that something came to pass. It may begin `lead_h` hours before that (in the data of the PhysioNet
Challenge 2019 six hours before the clinical onset of sepsis), so a patient's onset is the hour of the first row whose
label is 1, plus `lead_h`. A patient with no such row has no onset. Then of a row at hour h

    it is left out    where onset ≤ h: what has come to pass cannot be foreseen
    it is a case      where h < onset ≤ h + horizon
    it is a control   otherwise: rows of patients without onset, and earlier rows of those with one

A patient whose label is 1 from the first row on may have had the onset earlier than that; `from_start` counts them.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from triage.contract import Bools, Floats
from triage.study.wide import Rows, Wide
from vitals.errors import ConfigError


@dataclass(frozen=True)
class Outcome:
    """The rows that count, n of the table's N, and what became of their patients (P)."""

    row: Rows
    """[n] where in the table."""
    case: Bools
    """[n]"""
    patient: Rows
    """[n] which patient."""
    hour: Floats
    """[n]"""
    onset: Floats
    """[P] hours, in the patient's own count; infinite without one."""
    days: Floats
    """[P] watched: from the beginning of the first row that counts to the end of the last, a row being an hour."""
    from_start: int
    horizon_h: float
    lead_h: float

    @property
    def definition(self) -> str:
        """What is a case, in words."""
        return (
            f"onset: the first hour with label 1, plus {self.lead_h:g} h. case: a row with the onset later than its "
            f"hour and within {self.horizon_h:g} h of it. left out: rows from the onset on. control: every other row"
        )

    def only(self, kept: Bools) -> "Outcome":
        """The rows that are `kept` [n]; days and onsets stay those of all."""
        return dataclasses.replace(
            self, row=self.row[kept], case=self.case[kept], patient=self.patient[kept], hour=self.hour[kept]
        )

    def stratum(self) -> Rows:
        """[n] the whole hour of each row: time-matched means that cases and controls share it."""
        return np.floor(self.hour).astype(np.int64)


def outcome(wide: Wide, horizon_h: float, lead_h: float) -> Outcome:
    """The outcome in the table's label. Raises ConfigError where there is no case, or no control."""
    if wide.label is None:
        raise ValueError("the table was read without its label")
    onset = np.full(len(wide.patients), np.inf)
    labelled = np.flatnonzero(wide.label)
    np.minimum.at(onset, wide.patient[labelled], wide.hour[labelled])
    from_start = int((onset == wide.hour[wide.start]).sum())
    onset += lead_h
    ahead_h = onset[wide.patient] - wide.hour
    row = np.flatnonzero(ahead_h > 0)
    case = ahead_h[row] <= horizon_h
    if not case.any() or case.all():
        lacking, all_of_them = ("case", "no row") if not case.any() else ("control", "every row")
        raise ConfigError(
            f"there is no {lacking}: {all_of_them} is followed by an onset within {horizon_h:g} h",
            "look at the label, --horizon and --label-lead",
        )
    patient, hour = wide.patient[row], wide.hour[row]
    first, last = np.full(len(onset), np.inf), np.full(len(onset), -np.inf)
    np.minimum.at(first, patient, hour)
    np.maximum.at(last, patient, hour)
    days = np.where(first <= last, last - first + 1, 0) / 24
    return Outcome(row, case, patient, hour, onset, days, from_start, horizon_h, lead_h)
