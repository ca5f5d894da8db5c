"""How long the triage of 30,000 patients takes, and how long a plain Python loop takes for the same NEWS2.

Both are measured in one run on one machine, so the ratio means something where milliseconds do not. Making the window
is measured apart from judging: it is a loop over the readings, and the engine that keeps its state between rounds does
not pay it again. Run with `python benchmarks/bench_triage.py`.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from triage.catalogue import catalogue
from triage.grid import Sample, window
from triage.run import run
from triage.scores.news2 import PARAMETERS
from vitals.channels import CHANNELS
from vitals.clock import NS

PATIENTS = 30_000
NOW_NS = 1_795_000_000 * NS
USUAL = {
    "resp_rate": (18, 4), "spo2": (95, 3), "oxygen_flow": (0.5, 1), "bp_sys": (130, 25), "pulse_rate": (85, 20),
    "consciousness": (0, 0.4), "body_temp": (37.2, 0.8), "weight": (80, 1.2),
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


def readings(patients: list[str]) -> list[Sample]:
    """Three days of home readings: four of each channel."""
    random = np.random.default_rng(1)
    samples = []
    for name, (mean, spread) in USUAL.items():
        decimals = 1 if name in ("body_temp", "oxygen_flow", "weight") else 0
        drawn = random.normal(mean, spread, (len(patients), 4))
        values = np.round(np.clip(drawn, CHANNELS[name].low, CHANNELS[name].high), decimals).tolist()
        for patient, row in zip(patients, values, strict=True):
            for age_h, value in zip((1, 20, 40, 60), row, strict=True):
                samples.append(Sample(patient, name, NOW_NS - age_h * 3600 * NS, value))
    return samples


def plain_news2(newest: dict[str, dict[str, float]]) -> dict[str, int]:
    """Total points of each patient, one patient, one parameter and one band at a time (SpO2 scale 1)."""
    return {
        patient: sum(next(points for upto, points in BANDS[name] if value <= upto) for name, value in values.items())
        for patient, values in newest.items()
    }


def best_ms(work: Callable[[], object], times: int) -> float:
    """The shortest of a few runs: the one that other programs disturbed least."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1e3)
    return min(taken)


def main() -> None:
    """Measure and print the table."""
    patients = [f"patient-{number}" for number in range(PATIENTS)]
    samples = readings(patients)
    rules = tuple(catalogue().values())
    news2 = (catalogue()["news2"],)
    seen = window(NOW_NS, patients, samples, rules, {})
    newest = {
        patient: {name: float(seen.channel[name].value[row, -1]) for name in PARAMETERS}
        for row, patient in enumerate(patients)
    }
    total = run(seen, news2).because[0]["total"]
    if total.tolist() != list(plain_news2(newest).values()):
        raise SystemExit("the loop and the rule disagree on NEWS2: there is nothing to compare")

    loop_ms = best_ms(lambda: plain_news2(newest), 3)
    rows = [
        (f"window of {len(samples):,} readings", best_ms(lambda: window(NOW_NS, patients, samples, rules, {}), 2)),
        *((rule.name, best_ms(partial(run, seen, [rule]), 5)) for rule in rules),
        (f"all {len(rules)} rules", best_ms(lambda: run(seen, rules), 5)),
        ("news2 as a plain Python loop", loop_ms),
    ]
    print(f"{PATIENTS:,} patients")
    for name, taken_ms in rows:
        print(f"{name:36} {taken_ms:9.1f} ms   {taken_ms / loop_ms:7.3f} of the loop")


if __name__ == "__main__":
    main()
