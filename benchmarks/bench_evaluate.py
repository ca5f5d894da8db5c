"""How long it takes to measure scores on a table of 400,000 rows, and how long a plain Python loop takes for the same.

The loop ranks each hour's rows with `sorted` and counts wins from the ranks, which is quick for a loop, and makes the
table anew for a draw of the bootstrap. Both are measured in one run on one machine, and must agree. Run with
`python benchmarks/bench_evaluate.py [--rows 400000]`.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from triage.study import scores
from triage.study.auroc import draws, pairs
from triage.study.episodes import at_budget
from triage.study.outcome import Outcome, outcome
from triage.study.shipped import SHIPPED
from triage.study.wide import Wide

HOURS = 40
USUAL = {"resp_rate": (18, 5), "spo2": (97, 2.5), "bp_sys": (124, 22), "pulse_rate": (85, 17), "body_temp": (36.9, 0.7)}

T = TypeVar("T")


def table(rows: int) -> Wide:
    """Patients of 40 hours each, a third of the values missing, one patient in twenty with an onset."""
    random = np.random.default_rng(1)
    patients = rows // HOURS
    patient, hour = np.repeat(np.arange(patients), HOURS), np.tile(np.arange(1.0, HOURS + 1), patients)
    onset = np.where(np.arange(patients) % 20 == 0, random.integers(10, 50, patients), 1000)[patient]
    column = {}
    for name, (middle, spread) in USUAL.items():
        value = np.round(random.normal(middle, spread, len(hour)), 1)
        column[name] = np.where(random.random(len(hour)) < 1 / 3, np.nan, value)
    return Wide(tuple(map(str, range(patients))), patient, hour, column, hour >= onset - 6)


def plain_matched(score: list[float], case: list[bool], hour: list[int]) -> float:
    """The time-matched AUROC, row by row: each hour's rows sorted, midranks of cases added up."""
    by_hour: dict[int, list[tuple[float, bool]]] = {}
    for one, is_case, when in zip(score, case, hour, strict=True):
        if one == one:
            by_hour.setdefault(when, []).append((one, is_case))
    won = all_pairs = 0.0
    for rows in by_hour.values():
        rows.sort()
        cases = sum(is_case for _, is_case in rows)
        all_pairs += cases * (len(rows) - cases)
        place, below = 0, 0
        while place < len(rows):
            end = place
            while end < len(rows) and rows[end][0] == rows[place][0]:
                end += 1
            tied_cases = sum(is_case for _, is_case in rows[place:end])
            tied_controls = end - place - tied_cases
            won += tied_cases * (below + tied_controls / 2)
            below += tied_controls
            place = end
    return won / all_pairs


def plain_draw(score: list[float], known: Outcome, weight: list[int]) -> float:
    """One draw of the bootstrap: the drawn patients' rows put together once more, and ranked."""
    times = [weight[patient] for patient in known.patient.tolist()]
    again = [row for row, count in enumerate(times) for _ in range(count)]
    case, hour = known.case.tolist(), known.stratum().tolist()
    return plain_matched([score[row] for row in again], [case[row] for row in again], [hour[row] for row in again])


def timed(work: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Measure and print the table."""
    given = asked(rows=(400_000, 8_000), draws=(500, 5))
    wide, count = table(given.rows), given.draws
    known = outcome(wide, horizon_h=24, lead_h=6)
    resampled = draws(len(wide.patients), count, seed=1)
    print(f"{len(wide):,} rows, {len(wide.patients):,} patients, {known.case.sum():,} case rows")
    for name in scores.usual():
        taken_s, _ = timed(partial(scores.score, name, wide, SHIPPED))
        print(f"score {name:30} {taken_s * 1e3:10.1f} ms")
    stratum = known.stratum()
    value = scores.score("news2", wide, SHIPPED)[known.row]
    plain = value.tolist()
    plain_s, slow = timed(lambda: plain_matched(plain, known.case.tolist(), stratum.tolist()))
    ours_s, matched = timed(lambda: pairs(value, known.case, known.patient, stratum))
    draw_s, drawn = timed(lambda: [matched.auroc(weight) for weight in resampled])
    again_s, again = timed(lambda: plain_draw(plain, known, resampled[0].tolist()))
    budget_s, _ = timed(lambda: at_budget(value, known, 21, 12, resampled))
    if abs(slow - matched.auroc()) > 1e-12 or abs(again - drawn[0]) > 1e-12:
        raise SystemExit("the loop and the ranks disagree: there is nothing to compare")
    rows = (
        ("time-matched AUROC", ours_s, plain_s),
        ("one draw of the bootstrap by patient", draw_s / count, again_s),
        (f"{count} draws", draw_s, again_s * count),
    )
    for name, one_s, loop_s in rows:
        print(f"{name:36} {one_s * 1e3:10.1f} ms   {one_s / loop_s:8.4f} of the loop")
    print(f"{'threshold of a budget, with intervals':36} {budget_s * 1e3:9.1f} ms")


if __name__ == "__main__":
    main()
