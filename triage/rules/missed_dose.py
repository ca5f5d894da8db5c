"""A dose that was left in the dispenser.

Source: none; there is no standard for who is told of a missed dose and when. Practice: reminder, next of kin, nurse,
and time-critical medicines first: anticoagulants, antiepileptics, medicines for Parkinson's disease, insulin and
immunosuppressants (`vitals.medicines`) (check).

A missed dose is the patient's at first, after `dose_kin_s` the next of kin's, after `dose_nurse_s` a nurse's. A dose of
a time-critical medicine is a nurse's at once: the dispenser has called for as long as the dose's window was open.

Events are read by the names that `triage.samples.samples_of` gives them: `dispenser.missed`, and
`dispenser.missed_critical` where the dispenser flagged the medicine as time-critical; the value is the dose's number. A
dose that is retrieved after it was missed is missed no more. A 0 names no dose, so nothing can clear it. A sensor sees
a dose leave the device, not a person swallow it: the sentence never says "taken".
"""

import numpy as np

from triage.contract import NEVER, Bools, Finding, Floats, Series, Window, levels, rule
from triage.look import age_s, limited
from vitals.alarm import Audience, Level


@rule(
    version="2",
    title={"nb": "Dose ikke hentet", "en": "Missed dose"},
    events=("dispenser.missed", "dispenser.missed_critical", "dispenser.retrieved"),
    limits={"dose_kin_s": 1_800.0, "dose_nurse_s": 7_200.0},
    bounds={"dose_kin_s": (0.0, 43_200.0), "dose_nurse_s": (0.0, 43_200.0)},
    order=(("dose_kin_s", "dose_nurse_s"),),
    window_s=86_400,
    samples=16,
    text={
        "nb": "Doser ikke hentet fra dispenseren siste døgn: {missed:.0f}"
        "[, tidskritiske: {critical:.0f}{critical:?}]; sist for {newest_h:wait} siden",
        "en": "Doses left in the dispenser in the last 24 h: {missed:.0f}"
        "[, time-critical: {critical:.0f}{critical:?}]; the last {newest_h:wait} ago",
    },
)
def missed_dose(w: Window) -> Finding:
    """A missed dose of 24 h that was not retrieved later LOW, after `dose_nurse_s` MEDIUM; a time-critical one HIGH.

    LOW is the patient's, after `dose_kin_s` the next of kin's. UNKNOWN where the dispenser told of neither a missed nor
    a retrieved dose in that time. `because`: `missed` how many
    are still there, `critical` how many of these are time-critical, `newest_h` hours since the last. Source: see the
    module.
    """
    retrieved = w.event["dispenser.retrieved"]
    plain = _standing(w.event["dispenser.missed"], retrieved)
    critical = _standing(w.event["dispenser.missed_critical"], retrieved)
    missed = plain.sum(axis=1) + critical.sum(axis=1)
    heard = np.any([(w.event[name].t_ns != NEVER).any(axis=1) for name in missed_dose.events], axis=0)

    level = levels(w.patients)
    level[heard & limited(w, missed_dose.limits)] = Level.CALM
    known, oldest_s = level == Level.CALM, _oldest_s(w, plain)
    level[known & (missed > 0)] = Level.LOW
    level[known & (oldest_s >= w.limit["dose_nurse_s"])] = Level.MEDIUM
    level[known & critical.any(axis=1)] = Level.HIGH
    tells = np.where(oldest_s >= w.limit["dose_kin_s"], np.int8(Audience.KIN), np.int8(Audience.PATIENT))
    tells[level >= Level.MEDIUM] = Audience.NURSE
    newest_ns = np.maximum(
        np.where(plain, w.event["dispenser.missed"].t_ns, NEVER).max(axis=1),
        np.where(critical, w.event["dispenser.missed_critical"].t_ns, NEVER).max(axis=1),
    )
    because = {
        "missed": np.where(heard, missed, np.nan),
        "critical": np.where(heard, critical.sum(axis=1), np.nan),
        "newest_h": age_s(w.now_ns, newest_ns) / 3600,
    }
    return Finding(level, because, tells)


def _oldest_s(w: Window, plain: Bools) -> Floats:
    """For how long [P] the oldest standing dose that is not time-critical has been missed; NaN where there is none."""
    missed_s = np.where(plain, age_s(w.now_ns, w.event["dispenser.missed"].t_ns), -np.inf).max(axis=1)
    return np.where(plain.any(axis=1), missed_s, np.nan)


def _standing(missed: Series, retrieved: Series) -> Bools:
    """Which of the missed doses [P, K] were not retrieved later."""
    standing: Bools = missed.t_ns != NEVER
    some = np.flatnonzero(standing.any(axis=1))  # Few patients miss a dose; only theirs are compared one by one.
    same = missed.value[some, :, None] == retrieved.value[some, None, :]
    later = retrieved.t_ns[some, None, :] > missed.t_ns[some, :, None]
    standing[some] &= ~((same & later).any(axis=2) & (missed.value[some] != 0))
    return standing
