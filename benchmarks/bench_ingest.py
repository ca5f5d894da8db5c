"""How many readings a second go from MQTT into the journal, through the rules, and back as an acknowledgement.

A real mosquitto, the real server as a process of its own, and a sender that does as little as it can, so that the two
cores are the broker's and the server's: it sends messages made before, keeps a window open, and counts the rows that
are acknowledged. All three share the machine, as they would in a small municipality.

Then the same inside one process, without a network: where the time goes, in seconds of one core, and what a reading
costs with more and more patients. Beside it stands the least that any server must do with the same messages: decode
them (msgspec) and write their bytes into a file that is synchronised as often. Run with
`python benchmarks/bench_ingest.py [--people 1000,100000,1000000]`.
"""

import argparse
import contextlib
import gc
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import server.app
import server.ingest.store
import server.readings.shelf
import server.watch
from benchmarks.crowd import batches, settle
from server.app import Server
from server.broker import mosquitto
from server.config import load
from tests.ports import free_port
from vitals.clock import ManualClock
from vitals.wire import MAX_ROWS, Ack, Batch, decode

ROOT = Path(__file__).parents[1]
PEOPLE = (1_000, 100_000, 1_000_000)
MESSAGES = 1_500
WINDOW = 200
"""So many messages under way: what 25 gateways with a window of 8 have."""
GATHERED = 50
WAIT_S = 120.0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", default=",".join(map(str, PEOPLE)))
    parser.add_argument("--messages", type=int, default=MESSAGES)
    given = parser.parse_args()
    people = [int(one) for one in given.people.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        over_mqtt(Path(folder), people[0], given.messages)
    print()
    for number, count in enumerate(people):
        with tempfile.TemporaryDirectory() as folder:
            inside(Path(folder), count, given.messages // 3, stages=number == 0)


def over_mqtt(folder: Path, people: int, messages: int) -> None:
    """Through a real broker, until the last row is acknowledged."""
    program = mosquitto.find()
    if program is None:
        print("mosquitto is not installed: nothing is measured over MQTT")
        return
    config = settle(folder, people, time.time_ns())
    port = free_port()
    with config.open("a", encoding="utf-8") as file:
        file.write(f'[web]\nport = 0\n[broker]\nkind = "external"\nhost = "127.0.0.1"\nport = {port}\n')
        file.write('username = "server"\n')
    (folder / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\n"
        "max_inflight_messages 1000\npersistence false\n",
        encoding="utf-8",
    )
    made = list(batches(people, messages, time.time_ns()))
    with _process([program, "-c", str(folder / "mosquitto.conf")]), _serving(config) as process:
        sender = Sender(port)
        wall_s, before_s = time.perf_counter(), _cpu_s(process.pid)
        rows = sender.send(made)
        wall_s, cpu_s = time.perf_counter() - wall_s, _cpu_s(process.pid) - before_s
        sender.close()
    print(
        f"MQTT -> stored, triaged, acknowledged, {people:,} patients, batches of {MAX_ROWS}:"
        f" {rows / wall_s:,.0f} readings/s; the server used {cpu_s / wall_s:.2f} of a core,"
        f" {cpu_s / rows * 1e6:.1f} us a reading ({rows / cpu_s:,.0f} readings a second of one core)"
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
    with _timed() if stages else contextlib.nullcontext({}) as spent:
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        for start in range(1, len(made), GATHERED):
            clock.advance(seconds=0.05)
            house.receive_many(made[start : start + GATHERED])
        wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    rows = (len(made) - 1) * MAX_ROWS
    least_s = _least(folder, made)
    fold_s = time.process_time()
    house.fold(now_ns)
    fold_s = time.process_time() - fold_s
    gc.unfreeze()
    house.close()
    print(
        f"{people:9,} patients: {cpu_s / rows * 1e6:5.2f} us of a core a reading, {rows / cpu_s:9,.0f} a second of one"
        f" core ({rows / wall_s:,.0f}/s as the machine is just now); folding {fold_s / rows * 1e6:.2f} us more;"
        f" decoding and writing alone {least_s / rows * 1e6:.2f} us"
    )
    for name, s in spent.items():
        print(f"    {name:38} {s / rows * 1e6:5.2f} us a reading, {s / cpu_s:4.0%}")


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
    "filing in columns": (server.ingest.store, "ordinary"),
    "dedupe, journal, memory": (server.ingest.store, "keep"),
    "what has come, by gateway": (server.ingest.store, "_remember"),
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


class Sender:
    """The least of an MQTT 3.1.1 client: it publishes with QoS 1 and hears acknowledgements with QoS 0."""

    def __init__(self, port: int) -> None:
        self._wire = socket.create_connection(("127.0.0.1", port), 10)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire.settimeout(WAIT_S)
        self._heard = b""
        self._wire.sendall(_packet(0x10, _text("MQTT") + b"\x04\x02\x00\x00" + _text("bench")))
        self._next()
        self._wire.sendall(_packet(0x82, b"\x00\x01" + _text("hjemvakt/1/+/down/ack") + b"\x00"))
        self._next()

    def send(self, messages: list[tuple[str, bytes]]) -> int:
        """Publish all, WINDOW at a time, and wait until every row is acknowledged; returns how many rows."""
        under_way, rows, at = 0, 0, 0
        while at < len(messages) or under_way:
            while at < len(messages) and under_way < WINDOW:
                topic, payload = messages[at]
                self._wire.sendall(_packet(0x32, _text(topic) + struct.pack(">H", at % 65_535 + 1) + payload))
                at, under_way = at + 1, under_way + 1
            kind, body = self._next()
            if kind >> 4 == 3:
                (length,) = struct.unpack(">H", body[:2])
                rows += sum(last - first + 1 for first, last in decode(body[2 + length :], Ack).ranges)
                under_way -= 1
        return rows

    def close(self) -> None:
        self._wire.close()

    def _next(self) -> tuple[int, bytes]:
        """The next packet: its first byte and its body."""
        while True:
            length, shift, place = 0, 0, 1
            while place < len(self._heard):
                byte = self._heard[place]
                length |= (byte & 0x7F) << shift
                shift, place = shift + 7, place + 1
                if byte < 0x80:
                    if len(self._heard) >= place + length:
                        kind, body = self._heard[0], self._heard[place : place + length]
                        self._heard = self._heard[place + length :]
                        return kind, body
                    break
            more = self._wire.recv(65_536)
            if not more:
                raise ConnectionError("the broker hung up; see its log")
            self._heard += more


def _packet(first: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, byte = divmod(size, 128)
        length += bytes([byte | (0x80 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.terminate()
        child.wait()


@contextlib.contextmanager
def _serving(config: Path) -> Iterator[subprocess.Popen[str]]:
    """The server, until it says that it is ready."""
    command = [sys.executable, "-m", "server", "run", str(config)]
    child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        for line in child.stderr:
            if "ready http://" in line:
                break
        else:
            raise SystemExit("the server did not start; run it by hand to see why")
        yield child
    finally:
        child.terminate()
        for line in child.stderr:
            print("   ", line.rstrip())
        child.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    assert shutil.disk_usage(tempfile.gettempdir()).free > 4 * 2**30, "it wants 4 GiB of free space for its files"
    main()
