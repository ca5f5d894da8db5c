"""A dose that was left in the dispenser.

Source: none; there is no standard for who is told of a missed dose and when. Practice: time-critical medicines first
(anticoagulant, antiepileptic, Parkinson, insulin, immunosuppressant) (check).

Events are read by the names that `triage.samples.samples_of` gives them: `dispenser.missed`, and
`dispenser.missed_critical` where the dispenser flagged the medicine as time-critical; the value is the dose's id. A
dose that is retrieved after it was missed is missed no more. An id of 0 names no dose, so nothing can clear it. A
sensor sees a dose leave the device, not a person swallow it: the sentence never says "taken".
"""

import numpy as np

from triage.contract import NEVER, Bools, Finding, Series, Window, levels, rule
from triage.look import age_s
from vitals.alarm import Level


@rule(
    version="1",
    title={"nb": "Dose ikke hentet", "en": "Missed dose"},
    events=("dispenser.missed", "dispenser.missed_critical", "dispenser.retrieved"),
    window_s=86_400,
    samples=16,
    text={
        "nb": "Doser ikke hentet fra dispenseren siste døgn: {missed:.0f}"
        "[, tidskritiske: {critical:.0f}{critical:?}]; sist for {newest_h:.0f} t siden",
        "en": "Doses left in the dispenser in the last 24 h: {missed:.0f}"
        "[, time-critical: {critical:.0f}{critical:?}]; the last {newest_h:.0f} h ago",
    },
)
def missed_dose(w: Window) -> Finding:
    """A missed dose within 24 h that was not retrieved later MEDIUM, a time-critical one HIGH.

    UNKNOWN where the dispenser told of neither a missed nor a retrieved dose in that time. `because`: `missed` how many
    are still there, `critical` how many of these are time-critical, `newest_h` hours since the last. Source: see the
    module.
    """
    retrieved = w.event["dispenser.retrieved"]
    plain = _standing(w.event["dispenser.missed"], retrieved)
    critical = _standing(w.event["dispenser.missed_critical"], retrieved)
    missed = plain.sum(axis=1) + critical.sum(axis=1)
    heard = np.any([(w.event[name].t_ns != NEVER).any(axis=1) for name in missed_dose.events], axis=0)

    level = levels(w.patients)
    level[heard] = Level.CALM
    level[missed > 0] = Level.MEDIUM
    level[critical.any(axis=1)] = Level.HIGH
    newest_ns = np.maximum(
        np.where(plain, w.event["dispenser.missed"].t_ns, NEVER).max(axis=1),
        np.where(critical, w.event["dispenser.missed_critical"].t_ns, NEVER).max(axis=1),
    )
    because = {
        "missed": np.where(heard, missed, np.nan),
        "critical": np.where(heard, critical.sum(axis=1), np.nan),
        "newest_h": age_s(w.now_ns, newest_ns) / 3600,
    }
    return Finding(level, because)


def _standing(missed: Series, retrieved: Series) -> Bools:
    """Which of the missed doses [P, K] were not retrieved later."""
    standing: Bools = missed.t_ns != NEVER
    some = np.flatnonzero(standing.any(axis=1))  # Few patients miss a dose; only theirs are compared one by one.
    same = missed.value[some, :, None] == retrieved.value[some, None, :]
    later = retrieved.t_ns[some, None, :] > missed.t_ns[some, :, None]
    standing[some] &= ~((same & later).any(axis=2) & (missed.value[some] != 0))
    return standing
