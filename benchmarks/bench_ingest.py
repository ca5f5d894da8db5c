"""How many readings a second go from MQTT into the journal, through the rules, and back as an acknowledgement.

A real mosquitto, the real server as a process of its own, and a sender that does as little as it can, so that the two
cores are the broker's and the server's: it sends messages made before, keeps a window open, and counts the rows that
are acknowledged. All of them share the machine, as they would in a small municipality. Beside it stands what each of
them takes of a core for a reading, the process that reads early (`server.ingest.reader`) by itself, what each of the
server's threads does (`benchmarks.threads`), and how many readings a second that leaves room for; then the same in a
server that folds nothing.

Then the same inside one process, without a network: where the time goes, in seconds of one core, and what a reading
costs with more and more patients. Beside it stands the least that any server must do with the same messages: decode
them (msgspec) and write their bytes into a file that is synchronised as often. Run with
`python benchmarks/bench_ingest.py [--people 1000,100000,1000000]`.
"""

import contextlib
import gc
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import server.app
import server.ingest.come
import server.ingest.pile
import server.ingest.store
import server.readings.shelf
import server.watch
from benchmarks.asked import asked
from benchmarks.crowd import batches, settle
from benchmarks.house import children_s, cpu_s, running
from benchmarks.sender import Sender
from benchmarks.threads import EAR, FOLDING, STORING, taken_s
from server.app import Server
from server.config import load
from server.serving import GARBAGE
from vitals.clock import ManualClock
from vitals.wire import MAX_ROWS, Batch, decode

PEOPLE = (1_000, 100_000, 1_000_000)
MESSAGES = 4_500
"""900,000 readings: some of them are folded meanwhile, as in a server that is sent so much for long."""
WINDOW = 200
"""So many messages under way: what 25 gateways with a window of 8 have."""
GATHERED = 50
GOAL = 200_000
"""Readings a second."""


def main() -> None:
    given = asked(people=(",".join(map(str, PEOPLE)), "100"), messages=(MESSAGES, 45))
    if not given.quick:
        assert shutil.disk_usage(tempfile.gettempdir()).free > 4 * 2**30, "it wants 4 GiB of free space for its files"
    people = [int(one) for one in given.people.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        over_mqtt(Path(folder), people[0], given.messages, fold=not given.quick)
    if not given.quick:
        with tempfile.TemporaryDirectory() as folder:
            over_mqtt(Path(folder), people[0], given.messages, fold=False)
    print()
    for number, count in enumerate(people):
        with tempfile.TemporaryDirectory() as folder:
            inside(Path(folder), count, given.messages // 9, stages=number == 0)


def over_mqtt(folder: Path, people: int, messages: int, *, fold: bool = True) -> None:
    """Through a real broker, until the last row is acknowledged."""
    config = settle(folder, people, time.time_ns())
    made = list(batches(people, messages, time.time_ns()))
    told = folder / "threads.json"
    with running(config, watch=["benchmarks.threads", str(told), *([] if fold else ["--no-fold"])]) as house:
        if house is None:
            return
        sender = Sender(house.mqtt_port)
        before, broker_s, reader_s = taken_s(house.server, told), cpu_s(house.broker), children_s(house.server)
        wall_s, sender_s = time.perf_counter(), time.process_time()
        rows = sender.send(made, WINDOW)
        wall_s, sender_s = time.perf_counter() - wall_s, time.process_time() - sender_s
        broker_s, reader_s = cpu_s(house.broker) - broker_s, children_s(house.server) - reader_s
        spent = {name: s - before.get(name, 0.0) for name, s in taken_s(house.server, told).items()}
        sender.close()
    print(
        f"MQTT -> stored, triaged, acknowledged{'' if fold else ', nothing folded'}, {people:,} patients, batches of"
        f" {MAX_ROWS}: {rows / wall_s:,.0f} readings/s, the server at {spent[''] / wall_s:.2f} of a core and its reader"
        f" at {reader_s / wall_s:.2f}"
    )
    _say_limits(rows, {"sender": sender_s, "broker": broker_s, "reader": reader_s}, spent)


def _say_limits(rows: int, others_s: dict[str, float], spent: dict[str, float]) -> None:
    """What each process takes of a core for a reading, and how many a second that leaves room for."""
    server_s, cores = spent[""], os.cpu_count() or 1
    own_s = spent[EAR] + spent[STORING]
    us = {name: s / rows * 1e6 for name, s in {**others_s, "server": server_s}.items()}
    print("    " + ", ".join(f"{name} {each:.2f}" for name, each in us.items()) + " us of a core a reading")
    parts = {EAR: spent[EAR], STORING: spent[STORING], FOLDING: spent[FOLDING]}
    parts["all else"] = server_s - sum(parts.values())
    print("    of the server " + ", ".join(f"{name} {s / rows * 1e6:.2f}" for name, s in parts.items()) + " us")
    print(
        f"    sender and broker would take {(us['sender'] + us['broker']) * GOAL / 1e6:.2f} of {cores} cores at"
        f" {GOAL:,}/s; at most {cores * 1e6 / sum(us.values()):,.0f}/s for all of them on {cores} cores,"
        f" {rows / server_s:,.0f}/s for the server's one interpreter, {rows / own_s:,.0f}/s with nothing but ingest"
    )


def inside(folder: Path, people: int, messages: int, *, stages: bool) -> None:
    """Without a network, in this process."""
    now_ns = time.time_ns()
    clock = ManualClock(now_ns)
    house = Server(load(settle(folder, people, now_ns)), clock)
    made = list(batches(people, messages, now_ns))
    house.receive_many(made[:1])
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)
    with _timed() if stages else contextlib.nullcontext({}) as spent:
        wall_s, core_s = time.perf_counter(), time.process_time()
        for start in range(1, len(made), GATHERED):
            clock.advance(seconds=0.05)
            house.receive_many(made[start : start + GATHERED])
        wall_s, core_s = time.perf_counter() - wall_s, time.process_time() - core_s
    rows = (len(made) - 1) * MAX_ROWS
    least_s = _least(folder, made)
    fold_s = time.process_time()
    house.fold(now_ns)
    fold_s = time.process_time() - fold_s
    gc.unfreeze()
    house.close()
    print(
        f"{people:9,} patients: {core_s / rows * 1e6:5.2f} us of a core a reading, {rows / core_s:9,.0f} a second of"
        f" one core ({rows / wall_s:,.0f}/s as the machine is just now); folding {fold_s / rows * 1e6:.2f} us more;"
        f" decoding and writing alone {least_s / rows * 1e6:.2f} us"
    )
    for name, s in spent.items():
        print(f"    {name:38} {s / rows * 1e6:5.2f} us a reading, {s / core_s:4.0%}")


def _least(folder: Path, made: list[tuple[str, bytes]]) -> float:
    """Seconds of a core for decoding these messages and writing their bytes to a file, synchronised as often."""
    began_s = time.process_time()
    with (folder / "bare").open("wb") as file:
        for start in range(1, len(made), GATHERED):
            for _, payload in made[start : start + GATHERED]:
                decode(payload, Batch)
                file.write(payload)
            file.flush()
            os.fdatasync(file.fileno())
    return time.process_time() - began_s


STAGES: dict[str, tuple[Any, str]] = {
    "decoding": (server.ingest.store, "open_parcel"),
    "filing in columns": (server.ingest.pile, "ordinary"),
    "dedupe, journal, memory": (server.ingest.pile, "keep"),
    "what has come, by gateway": (server.ingest.come.Come, "remember"),
    "rules and alarms": (server.watch.Watch, "look"),
}


@contextlib.contextmanager
def _timed() -> Iterator[dict[str, float]]:
    """How long each stage takes, in seconds of a core."""
    spent = dict.fromkeys(STAGES, 0.0)
    real = {name: getattr(*where) for name, where in STAGES.items()}

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*given: Any, **named: Any) -> Any:
            began_s = time.process_time()
            try:
                return call(*given, **named)
            finally:
                spent[name] += time.process_time() - began_s

        return timed

    for name, (room, word) in STAGES.items():
        setattr(room, word, around(name, real[name]))
    try:
        yield spent
    finally:
        for name, (room, word) in STAGES.items():
            setattr(room, word, real[name])


if __name__ == "__main__":
    main()
