"""The triage engine: NEWS2 of a million, a batch into a million, every rule on a town, and what it takes in memory.

Everything that is compared is measured in one run on one machine, so a ratio means something where milliseconds do
not, and gives the same answer, which is looked at first. On a shared machine "own" is what to believe: the time that
this thread had a processor. Run with `python benchmarks/bench_triage.py [--patients
1000000]`; pandas and polars are in the extra `bench`.
"""

import math
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from triage.catalogue import catalogue, defaults
from triage.course import SAMPLES
from triage.grid import Sample, Samples, limits_of, needs
from triage.grid import window as made_of_samples
from triage.programme import parse
from triage.run import run
from triage.scores.news2 import PARAMETERS, points
from triage.state import ALWAYS, State, window
from triage.state.courses import behind
from triage.state.points import MISSING, POINTS, THREE, add_up
from vitals.clock import NS

try:
    import pandas as pd
    import polars as pl
except ImportError:  # of the extra `bench`
    pd = pl = None

NOW_NS = 1_795_000_000 * NS
DAY_NS = 86_400 * NS
BATCH, TOUCHED = 1_000, 800
DAYS, FULL_DAYS, AT_ONCE = 5, 17, 50_000
FLOOR_EVERY = 4
"""Of so many batches one is not taken, but only the words fetched and written that it would touch."""


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
RULES = tuple(catalogue().values())


def best_ms(times: int, *works: Callable[[], object]) -> tuple[float, ...]:
    """The shortest of a few runs of each, by turns: the one that other programs disturbed least."""
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(times):
        for work, its in zip(works, taken, strict=True):
            start = time.perf_counter()
            work()
            its.append((time.perf_counter() - start) * 1e3)
    return tuple(map(min, taken))


# --- NEWS2 of everybody


def drawn(name: str, count: int) -> np.ndarray:
    usual = HOMES[name]
    return np.abs(np.round(RANDOM.normal(usual.mean, usual.spread, count), usual.decimals))


def by_select(values: dict[str, np.ndarray]) -> np.ndarray:
    total = np.zeros(len(values["spo2"]), np.int64)
    for name, bands in BANDS.items():
        total += np.select([values[name] <= upto for upto, _ in bands], [given for _, given in bands])
    return total


def by_pandas(frame: "pd.DataFrame") -> np.ndarray:
    total = np.zeros(len(frame), np.int64)
    for name, bands in BANDS.items():
        edges = [-math.inf, *(upto for upto, _ in bands)]
        given = np.array([given for _, given in bands])
        total += given[pd.cut(frame[name], edges, labels=False).to_numpy()]
    return total


def by_polars(frame: "pl.DataFrame") -> np.ndarray:
    def scored(name: str) -> "pl.Expr":
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


def peers(values: dict[str, np.ndarray]) -> dict[str, Callable[[], np.ndarray]]:
    """The same with what others would take for it, where that is installed."""
    if pd is None or pl is None:
        print("LEFT OUT: pandas and polars are not both installed; `make bench` does it")
        return {}
    frame, polar = pd.DataFrame(values), pl.DataFrame(values)
    return {"polars": lambda: by_polars(polar), "pandas": lambda: by_pandas(frame)}


def totals(patients: int) -> None:
    values = {name: drawn(name, patients) for name in PARAMETERS}
    table = np.stack(list(points(values, np.ones(patients)).values()))
    packed = table.astype(np.uint8) | np.where(table == 3, THREE, 0).astype(np.uint8)
    packed[0, ::50] = MISSING  # and some are always missing
    total, copy = np.empty(patients, np.uint8), np.empty_like(packed)
    whole = by_select(values)
    columns = {name: column.tolist() for name, column in values.items()}
    ways: dict[str, Callable[[], Any]] = {"np.select": lambda: by_select(values), **peers(values)}
    ways["Python loop"] = lambda: by_loop(columns)
    add_up(packed, total)
    lacking = np.where(packed[0] == MISSING, table[0], 0)
    if any((way() != whole).any() for way in ways.values()) or (total != whole - lacking).any():
        raise SystemExit("they disagree on NEWS2: there is nothing to compare")
    assert int(total.max()) <= POINTS
    copied_ms, added_ms = best_ms(200, lambda: np.copyto(copy, packed), lambda: add_up(packed, total))
    ways_ms = best_ms(3, *ways.values())
    print(f"\nNEWS2 totals of {patients:,} patients")
    for name, taken_ms in (
        ("copying the same bytes", copied_ms),
        ("packed bytes, added", added_ms),
        *zip(ways, ways_ms, strict=True),
    ):
        print(f"  {name:36} {taken_ms:10.3f} ms  {taken_ms / copied_ms:10.2f} of the copy")
    print("  goal: added at most 1.0 of the copy")


# --- a batch into everybody


class Crowd:
    """A state as the server makes one, for every rule there is, of patients with a few days behind them."""

    def __init__(self, patients: int, days: int) -> None:
        self.patients = patients
        self.state = State(needs(RULES), patients, scores=True)
        self.state.add([f"p{number}" for number in range(patients)], ALWAYS)
        shares = np.array([usual.share for usual in HOMES.values()])
        self.measures = RANDOM.random((len(HOMES), patients)) < shares[:, None]
        for number, name in enumerate(HOMES):
            rows = np.flatnonzero(self.measures[number])
            for start in range(0, len(rows), AT_ONCE):
                some = np.tile(rows[start : start + AT_ONCE], days)
                day = np.arange(len(some)) // (len(some) // days)
                t_ns = NOW_NS - (days - day) * DAY_NS + RANDOM.integers(0, DAY_NS // 4, len(some))
                self.state.take(self.of_one(name, some, t_ns), NOW_NS)
        for start in range(0, patients, AT_ONCE):
            self.state.make_courses(self.state.tracked, np.arange(start, min(start + AT_ONCE, patients)))

    def of_one(self, name: str, rows: np.ndarray, t_ns: np.ndarray) -> Samples:
        number = np.full(len(rows), self.state.names.index(name))
        return Samples(number, rows, t_ns, drawn(name, len(rows)), np.ones(len(rows), np.bool_))

    def batch(self, now_ns: int) -> Samples:
        """So many readings of the last second, of TOUCHED patients, each of something that this patient measures."""
        people = RANDOM.choice(self.patients, TOUCHED, replace=False)
        rows = np.concatenate((people, RANDOM.choice(people, BATCH - TOUCHED)))
        names = np.where(self.measures[:, rows], RANDOM.random((len(HOMES), BATCH)), -1).argmax(axis=0)
        t_ns = now_ns - RANDOM.integers(0, NS, BATCH)
        parts = [self.of_one(name, rows[names == n], t_ns[names == n]) for n, name in enumerate(HOMES)]
        columns = zip(*(vars(part).values() for part in parts), strict=True)
        return Samples(*map(np.concatenate, columns))


class Taken:
    """What each step of a batch took: milliseconds by the wall, and of this thread's own on a processor.

    `put_aside`: whether the system gave the processor to somebody else meanwhile; `faults`: how many pages it fetched.
    """

    def __init__(self) -> None:
        self.wall_ms: list[float] = []
        self.own_ms: list[float] = []
        self.put_aside: list[bool] = []
        self.faults: list[int] = []

    def __enter__(self) -> None:
        used = resource.getrusage(resource.RUSAGE_THREAD)
        self._begun = time.perf_counter(), time.thread_time(), used.ru_nivcsw, used.ru_minflt

    def __exit__(self, *_: object) -> None:
        wall, own, aside, faults = self._begun
        self.own_ms.append((time.thread_time() - own) * 1e3)
        self.wall_ms.append((time.perf_counter() - wall) * 1e3)
        used = resource.getrusage(resource.RUSAGE_THREAD)
        self.put_aside.append(used.ru_nivcsw > aside)
        self.faults.append(used.ru_minflt - faults)

    def __add__(self, other: "Taken") -> "Taken":
        """Both, one after the other."""
        both = Taken()
        for name in ("wall_ms", "own_ms", "faults"):
            setattr(both, name, [a + b for a, b in zip(getattr(self, name), getattr(other, name), strict=True)])
        both.put_aside = [a or b for a, b in zip(self.put_aside, other.put_aside, strict=True)]
        return both

    def tell(self, name: str) -> None:
        """Print it; `alone` is the wall's time of the batches that nobody interrupted."""
        first = len(self.own_ms) // 6  # until what the arithmetic is done in is warm
        alone = np.array(self.wall_ms[first:])[~np.array(self.put_aside[first:])]
        columns = {"wall": self.wall_ms[first:], "own": self.own_ms[first:], "alone": alone}
        shown = "   ".join(
            "{} p50 {:7.3f}  p99 {:7.3f} ms".format(what, *np.percentile(its, (50, 99)))
            for what, its in columns.items()
            if len(its)
        )
        print(f"    {name:44} {shown}")


class Floor:
    """What NumPy needs at the least for a batch: to fetch the words it touches, and to write them again.

    Every word once, at places that are worked out beforehand, with no look at what they say.
    """

    def __init__(self, state: State, batch: Samples) -> None:
        self._state, names = state, len(state.names)
        series = np.unique(batch.patient * names + batch.name)
        self._row, self._name = series // names, series % names
        slots, size = state.columns.take("slot", self._name, self._row).astype(np.int64), state.sizes.take(self._name)
        tracked = np.isin(self._name, [state.names.index(name) for name in state.tracked])
        course = behind(slots, size)[tracked]
        head = state.rings.heads(slots)[:, 0]
        self._ring = np.concatenate((slots, slots + 1 + (head & size - 1)))
        self._course = course + np.arange(1 + SAMPLES + 4)[:, None]  # its head, its readings, its numbers
        self._written = np.concatenate((course, course + 1, (course + np.arange(17, 21)[:, None]).ravel()))
        self._parameter = np.arange(len(series)) % len(PARAMETERS)

    def run(self) -> None:
        """Fetch and write."""
        line, columns = self._state.rings.line, self._state.scores.points.columns
        self._state.columns.take("slot", self._name, self._row)
        line.put(self._ring, line.take(self._ring))
        line.put_for_good(self._written, line.take(self._course).reshape(-1, 2)[: len(self._written)].copy())
        for name in ("known", "packed"):
            kept = columns.take(name, self._parameter, self._row)
            columns.put_for_good(name, self._parameter, self._row, kept)


def batches(patients: int, days: int, times: int) -> float:
    """Print what so many batches take of so many patients; returns their median of the own processor's milliseconds."""
    before = psutil.Process().memory_info().rss
    crowd = Crowd(patients, days)
    state = crowd.state
    grown = psutil.Process().memory_info().rss - before
    taken, made, looked, least = Taken(), Taken(), Taken(), Taken()
    for number in range(times):
        now_ns = NOW_NS + number * NS
        batch = crowd.batch(now_ns)
        if number % FLOOR_EVERY == 0:
            floor = Floor(state, crowd.batch(now_ns))
            state.begin()
            with least:
                floor.run()
            state.undo()
        state.begin()
        with taken:
            rows = state.take(batch, now_ns)
        with made:
            state.make_courses(state.tracked, rows)
        state.settle()
        if number % 10 == 0:
            limit = {name: np.full(len(rows), usual) for name, usual in defaults(RULES).items()}
            with looked:
                run(window(state, now_ns, rows, RULES, limit, nobody), RULES)
    series = crowd.measures.sum() / patients
    print(f"  {patients:,} patients, {series:.1f} series each, {days} days behind them: "
          f"{state.nbytes / patients:,.0f} bytes a patient, {grown / 1e6:,.0f} MB more in the process")  # fmt: skip
    both = taken + made
    taken.tell("rings and NEWS2, undoable")
    made.tell("courses, with Theil-Sen")
    both.tell("both: everything on")
    least.tell("floor: to fetch and write what it touches")
    looked.tell(f"the window of those touched and all {len(RULES)} rules")
    print(
        f"    {sum(map(bool, both.faults))} of {times} batches met a page fault, {sum(both.put_aside)} were put aside"
    )
    return float(np.median(both.own_ms[times // 6 :]))


# --- every rule on a town


def town(count: int) -> None:
    people = [f"p{number}" for number in range(count)]
    folder = Path(__file__).parents[1] / "configs" / "programmes"
    programmes = [parse(path.read_text("utf-8"), path.name) for path in sorted(folder.glob("*.toml"))]
    rules = [catalogue()[name] for name in sorted({name for one in programmes for name in one.rules})]
    state = State(needs(rules), count)
    rows = state.add(people, ALWAYS)
    samples = [
        Sample(person, name, NOW_NS - hours * 3600 * NS, value)
        for name in HOMES
        for hours in (60, 40, 20, 1)
        for person, value in zip(people, drawn(name, count).tolist(), strict=True)
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
    (anew_ms,) = best_ms(1, lambda: made_of_samples(NOW_NS, people, samples, rules, {}))
    few = rows[:TOUCHED]
    few_limit = {name: column[:TOUCHED] for name, column in limit.items()}
    window_ms, rules_ms, few_ms = best_ms(
        5,
        lambda: window(state, NOW_NS, rows, rules, limit, nobody),
        lambda: run(seen, rules),
        lambda: window(state, NOW_NS, few, rules, few_limit, nobody),
    )
    print(f"\n{count:,} patients under all {len(rules)} rules of {len(programmes)} programmes, 8 series each")
    for name, taken_ms in (
        (f"window made of {len(samples):,} samples", anew_ms),
        ("window of the state", window_ms),
        ("all rules", rules_ms),
        (f"window of the state, {TOUCHED} touched", few_ms),
    ):
        print(f"  {name:36} {taken_ms:10.3f} ms  {taken_ms / anew_ms:10.4f} of making it anew")
    each_ms = best_ms(3, *(partial(run, seen, [one]) for one in rules))
    dearest = sorted(zip(each_ms, (one.name for one in rules), strict=True), reverse=True)
    print("  the dearest: " + ", ".join(f"{name} {taken_ms:.1f} ms" for taken_ms, name in dearest[:5]))


def nobody(*asked: object) -> Samples:
    raise SystemExit(f"the state holds everything, and yet more was asked for: {asked}")


def main() -> None:
    """Measure and print the tables."""
    given = asked(patients=(1_000_000, 2_000), town=(30_000, 1_000), batches=(600, 12))
    patients, some = given.patients, min(given.town, given.patients)
    totals(patients)
    town(given.town)
    print(f"\na batch of {BATCH:,} readings of {TOUCHED} patients")
    own_ms = {count: batches(count, DAYS, given.batches) for count in sorted({1_000, some, patients})}
    batches(some, FULL_DAYS, given.batches)  # courses as long as they get
    print("  goal: p50 at most 0.7 ms, p99 at most 1.0 ms, everything on")
    few, *_, many = own_ms
    print(f"  {many:,} patients take {own_ms[many] / own_ms[few]:.2f} of what {few:,} take")


if __name__ == "__main__":
    main()
