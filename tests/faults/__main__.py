"""`make faults`: nothing is lost and nothing doubled, proved by breaking real processes.

A table, a row for each proof, with what was measured. Ends with 1 when a promise was broken. In the short run the
rows that mostly wait stand beside the others, in a process of their own; in the long run, and when one is asked for,
nothing stands beside a row.

    python -m tests.faults [--long] [--seed N] [--keep FOLDER] [ROW ...]
"""

import argparse
import multiprocessing
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.faults.report import HEAD
from tests.faults.rows import ROWS, WAITING, in_turn


def main(argv: list[str]) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="faults", description="Breaks real processes and counts what is left.")
    parser.add_argument("--long", action="store_true", help="a thousand kills and a million messages: hours")
    parser.add_argument("--seed", type=int, default=1, help="what is drawn: whose turn, when, which bytes (1)")
    parser.add_argument("--keep", type=Path, help="leave every file the processes wrote in this folder")
    parser.add_argument("row", nargs="*", help=f"only these: {', '.join(ROWS)} (all)")
    said = parser.parse_args(argv)
    for name in said.row:
        if name not in ROWS:
            parser.error(f"there is no row {name}")
    folder = said.keep or Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"seed {said.seed}, {'long' if said.long else 'short'} run\n{HEAD}", flush=True)
    try:
        broken = _all(said.row, folder, said.seed, said.long)
    finally:
        if not said.keep:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"{broken} promises were broken" if broken else "every promise was kept")
    return 1 if broken else 0


def _all(asked: Sequence[str], folder: Path, seed: int, long: bool) -> int:
    """Returns how many promises were broken."""
    if asked or long:
        return in_turn(asked or tuple(ROWS), folder, seed, long)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        waiting = beside.submit(in_turn, WAITING, folder, seed, long)
        broken = in_turn([name for name in ROWS if name not in WAITING], folder, seed, long)
        return broken + waiting.result()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
