"""How long from a reading, as a hub sends it, until it stands in a nurse's worklist.

A real mosquitto, the real server as a process of its own, and a nurse who is signed in and follows the page's stream
over HTTP. The hubs send one reading to a message, one patient after the other, evenly: nothing is gathered that homes
would not gather. A reading has come when a `row` of its patient tells of it. Where the stream says `resync` the nurse
fetches the whole list, as the page does, and what it tells of has come then.

It is measured for longer than the rules take to look at everybody and the pump to build everybody's row anew, since
both stand in the way of single readings. Run with
`python benchmarks/bench_page.py [--people 10000] [--rate 500] [--seconds 75] [--without fold ...]`: without one of the
things that the server does beside, to see what that is to the readings.
"""

import argparse
import http.client
import itertools
import json
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from benchmarks.crowd import batch, settle
from benchmarks.house import cpu_s, running
from benchmarks.sender import Sender
from benchmarks.stages import OTHERS, Stages, load
from server.access.passwords import hash_password
from vitals.clock import MS

DRAIN_S = 10.0
_PASSWORD = "of this run only"  # noqa: S105


class Came(NamedTuple):
    """Its number, when it was sent, and when it came, in seconds."""

    number: int
    sent_s: float
    came_s: float

    @property
    def took_s(self) -> float:
        return self.came_s - self.sent_s


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", choices=OTHERS, nargs="*", default=[])
    # it is sent for so long before anything counts: everybody has been looked at by then
    given = asked(parser, people=(10_000, 20), rate=(500, 50), seconds=(75.0, 0.4), warm=(20.0, 0.2))
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.people, given.rate, given.seconds, given.warm, given.without)


def measure(folder: Path, people: int, rate: int, seconds: float, warm_s: float, without: Sequence[str]) -> None:
    """Send for `warm_s`, then for so long, and say how long what was sent then took."""
    config = settle(folder, people, time.time_ns())
    hired(folder)
    stages = folder / "stages.json"
    with running(config, stages, without) as house:
        if house is None:
            return
        nurse, sender = Nurse(house.web_port), Sender(house.mqtt_port)
        began_s = time.perf_counter() + warm_s
        _send(sender, nurse, people, rate, warm_s)
        server_s = cpu_s(house.server)
        _send(sender, nurse, people, rate, seconds, first=round(warm_s * rate))
        server_s = cpu_s(house.server) - server_s
        until_s = time.perf_counter() + DRAIN_S
        while nurse.missing() and time.perf_counter() < until_s:
            sender.pass_over()
            time.sleep(0.05)
        sender.close()
        nurse.close()
    took_ms = sorted(one.took_s * 1e3 for one in nurse.came if one.sent_s >= began_s)
    p50, p99 = (took_ms[int(len(took_ms) * share)] for share in (0.5, 0.99))
    print(
        f"{people:,} patients, {rate:,} readings/s: reading -> nurse's page p50 {p50:.0f} ms, p99 {p99:.0f} ms,"
        f" worst {took_ms[-1]:.0f} ms of {len(took_ms):,}; {nurse.missing():,} never came, {nurse.resyncs} times the"
        f" whole list was fetched; the server used {server_s / seconds:.2f} of a core"
    )
    _explain(load(stages), [one for one in nurse.came if one.sent_s >= began_s])
    slow = Counter(int(one.sent_s - began_s) for one in nurse.came if one.sent_s >= began_s and one.took_s > 0.25)
    if slow:
        print("    later than 250 ms, by second sent:", ", ".join(f"{s}: {slow[s]}" for s in sorted(slow)))


_STAGES = (
    "broker, to the ear", "gathered", "waits for its turn", "stored and triaged", "row built and told", "to the page"
)  # fmt: skip


def _explain(stages: Stages, came: Sequence[Came]) -> None:
    """Where the time goes: of all, and of the slowest hundredth; and what else the server did meanwhile."""
    starts = list(itertools.accumulate([one.count for one in stages.batches], initial=0))[:-1]
    spent = []
    for one in sorted(came, key=lambda one: one.took_s):
        if (at := stages.of(one.number, starts)) is not None:
            moments = [one.sent_s, *at, one.came_s]
            spent.append([(b - a) * 1e3 for a, b in itertools.pairwise(moments)])
    slowest = spent[-max(1, len(spent) // 100) :]
    print("    ms on average of: all / the slowest hundredth")
    for number, name in enumerate(_STAGES):
        every, last = (statistics.fmean(one[number] for one in some) for some in (spent, slowest))
        print(f"        {name:20} {every:7.1f} {last:8.1f}")
    late = sorted(came, key=lambda one: one.took_s)[-len(slowest) :]
    began_s = min(one.sent_s for one in came)
    stored = [(one.committed_s - one.begun_s, one.worked_s) for one in stages.batches if one.begun_s > began_s]
    told = [(one.ended_s - one.began_s, one.worked_s) for one in stages.rows if one.began_s > began_s]
    for name, spent_s in (("stored", stored), ("built and told", told)):
        passed_ms, worked_ms = (sorted(one[n] * 1e3 for one in spent_s) for n in (0, 1))
        print(
            f"        {len(spent_s)} times {name}: median {statistics.median(passed_ms):.1f} ms, of which a core worked"
            f" {statistics.median(worked_ms):.1f}; 99 of 100 within {passed_ms[int(len(passed_ms) * 0.99)]:.0f} ms,"
            f" {worked_ms[int(len(worked_ms) * 0.99)]:.0f} ms of a core"
        )
    for name, every in stages.others.items():
        spans = [(a, b) for a, b in every if b > began_s]
        inside = [one for one in late if any(a < one.came_s and b > one.sent_s for a, b in spans)]
        took_ms = sorted((b - a) * 1e3 for a, b in spans) or [0.0]
        print(
            f"        meanwhile {name}: {len(spans)} times, {sum(took_ms) / 1e3:.1f} s in all, median"
            f" {statistics.median(took_ms):.0f} ms, longest {', '.join(f'{one:.0f}' for one in took_ms[-3:])} ms;"
            f" during {len(inside) / len(late):.0%} of the slowest"
        )


def hired(folder: Path) -> None:
    """Add a nurse to the municipality in `folder`."""
    with (folder / "municipality.toml").open("a", encoding="utf-8") as file:
        file.write('[[staff]]\nid = "kari"\nname = "Kari"\nrole = "nurse"\nphone = "+4700000101"\n')
        file.write(f'password_hash = "{hash_password(_PASSWORD)}"\n')


def sign_in(port: int) -> str:
    """The nurse's cookie at the server's page."""
    body = json.dumps({"username": "kari", "password": _PASSWORD})
    said = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
    wire = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    wire.request("POST", "/api/session", body, said)
    answer = wire.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"the nurse may not sign in ({answer.status})")
    cookie = answer.headers["Set-Cookie"].split(";")[0]
    wire.close()
    return cookie


def _send(sender: Sender, nurse: "Nurse", people: int, rate: int, seconds: float, first: int = 0) -> None:
    """One reading of one patient after the other, evenly."""
    began_s = time.perf_counter()
    for number in range(round(rate * seconds)):
        due_s = began_s + number / rate
        while (wait_s := due_s - time.perf_counter()) > 0:
            sender.pass_over()
            time.sleep(wait_s)
        person, seq = (first + number) * 7919 % people, (first + number) // people
        t_ns = time.time_ns() // MS * MS
        message = batch(person, seq, t_ns)
        nurse.expect(f"p{person:07}", t_ns // MS, first + number)
        sender.publish(*message)


class Nurse:
    """Follows the worklist. Of what has not come yet he knows number and sending, by patient and moment in ms."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookie = sign_in(port)
        self._lock = threading.Lock()
        self._sent: dict[str, dict[int, tuple[int, float]]] = {}
        self.came: list[Came] = []
        self.resyncs = 0
        self._wire = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._wire.request("GET", "/api/stream", headers={"Cookie": self._cookie})
        self._stream = self._wire.getresponse()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def expect(self, patient_id: str, t_ms: int, number: int) -> None:
        with self._lock:
            self._sent.setdefault(patient_id, {})[t_ms] = number, time.perf_counter()

    def missing(self) -> int:
        with self._lock:
            return sum(map(len, self._sent.values()))

    def close(self) -> None:
        self._wire.sock.shutdown(2)
        self._thread.join(5)
        self._wire.close()

    def _follow(self) -> None:
        for name, data in self._events():
            if name == "row":
                self._saw(json.loads(data))
            elif name == "resync":
                self.resyncs += 1
                for row in json.loads(self._get("/api/worklist"))["rows"]:
                    self._saw(row)

    def _events(self) -> Iterator[tuple[str, bytes]]:
        rest = b""
        while piece := self._piece():
            *whole, rest = (rest + piece).split(b"\r\n\r\n")
            for one in whole:
                fields = dict(line.split(b": ", 1) for line in one.split(b"\r\n") if b": " in line)
                yield fields.get(b"event", b"").decode(), fields.get(b"data", b"")

    def _piece(self) -> bytes:
        try:
            return self._stream.read1(65_536)
        except http.client.IncompleteRead:  # we hung up ourselves
            return b""

    def _saw(self, row: dict[str, Any]) -> None:
        newest_ms, now_s = row["last_reading_ms"] or 0, time.perf_counter()
        with self._lock:
            waiting = self._sent.get(row["patient"]["id"], {})
            for t_ms in [one for one in waiting if one <= newest_ms]:
                self.came.append(Came(*waiting.pop(t_ms), now_s))

    def _get(self, path: str) -> bytes:
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        wire.request("GET", path, headers={"Cookie": self._cookie})
        found = wire.getresponse().read()
        wire.close()
        return found


if __name__ == "__main__":
    main()
