"""The scores that can be measured, each a number for every row of a table, NaN where it cannot be told.

    hour       the hour since the beginning of the record, and nothing else: what a score has to beat to say anything
    cusum      adverse CUSUMs added up, with no fitted number (`features.cusum`)
    fitted     the research score (`model`), the shipped one or another
    a rule     by its name, as `news2`: what the rule gives in `because` as its number, on the row and those before it

A rule's number is `total`, or what is called as the rule is; RULE:NUMBER names another one, as `news2:bp_sys_points`.
A rule whose level is all that is to be had gives its level. What of a rule's channels the table lacks is missing to it,
so NEWS2 on a table without consciousness is the partial NEWS2: the points of what was measured.
"""

from collections.abc import Callable, Mapping

import numpy as np

from triage.catalogue import catalogue
from triage.contract import Finding, Floats, Rule, Window, levels, rule
from triage.study import features
from triage.study.model import Model
from triage.study.rows import windows
from triage.study.wide import Wide
from vitals.alarm import Level
from vitals.errors import ConfigError

OURS = ("hour", "cusum", "fitted")
USUAL = ("news2", "mews", "qsofa", "shock_index", "cusum", "fitted", "hour")
"""What is measured where no score is named; a rule that is not installed is passed over."""

TRAIT_LIMITS = {"age": "age_years"}
"""What a table says of a patient that a rule knows as a limit of the patient's own."""


@rule(
    version="1",
    text={},
    reads=features.READS,
    window_s=features.WINDOW_S,
    samples=features.SAMPLES,
)
def _looker(w: Window) -> Finding:
    """No verdict: it declares what the features have to see."""
    return Finding(levels(w.patients), {})


def usual() -> tuple[str, ...]:
    """The names of `USUAL` that there are."""
    return tuple(name for name in USUAL if name in OURS or name in catalogue())


def check(name: str) -> None:
    """Raises ConfigError for a score that there is not."""
    whose = name.partition(":")[0]
    if name not in OURS and whose not in catalogue():
        raise ConfigError(f"there is no score {name!r}", f"use one of {', '.join((*OURS, *catalogue()))}")


def score(name: str, wide: Wide, model: Model) -> Floats:
    """The score `name` [N] of every row. Raises ConfigError for one that there is not."""
    check(name)
    if name == "hour":
        return wide.hour
    if name == "cusum":
        return _over(wide, _looker, features.cusum)
    if name == "fitted":
        return _over(wide, _looker, lambda w: model.score(features.features(w)))
    whose, _, number = name.partition(":")
    judged = catalogue()[whose]
    return _over(wide, judged, lambda w: _number(judged, judged.judge(w), number))


def table_of_features(wide: Wide) -> dict[str, Floats]:
    """The features [N] of every row by name."""
    found = {name: np.empty(len(wide)) for name in features.NAMES}
    for rows, seen in windows(wide, [_looker]):
        for name, value in features.features(seen).items():
            found[name][rows] = value
    return found


def _over(wide: Wide, judged: Rule, number: Callable[[Window], Floats]) -> Floats:
    found = np.empty(len(wide))
    own = {limit: wide.column[trait] for trait, limit in TRAIT_LIMITS.items() if trait in wide.column}
    for rows, seen in windows(wide, [judged], own):
        found[rows] = number(seen)
    return found


def _number(judged: Rule, finding: Finding, number: str) -> Floats:
    """The number of a rule's finding that stands for it."""
    because: Mapping[str, Floats] = finding.because
    if number:
        if number not in because:
            raise ConfigError(
                f"the rule {judged.name!r} gives no number {number!r}", f"use one of {', '.join(because)}"
            )
        return because[number]
    for name in ("total", judged.name, "score", "index"):
        if name in because:
            return because[name]
    return np.where(finding.level == Level.UNKNOWN, np.nan, finding.level.astype(np.float64))
