"""Blood pressure at home: far too high today, or above the target for days.

Source: ESH guidelines 2023: at home the target is a mean below 135/85 mmHg; 180/120 and more is seen the same day, and
is an emergency with symptoms of an organ that suffers (check). That the newest readings of a week, three to sixteen,
make a mean, and that one reading far too high is enough to call, are our choices (check).

The symptoms are the answers to questions: chest pain or a sign of a stroke at all, breathlessness from "somewhat" (2).
Where a pressure far too high stands and they have not been answered, the rule asks. What is answered is an emergency
also where the pressure has been measured lower since: it was asked for because of the one that was too high, and a sign
of a stroke does not pass with it (check). Pressures and means are rounded
to whole mmHg, halves up.
"""

import numpy as np

from triage.contract import Bools, Finding, Floats, Window, levels, rule
from triage.look import count, good, highest, limited, mean, newest, within
from triage.scores.bands import rounded
from vitals.alarm import Level

WEEK_S = 7 * 86_400.0
SYMPTOM_FROM = {"chest_pain": 1, "breathlessness": 2, "face_droop": 1, "arm_weakness": 1, "speech_trouble": 1}


@rule(
    version="2",
    title={"nb": "Høyt blodtrykk", "en": "High blood pressure"},
    reads=("bp_sys", "bp_dia", *SYMPTOM_FROM),
    limits={
        "bp_sys_target": 135.0, "bp_dia_target": 85.0, "bp_sys_urgent": 180.0, "bp_dia_urgent": 120.0,
        "bp_enough": 3.0, "bp_stale_s": 172_800.0, "bp_symptom_s": 86_400.0,
    },
    bounds={
        "bp_sys_target": (100.0, 180.0), "bp_dia_target": (60.0, 110.0), "bp_sys_urgent": (150.0, 240.0),
        "bp_dia_urgent": (90.0, 150.0), "bp_enough": (1.0, 16.0), "bp_stale_s": (3_600.0, WEEK_S),
        "bp_symptom_s": (3_600.0, WEEK_S),
    },
    order=(("bp_sys_target", "bp_sys_urgent"), ("bp_dia_target", "bp_dia_urgent")),
    window_s=2 * WEEK_S,
    samples=16,
    text={
        "nb": "Blodtrykk[ {sys:.0f}][/{dia:.0f}] mmHg[, svært høyt{urgent:?}][, akutt{emergency:?}:]"
        "[ brystsmerter{chest_pain_told:?},][ tung pust{breathlessness_told:?},][ skjevt ansikt{face_droop_told:?},]"
        "[ svak arm{arm_weakness_told:?},][ talevansker{speech_trouble_told:?},]"
        "[; snitt {sys_mean:.0f}/{dia_mean:.0f} over målet {sys_target:.0f}/{dia_target:.0f}{above:?}]",
        "en": "Blood pressure[ {sys:.0f}][/{dia:.0f}] mmHg[, very high{urgent:?}][, an emergency{emergency:?}:]"
        "[ chest pain{chest_pain_told:?},][ breathlessness{breathlessness_told:?},]"
        "[ drooping face{face_droop_told:?},][ weak arm{arm_weakness_told:?},]"
        "[ trouble speaking{speech_trouble_told:?},]"
        "[; mean {sys_mean:.0f}/{dia_mean:.0f} above the target {sys_target:.0f}/{dia_target:.0f}{above:?}]",
    },
)  # fmt: skip
def blood_pressure(w: Window) -> Finding:
    """`…_urgent` and more MEDIUM; a symptom and one of these within `bp_symptom_s` HIGH; a week's mean at or above the
    `…_target` LOW.

    CALM takes both pressures within `bp_stale_s`, and `bp_enough` readings of each in the week before the newest.
    `because`: the newest `sys` and `dia`, their week's means and targets, whether `urgent`, `emergency`, `above`, and
    each symptom that was told. Source: see the module.
    """
    sys, sys_mean, sys_known = _pressure(w, "bp_sys")
    dia, dia_mean, dia_known = _pressure(w, "bp_dia")
    urgent = (rounded(sys) >= rounded(w.limit["bp_sys_urgent"])) | (rounded(dia) >= rounded(w.limit["bp_dia_urgent"]))
    above = (rounded(sys_mean) >= rounded(w.limit["bp_sys_target"])) | (
        rounded(dia_mean) >= rounded(w.limit["bp_dia_target"])
    )
    answers = {name: highest(w, name, w.limit["bp_symptom_s"]) for name in SYMPTOM_FROM}
    lately = urgent | _reached(w, "bp_sys") | _reached(w, "bp_dia")
    told = {name: lately & (answer >= SYMPTOM_FROM[name]) for name, answer in answers.items()}
    emergency = np.any(list(told.values()), axis=0)

    known = limited(w, blood_pressure.limits)
    level = levels(w.patients)
    level[known & sys_known & dia_known] = Level.CALM
    level[known & above] = Level.LOW
    level[known & urgent] = Level.MEDIUM
    level[known & emergency] = Level.HIGH
    flags = {"urgent": urgent, "emergency": emergency, "above": above & ~urgent}
    flags |= {f"{name}_told": there for name, there in told.items()}
    because = {
        "sys": sys, "dia": dia, "sys_mean": sys_mean, "dia_mean": dia_mean,
        "sys_target": w.limit["bp_sys_target"], "dia_target": w.limit["bp_dia_target"],
        **{name: flag.astype(np.float64) for name, flag in flags.items()},
    }  # fmt: skip
    asks = {name: known & urgent & np.isnan(answer) for name, answer in answers.items()}
    return Finding(level, because, asks=asks)


def _reached(w: Window, channel: str) -> Bools:
    """Whether a pressure [P] was far too high within the time for which a symptom counts."""
    most = highest(w, channel, w.limit["bp_symptom_s"])
    return np.asarray(rounded(most) >= rounded(w.limit[f"{channel}_urgent"]))


def _pressure(w: Window, channel: str) -> tuple[Floats, Floats, Bools]:
    """The newest fresh value [P], the mean of the week up to it where there is enough for one, and whether there is."""
    readings = good(w, channel)
    last = newest(w, readings)
    value = np.where(last.age_s <= w.limit["bp_stale_s"], last.value, np.nan)
    week = within(readings, last.t_ns, np.full(w.patients, WEEK_S)).value
    enough = ~np.isnan(value) & (count(week) >= w.limit["bp_enough"])
    return value, np.where(enough, mean(week), np.nan), enough
