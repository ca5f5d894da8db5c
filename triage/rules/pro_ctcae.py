"""PRO-CTCAE: how severe the patient says the side effects of a treatment are, 0 none to 4 very severe.

Source: NCI PRO-CTCAE; 3 and more, or 2 more than before, calls a nurse, as in Basch et al., JAMA 2017; 318: 197
(check). "Before" is the lowest of the seven earlier answers, none older than four weeks, so that a slow worsening
is seen too (check).

What was not answered is missing: a patient is calm only when as many items as the programme asks (`pro_items`) were
answered lately. A first answer has nothing to be compared with; it is judged by itself.
"""

import numpy as np
from numpy.typing import NDArray

from triage.contract import Finding, Floats, Series, Window, levels, rule
from triage.look import Newest, good, limited, newest
from vitals.alarm import Level
from vitals.channels import CHANNELS, PRO_CTCAE
from vitals.clock import NS

DAY_S = 86_400.0
BEFORE_S = 28 * DAY_S
EARLIER = 7


def _clauses(rose: str, language: str) -> str:
    """Two clauses for each item: it has risen, or it is severe without having risen."""
    made = ""
    for name in PRO_CTCAE:
        word = getattr(CHANNELS[name], language).removesuffix(" (PRO-CTCAE)").lower()
        made += f"[ {word} {{{name}_now:.0f}} {rose} {{{name}_before:.0f}},][ {word} {{{name}_severe:.0f}},]"
    return made


@rule(
    version="1",
    title={"nb": "Bivirkninger (PRO-CTCAE)", "en": "Side effects (PRO-CTCAE)"},
    reads=PRO_CTCAE,
    limits={"pro_severe": 3.0, "pro_rise": 2.0, "pro_items": float(len(PRO_CTCAE)), "pro_fresh_s": 8 * DAY_S},
    bounds={
        "pro_severe": (1.0, 4.0),
        "pro_rise": (1.0, 4.0),
        "pro_items": (1.0, float(len(PRO_CTCAE))),
        "pro_fresh_s": (DAY_S, 31 * DAY_S),
    },
    window_s=31 * DAY_S + BEFORE_S,
    samples=1 + EARLIER,
    text={
        "nb": "Bivirkninger (PRO-CTCAE 0–4):" + _clauses("opp fra", "nb"),
        "en": "Side effects (PRO-CTCAE 0–4):" + _clauses("up from", "en"),
    },
    unknown={
        "nb": "PRO-CTCAE kan ikke vurderes[: {unanswered:.0f} spørsmål ikke besvart{unanswered:?}]",
        "en": "PRO-CTCAE cannot be judged[: {unanswered:.0f} questions not answered{unanswered:?}]",
    },
)
def pro_ctcae(w: Window) -> Finding:
    """An item at `pro_severe` or more, or `pro_rise` above the lowest earlier answer, MEDIUM. CALM takes `pro_items`.

    `because`: how many items are `unanswered`, and of each that alarms `…_now` and `…_before`, or `…_severe` where it
    has not risen (else NaN). Source: see the module.
    """
    because: dict[str, Floats] = {}
    alarming, answered = np.zeros(w.patients, np.bool_), np.zeros(w.patients)
    for name in PRO_CTCAE:
        told = good(w, name)
        last = newest(w, told)
        now = np.where(last.age_s <= w.limit["pro_fresh_s"], last.value, np.nan)
        earlier = _lowest_before(told, last, np.flatnonzero(now >= w.limit["pro_rise"]))
        rose, severe = now - earlier >= w.limit["pro_rise"], now >= w.limit["pro_severe"]
        alarming |= rose | severe
        answered += ~np.isnan(now)
        because[f"{name}_now"] = np.where(rose, now, np.nan)
        because[f"{name}_before"] = np.where(rose, earlier, np.nan)
        because[f"{name}_severe"] = np.where(severe & ~rose, now, np.nan)
    unanswered = np.maximum(w.limit["pro_items"] - answered, 0.0)

    known = limited(w, pro_ctcae.limits)
    level = levels(w.patients)
    level[known & (unanswered == 0)] = Level.CALM
    level[known & alarming] = Level.MEDIUM
    return Finding(level, because | {"unanswered": unanswered})


def _lowest_before(told: Series, last: Newest, rows: NDArray[np.intp]) -> Floats:
    """The lowest answer [P] of the four weeks before the newest; NaN where there is none, or outside of `rows`.

    Nobody can have risen by more than what they answer now: only those who may have are looked at.
    """
    t_ns, end_ns = told.t_ns[rows], last.t_ns[rows, None]
    earlier = (t_ns < end_ns) & (t_ns >= end_ns - round(BEFORE_S * NS))
    lowest = np.full(len(told.value), np.nan)
    lowest[rows] = np.fmin.reduce(np.where(earlier, told.value[rows], np.nan), axis=1)
    return lowest
