"""How fast readings become durable: the journal, beside a bare file that is preallocated and synchronised.

Both are given the same bytes in the same pieces, by turns, so that both meet the same disk: the file is the most that
any journal could do here. The journal packs its readings, checks them, and commits a transaction of SQLite for each
piece. Run with `python benchmarks/bench_journal.py`.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np

from server import revisions
from server.db import Database
from server.readings import journal
from server.readings.sheaf import ROW, Sheaf, join

PIECES = (200, 1_000, 10_000)
READINGS = 400_000
ROUNDS = 5


def main() -> None:
    print("readings in a piece | journal MB/s, readings/s | bare file MB/s | journal against the file, each round")
    with tempfile.TemporaryDirectory() as folder:
        for piece in PIECES:
            rounds = [_round(Path(folder) / f"{piece}-{number}", piece) for number in range(ROUNDS)]
            ratios = sorted(bare / kept for kept, bare, _ in rounds)
            kept, bare = (statistics.median(one[place] for one in rounds) for place in (0, 1))
            size, count = rounds[0][2] / 1e6, READINGS // ROUNDS // piece * piece
            print(
                f"{piece:6,} | {size / kept:6.0f} MB/s, {count / kept:9,.0f}/s | {size / bare:6.0f} MB/s |"
                f" {statistics.median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f})"
            )


def _round(folder: Path, piece: int) -> tuple[float, float, int]:
    """Seconds for the journal, seconds for the file, and how many bytes each was given."""
    folder.mkdir()
    pieces = [_piece(piece, number) for number in range(READINGS // ROUNDS // piece)]
    packed = [one.pack() for one in pieces]
    size = sum(map(len, packed))
    db = Database(folder / "journal.sqlite")
    revisions.upgrade(db)
    began_s = time.perf_counter()
    for one in pieces:
        with db.write() as tx:
            journal.append(tx, 0, one, counted=len(one))
    kept_s = time.perf_counter() - began_s
    db.close()
    return kept_s, _bare(folder / "bare", packed, size), size


def _bare(path: Path, pieces: list[bytes], size: int) -> float:
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    try:
        for start in range(0, size, 2**20):
            os.pwrite(file, bytes(min(2**20, size - start)), start)
        os.fsync(file)
        began_s, at = time.perf_counter(), 0
        for one in pieces:
            at += os.pwrite(file, one, at)
            os.fdatasync(file)
        return time.perf_counter() - began_s
    finally:
        os.close(file)


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
