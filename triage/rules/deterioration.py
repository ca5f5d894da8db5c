"""Research only: a score that looks at the course of five vital signs and oxygen, fitted to intensive-care stays.

It is here to be studied beside NEWS2, it is in no programme that is shipped, and it never says more than MEDIUM. **It
was made of people in intensive care, with and without sepsis. Nothing is known of what it says about people at home,
and no benefit is claimed** (docs/reference/evaluate.md).

The score is a sum, and each part of it is 0 or more: of each parameter how far its newest value lies from what is usual
for people, how far from what is usual for this person, and the NEWS2 points that have added up over two days
(`triage.study.features`). How often somebody measures adds nothing. The coefficients are in
`triage/study/deterioration.toml`, with how they were made and how well they did on patients they had not seen.

Source: fitted by `hjemvakt triage fit` to the PhysioNet/CinC Challenge 2019, set B (Reyna et al.,
doi 10.13026/v64v-d857, CC BY 4.0); points from RCP NEWS2 2017. The limits are what gave 21 and 5 episodes for each 100
patient-days there (check).
"""

import numpy as np

from triage.contract import Finding, Floats, Window, levels, rule
from triage.look import good, newest
from triage.study.features import READS, SAMPLES, WINDOW_S, features
from triage.study.model import BUDGETS, ENOUGH, known, total
from triage.study.shipped import SHIPPED
from vitals.alarm import Level

NOTED, URGENT = (round(SHIPPED.thresholds[budget], 2) for budget in BUDGETS)

_WORDS = {
    "nb": ("respirasjonsfrekvens", "SpO₂", "blodtrykk", "puls", "temperatur", "oksygen"),
    "en": ("respiratory rate", "SpO₂", "blood pressure", "pulse", "temperature", "oxygen"),
}


def _mostly(language: str) -> str:
    """One clause for each parameter, which names it if it adds much."""
    words = zip(_WORDS[language], READS, strict=True)
    return "".join(f"[ {word}{{much_{channel}:?}},]" for word, channel in words)


@rule(
    version="1",
    title={"nb": "Forskningsskåre for forverring", "en": "Research score of deterioration"},
    reads=READS,
    limits={"deterioration_noted": NOTED, "deterioration_urgent": URGENT, "spo2_scale": 1.0},
    bounds={"deterioration_noted": (0.1, 20.0), "deterioration_urgent": (0.1, 20.0), "spo2_scale": (1.0, 2.0)},
    window_s=WINDOW_S,
    samples=SAMPLES,
    text={
        "nb": "Kun til forskning: skåre for forverring {score:.1f}, grense {limit:.1f}; mest fra" + _mostly("nb"),
        "en": "Research only: score of deterioration {score:.1f}, limit {limit:.1f}; mostly from" + _mostly("en"),
    },
)
def deterioration(w: Window) -> Finding:
    """From `deterioration_noted` on LOW, from `deterioration_urgent` on MEDIUM. Source: see the module; research only.

    UNKNOWN where fewer than three of the five vital signs were measured in the last day, and for a patient on SpO2
    scale 2, for whom it was not made. `because`: the `score`, the `limit` it is held against, the newest values by
    channel, what each feature adds (`…_high` to `…_points`; NaN: missing), and `much_…` for each parameter that adds
    at least half as much as the one that adds most.
    """
    seen = features(w)
    parts = SHIPPED.contributions(seen)
    noted, urgent = w.limit["deterioration_noted"], w.limit["deterioration_urgent"]
    judged = (known(seen) >= ENOUGH) & (w.limit["spo2_scale"] == 1) & ~np.isnan([noted, urgent]).any(axis=0)
    score = np.where(judged, total(parts.values()), np.nan)

    level = levels(w.patients)
    level[judged] = Level.CALM
    level[score >= noted] = Level.LOW
    level[score >= urgent] = Level.MEDIUM
    values = {channel: newest(w, good(w, channel)).value for channel in READS}
    limit = {"limit": np.where(score >= urgent, urgent, noted)}
    return Finding(level, {"score": score} | limit | values | parts | _much(parts))


def _much(parts: dict[str, Floats]) -> dict[str, Floats]:
    """Which parameters [P] add at least half as much as the one that adds most."""
    added = np.stack([total(part for name, part in parts.items() if name.startswith(channel)) for channel in READS])
    much = (added > 0) & (2 * added >= added.max(axis=0))
    return {f"much_{channel}": flags.astype(np.float64) for channel, flags in zip(READS, much, strict=True)}
