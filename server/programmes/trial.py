"""A what-if asked for on the page: one at a time, off everybody's way, bounded in time and in memory.

A thread gathers what is known of the programme's patients, and hands it to a process of its own
(`server.programmes.work`), which is ended when it takes too long or is stopped. What was found last is kept until the
next one begins; nothing of it is written down.
"""

import contextlib
import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from server.db import Database
from server.first import Overtaken
from server.programmes import store
from server.programmes.record import Gathered, gather
from server.programmes.whatif import only
from server.programmes.work import Job, Outcome, Said
from server.readings.filed import Wanted
from triage.programme import Programme
from vitals.clock import NS
from vitals.errors import ConfigError

MOST_S = 300.0
"""So long may it take, in seconds of the wall."""
MOST_READINGS = 3_000_000
"""So many readings are looked through: 40 bytes each, some ten times as many while they are being gathered."""
MOST_BYTES = 4 * 1024**3
"""So much address space may the process ask for; what it really uses is far less."""
STOP_S = 5.0

State = Literal["gathering", "running", "done", "failed", "stopped"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trial:
    """One of them. `done` of `of` looks; `problem`: why it failed, and the mend. `by`: a name."""

    number: int
    programme: str
    version: str
    digest: str
    against: str
    days: int
    by: str
    started_ns: int
    state: State = "gathering"
    done: int = 0
    of: int = 0
    problem: str = ""
    outcome: Outcome | None = None


@dataclass
class _Under:
    """What is under way: its process, once there is one, and whether somebody has stopped it."""

    stop: threading.Event = field(default_factory=threading.Event)
    process: subprocess.Popen[bytes] | None = None
    thread: threading.Thread | None = None


class Trials:
    """At most one under way. Thread-safe; `close` ends what is under way and waits for it."""

    def __init__(self, db: Database, most_s: float = MOST_S, most_readings: int = MOST_READINGS) -> None:
        self._db = db
        self._most_s = most_s
        self._most_readings = most_readings
        self._lock = threading.Lock()
        self._newest: Trial | None = None
        self._under: _Under | None = None

    def newest(self) -> Trial | None:
        """The one that was begun last, as far as it has come; None before the first."""
        with self._lock:
            return self._newest

    def begin(self, before: Programme, after: Programme, days: int, by: str, now_ns: int) -> Trial:
        """Begin with one over the last so many days; raises Overtaken while another is under way."""
        with self._lock:
            if self._under is not None and self._newest is not None:
                raise Overtaken(
                    f"a what-if of {self._newest.programme} {self._newest.version} is under way",
                    "wait for it, or stop it first", self._newest.by,
                )  # fmt: skip
            number = self._newest.number + 1 if self._newest else 1
            self._newest = Trial(number, after.name, after.version, after.digest, before.version, days, by, now_ns)
            self._under = under = _Under()
            under.thread = threading.Thread(
                target=self._run, args=(under, before, after, days, now_ns), name="what-if", daemon=True
            )
            under.thread.start()
            return self._newest

    def stop(self) -> None:
        """End what is under way, if anything is."""
        with self._lock:
            under = self._under
        if under is not None:
            under.stop.set()
            with contextlib.suppress(ProcessLookupError):
                if under.process is not None:
                    under.process.kill()

    def close(self) -> None:
        """The same, and wait until it is over."""
        with self._lock:
            thread = self._under.thread if self._under else None
        self.stop()
        if thread is not None:
            thread.join(STOP_S)

    def _run(self, under: _Under, before: Programme, after: Programme, days: int, now_ns: int) -> None:
        try:
            end = self._computed(under, before, after, days, now_ns)
        except ConfigError as error:
            end = {"state": "failed", "problem": f"{error.text}; {error.mend}"}
        except Exception as error:  # it must not stay under way for ever
            log.exception("a what-if failed")
            end = {"state": "failed", "problem": f"the server made a mistake ({type(error).__name__}); read its log"}
        if under.stop.is_set():
            end = {"state": "stopped", "problem": ""}
        with self._lock:  # in one step: the next may begin as soon as this one is over, and must not be taken for it
            self._under = None
            self._newest = self._changed(end)

    def _computed(
        self, under: _Under, before: Programme, after: Programme, days: int, now_ns: int
    ) -> dict[str, object]:
        job = self._job(before, after, days, now_ns)
        self._tell(state="running")
        command = [sys.executable, "-m", "server.programmes.work"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            under.process = process
            late = threading.Timer(self._most_s, process.kill)
            late.start()
            try:
                if under.stop.is_set():
                    process.kill()
                said = self._heard(process, job)
            finally:
                late.cancel()
                process.kill()
        if said is None or (said.outcome is None and not said.problem):
            return {"state": "failed", "problem": f"it took longer than {self._most_s:g} s; choose fewer days"}
        if said.problem:
            return {"state": "failed", "problem": said.problem}
        return {"state": "done", "outcome": said.outcome}

    def _heard(self, process: "subprocess.Popen[bytes]", job: Job) -> Said | None:
        """Its last word; what it says before that is how far it has come."""
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as asks:
            pickle.dump(job, asks)
        said = None
        for line in process.stdout:
            said = msgspec.json.decode(line, type=Said)
            if said.of:
                self._tell(done=said.done, of=said.of)
        return said

    def _job(self, before: Programme, after: Programme, days: int, now_ns: int) -> Job:
        since_ns = now_ns - days * 86_400 * NS
        rules = (*before.rules_of(), *after.rules_of())
        back_s = max(rule.window_s for rule in rules)
        gathered = Gathered(self._most_readings, "choose fewer days")
        with self._db.read() as tx:
            people = store.followers(tx, after.name)
            if not people:
                raise ConfigError(f"nobody follows {after.name!r}", "there is nothing to try it on; read it carefully")
            wanted = Wanted(since_ns - round(back_s * NS), now_ns, tuple(one.id for one in people))
            gather(tx, wanted, gathered)
            under = store.limits_under(tx, after)
        record = gathered.record(f"the last {days} days of who follows {after.name!r}")
        own = {one.id: one.limits for one in people}
        record = only(record, [one for one in record.patients if one in own])
        return Job(record, before, after, (own, under), since_ns, MOST_BYTES)

    def _tell(self, **more: object) -> None:
        with self._lock:
            self._newest = self._changed(more)

    def _changed(self, more: Mapping[str, object]) -> Trial:
        assert self._newest is not None
        return replace(self._newest, **more)  # type: ignore[arg-type]
