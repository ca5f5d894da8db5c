"""What it costs that everybody sees their own patients and no others.

A real mosquitto, the real server as a process of its own, with ten thousand patients of three municipalities: half of
them are the city's, fifty the village's, and a hospital's specialist is bound to twenty. Each asks for the worklist
over a connection that stays open, first while nothing happens, then while readings come in (each answer is then put
together anew), and then while it is changed who may see whom (each must be found out anew). Every answer is held
against the patients that are theirs: one too many or too few ends the run.

Run with `python benchmarks/bench_scope.py [--patients 10000] [--seconds 5]`. Processor time is the server's own; the
rest is noisy beside other work.
"""

import http.client
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.asked import asked
from benchmarks.crowd import batch, settle
from benchmarks.house import cpu_s, running
from benchmarks.sender import Sender
from server.access.passwords import hash_password
from server.db import Database
from server.patients.store import patients
from vitals.clock import MS

PASSWORD = "a long enough secret"  # noqa: S105
VILLAGE, BOUND = 50, 20
STAFF = {
    "kari": ("nurse", "city"), "vera": ("nurse", "village"), "siri": ("specialist", "hospital"),
    "odd": ("administrator", "city"),
}  # fmt: skip


def main() -> None:
    given = asked(patients=(10_000, 200), seconds=(5.0, 0.05))
    with tempfile.TemporaryDirectory() as folder:
        config = settle(Path(folder), given.patients, time.time_ns())
        theirs = _shared_out(Path(folder), given.patients)
        with running(config) as house:
            if house is None:
                return
            desks = {who: Desk(house.web_port, who) for who in STAFF}
            sender = Sender(house.mqtt_port)
            for patient in theirs["siri"]:
                desks["odd"].relate(patient, staff="siri")
            for who in theirs:
                desks[who].worklist(theirs[who])  # the rows are built at the first look
            busy: dict[str, Callable[[int], None]] = {
                "nothing happens": lambda _: time.sleep(0.1),
                "ten readings a second": lambda n: _measured(sender, n, given.patients),
                "five changes of access a second": lambda n: _related(desks["odd"], n % min(1000, given.patients)),
            }
            for what, disturb in busy.items():
                with Beside(disturb):
                    for who, own in theirs.items():
                        _measure(f"{what}: {who}, {len(own):,} patients", desks[who], own, house.server, given.seconds)
            sender.close()


class Desk:
    """One person's browser: signed in, with a connection that stays open."""

    def __init__(self, port: int, who: str) -> None:
        self._wire = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._said = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
        self._ask("POST", "/api/session", {"username": who, "password": PASSWORD})

    def worklist(self, own: frozenset[str]) -> float:
        """Fetch it; returns the milliseconds until the last byte. Ends the run where it is not their own."""
        began_s = time.perf_counter()
        body = self._ask("GET", "/api/worklist")
        took_ms = (time.perf_counter() - began_s) * 1e3
        if (shown := {row["patient"]["id"] for row in json.loads(body)["rows"]}) != own:
            raise SystemExit(f"{len(shown - own)} of another's are shown, {len(own - shown)} of one's own are not")
        return took_ms

    def relate(self, patient: str, **whom: str) -> None:
        """Bind somebody to a patient."""
        self._ask("POST", "/api/relations", {"patient": patient, "purpose": "treatment", **whom})

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        said = None if body is None else json.dumps(body)
        self._wire.request(method, path, said, self._said)
        try:
            answer = self._wire.getresponse()
        except http.client.RemoteDisconnected:  # the server lets go of a connection that was idle
            self._wire.request(method, path, said, self._said)
            answer = self._wire.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {text.decode()}")
        if cookie := answer.headers["Set-Cookie"]:
            self._said["Cookie"] = cookie.split(";")[0]
        return text


class Beside:
    """Does it again and again in a thread."""

    def __init__(self, deed: Callable[[int], None]) -> None:
        self._deed = deed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            self._deed(number)
            number += 1


_SEQ: dict[int, int] = {}


def _measured(sender: Sender, number: int, people: int) -> None:
    person = number * 7919 % people
    _SEQ[person] = _SEQ.get(person, 0) + 1
    sender.publish(*batch(person, 2 * _SEQ[person], time.time_ns() // MS * MS, rows=2))
    sender.pass_over()
    time.sleep(0.1)


def _related(desk: Desk, number: int) -> None:
    desk.relate(f"p{number:07}", organisation="village-care")
    time.sleep(0.2)


def _measure(what: str, desk: Desk, own: frozenset[str], server: object, seconds: float) -> None:
    took_ms: list[float] = []
    used_s, until_s = cpu_s(server), time.perf_counter() + seconds  # type: ignore[arg-type]
    while time.perf_counter() < until_s or len(took_ms) < 20:
        took_ms.append(desk.worklist(own))
    cpu_ms = (cpu_s(server) - used_s) * 1e3 / len(took_ms)  # type: ignore[arg-type]
    took_ms.sort()
    p50, p99 = (took_ms[int(len(took_ms) * part)] for part in (0.5, 0.99))
    print(
        f"{what}: {1e3 * len(took_ms) / sum(took_ms):,.0f} a second, p50 {p50:.1f} ms, p99 {p99:.1f} ms,"
        f" {cpu_ms:.1f} ms of a core each",
        flush=True,
    )


def _shared_out(folder: Path, people: int) -> dict[str, frozenset[str]]:
    """Give the patients to their municipalities, and write who works there; returns whose are whose."""
    names = [f"p{number:07}" for number in range(people)]
    city, village, bound = names[: people // 2], names[-VILLAGE:], names[:BOUND]
    db = Database(folder / "data" / "hjemvakt.sqlite")
    with db.write() as tx:
        tx.execute(patients.update().values(organisation="town"))
        for organisation, first, last in (("city", city[0], city[-1]), ("village", village[0], village[-1])):
            those = patients.c.id.between(first, last)
            tx.execute(patients.update().where(those).values(organisation=organisation))
    db.close()
    hashed = hash_password(PASSWORD)
    with (folder / "municipality.toml").open("a", encoding="utf-8") as file:
        kinds = {"city": "municipality", "town": "municipality", "village": "municipality", "hospital": "hospital"}
        for name, kind in {**kinds, "village-care": "response"}.items():
            file.write(f'[[organisations]]\nid = "{name}"\nname = "{name}"\nkind = "{kind}"\n')
        for who, (role, organisation) in STAFF.items():
            file.write(f'[[staff]]\nid = "{who}"\nname = "{who}"\nrole = "{role}"\norganisation = "{organisation}"\n')
            file.write(f'phone = "+4700000101"\npassword_hash = "{hashed}"\n')
    return {"kari": frozenset(city), "vera": frozenset(village), "siri": frozenset(bound)}


if __name__ == "__main__":
    main()
