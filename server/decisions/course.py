"""When the rules looked at a patient, and what applied then.

The looks are those that were made: one with each row of the journal that filed something of the patient, and those that
are noted (`server.decisions.record`). From before they were noted, rounds are assumed as often as they are made.
"""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa

from server.alarms import table
from server.alarms.model import QUIET_S
from server.alarms.timeline import last_ns, timeline
from server.decisions import record
from server.decisions.history import History
from server.decisions.record import Circumstances, Said
from server.patients import versions
from server.patients.store import PatientRecord
from server.readings.model import Occurrence, Reading
from server.watch import ROUND_S
from triage.catalogue import catalogue
from triage.programme import Programme, limits_for
from vitals.clock import NS
from vitals.errors import ConfigError, StoreError

_MEMORY_NS = round(max(QUIET_S.values()) * NS)
"""So long, at the most, is an alarm that somebody closed quiet about what it was closed for; that long it remembers."""


@dataclass(frozen=True)
class Look:
    """The rules looked at `t_ns`, the journal being at `seq`. `new`: what was filed just before, for this look."""

    t_ns: int
    seq: int
    new: Sequence[Reading | Occurrence] = ()


class Applied:
    """What applied to a patient, look by look. `instead`: another programme than theirs was, throughout.

    Raises ConfigError where that one does not take limits that the patient has, or had.
    """

    def __init__(self, tx: sa.Connection, patient: PatientRecord, today: Programme, instead: Programme | None) -> None:
        self._tx = tx
        self._patient = patient
        self._instead = instead
        self._today = today
        found = record.applied(tx, patient.id)
        self._from = [(seq, t_ns) for seq, t_ns, _ in found]
        self._found = [one for _, _, one in found]
        self._known: dict[str, Programme] = {}
        self.assumed_ns: int | None = None
        """The last look for which today's programme and limits were assumed."""
        self.programme = instead or today
        """The one of the look that was asked for last."""
        if instead is not None:
            for limits in [patient.limits, *(one.personal for one in self._found)]:
                self._limits(instead, limits)

    def at(self, look: Look) -> tuple[Programme, Mapping[str, float], dict[str, float], Said]:
        """The programme, the personal limits, all limits, and what the server itself found."""
        place = bisect.bisect_right(self._from, (look.seq, look.t_ns)) - 1
        if place < 0:
            self.assumed_ns = look.t_ns
            one = Circumstances("", self._patient.limits, {}, ())
        else:
            one = self._found[place]
        self.programme = self._instead or (self._of(one.digest) if one.digest else self._today)
        given = dict(one.given)
        if self._instead is not None:
            given.pop("silence_shared", None)  # it follows from the programme
        return self.programme, one.personal, self._limits(self.programme, one.personal) | given, one.said

    def _of(self, digest: str) -> Programme:
        if digest not in self._known:
            found = versions.of_digest(self._tx, digest)
            if found is None:
                raise StoreError(
                    f"the programme {digest} that {self._patient.id} followed then is not kept here",
                    "name one with --programme",
                )
            self._known[digest] = msgspec.structs.replace(
                found, rules=tuple(name for name in found.rules if name in catalogue())
            )
        return self._known[digest]

    def _limits(self, programme: Programme, personal: Mapping[str, float]) -> dict[str, float]:
        try:
            return limits_for(programme, personal)
        except ConfigError as error:
            raise ConfigError(f"patient {self._patient.id}: {error.text}", error.mend) from error


def beginning(tx: sa.Connection, patient_id: str, from_ns: int) -> int:
    """The latest moment up to then at which no alarm of the patient was standing, or remembering."""
    spans: list[tuple[int, float]] = []
    for alarm in table.every(tx, patient_id):
        end_ns = float("inf") if alarm.closed_ns is None else max(alarm.closed_ns, last_ns(tx, alarm.id, "late") or 0)
        spans.append((alarm.raised_ns, end_ns + _MEMORY_NS if alarm.closed_by else end_ns))
    began_ns = from_ns
    while earlier := [since for since, end in spans if since < began_ns <= end]:
        began_ns = min(earlier)
    return began_ns


def earliest(tx: sa.Connection, from_ns: int) -> int:
    """Where the first replay begins, of any patient, that is to tell what happened from then on."""
    alarms, since_ns = table.alarms.c, from_ns - _MEMORY_NS
    late = sa.exists().where(timeline.c.alarm_id == alarms.id, timeline.c.what == "late", timeline.c.t_ns >= since_ns)
    stands = alarms.closed_ns.is_(None) | (alarms.closed_ns >= since_ns) | late
    patients = tx.scalars(sa.select(alarms.patient_id).where(alarms.raised_ns < from_ns, stands).distinct()).all()
    return min((beginning(tx, one, from_ns) for one in patients), default=from_ns)


def looks(tx: sa.Connection, past: History, from_ns: int, to_ns: int) -> tuple[list[Look], int | None]:
    """Those in that span, in the order they were made, and up to when they had to be assumed (None: nowhere)."""
    noted = record.looks_at(tx, past.patient_id, from_ns, to_ns)
    since_ns = record.noted_since(tx)
    found = [
        ((one.seq, 0, 0), Look(one.t_ns, one.seq, past.filed(one.seq)))
        for one in past.arrivals
        if from_ns <= one.t_ns <= to_ns
    ]
    found += [
        ((one.seq, 1, place), Look(one.t_ns, one.seq, past.filed(one.seq, one.filed)))
        for place, one in enumerate(noted)
    ]
    until_ns = to_ns if since_ns is None else min(to_ns, since_ns - 1)
    assumed = _rounds(past, from_ns, until_ns)
    found += [((one.seq, 1, one.t_ns - until_ns), one) for one in assumed]
    return [look for _, look in sorted(found, key=lambda pair: pair[0])], until_ns if assumed else None


def _rounds(past: History, from_ns: int, to_ns: int) -> list[Look]:
    """Rounds as often as they are made, between two moments, from the first reading on."""
    times = [one.t_ns for one in past.arrivals]
    if not times:
        return []
    step_ns = round(ROUND_S * NS)
    first_ns = max(from_ns, times[0])
    return [
        Look(t_ns, past.arrivals[bisect.bisect_right(times, t_ns) - 1].seq)
        for t_ns in range(first_ns + step_ns, to_ns + 1, step_ns)
    ]
