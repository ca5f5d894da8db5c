"""`hjemvakt triage evaluate`: how well scores foresee what a table's label says came to pass.

One document is made of the table, and printed as JSON or as lines for a person; a picture of it is drawn on request.
What is a case, an episode and time-matched is said in `triage.study`, and in docs/reference/evaluate.md.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]

from hjemvakt.triage import picture
from hjemvakt.triage.measure import BUDGETS, DRAWS, Document, count, label_options, measured
from hjemvakt.triage.table import read, sha256
from triage.study import model as models
from triage.study import scores
from triage.study.auroc import draws
from triage.study.outcome import Outcome, outcome
from triage.study.shipped import SHIPPED
from triage.study.wide import Wide
from vitals.errors import ConfigError, reason

_CLAIM = (
    "Research only. Figures of one kind of patients do not transfer to another, and no benefit to anybody is claimed "
    "(docs/reference/evaluate.md)."
)
_EXAMPLES = """\
examples
  hjemvakt triage evaluate stays.parquet --label sepsis --horizon 24h
  hjemvakt triage evaluate stays.parquet --label sepsis --score news2 --score fitted --json
  hjemvakt triage evaluate stays.parquet --label sepsis --budget 10 --plot out.png
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code. Raises ConfigError for what cannot be used, StoreError for a picture not to be written."""
    said = _parser().parse_args(argv)
    asked = tuple(dict.fromkeys(said.score or scores.usual()))
    for name in asked:
        scores.check(name)
    model = SHIPPED if said.model is None else load_model(said.model)
    if said.plot is not None:
        picture.check(said.plot)
    wide = read(said.file, said.label)
    foreseen = outcome(wide, said.horizon, said.label_lead)
    budgets = tuple(dict.fromkeys(said.budget or BUDGETS))
    document = _head(said, wide, foreseen, model)
    resampled = draws(len(wide.patients), said.bootstrap, said.seed)
    bar = tqdm(asked, desc="scores", unit="score", disable=None, leave=False)
    for name in bar:
        bar.set_postfix_str(name)
        value = scores.score(name, wide, model)[foreseen.row]
        document["scores"].append(measured(name, value, foreseen, budgets, said.refractory, resampled))
    if said.plot is not None:
        picture.draw(said.plot, document)
    print(json.dumps(document, indent=2, allow_nan=False) if said.json else "\n".join(_lines(document)))
    return 0


def load_model(path: Path) -> models.Model:
    """A score that `hjemvakt triage fit` wrote. Raises ConfigError."""
    try:
        return models.loads(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({reason(error)})", "give a file that hjemvakt triage fit wrote"
        ) from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage evaluate", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="How well scores foresee what came to pass: AUROC, also time-matched, and what a nurse would see "
        "of it at a budget of alerts.",
    )  # fmt: skip
    label_options(parser)
    parser.add_argument(
        "--score", action="extend", nargs="+", metavar="NAME",
        help=f"{', '.join(scores.OURS)} or a rule, RULE:NUMBER for one of its numbers",
    )  # fmt: skip
    parser.add_argument(
        "--budget", action="extend", nargs="+", type=_budget, metavar="N",
        help="episodes for each 100 patient-days (21 and 5)",
    )  # fmt: skip
    parser.add_argument("--bootstrap", type=count, default=DRAWS, metavar="N", help=f"draws for intervals ({DRAWS})")
    parser.add_argument("--model", type=Path, metavar="FILE", help="what `fitted` is, instead of the shipped score")
    parser.add_argument("--json", action="store_true", help="one document for a program")
    parser.add_argument("--plot", type=Path, metavar="OUT.png", help="a picture of the scores")
    return parser


def _budget(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of episodes: give one such as 21")
    return found


# What is measured


def _head(said: argparse.Namespace, wide: Wide, foreseen: Outcome, model: models.Model) -> Document:
    """What the table is and what is asked of it."""
    with_case = np.unique(foreseen.patient[foreseen.case])
    return {
        "file": said.file.name,
        "label": said.label,
        "horizon_h": said.horizon,
        "label_lead_h": said.label_lead,
        "definition": foreseen.definition,
        "seed": said.seed,
        "bootstrap": said.bootstrap,
        "refractory_h": said.refractory,
        "rows": len(wide),
        "patients": len(wide.patients),
        "rows_used": len(foreseen.row),
        "case_rows": int(foreseen.case.sum()),
        "control_rows": int((~foreseen.case).sum()),
        "patients_with_onset": int(np.isfinite(foreseen.onset).sum()),
        "patients_with_case": len(with_case),
        "patients_labelled_from_first_row": foreseen.from_start,
        "patient_days": float(foreseen.days.sum()),
        "columns": sorted(wide.column),
        "left_out_as_implausible": dict(wide.left_out),
        "columns_passed_over": list(wide.ignored),
        "scores": [],
        "fitted_to_this_file": sha256(said.file) == model.data_sha256,
        "note": _CLAIM,
    }


# For a person


def _lines(told: Document) -> Iterator[str]:
    days = f"{told['patient_days']:,.0f} patient-days"
    yield f"{told['file']}: {told['rows']:,} rows, {told['patients']:,} patients, {days}"
    yield f"{told['definition']}."
    yield (
        f"{told['case_rows']:,} case rows of {told['patients_with_case']:,} patients, {told['control_rows']:,} control "
        f"rows; {told['patients_labelled_from_first_row']:,} patients are labelled from their first row on."
    )
    if told["left_out_as_implausible"]:
        counts = ", ".join(f"{name} {count}" for name, count in told["left_out_as_implausible"].items())
        yield f"left out as implausible: {counts}"
    if told["columns_passed_over"]:
        yield f"columns passed over: {', '.join(told['columns_passed_over'])}"
    yield ""
    yield f"{'score':24} {'AUROC':22} {'time-matched AUROC':22} {'rows with a score':>17}"
    for score in told["scores"]:
        yield (
            f"{score['score']:24} {_area(score['auroc']):22} {_area(score['auroc_time_matched']):22} "
            f"{score['rows_with_score']:>17,}"
        )
    for place, budget in enumerate(alerts["budget"] for alerts in told["scores"][0]["alerts"]):
        yield ""
        yield f"at most {budget:g} episodes per 100 patient-days, {told['refractory_h']:g} h quiet after each"
        yield f"{'score':24} {'from':>8} {'episodes':>9} {'PPV':20} {'sensitivity':20} {'lead time, h':18}"
        for score in told["scores"]:
            yield f"{score['score']:24} {_alert_line(score['alerts'][place])}"
    yield ""
    if told["fitted_to_this_file"] and any(score["score"] in ("fitted", "deterioration") for score in told["scores"]):
        yield "`fitted` was made of this very file, so its figures here flatter it: those of other patients count."
    yield told["note"]


def _area(area: Mapping[str, float | None]) -> str:
    if area["value"] is None:
        return "no pairs"
    return f"{area['value']:.3f}{_between(area['low'], area['high'], '.3f')}"


def _alert_line(alerts: Document) -> str:
    if alerts["threshold"] is None:
        return "no threshold calls so seldom"
    low, high = alerts["lead_quartiles_h"]
    lead = "" if alerts["lead_h"] is None else f"{alerts['lead_h']:.0f}{_between(low, high, '.0f')}"
    return (
        f"{alerts['threshold']:>8.3g} {alerts['per_100_patient_days']:>9.1f} "
        f"{_share(alerts['ppv'], alerts['ppv_interval']):20} "
        f"{_share(alerts['sensitivity'], alerts['sensitivity_interval']):20} {lead:18}"
    ).rstrip()


def _share(value: float | None, between: Sequence[float | None]) -> str:
    return "none" if value is None else f"{value:.1%}{_between(between[0], between[1], '.1%')}"


def _between(low: float | None, high: float | None, how: str) -> str:
    return "" if low is None or high is None else f" ({low:{how}}–{high:{how}})"
