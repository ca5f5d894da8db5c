"""The UKONS 24-hour triage tool: what a patient in chemotherapy tells, sorted into green, amber and red.

Source: UKONS Oncology/Haematology 24-Hour Triage Tool: one red or two amber is assessed face to face, one amber
reviewed within 24 hours (check). The tool's own descriptions of each grade are for a trained person on the telephone;
the questions of `vitals.answers` are in words of ours and want a clinician's eye (check). Fever is `chemo_fever`'s.

What was not answered is missing, never green: a patient is calm only when as many items as the programme asks
(`ukons_items`) were answered lately, and none of them is amber or red.
"""

import numpy as np

from triage.contract import Finding, Window, levels, rule
from triage.look import fresh, limited
from vitals.alarm import Level
from vitals.channels import CHANNELS, UKONS

AMBER, RED = 2, 3


def _clauses(amber: str, red: str, language: str) -> str:
    """One clause for each item that is amber or red, which names it."""
    made = ""
    for name in UKONS:
        word = getattr(CHANNELS[name], language).removesuffix(" (UKONS)").lower()
        made += f"[ {word} {red}{{{name}_red:?}},][ {word} {amber}{{{name}_amber:?}},]"
    return made


@rule(
    version="1",
    title={"nb": "UKONS-triage", "en": "UKONS triage"},
    reads=UKONS,
    limits={"ukons_items": float(len(UKONS)), "ukons_fresh_s": 86_400.0},
    bounds={"ukons_items": (1.0, float(len(UKONS))), "ukons_fresh_s": (3_600.0, 604_800.0)},
    window_s=604_800,
    samples=4,
    text={
        "nb": "UKONS[: undersøkes ansikt til ansikt{seen:?}][: vurderes innen 24 timer{reviewed:?}]"
        "[ ({unanswered:.0f} ikke besvart{unanswered:?})]:" + _clauses("gul", "rød", "nb"),
        "en": "UKONS[: to be assessed face to face{seen:?}][: to be reviewed within 24 hours{reviewed:?}]"
        "[ ({unanswered:.0f} not answered{unanswered:?})]:" + _clauses("amber", "red", "en"),
    },
    unknown={
        "nb": "UKONS kan ikke vurderes[: {unanswered:.0f} spørsmål ikke besvart{unanswered:?}]",
        "en": "UKONS cannot be judged[: {unanswered:.0f} questions not answered{unanswered:?}]",
    },
)
def ukons(w: Window) -> Finding:
    """One red item or two amber ones HIGH, one amber MEDIUM, whatever else is missing; CALM takes `ukons_items`.

    `because`: how many are `red` and `amber`, how many of `ukons_items` are `unanswered`, which action is due (`seen`,
    `reviewed`), and of each item whether it is red or amber. Source: see the module.
    """
    grades = np.stack([fresh(w, name, w.limit["ukons_fresh_s"]) for name in UKONS])
    is_red, is_amber = grades >= RED, (grades >= AMBER) & (grades < RED)
    red, amber = is_red.sum(axis=0), is_amber.sum(axis=0)
    unanswered = np.maximum(w.limit["ukons_items"] - (~np.isnan(grades)).sum(axis=0), 0.0)
    seen, reviewed = (red >= 1) | (amber >= 2), (red == 0) & (amber == 1)

    known = limited(w, ukons.limits)
    level = levels(w.patients)
    level[known & (unanswered == 0)] = Level.CALM
    level[known & reviewed] = Level.MEDIUM
    level[known & seen] = Level.HIGH
    because = {"red": red, "amber": amber, "unanswered": unanswered, "seen": seen, "reviewed": reviewed}
    because |= {f"{name}_red": of_item for name, of_item in zip(UKONS, is_red, strict=True)}
    because |= {f"{name}_amber": of_item for name, of_item in zip(UKONS, is_amber, strict=True)}
    return Finding(level, {name: column.astype(np.float64) for name, column in because.items()})
