"""The research score as data: a coefficient for each feature, and how it was made. Its file is TOML.

    score = Σ coefficient · feature        (`triage.study.features`; a missing one adds nothing)

The coefficients are 0 or more, and so are the features: nothing that gets worse lowers the score, and a score of 0 is
that of a person as usual as can be. With the intercept added it is the logarithm of the odds of a case, in the
development data and at an average hour of the stay; it is no probability for anybody at home.
"""

import functools
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from triage.contract import Floats
from triage.study.features import NAMES, USUAL
from vitals.errors import ConfigError

BUDGETS = ("21", "5")
ENOUGH = 3
"""Of the parameters of `USUAL` so many must be known, or there is no score."""


@dataclass(frozen=True)
class Model:
    """By feature: `coefficient` for one unit of it, its `mean` and `scale` (standard deviation) where it was made.

    `thresholds`: by alert budget, "21" and "5" episodes for each 100 patient-days, the score at which it was kept.
    `data_sha256`: of the file it was made of, "" where that is not told.
    """

    coefficient: Mapping[str, float]
    mean: Mapping[str, float]
    scale: Mapping[str, float]
    intercept: float
    thresholds: Mapping[str, float]
    data_sha256: str = ""

    def contributions(self, features: Mapping[str, Floats]) -> dict[str, Floats]:
        """What each feature [P] adds to the score; NaN where it is missing."""
        return {name: self.coefficient[name] * features[name] for name in NAMES}

    def score(self, features: Mapping[str, Floats]) -> Floats:
        """The score [P]; NaN where fewer than `ENOUGH` parameters are known."""
        enough = known(features) >= ENOUGH
        return np.where(enough, total(self.contributions(features).values()), np.nan)


def total(parts: Iterable[Floats]) -> Floats:
    """The sum [P] of what is there, one part after another: so it is the same to the last bit for one and for many."""
    first, *others = map(np.nan_to_num, parts)
    return functools.reduce(np.add, others, first)


def known(features: Mapping[str, Floats]) -> Floats:
    """How many [P] of the parameters of `USUAL` are known."""
    there = [~np.isnan(features[f"{channel}_high"]) for channel in USUAL]
    return np.asarray(np.sum(there, axis=0, dtype=np.float64))


def loads(text: str, place: str) -> Model:
    """The model in a TOML text. Raises ConfigError that names `place` for one that is not whole."""
    try:
        told = tomllib.loads(text)
        features = told["features"]
        model = Model(
            coefficient={name: float(features[name]["coefficient"]) for name in NAMES},
            mean={name: float(features[name]["mean"]) for name in NAMES},
            scale={name: float(features[name]["scale"]) for name in NAMES},
            intercept=float(told["intercept"]),
            thresholds={name: float(told["thresholds"][name]) for name in BUDGETS},
            data_sha256=str(told["made"]["data_sha256"]),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{place} is no score of ours ({error!r})", "make it with hjemvakt triage fit") from error
    unknown = sorted(set(features) - set(NAMES))
    if unknown:
        raise ConfigError(f"{place}: there is no feature {unknown[0]!r}", f"the features are {', '.join(NAMES)}")
    numbers = [*model.coefficient.values(), model.intercept, *model.thresholds.values()]
    if not np.isfinite(numbers).all() or min(model.coefficient.values()) < 0:
        raise ConfigError(
            f"{place}: a number is not finite, or a coefficient below 0", "make it anew with hjemvakt triage fit"
        )
    return model


def dumps(model: Model, made: Mapping[str, str | float | int]) -> str:
    """The model as TOML, with `made`, how it was made, as its first table. The same model gives the same text."""
    lines = [
        "# The research score: score = sum of coefficient * feature (triage/study/features.py).",
        "# Research only. Made of intensive-care stays; it does not transfer to homes, and no benefit is claimed.",
        "# With the intercept added it is the log odds of a case at an average hour of the stay.",
        f"intercept = {model.intercept:.6g}",
        "",
        "[made]",
        *(f"{name} = {_toml(value)}" for name, value in made.items()),
        "",
        "# At this score and above, in the development data, out of fold: so many episodes for each 100 patient-days.",
        "[thresholds]",
        *(f'"{name}" = {value:.6g}' for name, value in model.thresholds.items()),
        "",
        "# mean and scale: of the feature, in the rows it was made of; coefficient * scale compares two features.",
        "[features]",
        *(
            f"{name} = {{ coefficient = {model.coefficient[name]:.6g}, mean = {model.mean[name]:.6g},"
            f" scale = {model.scale[name]:.6g} }}"
            for name in NAMES
        ),
    ]
    return "\n".join(lines) + "\n"


def _toml(value: str | float | int) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{value:.6g}" if isinstance(value, float) else str(value)
