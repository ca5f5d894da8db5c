"""Five hundred dashboards on one server, and how many worklists it gives away in a second.

A real mosquitto, the real server as a process of its own. Fan-out: everybody follows the page's stream; one home after
the other sends a reading, and it is counted from there until each of them has been told of that patient's row. The
worklist: fifty rows fetched over connections that stay open, by turns from the server, and from an nginx with one
worker and one with two that serve the same bytes from a file. The server is one process, so one worker is its like; two
are what a machine with two cores would be given.

The program that asks is the same, and shares the machine with all of them. It is told how much of a core each side
used: where the one that asks used all of one, its own speed was measured, and not that of whoever answered.

Run with `python benchmarks/bench_dashboards.py [--dashboards 500] [--readings 60]`; without nginx there is no ratio.
"""

import argparse
import contextlib
import selectors
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from benchmarks.bench_page import hired, sign_in
from benchmarks.crowd import batch, settle
from benchmarks.house import cpu_s, running
from benchmarks.sender import Sender
from tests.ports import free_port
from tests.waiting import until
from vitals.clock import MS

ROWS = 50
CONNECTIONS = 8
WAIT_S = 20.0
HEAD_END = b"\r\n\r\n"


def main() -> None:
    given = asked(dashboards=(500, 5), readings=(60, 3), turns=(6, 1), seconds=(2.0, 0.1), rest=(10.0, 0.1))
    with tempfile.TemporaryDirectory() as folder:
        config = settle(Path(folder), ROWS, time.time_ns())
        hired(Path(folder))
        with running(config) as house:
            if house is None:
                return
            cookie, sender = sign_in(house.web_port), Sender(house.mqtt_port)
            for person in range(ROWS):  # a row has what was measured
                sender.publish(*batch(person, 0, time.time_ns() // MS * MS, rows=2))
            crowd = Crowd(house.web_port, cookie, given.dashboards)
            used_s, began_s = cpu_s(house.server), time.perf_counter()
            told = [crowd.told(sender, 1 + number, number % ROWS) for number in range(given.readings)]
            took_ms = sorted(one for some in told for one in some)
            share = (cpu_s(house.server) - used_s) / (time.perf_counter() - began_s)
            crowd.close()
            sender.close()
            p50, p99 = (took_ms[int(len(took_ms) * part)] for part in (0.5, 0.99))
            print(
                f"{given.dashboards} dashboards, {given.readings} readings: sent -> told p50 {p50:.0f} ms,"
                f" p99 {p99:.0f} ms, worst {took_ms[-1]:.0f} ms of {len(took_ms):,}; {share:.2f} of a core"
            )
            compare(Path(folder), house.web_port, cookie, house.server, given)


class Crowd:
    """So many open streams of one nurse, in one thread."""

    def __init__(self, port: int, cookie: str, count: int) -> None:
        self._selector = selectors.DefaultSelector()
        self._streams = [_asked(port, "/api/stream", cookie) for _ in range(count)]
        for number, one in enumerate(self._streams):
            one.setblocking(False)
            self._selector.register(one, selectors.EVENT_READ, number)
        self._hear(b"event: hello")

    def told(self, sender: Sender, seq: int, person: int) -> list[float]:
        """Milliseconds from one reading of that person until each stream has told of their row."""
        began_s = time.perf_counter()
        sender.publish(*batch(person, 2 * seq, time.time_ns() // MS * MS, rows=2))
        return [(at_s - began_s) * 1e3 for at_s in self._hear(f'"id":"p{person:07}"'.encode(), sender)]

    def close(self) -> None:
        for one in self._streams:
            one.close()
        self._selector.close()

    def _hear(self, wanted: bytes, sender: Sender | None = None) -> list[float]:
        """When each of the streams has said `wanted`."""
        heard: dict[int, float] = {}
        rest = [b""] * len(self._streams)
        until_s = time.perf_counter() + WAIT_S
        while len(heard) < len(rest):
            if sender is not None:
                sender.pass_over()
            for key, _ in self._selector.select(0.05):
                piece = rest[key.data] + key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if wanted in piece and key.data not in heard:
                    heard[key.data] = time.perf_counter()
                rest[key.data] = piece[-len(wanted) :]
            if time.perf_counter() > until_s:
                raise SystemExit(f"{len(rest) - len(heard)} of {len(rest)} streams never said {wanted!r}")
        return list(heard.values())


def compare(folder: Path, port: int, cookie: str, server: psutil.Process, given: argparse.Namespace) -> None:
    """Worklists a second, from the server and from nginx with the same bytes, by turns of so many seconds."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    body = _fetched(_asked(port, "/api/worklist", cookie))
    print(f"a worklist of {ROWS} rows, {len(body) / 1e3:.1f} kB, asked for by {CONNECTIONS} connections in turn:")
    with contextlib.ExitStack() as stack:
        sides = {"the server": (port, "/api/worklist", [server])}
        for workers in (1, 2) if program else ():
            at, them = stack.enter_context(_nginx(program or "", folder / f"nginx-{workers}", body, workers))
            sides[f"nginx, {workers} worker{'s'[: workers - 1]}"] = at, "/worklist", them
        rest = _at_rest(server, given.rest)
        turns = [
            {name: _turn(*side, cookie, given.seconds) for name, side in sides.items()} for _ in range(given.turns)
        ]
    found = {name: [statistics.median(turn[name][what] for turn in turns) for what in range(3)] for name in sides}
    found["the server"][1] -= rest  # its engines turn whether or not anybody asks
    print(f"  at rest the server takes {rest:.3f} of a core, which is left out below")
    for name, (per_s, theirs, asking) in found.items():
        print(
            f"  {name}: {per_s:,.0f} a second, {theirs:.2f} of a core ({theirs / per_s * 1e6:.1f} us each);"
            f" who asks {asking:.2f} of one"
        )
    for name in list(found)[1:]:
        ratios = [turn["the server"][0] / turn[name][0] for turn in turns]
        (ours_s, ours, _), (nginx_s, nginx, _) = found["the server"], found[name]
        print(
            f"  {statistics.median(ratios):.3f} of {name} ({min(ratios):.3f} to {max(ratios):.3f}; goal 0.4);"
            f" {nginx / nginx_s / (ours / ours_s):.3f} by the processor's time alone"
        )
    if program is None:
        print("LEFT OUT: nginx is not installed: there is nothing to hold it against")


def _at_rest(server: psutil.Process, seconds: float) -> float:
    """The share of a core that it takes while nobody asks."""
    used_s, began_s = cpu_s(server), time.perf_counter()
    time.sleep(seconds)
    return (cpu_s(server) - used_s) / (time.perf_counter() - began_s)


def _turn(
    port: int, path: str, processes: list[psutil.Process], cookie: str, seconds: float
) -> tuple[float, float, float]:  # fmt: skip
    """Answers a second over CONNECTIONS open connections, each with one question on its way at any time; and the share
    of a core that these processes and this one used for it."""
    wires = [_asked(port, path, cookie) for _ in range(CONNECTIONS)]
    question, count = _question(port, path, cookie), 0
    used_s, mine_s, began_s = sum(map(cpu_s, processes)), time.process_time(), time.perf_counter()
    while (now_s := time.perf_counter()) < began_s + seconds:
        for wire in wires:
            _fetched(wire)
            wire.sendall(question)
            count += 1
    took_s = now_s - began_s
    shares = (sum(map(cpu_s, processes)) - used_s) / took_s, (time.process_time() - mine_s) / took_s
    for wire in wires:
        _fetched(wire)
        wire.close()
    return count / took_s, *shares


def _question(port: int, path: str, cookie: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n\r\n".encode()


def _asked(port: int, path: str, cookie: str) -> socket.socket:
    wire = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wire.sendall(_question(port, path, cookie))
    return wire


def _fetched(wire: socket.socket) -> bytes:
    """The body of one answer, which says how long it is."""
    said = b""
    while HEAD_END not in said:
        said += wire.recv(1 << 16)
    head, _, body = said.partition(HEAD_END)
    first, *fields = head.decode().split("\r\n")
    if " 200 " not in f"{first} ":
        raise SystemExit(f"the server says {first}")
    named = dict(one.lower().split(": ", 1) for one in fields)
    while len(body) < int(named["content-length"]):
        body += wire.recv(1 << 16)
    return body


def _open(port: int) -> bool:
    with socket.socket() as wire:
        return wire.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def _nginx(program: str, root: Path, body: bytes, workers: int) -> Iterator[tuple[int, list[psutil.Process]]]:
    """One that serves the bytes; yields its port and its workers."""
    port = free_port()
    root.mkdir()
    (root / "worklist").write_bytes(body)
    (root / "nginx.conf").write_text(
        f"daemon off; worker_processes {workers}; pid {root}/pid; error_log {root}/log; user root;\n"
        "events { worker_connections 64; }\n"
        "http { access_log off; sendfile on; keepalive_requests 10000000; default_type application/json;\n"
        f"  server {{ listen 127.0.0.1:{port} reuseport; root {root}; }} }}\n",
        encoding="utf-8",
    )
    child = subprocess.Popen([program, "-c", str(root / "nginx.conf"), "-p", str(root)])
    try:
        until(lambda: _open(port), WAIT_S)
        yield port, psutil.Process(child.pid).children()
    finally:
        child.terminate()
        child.wait(WAIT_S)


if __name__ == "__main__":
    main()
