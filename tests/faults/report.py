"""What a row found, and the table of all rows."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from tests.faults.ledger import Count

SAY_S = 30.0
"""So often a long row says how far it is."""


@dataclass(frozen=True)
class Result:
    """One row. `kept`: whether the promise held. `figures`: what was measured, in a sentence each."""

    name: str
    kept: bool
    count: Count
    figures: Sequence[str]
    took_s: float = 0.0


def say(words: str) -> None:
    """How far a row is, for whoever waits for it: beside the table, not in it."""
    print(f"    ... {words}", file=sys.stderr, flush=True)


def line(result: Result) -> str:
    """The row of the table, and its figures below it."""
    count = result.count
    head = (
        f"{result.name:24} {count.measured:>9,} {count.lost:>6,} {count.doubled:>8,} {count.strange:>8,}"
        f" {result.took_s:>6.0f} s  {'kept' if result.kept else 'BROKEN'}"
    )
    return "\n".join((head, *(f"    {figure}" for figure in result.figures)))


HEAD = f"{'promise':24} {'measured':>9} {'lost':>6} {'doubled':>8} {'strange':>8} {'took':>8}"
