"""`make faults`: nothing is lost and nothing doubled, proved by breaking real processes.

A table, a row for each proof, with what was measured. Ends with 1 when a promise was broken. In the short run the
rows that mostly wait stand beside the others, in a process of their own; in the long run, and when one is asked for,
nothing stands beside a row.

    python -m tests.faults [--long] [--seed N] [--keep FOLDER] [ROW ...]
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from server.broker import mosquitto
from tests.faults import (
    clocks,
    disk,
    doses,
    escalation,
    full_disk,
    hail,
    kills,
    outage,
    overflow,
    partition,
    power,
    reconnect,
    small_disk,
    street,
)  # fmt: skip
from tests.faults.report import HEAD, Result, line

Row = Callable[[Path, int, bool], Awaitable[Result]]
"""Folder, seed, whether there is time for the long run."""

MINUTE_S = 60.0


def _kills(broker: str) -> Row:
    return lambda folder, seed, long: kills.run(folder, broker, 1_000 if long else 50, seed)


ROWS: Mapping[str, tuple[Row, float, float]] = {
    "kills": (_kills("mosquitto"), 6 * MINUTE_S, 60 * MINUTE_S),
    "kills-embedded": (_kills("embedded"), 6 * MINUTE_S, 60 * MINUTE_S),
    "escalation": (
        lambda folder, seed, long: escalation.run(folder, 1_000 if long else 20, seed),
        6 * MINUTE_S,
        120 * MINUTE_S,
    ),
    "overflow": (lambda folder, seed, _: overflow.run(folder, seed), 3 * MINUTE_S, 3 * MINUTE_S),
    "outage": (lambda folder, *_: outage.run(folder), 2 * MINUTE_S, 2 * MINUTE_S),
    "hail": (
        lambda folder, seed, long: hail.run(folder, 1_000_000 if long else 30_000, seed),
        5 * MINUTE_S,
        60 * MINUTE_S,
    ),
    "doses": (lambda folder, seed, _: doses.run(folder, 1_000, seed), 5 * MINUTE_S, 5 * MINUTE_S),
    "reconnect": (
        lambda folder, _, long: reconnect.run(folder, 10_000 if long else 400),
        3 * MINUTE_S,
        20 * MINUTE_S,
    ),
    "partition": (lambda folder, seed, _: partition.run(folder, seed), 6 * MINUTE_S, 6 * MINUTE_S),
    "full-disk": (lambda folder, *_: full_disk.run(folder), 5 * MINUTE_S, 5 * MINUTE_S),
    "power": (lambda folder, seed, _: power.run(folder, seed), 4 * MINUTE_S, 4 * MINUTE_S),
    "clocks": (lambda folder, *_: clocks.run(folder), 3 * MINUTE_S, 3 * MINUTE_S),
}
"""Name: the proof, and how long it may take in the short and in the long run."""

WAITING = ("partition", "full-disk")
"""They wait for minutes until somebody is missed or a disk is full, and need next to nothing of the machine."""


def _no_mosquitto() -> str | None:
    return None if mosquitto.find() else "mosquitto is not installed"


LACKS: Mapping[str, Callable[[], str | None]] = {
    "kills": _no_mosquitto,
    "overflow": _no_mosquitto,
    "outage": _no_mosquitto,
    "reconnect": _no_mosquitto,
    "partition": lambda: _no_mosquitto() or street.lacks(),
    "full-disk": small_disk.lacks,
    "power": disk.lacks,
}
"""Name: why it cannot be proved on this machine, or None."""


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
        return _in_turn(asked or tuple(ROWS), folder, seed, long)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as beside:
        waiting = beside.submit(_in_turn, WAITING, folder, seed, long)
        broken = _in_turn([name for name in ROWS if name not in WAITING], folder, seed, long)
        return broken + waiting.result()


def _in_turn(names: Sequence[str], folder: Path, seed: int, long: bool) -> int:
    logging.disable()  # what our own half of a row has to say of broken lines is of no interest
    broken = 0
    for name in names:
        if name in LACKS and (why := LACKS[name]()):
            print(f"{name:24} LEFT OUT: {why}", flush=True)
            broken += bool(os.environ.get("CI"))  # which leaves nothing out
            continue
        result = asyncio.run(_one(name, folder / name, seed, long))
        broken += result is None or not result.kept
    return broken


async def _one(name: str, folder: Path, seed: int, long: bool) -> Result | None:
    """Run a row and print it; None when it did not come to its end."""
    proof, short_s, long_s = ROWS[name]
    begun_s, most_s = time.monotonic(), long_s if long else short_s
    try:
        async with asyncio.timeout(most_s) as whole:
            result = replace(await proof(folder, seed, long), took_s=time.monotonic() - begun_s)
    except Exception as error:  # noqa: BLE001 - the other rows are run all the same
        why = f"not within {most_s:.0f} s" if whole.expired() else f"{type(error).__name__}: {error}"
        print(f"{name:24} BROKEN: it did not come to its end ({why})", flush=True)
        return None
    print(line(result), flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
