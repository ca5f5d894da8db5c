"""How long reading back takes on ten million readings of 30,000 patients over 30 days: newest, a day, a month, hours.

The chunks are made by folding, as the server makes them; the last day of everybody is left in the journal's tail, so
that a read has both to look at. Beside each stands the same question to plain rows in SQLite, ordered by patient,
channel and time, which is what a table does best. Run with `python benchmarks/bench_reads.py [--readings 10000000]`.
"""

import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import sqlalchemy as sa

from benchmarks.asked import asked
from benchmarks.crowd import settle
from server.db import Database
from server.readings import fold, journal
from server.readings.embedded import buckets
from server.readings.memory import memory_of
from server.readings.sheaf import NOTHING_NS, ROW, Sheaf
from server.readings.store import latest, series
from vitals.clock import NS

PEOPLE = 30_000
DAYS = 30
DAY_NS = 86_400 * NS
NOW_NS = 1_795_248_000 * NS
CHANNELS = ("body_temp", "pulse_rate", "spo2", "weight")
ASKED = 1_000


def main() -> None:
    readings = asked(readings=(10_000_000, 6_000)).readings
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "town"
        settle(folder, PEOPLE, NOW_NS)
        db = Database(folder / "data" / "hjemvakt.sqlite")
        plain = sqlite3.connect(Path(name) / "plain.sqlite", isolation_level=None)
        plain.execute("PRAGMA synchronous=OFF")
        plain.execute("CREATE TABLE r (p, c, t, n, v, d, PRIMARY KEY (p, c, t, n)) WITHOUT ROWID")
        _fill(db, plain, readings)
        _ask(db, plain)
        plain.close()
        db.close()
        _begin_again(db.path)


def _fill(db: Database, plain: sqlite3.Connection, readings: int) -> None:
    a_day = readings // DAYS
    appended_s = 0.0
    plainly = []
    for day in range(DAYS):
        sheaf = _day(day, a_day)
        began_s = time.process_time()
        with db.write() as tx:
            for start in range(0, len(sheaf), 20_000):
                journal.append(tx, NOW_NS, sheaf.cut(start, start + 20_000))
        appended_s += time.process_time() - began_s
        plainly.append(sheaf.rows[["patient", "channel", "t_ns", "value"]].copy())
    _plain(plain, np.concatenate(plainly))
    with db.write() as tx:
        rows = list(journal.filed(tx, 0))[-len(range(0, a_day, 20_000)) :]
        last = rows[0].seq
    folded_s = _fold(db, before=last)
    began_s = time.perf_counter()
    with db.read() as tx:
        sieve = memory_of(tx).shelf.sieve
    made_s = time.perf_counter() - began_s
    while not sieve.whole:  # it is filled beside, and would be measured with what is read
        time.sleep(0.01)
    size = db.path.stat().st_size
    print(
        f"{readings:,} readings of {PEOPLE:,} patients over {DAYS} days, per second of one core: into the journal"
        f" {readings / appended_s:,.0f}, folded {readings * (DAYS - 1) / DAYS / folded_s:,.0f}; the server's memory of"
        f" them made in {made_s:.1f} s, its sieve filled after {time.perf_counter() - began_s:.1f} s"
    )
    with db.read() as tx:
        chunk_bytes = tx.scalar(sa.text("SELECT sum(length(seen) + length(identities) + length(rest)) FROM chunks"))
        count = tx.scalar(sa.text("SELECT sum(count) FROM chunks"))
    print(
        f"{chunk_bytes / count:.1f} bytes a reading in chunks, 16 of them its identity; the file with journal and all"
        f" {size / readings:.0f} bytes a reading"
    )


def _fold(db: Database, before: int) -> float:
    began_s = time.process_time()
    while True:
        with db.write() as tx:
            at = fold.chunks.position(tx)
            rows = [one for one in journal.filed(tx, at, 250) if one.seq < before]
            if not rows:
                return time.process_time() - began_s
            fold.write(tx, fold.planned(tx, rows))


def _day(day: int, count: int) -> Sheaf:
    """A day's readings, of everybody, in the order of their time."""
    draw = np.random.default_rng(day)
    rows = np.zeros(count, ROW)
    rows["patient"] = draw.integers(0, PEOPLE, count)
    rows["channel"] = PEOPLE + draw.integers(0, len(CHANNELS), count)
    rows["device"] = PEOPLE + len(CHANNELS)
    rows["t_ns"] = np.sort(NOW_NS - (DAYS - day) * DAY_NS + draw.integers(0, DAY_NS, count))
    rows["value"] = draw.integers(60, 100, count)
    rows["good"] = 1
    rows["received_ns"] = rows["t_ns"] + 5_000_000
    rows["device_t_ns"], rows["stored_ns"] = NOTHING_NS, rows["t_ns"] + 20_000_000
    rows["hi"], rows["lo"] = draw.integers(2**63, size=count), draw.integers(2**63, size=count)
    return Sheaf(rows, [*(f"p{n:07}" for n in range(PEOPLE)), *CHANNELS, "ox"], [""], None)


def _plain(plain: sqlite3.Connection, rows: Any) -> None:
    """In the table's own order, which is the fastest way in and the best that the table can lie."""
    rows = rows[np.lexsort((rows["t_ns"], rows["channel"], rows["patient"]))]
    for start in range(0, len(rows), 500_000):
        some = rows[start : start + 500_000]
        columns = (some[name].tolist() for name in ("patient", "channel", "t_ns", "value"))
        plain.execute("BEGIN")
        plain.executemany(
            "INSERT INTO r VALUES (?, ?, ?, ?, ?, 0)",
            ((p, CHANNELS[c - PEOPLE], t, n, v) for n, (p, c, t, v) in enumerate(zip(*columns, strict=True), start)),
        )
        plain.execute("COMMIT")


def _begin_again(path: Path | None) -> None:
    """As a server that starts: it folds what is left, makes its memory, and the first to sign in sees everybody."""
    assert path is not None
    db = Database(path)
    began_s = time.perf_counter()
    fold.catch_up(db)
    folded_s = time.perf_counter()
    with db.read() as tx:
        memory_of(tx)
        made_s = time.perf_counter()
        latest(tx, [f"p{one:07}" for one in range(ASKED)])
        some_s = time.perf_counter()
        latest(tx, None)
        every_s = time.perf_counter()
    db.close()
    print(
        f"after a start: the last day folded in {folded_s - began_s:.1f} s,"
        f" the memory made in {made_s - folded_s:.2f} s;"
        f" the newest of a patient, for the first time and all folded {(some_s - made_s) / ASKED * 1e3:.3f} ms;"
        f" the first worklist of {PEOPLE:,} patients {every_s - some_s:.2f} s"
    )


def _ask(db: Database, plain: sqlite3.Connection) -> None:
    draw = random.Random(1)
    people = [draw.randrange(PEOPLE) for _ in range(ASKED)]
    names = [f"p{one:07}" for one in people]
    with db.read() as tx:
        began_s = time.perf_counter()
        latest(tx, names)
        print(f"the newest of all channels, for the first time: {(time.perf_counter() - began_s) / ASKED * 1e3:.3f} ms")
        spans = {"24 hours": DAY_NS, "30 days": 30 * DAY_NS}
        print("a patient's | ms, median (99 of 100) | of plain rows ms | against them")
        ours = [_ms(lambda one=one: latest(tx, [one])) for one in names]
        _row("newest", ours, [_ms(lambda one=one: _newest(plain, one)) for one in people])
        for span, ns in spans.items():
            ours = [_ms(lambda one=one, ns=ns: series(tx, one, "spo2", NOW_NS - ns, NOW_NS)) for one in names]
            theirs = [_ms(lambda one=one, ns=ns: _series(plain, one, NOW_NS - ns)) for one in people]
            _row(span, ours, theirs)
        ours = [_ms(lambda one=one: buckets(tx, one, "spo2", NOW_NS - 30 * DAY_NS, NOW_NS, 3600)) for one in names]
        theirs = [_ms(lambda one=one: _hours(plain, one)) for one in people]
        _row("30 days by hours", ours, theirs)


def _newest(plain: sqlite3.Connection, person: int) -> list[tuple[int, float]]:
    query = "SELECT t, v FROM r WHERE p = ? AND c = ? ORDER BY t DESC LIMIT 1"
    return [plain.execute(query, (person, name)).fetchone() for name in CHANNELS]


def _series(plain: sqlite3.Connection, person: int, from_ns: int) -> list[tuple[int, float]]:
    query = "SELECT t, v FROM r WHERE p = ? AND c = 'spo2' AND t BETWEEN ? AND ? ORDER BY t"
    return plain.execute(query, (person, from_ns, NOW_NS)).fetchall()


def _hours(plain: sqlite3.Connection, person: int) -> list[tuple[int, float]]:
    query = (
        "SELECT t / 3600000000000, min(v), avg(v), max(v), count(*) FROM r"
        " WHERE p = ? AND c = 'spo2' AND t BETWEEN ? AND ? GROUP BY 1 ORDER BY 1"
    )
    return plain.execute(query, (person, NOW_NS - 30 * DAY_NS, NOW_NS)).fetchall()


def _row(name: str, ours: list[float], theirs: list[float]) -> None:
    middle, beside = statistics.median(ours), statistics.median(theirs)
    print(
        f"{name:16} | {middle:.4f} ({statistics.quantiles(ours, n=100)[98]:.3f}) | {beside:.4f} | {middle / beside:.2f}"
    )


def _ms(ask: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    ask()
    return (time.perf_counter() - began_s) * 1e3


if __name__ == "__main__":
    main()
