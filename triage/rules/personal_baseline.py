"""Something has left what is usual for this person, and stays away, though no limit for everybody has been passed.

Source: the course of a channel and its CUSUM in the harmful direction are `triage.course`; that such a CUSUM suits
sparse home data was tried on public records. A CUSUM of 5 standard deviations with a slack of a half is Page's usual
choice: a shift of one deviation is seen after some ten readings, a false one comes once in several hundred (check).

It is a reason to look, not a diagnosis: one channel is LOW, two of them or one that has gone twice as far MEDIUM.
"""

import numpy as np

from triage.contract import Finding, Floats, Window, levels, rule
from triage.look import age_s, limited
from vitals.alarm import Level
from vitals.channels import CHANNELS

WATCHED = ("spo2", "pulse_rate", "resp_rate", "bp_sys", "body_temp")


def _clauses(language: str, usually: str) -> str:
    return "".join(
        f"[ {getattr(CHANNELS[name], language)} {{{name}}} ({usually} {{{name}_usual:.{CHANNELS[name].decimals}f}}),]"
        for name in WATCHED
    )


@rule(
    version="1",
    title={"nb": "Avvik fra det vanlige", "en": "Away from the usual"},
    reads=WATCHED,
    tracks=WATCHED,
    limits={"baseline_from": 5.0, "baseline_stale_s": 86_400.0},
    bounds={"baseline_from": (3.0, 20.0), "baseline_stale_s": (3_600.0, 604_800.0)},
    window_s=604_800,
    samples=1,
    text={
        "nb": "Avvik fra det som er vanlig for personen:" + _clauses("nb", "vanligvis"),
        "en": "Away from what is usual for this person:" + _clauses("en", "usually"),
    },
    unknown={
        "nb": "Avvik fra det vanlige: kan ikke vurderes, det er for få ferske målinger",
        "en": "Away from the usual: cannot be judged, there are too few recent readings",
    },
)
def personal_baseline(w: Window) -> Finding:
    """A channel whose CUSUM has reached `baseline_from` LOW; two of them, or one at twice as much, MEDIUM.

    UNKNOWN where no channel has five readings (4 h apart) and a newest one within `baseline_stale_s`. `because`: of
    each channel that is away its newest value, `…_usual` and `…_cusum`. Source: see the module.
    """
    enough = w.limit["baseline_from"]
    known, away, far = np.zeros(w.patients, np.bool_), np.zeros(w.patients, np.int64), np.zeros(w.patients, np.bool_)
    because: dict[str, Floats] = {}
    for name in WATCHED:
        course = w.track[name]
        fresh = limited(w, personal_baseline.limits) & (age_s(w.now_ns, course.t_ns) <= w.limit["baseline_stale_s"])
        cusum = np.where(fresh, np.fmax(course.rise, course.fall), np.nan)
        gone = cusum >= enough
        known |= ~np.isnan(cusum)
        away += gone
        far |= cusum >= 2 * enough
        because[name] = np.where(gone, course.value, np.nan)
        because[f"{name}_usual"] = np.where(gone, course.mean, np.nan)
        because[f"{name}_cusum"] = cusum
    level = levels(w.patients)
    level[known] = Level.CALM
    level[away > 0] = Level.LOW
    level[(away >= 2) | far] = Level.MEDIUM
    return Finding(level, because)
