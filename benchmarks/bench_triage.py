"""The triage engine: NEWS2 of a million, a batch into a million, every rule on a town, and what it takes in memory.

Everything that is compared is measured in one run on one machine, so a ratio means something where milliseconds do
not, and gives the same answer, which is looked at first. Run with `python benchmarks/bench_triage.py [PATIENTS]` (a
million); pandas and polars are in the extra `bench`.
"""

import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from triage.catalogue import catalogue
from triage.course import USUAL
from triage.grid import Sample, Samples, limits_of, needs
from triage.grid import window as made_of_samples
from triage.programme import parse
from triage.run import run
from triage.scores.news2 import PARAMETERS, points
from triage.state import ALWAYS, State, window
from triage.state.points import MISSING, POINTS, THREE, add_up
from vitals.clock import NS

PATIENTS, TOWN = 1_000_000, 30_000
NOW_NS = 1_795_000_000 * NS
DAY_NS = 86_400 * NS
BATCH, TOUCHED, BATCHES, FIRST = 1_000, 800, 600, 100


class Usual(NamedTuple):
    mean: float
    spread: float
    decimals: int
    share: float
    """So many of the patients measure it."""


HOMES = {
    "spo2": Usual(95, 3, 0, 1), "pulse_rate": Usual(85, 20, 0, 1), "bp_sys": Usual(130, 25, 0, 0.5),
    "weight": Usual(80, 1.2, 1, 0.5), "resp_rate": Usual(18, 4, 0, 0.25), "body_temp": Usual(37.2, 0.8, 1, 0.25),
    "oxygen_flow": Usual(0.5, 1, 1, 0.25), "consciousness": Usual(0, 0.4, 0, 0.25),
}  # fmt: skip

# The chart of RCP 2017 as (up to this value, these points), the last for everything above.
BANDS = {
    "resp_rate": ((8, 3), (11, 1), (20, 0), (24, 2), (math.inf, 3)),
    "spo2": ((91, 3), (93, 2), (95, 1), (math.inf, 0)),
    "oxygen_flow": ((0, 0), (math.inf, 2)),
    "bp_sys": ((90, 3), (100, 2), (110, 1), (219, 0), (math.inf, 3)),
    "pulse_rate": ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (math.inf, 3)),
    "consciousness": ((0, 0), (math.inf, 3)),
    "body_temp": ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (math.inf, 2)),
}
RANDOM = np.random.default_rng(1)


def best_ms(work: Callable[[], object], times: int) -> float:
    """The shortest of a few runs: the one that other programs disturbed least."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return min(taken)


# --- NEWS2 of everybody


def drawn(name: str, count: int) -> np.ndarray:
    usual = HOMES[name]
    return np.abs(np.round(RANDOM.normal(usual.mean, usual.spread, count), usual.decimals))


def by_select(values: dict[str, np.ndarray]) -> np.ndarray:
    total = np.zeros(len(values["spo2"]), np.int64)
    for name, bands in BANDS.items():
        total += np.select([values[name] <= upto for upto, _ in bands], [given for _, given in bands])
    return total


def by_pandas(frame: pd.DataFrame) -> np.ndarray:
    total = np.zeros(len(frame), np.int64)
    for name, bands in BANDS.items():
        edges = [-math.inf, *(upto for upto, _ in bands)]
        given = np.array([given for _, given in bands])
        total += given[pd.cut(frame[name], edges, labels=False).to_numpy()]
    return total


def by_polars(frame: pl.DataFrame) -> np.ndarray:
    def scored(name: str) -> pl.Expr:
        (upto, given), *others = BANDS[name]
        chain = pl.when(pl.col(name) <= upto).then(pl.lit(given))
        for upto, given in others:
            chain = chain.when(pl.col(name) <= upto).then(pl.lit(given))
        return chain

    return frame.select(pl.sum_horizontal([scored(name) for name in BANDS])).to_series().to_numpy()


def by_loop(columns: dict[str, list[float]]) -> list[int]:
    rows = zip(*(columns[name] for name in BANDS), strict=True)
    bands = list(BANDS.values())
    return [
        sum(next(given for upto, given in of if value <= upto) for of, value in zip(bands, row, strict=True))
        for row in rows
    ]


def totals(patients: int) -> None:
    values = {name: drawn(name, patients) for name in PARAMETERS}
    table = np.stack(list(points(values, np.ones(patients)).values()))
    packed = table.astype(np.uint8) | np.where(table == 3, THREE, 0).astype(np.uint8)
    packed[0, ::50] = MISSING  # and some are always missing
    total, copy = np.empty(patients, np.uint8), np.empty_like(packed)
    whole = by_select(values)
    answers = {"np.select": whole, "pandas": by_pandas(pd.DataFrame(values)), "polars": by_polars(pl.DataFrame(values)),
               "loop": np.array(by_loop({name: column.tolist() for name, column in values.items()}))}  # fmt: skip
    add_up(packed, total)
    lacking = np.where(packed[0] == MISSING, table[0], 0)
    if any((answer != whole).any() for answer in answers.values()) or (total != whole - lacking).any():
        raise SystemExit("they disagree on NEWS2: there is nothing to compare")
    assert int(total.max()) <= POINTS
    columns, frame, polar = {name: c.tolist() for name, c in values.items()}, pd.DataFrame(values), pl.DataFrame(values)
    copied_ms = best_ms(lambda: np.copyto(copy, packed), 50)
    print(f"\nNEWS2 totals of {patients:,} patients")
    for name, taken_ms in (
        ("copying the same bytes", copied_ms),
        ("packed bytes, added", best_ms(lambda: add_up(packed, total), 50)),
        ("np.select", best_ms(lambda: by_select(values), 3)),
        ("pandas", best_ms(lambda: by_pandas(frame), 3)),
        ("polars", best_ms(lambda: by_polars(polar), 3)),
        ("Python loop", best_ms(lambda: by_loop(columns), 1)),
    ):
        print(f"  {name:36} {taken_ms:10.3f} ms  {taken_ms / copied_ms:10.2f} of the copy")
    print("  goal: added at most 1.0 of the copy")


# --- a batch into everybody


def filled(patients: int) -> tuple[State, dict[str, np.ndarray]]:
    """A state with every course that there is, and two days of what each patient measures."""
    wanted = {name: need._replace(course=name in USUAL) for name, need in needs(catalogue().values()).items()}
    state = State(wanted, patients)
    state.add([f"p{number}" for number in range(patients)], ALWAYS)
    who = {name: np.flatnonzero(RANDOM.random(patients) < usual.share) for name, usual in HOMES.items()}
    for days in (2, 1):
        for name, rows in who.items():
            for start in range(0, len(rows), 50_000):
                some = rows[start : start + 50_000]
                t_ns = np.full(len(some), NOW_NS - days * DAY_NS) + RANDOM.integers(0, DAY_NS // 4, len(some))
                state.take(of_one(state, name, some, t_ns), NOW_NS)
    return state, who


def of_one(state: State, name: str, rows: np.ndarray, t_ns: np.ndarray) -> Samples:
    number = np.full(len(rows), state.names.index(name))
    return Samples(number, rows, t_ns, drawn(name, len(rows)), np.ones(len(rows), np.bool_))


def a_batch(state: State, who: dict[str, np.ndarray], now_ns: int) -> Samples:
    """So many readings of the last second, of at most TOUCHED patients."""
    share = np.array([usual.share for usual in HOMES.values()])
    people = RANDOM.choice(who["spo2"], TOUCHED, replace=len(who["spo2"]) < TOUCHED)
    names, rows = RANDOM.choice(len(HOMES), BATCH, p=share / share.sum()), RANDOM.choice(people, BATCH)
    rows[:TOUCHED] = people
    parts = [of_one(state, name, rows[names == n], now_ns - RANDOM.integers(0, NS, int((names == n).sum())))
             for n, name in enumerate(HOMES)]  # fmt: skip
    return Samples(*(np.concatenate(columns) for columns in zip(*(vars(part).values() for part in parts), strict=True)))


def batches(patients: int) -> None:
    before = psutil.Process().memory_info().rss
    state, who = filled(patients)
    taken_ms = []
    for number in range(BATCHES):
        now_ns = NOW_NS + number * NS
        batch = a_batch(state, who, now_ns)
        start = time.perf_counter()
        state.begin()
        state.take(batch, now_ns)
        state.settle()
        taken_ms.append((time.perf_counter() - start) * 1e3)
    p50, p99 = np.percentile(taken_ms[FIRST:], (50, 99))
    grown = (psutil.Process().memory_info().rss - before) / 1e6
    series = sum(map(len, who.values())) / patients
    print(f"  {patients:9,} patients  p50 {p50:6.3f} ms  p99 {p99:6.3f} ms   {series:.1f} series, "
          f"{state.nbytes / patients:6.0f} bytes a patient  {grown:7.0f} MB more in the process")  # fmt: skip


# --- every rule on a town


def town() -> None:
    people = [f"p{number}" for number in range(TOWN)]
    folder = Path(__file__).parents[1] / "configs" / "programmes"
    programmes = [parse(path.read_text("utf-8"), path.name) for path in sorted(folder.glob("*.toml"))]
    rules = [catalogue()[name] for name in sorted({name for one in programmes for name in one.rules})]
    state = State(needs(rules), TOWN)
    rows = state.add(people, ALWAYS)
    samples = [
        Sample(person, name, NOW_NS - hours * 3600 * NS, value)
        for name in HOMES
        for hours in (60, 40, 20, 1)
        for person, value in zip(people, drawn(name, TOWN).tolist(), strict=True)
    ]
    wanted = list(state.names)
    state.take(
        Samples(
            np.array([wanted.index(one.channel) for one in samples]), np.tile(rows, 4 * len(HOMES)),
            np.array([one.t_ns for one in samples]), np.array([one.value for one in samples]),
            np.ones(len(samples), np.bool_),
        ),
        NOW_NS,
    )  # fmt: skip
    limit = limits_of(rules, people, {})
    seen = window(state, NOW_NS, rows, rules, limit, nobody)
    if (run(seen, rules).level != run(made_of_samples(NOW_NS, people, samples, rules, {}), rules).level).any():
        raise SystemExit("the rules see of the state what they do not see of the samples")
    anew_ms = best_ms(lambda: made_of_samples(NOW_NS, people, samples, rules, {}), 1)
    few = rows[:800]
    few_limit = {name: column[:800] for name, column in limit.items()}
    print(f"\n{TOWN:,} patients under all {len(rules)} rules of {len(programmes)} programmes, 8 series each")
    for name, taken_ms in (
        (f"window made of {len(samples):,} samples", anew_ms),
        ("window of the state", best_ms(lambda: window(state, NOW_NS, rows, rules, limit, nobody), 5)),
        ("all rules", best_ms(lambda: run(seen, rules), 5)),
        ("window of the state, 800 touched", best_ms(lambda: window(state, NOW_NS, few, rules, few_limit, nobody), 20)),
    ):
        print(f"  {name:36} {taken_ms:10.3f} ms  {taken_ms / anew_ms:10.4f} of making it anew")


def nobody(*asked: object) -> Samples:
    raise SystemExit(f"the state holds everything, and yet more was asked for: {asked}")


def main() -> None:
    """Measure and print the tables."""
    patients = int(sys.argv[1]) if len(sys.argv) > 1 else PATIENTS
    totals(patients)
    town()
    print(f"\na batch of {BATCH:,} readings of {TOUCHED} patients: rings, courses with Theil-Sen, NEWS2, all undoable")
    for count in sorted({1_000, min(TOWN, patients), patients}):
        batches(count)
    print("  goal: p50 at most 0.7 ms, p99 at most 1.0 ms")


if __name__ == "__main__":
    main()
