"""`hjemvakt triage fit`: the research score's coefficients from a table, judged by patients they were not made of."""

import argparse
import dataclasses
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm  # type: ignore[import-untyped]

from hjemvakt.triage.measure import BUDGETS, DRAWS, Document, label_options, measured
from hjemvakt.triage.table import read, sha256
from triage.study import fit as fitting
from triage.study.auroc import draws
from triage.study.features import NAMES
from triage.study.model import ENOUGH, dumps, known
from triage.study.outcome import Outcome, outcome
from triage.study.scores import table_of_features
from triage.study.wide import Wide
from vitals.errors import ConfigError, StoreError

_EXAMPLES = """\
examples
  hjemvakt triage fit stays.parquet --label sepsis --horizon 24h --out mine.toml
  hjemvakt triage evaluate others.parquet --label sepsis --score fitted --model mine.toml
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code. Raises ConfigError for what cannot be used, StoreError for a file not to be written."""
    said = _parser().parse_args(argv)
    if not said.out.resolve().parent.is_dir():
        raise ConfigError(f"there is no folder {said.out.parent}", "make it, or correct --out")
    wide = read(said.file, said.label)
    data = _rowset(wide, outcome(wide, said.horizon, said.label_lead))
    score, penalties = fitting.nested(data, said.seed, partial(tqdm, desc="folds", disable=None, leave=False))
    resampled = draws(len(wide.patients), DRAWS, said.seed)
    found = measured("fitted", score, data.known, BUDGETS, said.refractory, resampled)
    everybody = np.ones(len(wide.patients), np.bool_)
    penalty = fitting.best_penalty(data, everybody, said.seed)
    model = dataclasses.replace(fitting.fitted(data, everybody, penalty), thresholds=_thresholds(found))
    _write(said.out, dumps(model, _how(said, data, penalty, penalties) | _figures(found)))
    matched = found["auroc_time_matched"]
    print(f"{said.out}: time-matched AUROC {matched['value']:.3f}, cross-validated by patient")
    for alerts in found["alerts"]:
        print(
            f"at {alerts['budget']:g} episodes per 100 patient-days: PPV {alerts['ppv']:.1%}, "
            f"sensitivity {alerts['sensitivity']:.1%}"
        )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage fit", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Fit the research score to a table, cross-validated by patient, and write its coefficients.",
    )  # fmt: skip
    label_options(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the TOML file to write")
    parser.add_argument("--credit", default="", metavar="TEXT", help="whose data it is and its licence; kept in FILE")
    return parser


def _rowset(wide: Wide, foreseen: Outcome) -> fitting.Rowset:
    """The rows that enough is known of for a score, with their features."""
    table = table_of_features(wide)
    kept = foreseen.only(known(table)[foreseen.row] >= ENOUGH)
    groups = np.isfinite(foreseen.onset)
    if min(groups.sum(), (~groups).sum()) < fitting.FOLDS**2 or not kept.case.any():
        raise ConfigError(
            f"{groups.sum()} patients with an onset and {(~groups).sum()} without are too few",
            f"give {fitting.FOLDS**2} of each at least, with {ENOUGH} of respiratory rate, SpO2, systolic pressure, "
            "pulse and temperature measured",
        )
    return fitting.Rowset(np.column_stack([np.nan_to_num(table[name][kept.row]) for name in NAMES]), kept)


def _thresholds(found: Document) -> dict[str, float]:
    for alerts in found["alerts"]:
        if alerts["threshold"] is None:
            raise ConfigError(
                f"no threshold keeps to {alerts['budget']:g} episodes per 100 patient-days", "give more patient-days"
            )
    return {f"{alerts['budget']:g}": alerts["threshold"] for alerts in found["alerts"]}


def _how(said: argparse.Namespace, data: fitting.Rowset, penalty: float, penalties: list[float]) -> Document:
    """How the score was made, so that it can be made again."""
    return {
        "command": f"hjemvakt triage fit {said.file.name} --label {said.label} --horizon {said.horizon:g}h "
        f"--label-lead {said.label_lead:g}h --refractory {said.refractory:g}h --seed {said.seed} --out {said.out.name}",
        "date": datetime.now(UTC).date().isoformat(),
        "data": said.file.name,
        "data_sha256": sha256(said.file),
        "data_credit": said.credit,
        "definition": data.known.definition,
        "patients": len(np.unique(data.known.patient)),
        "rows": len(data.x),
        "case_rows": int(data.known.case.sum()),
        "seed": said.seed,
        "penalty": penalty,
        "cross_validation": f"{fitting.FOLDS} folds by patient; the penalty of each chosen among the others: "
        + ", ".join(f"{one:g}" for one in penalties),
    }


def _figures(found: Document) -> Document:
    """What the cross-validation found, flat."""
    told: Document = {}
    for name in ("auroc_time_matched", "auroc"):
        told |= {name: found[name]["value"], f"{name}_low": found[name]["low"], f"{name}_high": found[name]["high"]}
    for alerts in found["alerts"]:
        told |= {f"{name}_at_{alerts['budget']:g}": alerts[name] for name in ("ppv", "sensitivity", "lead_h")}
    return {name: value for name, value in told.items() if value is not None}


def _write(path: Path, text: str) -> None:
    """The file, whole or not at all."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_text(text, "utf-8")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written ({error.strerror})", "look at the folder and the disk") from error
