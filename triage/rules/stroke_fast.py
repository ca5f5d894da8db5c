"""FAST, the signs of a stroke: a drooping face, a weak arm, trouble speaking. Any of them, if new, is an emergency.

Source: FAST as taught since Harbison et al., Stroke 2003; 34: 71 (check). Whoever has had a stroke may keep a droop or
a weak arm, so the questions ask for what is new since yesterday. A sign that has passed may have been a transient
attack, so it counts for a day even where later answers deny it (check), and they may be many: what is red is asked
again by the hour. What can still be treated hangs on the hours since it began (check), so the sentence says when it was
told first.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import age_s, hours, limited, recent
from vitals.alarm import Level

SIGNS = ("face_droop", "arm_weakness", "speech_trouble")


@rule(
    version="3",
    title={"nb": "Tegn på hjerneslag (FAST)", "en": "Signs of a stroke (FAST)"},
    reads=SIGNS,
    limits={"fast_fresh_s": 86_400.0},
    bounds={"fast_fresh_s": (3_600.0, 172_800.0)},
    window_s=172_800,
    samples=64,
    text={
        "nb": "Nye tegn på hjerneslag, ring 113:[ skjevt ansikt{face_droop:?},][ svak arm{arm_weakness:?},]"
        "[ talevansker{speech_trouble:?},][ først meldt for {told_h:.1f} timer siden]",
        "en": "New signs of a stroke, call an ambulance:[ drooping face{face_droop:?},][ weak arm{arm_weakness:?},]"
        "[ trouble speaking{speech_trouble:?},][ first told {told_h:.1f} hours ago]",
    },
    unknown={
        "nb": "Tegn på hjerneslag kan ikke utelukkes:[ ansiktet ikke besvart{face_droop:!},]"
        "[ armen ikke besvart{arm_weakness:!},][ talen ikke besvart{speech_trouble:!},]",
        "en": "Signs of a stroke cannot be ruled out:[ the face not answered{face_droop:!},]"
        "[ the arm not answered{arm_weakness:!},][ speech not answered{speech_trouble:!},]",
    },
)
def stroke_fast(w: Window) -> Finding:
    """Any sign answered yes within `fast_fresh_s` HIGH; CALM takes an answer of no to all three within that time.

    `because`: the highest recent answer to each sign (NaN: not answered), and for how many hours one of them has been
    known (`told_h`). Source: see the module.
    """
    given = {name: recent(w, name, w.limit["fast_fresh_s"]) for name in SIGNS}
    answers = {name: np.fmax.reduce(answered, axis=1) for name, answered in given.items()}
    known_s = [np.where(given[name] > 0, age_s(w.now_ns, w.channel[name].t_ns), np.nan) for name in SIGNS]
    told = np.stack(list(answers.values()))
    known = limited(w, stroke_fast.limits)
    level = levels(w.patients)
    level[known & ~np.isnan(told).any(axis=0)] = Level.CALM
    level[known & (told > 0).any(axis=0)] = Level.HIGH
    return Finding(level, answers | {"told_h": hours(np.fmax.reduce(np.concatenate(known_s, axis=1), axis=1))})
