"""What `evaluate` and `fit` share: the options that say what is to be foreseen, and all that is said of one score."""

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from triage.contract import Floats
from triage.study.auroc import Pairs, Weights, interval, pairs
from triage.study.episodes import Alerts, at_budget
from triage.study.outcome import Outcome

Document = dict[str, Any]

BUDGETS = (21.0, 5.0)
"""Episodes for each 100 patient-days, where none is named."""
DRAWS = 500
"""Of the bootstrap."""


def hours(text: str) -> float:
    """`24h`, `90min`, `2d` or plain hours as hours; for argparse."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(h|min|d|)", text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time: write it as 24h, 90min or 2d")
    return float(found[1]) * {"h": 1.0, "": 1.0, "min": 1 / 60, "d": 24.0}[found[2]]


def horizon(text: str) -> float:
    """As `hours`, and more than none."""
    if (found := hours(text)) <= 0:
        raise argparse.ArgumentTypeError("a horizon of no hours has no cases: give one such as 24h")
    return found


def label_options(parser: argparse.ArgumentParser) -> None:
    """The options that say what is to be foreseen."""
    parser.add_argument("file", type=Path, metavar="FILE", help="patient, hour, channels, label; .parquet or .csv")
    parser.add_argument("--label", required=True, metavar="NAME", help="the column that is 1 when it came to pass")
    parser.add_argument("--horizon", type=horizon, default=24.0, metavar="SPAN", help="how far ahead to see (24h)")
    parser.add_argument(
        "--label-lead", type=hours, default=6.0, metavar="SPAN",
        help="how long before the onset the label turns 1 (6h, as in the PhysioNet Challenge 2019; 0h: at the onset)",
    )  # fmt: skip
    parser.add_argument("--refractory", type=hours, default=12.0, metavar="SPAN", help="quiet after an episode (12h)")
    parser.add_argument("--seed", type=count, default=1, metavar="N", help="of what is drawn at random (1)")


def count(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def measured(
    name: str, value: Floats, foreseen: Outcome, budgets: Sequence[float], refractory_h: float, resampled: Weights
) -> Document:
    """All that is said of one score, `value` [n] on the outcome's rows."""
    raw = pairs(value, foreseen.case, foreseen.patient)
    matched = pairs(value, foreseen.case, foreseen.patient, foreseen.stratum())
    return {
        "score": name,
        "rows_with_score": int((~np.isnan(value)).sum()),
        "auroc": _auroc(raw, resampled),
        "auroc_time_matched": _auroc(matched, resampled),
        "alerts": [_alerts(budget, at_budget(value, foreseen, budget, refractory_h, resampled)) for budget in budgets],
    }


def _auroc(found: Pairs, resampled: Weights) -> Document:
    low, high = interval(np.array([found.auroc(weight) for weight in resampled]))
    return {"value": _number(found.auroc()), "low": _number(low), "high": _number(high)}


def _alerts(budget: float, found: Alerts | None) -> Document:
    if found is None:
        return {"budget": budget, "threshold": None}
    return {
        "budget": budget,
        "threshold": found.threshold,
        "episodes": found.episodes,
        "per_100_patient_days": found.per_100_days,
        "ppv": _number(found.ppv),
        "ppv_interval": [_number(value) for value in found.ppv_interval],
        "sensitivity": _number(found.sensitivity),
        "sensitivity_interval": [_number(value) for value in found.sensitivity_interval],
        "lead_h": _number(found.lead_h),
        "lead_quartiles_h": [_number(value) for value in found.lead_quartiles_h],
    }


def _number(value: float) -> float | None:
    """A finite number, or null."""
    return value if math.isfinite(value) else None
