"""How much of everything a benchmark is to measure.

Each benchmark has one table of its sizes: as they are measured, and as they are tried with `--quick`, which takes it
to its end in a few seconds. That says nothing of speed, only that it still runs: `tests/benchmarks` asks it of each.
"""

import argparse
from typing import Any


def asked(parser: argparse.ArgumentParser | None = None, **sizes: tuple[Any, Any]) -> argparse.Namespace:
    """What the command line asks for. `sizes`: by name, what is measured and what `--quick` tries; each is an option
    of its own, too, and what is said of it there is what counts. `parser`: of other options beside them."""
    parser = parser or argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="only try that it runs: as little as it takes of all")
    for name, (whole, little) in sizes.items():
        parser.add_argument(f"--{name}", type=type(whole), help=f"{whole} if nothing is said, {little} if it is quick")
    given = parser.parse_args()
    for name, (whole, little) in sizes.items():
        if getattr(given, name) is None:
            setattr(given, name, little if given.quick else whole)
    return given
