"""Many worlds, one after the other, and what they came to."""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.swarm import world
from tests.swarm.world import Done

_MEMORY = Path("/dev/shm")  # noqa: S108 - a disk that is none: the worlds are many, and what they sync is not asked about


def live(seeds: Iterable[int], steps: int, seconds: float, at_least: int = 0) -> Iterator[Done]:
    """Each world to its end; none is begun after `seconds`, but for the first few. Raises Failed."""
    until_s = time.monotonic() + seconds
    for number, seed in enumerate(seeds):
        if number >= at_least and time.monotonic() >= until_s:
            return
        folder = Path(tempfile.mkdtemp(prefix="swarm-", dir=_MEMORY if _MEMORY.is_dir() else None))
        try:
            yield world.run(seed, steps, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class Sum:
    """What all of them came to."""

    def __init__(self) -> None:
        self.seeds = self.steps = self.stored = self.verdicts = 0
        self.counts: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()

    def add(self, done: Done) -> None:
        self.seeds += 1
        self.steps += done.steps
        self.stored += done.stored
        self.verdicts += done.verdicts
        self.counts += done.counts
        self.rules += done.rules

    def report(self, took_s: float) -> str:
        """The figures, in lines."""
        lines = [
            f"{self.seeds:,} worlds, {self.steps:,} steps in {took_s:.0f} s ({self.steps / max(took_s, 0.001):,.0f} a "
            "second): nothing lost, nothing doubled, no alarm missing or invented",
            f"stored {self.stored:,}; verdicts compared {self.verdicts:,}",
            "reasons of alarms: " + _listed(self.rules),
            "what befell them: " + _listed(self.counts),
        ]
        return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()))
