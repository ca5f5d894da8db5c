"""When nothing can be written, somebody is called all the same.

Every other message is a row before it is sent, and the ladder that decides on it is one too: a full disk silences both,
at the very moment when nobody watches over anyone. So this way goes beside them and needs no disk. While the database
works, whom to call is kept in memory, hours ahead; when writing has failed for PATIENCE_S, they are called, and again
every `again_s` while it lasts; when it is over, whoever was called is told so.

First called are who is on call among the nurses, who can look in on people by other means, and every administrator, who
can make room. When it lasts, and where none of these can be reached, the doctors are called as well.

The wall of the machine counts, not the town's clock: a disk does not fill faster in a simulation.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from server import trouble
from server.access.store import people
from server.db import Database, troubled
from server.escalation.store import in_force
from server.notify.sender import Message, Sender, SendError
from server.oncall.model import Person
from server.oncall.store import answering
from vitals.clock import NS

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Writing that fails for less calls nobody: another program held the database, or PostgreSQL changed places."""
CALM_S = 10.0
"""It is over when nothing has failed for so long and something was written: a full disk may still take small things."""
RETRY_S = 30.0
"""Whoever could not be told is tried again after so long."""
REFRESH_S = 60.0
AHEAD_S, STEP_S = 12 * 3_600, 1_800
"""The roster is remembered for so long ahead, at moments so far apart."""
CHANNEL = "sms"

_SAID = {
    "nb": "Hjemvakt: serveren har ikke kunnet lagre noe på {wait}: {why}. Målinger og alarmer kommer ikke fram, og"
    " ingen andre varsles. Følg med på pasientene på annen måte. {mend}",
    "en": "Hjemvakt: the server has not been able to store anything for {wait}: {why}. Readings and alarms do not get"
    " through, and nobody else is told. Watch over the patients by other means. {mend}",
}
_OVER = {
    "nb": "Hjemvakt: serveren lagrer igjen. Det som ventet hjemme hos folk, kommer nå. Se over arbeidslisten.",
    "en": "Hjemvakt: the server stores again. What waited in the homes is coming now. Look through the worklist.",
}
_WHY = {
    "SQLITE_FULL": (
        {"nb": "disken er full", "en": "its disk is full"},
        {"nb": "Drift: rydd plass på disken.", "en": "Administrators: make room on it."},
    ),
    "SQLITE_IOERR": (
        {"nb": "disken svikter", "en": "its disk fails"},
        {"nb": "Drift: se til disken.", "en": "Administrators: see to the disk."},
    ),
}
_OTHERWISE = (
    {"nb": "databasen svarer ikke som den skal", "en": "its database does not take anything"},
    {"nb": "Drift: se til databasen.", "en": "Administrators: see to the database."},
)


class Duty(NamedTuple):
    """Who is on call for each role from a moment on."""

    since_ns: int
    on_call: Mapping[str, tuple[Person, ...]]


class Emergency:
    """Calls people when `db` cannot be written. `turn` is one thread's, and may take as long as the slowest sender."""

    def __init__(self, db: Database, senders: Mapping[str, Sender], again_s: float) -> None:
        self._db = db
        self._senders = senders
        self._again_s = again_s
        self._duties: list[Duty] = []
        self._administrators: tuple[Person, ...] = ()
        self._language = "nb"
        self._refreshed_s = -REFRESH_S
        self._seen = (0, 0)
        self._began: tuple[int, float] | None = None
        """Since when writing fails: the clock's moment, and the wall's in seconds."""
        self._failed_s = 0.0
        self._round = 0
        self._next_s = 0.0
        self._told: dict[str, Person] = {}
        self._untold: dict[str, tuple[Person, str, str]] = {}
        """By dedupe key: who could not be told yet, the key, and the text."""
        self._retry_s = 0.0

    def turn(self, now_ns: int, now_s: float) -> None:
        """Look how writing goes, and call whoever is due. `now_s`: a monotonic clock of the wall."""
        done, failed = self._db.writes.done, self._db.writes.failed
        wrote, fails, self._seen = done > self._seen[0], failed > self._seen[1], (done, failed)
        if fails:
            self._failed_s = now_s
            self._began = self._began or (now_ns, now_s)
        if self._began is None:
            self._refresh(now_ns, now_s)
        elif wrote and now_s - self._failed_s >= CALM_S:
            self._end(now_ns)
        elif self._failed_s - self._began[1] >= PATIENCE_S and now_s >= self._next_s:
            self._call(now_ns, now_s)
        if self._untold and now_s >= self._retry_s:
            self._send(self._untold.values(), now_ns)
            self._retry_s = now_s + RETRY_S

    def problem(self) -> str | None:
        """That somebody should know and does not, or None."""
        if self._round and not self._told:
            return "nobody could be told that nothing can be stored: see to the numbers of the staff, and the log"
        return None

    def _refresh(self, now_ns: int, now_s: float) -> None:
        if now_s - self._refreshed_s < REFRESH_S:
            return
        self._refreshed_s = now_s
        try:
            with self._db.read() as tx:
                moments = (now_ns + ahead_s * NS for ahead_s in range(0, AHEAD_S + 1, STEP_S))
                self._duties = [Duty(t_ns, answering(tx, t_ns)) for t_ns in moments]
                self._administrators = tuple(one for one in people(tx) if one.role == "administrator")
                self._language = in_force(tx, "technical", "high").language
        except Exception as error:
            if not troubled(error):
                raise
            log.warning("whom to call cannot be read now; it stays as it was")

    def _call(self, now_ns: int, now_s: float) -> None:
        assert self._began is not None
        began_ns, began_s = self._began
        text = _text(self._db.writes.failure, now_s - began_s, self._language)
        called = self._whom(now_ns)
        self._untold = {
            key: (person, key, text) for person in called if (key := f"store/{began_ns}/{self._round}/{person.id}")
        }
        log.error("nothing can be stored; %d people are called beside the ladder", len(called))
        self._round += 1
        self._next_s = now_s + self._again_s
        self._retry_s = now_s

    def _whom(self, now_ns: int) -> list[Person]:
        """Whoever has a number, each once."""
        duty = next((one for one in reversed(self._duties) if one.since_ns <= now_ns), None)
        on_call = duty.on_call if duty else {}
        first = _reachable((*on_call.get("nurse", ()), *self._administrators))
        if first and not self._round:
            return first
        return _reachable((*first, *on_call.get("doctor", ())))

    def _end(self, now_ns: int) -> None:
        assert self._began is not None
        if self._told:
            log.info("what comes is stored again; %d people are told", len(self._told))
        text, began_ns = _OVER[self._language], self._began[0]
        self._untold = {
            key: (person, key, text) for person in self._told.values() if (key := f"store/{began_ns}/over/{person.id}")
        }
        self._told = {}
        self._began, self._round, self._next_s, self._retry_s = None, 0, 0.0, 0.0

    def _send(self, due: Iterable[tuple[Person, str, str]], now_ns: int) -> None:
        sender = self._senders.get(CHANNEL)
        for person, key, text in list(due):
            try:
                if sender is None:
                    raise SendError(f"nothing sends {CHANNEL}", "configure a sender for that channel")
                sender.send(Message(key, None, CHANNEL, person.name, person.role, _number(person), text, now_ns))
            except SendError as error:
                log.error("somebody could not be told that nothing can be stored: %s", error)
                continue
            except Exception:
                log.exception("the %s sender broke; the message is tried again", CHANNEL)
                continue
            del self._untold[key]
            if self._began is not None:
                self._told[person.id] = person


def _reachable(people: Iterable[Person]) -> list[Person]:
    return list({one.id: one for one in people if _number(one)}.values())


def _number(person: Person) -> str:
    """Their own, which they have shown to lead to them, else the municipality's; empty: there is none."""
    return next((way.address for way in person.ways if way.channel == CHANNEL), person.phone)


def _text(failure: Exception | None, lasted_s: float, language: str) -> str:
    name = trouble.code(failure) if failure else ""
    why, mend = next((words for code, words in _WHY.items() if name.startswith(code)), _OTHERWISE)
    minutes = round(lasted_s / 60)
    wait = f"{minutes} min" if minutes else f"{lasted_s:.0f} s"
    return _SAID[language].format(wait=wait, why=why[language], mend=mend[language])
