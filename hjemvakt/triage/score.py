"""`hjemvakt triage score`: a table of patients, and what a score gives each of them.

The points are those of the rules (`triage.scores`). A score that lacks a parameter is called partial, and its total a
lower bound; it has a band only where what is missing could not take the alarm away.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from hjemvakt.triage.sheet import STDIN, Sheet, first, read
from triage.contract import Floats
from triage.scores.catalogue import SCORES
from triage.scores.contract import Reads, Score, Sum, summed

OK = 0
_SLICE = 10_000
_COLUMNS = ("row", "total", "band", "single red", "points", "missing")

_EXAMPLES = """\
examples
  hjemvakt triage score --rule news2 --columns
  hjemvakt triage score --rule news2 ward.csv
  printf 'hr,sbp\\n95,100\\n' | hjemvakt triage score --rule shock_index - --json

Commas or semicolons part the columns, an empty cell was not measured. A partial score says which parameters it lacks.
Hjemvakt is not a certified medical device.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code. Raises ConfigError for a table that cannot be scored."""
    parser = _parser()
    said = parser.parse_args(argv)
    score = SCORES[said.rule]
    if said.columns:
        print(_columns(score, said.json))
        return OK
    if said.file is None:
        parser.error(f"name a FILE, or {STDIN} for standard input; --columns lists what stands in it")
    sheet = read(said.file, score)
    if sheet.ignored:
        print(f"passed over, as {score.name} has no such column: {first(sheet.ignored, 10)}", file=sys.stderr)
    for part in _json(score, sheet) if said.json else _table(score, sheet):
        sys.stdout.write(part)
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hjemvakt triage score", description="Scores a table, one row a patient.", epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--rule", required=True, choices=list(SCORES), help="which score")
    parser.add_argument(
        "--columns", action="store_true", help="list the columns of the score, and what may stand there"
    )
    parser.add_argument("--json", action="store_true", help="one JSON document, for a program")
    parser.add_argument("file", nargs="?", metavar="FILE", help=f"a CSV file, or {STDIN} for standard input")
    return parser


class Result:
    """A slice of the sheet, scored. `start` is its first row, counted from 0."""

    def __init__(self, score: Score, sheet: Sheet, start: int) -> None:
        values = {name: value[start : start + _SLICE] for name, value in sheet.values.items()}
        self.start = start
        self.points: Mapping[str, Floats] = _by_column(score, score.points(values))
        self.sums: Sum = summed(self.points)
        self.band = score.band(self.sums)
        self.missing = {
            column.name: np.isnan(values[column.channel]) for column in score.columns if column.usual != column.usual
        }

    def __len__(self) -> int:
        return len(self.sums.total)


def scored(score: Score, sheet: Sheet) -> Iterator[Result]:
    """The sheet slice by slice."""
    for start in range(0, sheet.rows, _SLICE):
        yield Result(score, sheet, start)


def _by_column(score: Score, points: Mapping[str, Floats]) -> dict[str, Floats]:
    name = {column.channel: column.name for column in score.columns}
    return {name.get(parameter, parameter): given for parameter, given in points.items()}


def rows_of(score: Score, result: Result) -> Iterator[dict[str, Any]]:
    """Each row as a dictionary: numbers are whole where the score's are, None is what is not known."""
    totals = _numbers(result.sums.total, score.decimals)
    points = {name: _numbers(given, score.decimals) for name, given in result.points.items()}
    missing = {name: gone.tolist() for name, gone in result.missing.items()}
    single, partial = result.sums.single.tolist(), (result.sums.lacks > 0).tolist()
    for row, total in enumerate(totals):
        told: dict[str, Any] = {
            "row": result.start + row + 1,
            "total": total,
            "complete": not partial[row],
            "at_least": partial[row] and total is not None,
            "band": result.band[row],
        }
        if score.single_red is not None:
            told["single_red"] = single[row]
        told["points"] = {name: given[row] for name, given in points.items()}
        told["missing"] = [name for name, gone in missing.items() if gone[row]]
        yield told


def _numbers(values: Floats, decimals: int) -> list[float | int | None]:
    if decimals:
        return [None if value != value else round(value, 4) for value in values.tolist()]
    return [None if value != value else int(value) for value in values.tolist()]


def _json(score: Score, sheet: Sheet) -> Iterator[str]:
    about = {"rule": score.name, "title": score.title, "version": score.version, "source": score.source}
    yield msgspec.json.encode(about).decode()[:-1] + ',"rows":['
    for result in scored(score, sheet):
        rows = ",\n".join(msgspec.json.encode(row).decode() for row in rows_of(score, result))
        yield ("\n" if not result.start else ",\n") + rows
    yield "\n]}\n"


def _table(score: Score, sheet: Sheet) -> Iterator[str]:
    heads = [head for head in _COLUMNS if head != "single red" or score.single_red is not None]
    yield f"{score.title}. Source: {score.source}\n"
    yield "  ".join(f"{head:{_WIDTHS[head]}}" for head in heads).rstrip() + "\n"
    for result in scored(score, sheet):
        lines = []
        for row in rows_of(score, result):
            cells = _shown(score, row)
            lines.append("  ".join(f"{cells[head]:{_WIDTHS[head]}}" for head in heads).rstrip() + "\n")
        yield "".join(lines)


_WIDTHS = {"row": 4, "total": 12, "band": 10, "single red": 10, "points": 56, "missing": 0}


def _shown(score: Score, row: Mapping[str, Any]) -> dict[str, str]:
    total = "unknown" if row["total"] is None else f"{row['total']:.{score.decimals}f}"
    given = " ".join(
        f"{name} {'?' if value is None else f'{value:.{score.decimals}f}'}" for name, value in row["points"].items()
    )
    return {
        "row": str(row["row"]),
        "total": f"at least {total}" if row["at_least"] else total,
        "band": row["band"] or "unknown",
        "single red": "yes" if row.get("single_red") else "no",
        "points": given,
        "missing": " ".join(row["missing"]),
    }


def _columns(score: Score, as_json: bool) -> str:
    told = [
        {
            "column": column.name,
            "about": column.about,
            "write": column.reads.value,
            "unit": column.unit or None,
            "from": column.low if column.reads is Reads.NUMBER else None,
            "to": column.high if column.reads is Reads.NUMBER else None,
            "empty": "not measured" if column.usual != column.usual else f"{column.usual:g}",
        }
        for column in score.columns
    ]
    if as_json:
        return msgspec.json.encode({"rule": score.name, "columns": told}).decode()
    lines = [f"{score.title}. Source: {score.source}", ",".join(column.name for column in score.columns), ""]
    for column in score.columns:
        what = column.reads.value
        if column.reads is Reads.NUMBER:
            what = f"{column.low:g} to {column.high:g} {column.unit}".strip()
        empty = "" if column.usual != column.usual else f"; empty is {column.usual:g}"
        lines.append(f"  {column.name:12} {column.about}: {what}{empty}")
    return "\n".join(lines)
