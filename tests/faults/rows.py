"""The rows of the table, and what runs some of them one after another."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
from tests.faults.report import Result, line

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


def in_turn(names: Sequence[str], folder: Path, seed: int, long: bool) -> int:
    """Run these and print them; returns how many promises were broken."""
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
