"""How fast readings become durable: the journal, beside a bare file that is preallocated and synchronised.

All are given the same bytes in the same pieces, by turns, so that all meet the same disk: the file is the most that
any journal could do here. The journal packs its readings, checks them, and commits a transaction of SQLite for each
piece. Between the two stands SQLite alone, with the same bytes as one blob a commit into a table of nothing else: the
most that a journal in SQLite could do, with its pages as they are and with the largest there are. SQLite's log is as
long as it will be before anything is measured, as in a server that has run for a minute: a file that grows is
synchronised at twice the price, and the bare one does not grow either.

Each ratio is said of the time that passes and of the processor's. On a disk that synchronises, nearly all of the first
is waiting for it, and all do well; on one that hardly does, the first becomes the second, which no disk changes. Run
with `python benchmarks/bench_journal.py`.
"""

import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from benchmarks.asked import asked
from server import revisions
from server.db import Database
from server.readings import journal
from server.readings.sheaf import ROW, Sheaf, join

PIECES = (200, 1_000, 10_000)
LOG_BYTES = 64_000_000
"""So long SQLite's log grows before it is copied, as in `server.db`."""


class Took(NamedTuple):
    """Seconds that passed, and seconds of a core."""

    wall_s: float
    core_s: float


def main() -> None:
    given = asked(readings=(400_000, 10_000), rounds=(5, 1))
    print(f"{'readings in a piece':21} | {'readings/s':>10} | MB/s | of the bare file, time (each round) | processor")
    with tempfile.TemporaryDirectory() as folder:
        for piece in PIECES:
            many = given.readings // given.rounds // piece
            rounds = [_round(Path(folder) / f"{piece}-{number}", piece, many) for number in range(given.rounds)]
            size, count = _size(piece) * many, many * piece
            for name in rounds[0]:
                _say(f"{piece:6,} {name}", [one[name] for one in rounds], [one["file"] for one in rounds], size, count)


def _say(name: str, took: list[Took], bare: list[Took], size: int, count: int) -> None:
    wall_s = statistics.median(one.wall_s for one in took)
    ratios = sorted(file.wall_s / one.wall_s for one, file in zip(took, bare, strict=True))
    core = statistics.median(file.core_s / one.core_s for one, file in zip(took, bare, strict=True))
    print(
        f"{name:21} | {count / wall_s:10,.0f} | {size / wall_s / 1e6:4.0f} |"
        f" {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})       | {core:.2f}"
    )


def _round(folder: Path, piece: int, many: int) -> dict[str, Took]:
    """What each took for so many pieces."""
    folder.mkdir()
    pieces = [_piece(piece, number) for number in range(many)]
    packed = [one.pack() for one in pieces]
    return {
        "journal": _kept(folder / "journal.sqlite", pieces),
        "SQLite, 4 kB": _alone(folder / "small", packed, 4_096),
        "SQLite, 64 kB": _alone(folder / "large", packed, 65_536),
        "file": _bare(folder / "bare", packed),
    }


def _size(piece: int) -> int:
    return len(_piece(piece, 0).pack())


def _kept(path: Path, pieces: list[Sheaf]) -> Took:
    db = Database(path)
    revisions.upgrade(db)
    with db.write() as tx:
        for one in pieces:
            journal.append(tx, 0, one, counted=len(one))
    db.checkpoint()

    def keep() -> None:
        for one in pieces:
            with db.write() as tx:
                journal.append(tx, 0, one, counted=len(one))

    took = _timed(keep)
    db.close()
    return took


def _alone(path: Path, pieces: list[bytes], page: int) -> Took:
    """SQLite with the settings of `server.db`, asked without a detour."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(f"PRAGMA page_size={page}")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(f"PRAGMA wal_autocheckpoint={LOG_BYTES // page}")
    db.execute("CREATE TABLE journal (seq INTEGER PRIMARY KEY, blob BLOB)")
    db.execute("BEGIN IMMEDIATE")
    db.executemany("INSERT INTO journal VALUES (?, ?)", list(enumerate(pieces)))
    db.execute("COMMIT")
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def keep() -> None:
        for number, one in enumerate(pieces, len(pieces)):
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO journal VALUES (?, ?)", (number, one))
            db.execute("COMMIT")

    took = _timed(keep)
    db.close()
    return took


def _bare(path: Path, pieces: list[bytes]) -> Took:
    size = sum(map(len, pieces))
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for start in range(0, size, 2**20):
            os.pwrite(file, bytes(min(2**20, size - start)), start)
        os.fsync(file)

        def keep() -> None:
            at = 0
            for one in pieces:
                at += os.pwrite(file, one, at)
                os.fdatasync(file)

        return _timed(keep)
    finally:
        os.close(file)


def _timed(work: Callable[[], None]) -> Took:
    wall_s, core_s = time.perf_counter(), time.process_time()
    work()
    return Took(time.perf_counter() - wall_s, time.process_time() - core_s)


def _piece(count: int, number: int) -> Sheaf:
    draw = np.random.default_rng(number)
    rows = np.zeros(count, ROW)
    rows["t_ns"] = 1_795_248_000 * 10**9 + np.arange(count) + number * count
    rows["value"] = draw.integers(60, 100, count)
    rows["patient"], rows["channel"], rows["device"] = 0, 1, 2
    rows["hi"], rows["lo"] = draw.integers(2**63, size=count), draw.integers(2**63, size=count)
    return join([Sheaf(rows, ["patient", "spo2", "device"], [""], None)])


if __name__ == "__main__":
    main()
