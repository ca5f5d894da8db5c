"""A report as a file that a spreadsheet in Norway opens: semicolons between, decimal commas, UTF-8 with a mark.

A text that a spreadsheet would take for a formula is led by an apostrophe.
"""

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from server.reports.api import Report, Spread

Cell = str | float | int | None
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Table(NamedTuple):
    """Its head in both languages, and its rows. `care`: it names patients."""

    nb: tuple[str, ...]
    en: tuple[str, ...]
    rows: Callable[[Report], Iterable[tuple[Cell, ...]]]
    care: bool


def table(name: str, report: Report, language: str) -> str:
    """The table of that name (`TABLES`)."""
    one, out = TABLES[name], io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(one.nb if language == "nb" else one.en)
    writer.writerows([_cell(cell) for cell in row] for row in one.rows(report))
    return "\N{ZERO WIDTH NO-BREAK SPACE}" + out.getvalue()


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float):
        return f"{cell:.4f}".rstrip("0").rstrip(".").replace(".", ",")
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else str(cell)


def _time(t_ms: int) -> str:
    return datetime.fromtimestamp(t_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _summary(report: Report) -> list[tuple[Cell, ...]]:
    def spread(name: str, one: Spread) -> list[tuple[Cell, ...]]:
        return [(f"{name}_n", one.n), (f"{name}_median_s", one.median_s), (f"{name}_p90_s", one.p90_s)]

    burden = report.burden
    return [
        ("from", _time(report.from_ms)), ("to", _time(report.to_ms)), ("patient_days", burden.days),
        ("clinical_alarms", burden.clinical), ("technical_alarms", burden.technical),
        ("clinical_per_100_patient_days", burden.per_100_days), *spread("acknowledge", report.acknowledge),
        *spread("close", report.close), ("escalated", report.escalated), ("climbed", report.climbed),
        ("unanswered", report.unanswered), ("visits_avoided", report.visits_avoided), ("missed", report.missed),
    ]  # fmt: skip


def _rules(report: Report) -> list[tuple[Cell, ...]]:
    return [(one.rule, one.alarms, one.judged, one.usefulness, one.false_alarms) for one in report.rules]


def _patients(report: Report) -> list[tuple[Cell, ...]]:
    return [(one.name, one.days, one.clinical, one.technical, one.per_100_days) for one in report.patients]


def _missed(report: Report) -> list[tuple[Cell, ...]]:
    return [(one.name, _time(one.t_ms), one.note, one.marked_by, _time(one.marked_ms)) for one in report.missed_list]


TABLES = {
    "summary": Table(("mål", "verdi"), ("figure", "value"), _summary, care=False),
    "rules": Table(
        ("regel", "alarmer", "vurdert", "nytte", "falske"),
        ("rule", "alarms", "judged", "usefulness", "false"), _rules, care=False,
    ),
    "patients": Table(
        ("pasient", "dager", "kliniske", "tekniske", "kliniske per 100 dager"),
        ("patient", "days", "clinical", "technical", "clinical per 100 days"), _patients, care=True,
    ),
    "missed": Table(
        ("pasient", "tid", "merknad", "merket av", "merket"),
        ("patient", "time", "note", "marked by", "marked"), _missed, care=True,
    ),
}  # fmt: skip
