"""The rules, run for whoever has something new, and now and then for everybody, because silence makes no sound.

What the rules find is handed to `alarms.judge` in the caller's transaction, kind by kind: a verdict and the alarm it
raises are committed together with the readings they come from.

The gateway's silence is judged here, from its heartbeats, since no reading tells of it. While a home's gateways are
silent, or are back from a long silence for less than SETTLE_S (their heartbeat comes before what they have waiting),
the silence of its devices is not known (`triage.rules.silence`).

So are orders that nobody knows the end of (`server.orders`): they speak until a person has looked.

So is a gateway that cannot keep what its devices tell, because its spool or its disk is full: nothing is lost yet, but
the devices' own memories are not endless.

So is the gateway's clock: one that is far off puts readings at a wrong time, or into quarantine where they alarm
nobody.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache

import numpy as np
import sqlalchemy as sa

from server.alarms.store import Trigger, judge
from server.alarms.table import alarms
from server.db import after_commit
from server.decisions import record
from server.decisions.record import Basis, Circumstances, spoken
from server.fleet.store import Pulse, pulses
from server.notify.words import wait
from server.orders import store as orders
from server.orders.model import Order
from server.orders.words import reasons as order_reasons
from server.patients.programmes import Programmes
from server.patients.store import PatientRecord, patients_of, watched_since
from server.quick import Among
from server.readings.journal import last_seq
from server.readings.store import Occurrence, Reading, window
from server.wishes.look import Wishing
from triage.contract import Rule
from triage.grid import limits_of
from triage.programme import GIVEN
from triage.rules.silence import gateway_silent
from triage.run import Verdicts, run
from vitals.alarm import Audience, Kind, Level, Reason
from vitals.clock import MS, NS

ROUND_S = 15.0
"""How often everybody is looked at, in the clock's seconds."""

SETTLE_S = 300.0
"""So long may a gateway that is back take to send what it has waiting, in the clock's seconds. A silence shorter than
this leaves little to wait for: a gateway that now and then misses a heartbeat must not hide its devices' silence."""

CLOCK_OFF_S = 300.0
"""A gateway's clock may be so far from ours, in the clock's seconds (`ingest.filing` refuses what is further ahead)."""

ON_THE_WAY_S = 60.0
"""So long may a heartbeat be on its way, in seconds of the wall: it looks like a clock that is behind."""

New = Mapping[str, Sequence[Reading | Occurrence]]
"""What was stored just now, by patient."""


class Watch:
    """`silent_after_s`: a gateway unheard for so long raises an alarm. `started_ns`: when this server came up.

    `speed`: clock seconds in a second of the wall. `wishing`: what then asks the homes.
    """

    def __init__(
        self,
        programmes: Programmes,
        silent_after_s: float,
        started_ns: int,
        speed: float,
        wishing: Wishing,
    ) -> None:
        self._programmes = programmes
        self._wishing = wishing
        self._silent_after_s = silent_after_s
        self._started_ns = started_ns
        self._clock_off_s = max(CLOCK_OFF_S, ON_THE_WAY_S * speed)
        self._heard_since_ns: dict[str, int] = {}
        """Since when each gateway that can be heard has been, without a long silence between: as committed."""
        self._applies: dict[str, Circumstances] = {}
        """What was written down last of each patient: as committed."""

    def look(self, tx: sa.Connection, patient_ids: Iterable[str] | None, now_ns: int, new: New) -> set[str]:
        """Run the rules for these patients (None: everybody); returns those whose alarms changed."""
        chosen = None if patient_ids is None else set(patient_ids)
        self._started_ns = min(self._started_ns, now_ns)  # our clock may have been set back since
        heard = pulses(tx, self._started_ns, chosen)
        heard_since_ns = self._listened(heard, now_ns)
        # A heartbeat that the disk had no room for was not heard: what its gateway has waiting cannot have come either.
        after_commit(tx, lambda: self._remember(heard_since_ns))
        homes = _homes(heard)
        since = watched_since(tx, now_ns, chosen)
        listening = listeners(tx, now_ns, chosen)
        to_look_at = orders.to_look_at(tx)
        position = cache(lambda: last_seq(tx))
        changed: set[str] = set()
        applies: dict[str, Circumstances] = {}
        for name, people in _by_programme(patients_of(tx, chosen)).items():
            programme, digest = self._programmes.of(name), self._programmes.of(name).digest
            limits = {one.id: self._limits(one, homes, since, now_ns) for one in people}
            verdicts = _verdicts(tx, self._programmes.rules(name), limits, now_ns)
            alarmed = {kind: set(verdicts.alarmed(kind).tolist()) for kind in Kind}
            for row, one in enumerate(people):
                own = self._own(homes.get(one.id, []), to_look_at.get(one.id, ()), now_ns)
                applies[one.id] = _circumstances(digest, one.limits, limits[one.id], own)
                basis = Basis(programme.name, programme.version, digest, limits[one.id], tuple(one.limits), position)
                for kind in Kind:
                    reasons = for_nurse(verdicts, row, kind) if row in alarmed[kind] else []
                    reasons += [reason for whose, reason in own if whose is kind]
                    if not reasons and (one.id, kind.value) not in listening:
                        continue
                    if hear(tx, one.id, kind, reasons, verdicts, row, new, basis):
                        changed.add(one.id)
            changed |= self._wishing.look(tx, people, verdicts, now_ns)
        self._note(tx, applies, position, now_ns)
        return changed

    def _note(
        self, tx: sa.Connection, applies: Mapping[str, Circumstances], position: Callable[[], int], now_ns: int
    ) -> None:
        """Write down what applies to whom, where that has changed; remembered once it is committed."""
        unknown = record.applied_last(tx, [patient for patient in applies if patient not in self._applies])
        known = ((patient, self._applies.get(patient) or unknown.get(patient)) for patient in applies)
        fresh = {patient: applies[patient] for patient, one in known if applies[patient] != one}
        if fresh:
            record.applies(tx, now_ns, position(), fresh)
        news = {patient: one for patient, one in applies.items() if patient in fresh or patient not in self._applies}
        after_commit(tx, lambda: self._applies.update(news))  # not all: what is kept anew is garbage to look through

    def _own(self, home: Sequence[Pulse], to_look_at: Sequence[Order], now_ns: int) -> list[tuple[Kind, Reason]]:
        """What the server itself finds, of no reading."""
        technical = self._silence(home, now_ns) + self._clocks(home, now_ns) + _full(home, now_ns)
        own = [(Kind.TECHNICAL, reason) for reason in technical]
        return own + [(kind, reason) for kind in Kind for reason in order_reasons(to_look_at, kind, now_ns)]

    def _limits(
        self, one: PatientRecord, homes: Mapping[str, list[Pulse]], since: Mapping[str, int], now_ns: int
    ) -> dict[str, float]:
        limits = self._programmes.limits(one.programme, one.limits)
        if one.id in since:
            limits["watched_since_ns"] = float(since[one.id])
        home = homes.get(one.id, [])
        limits["gateway_silent"] = float(bool(home) and not any(self._settled(pulse, now_ns) for pulse in home))
        return limits

    def _listened(self, heard: Iterable[Pulse], now_ns: int) -> dict[str, int | None]:
        """Since when each of these is heard (None: it is not), to be remembered once this look is committed."""
        return {pulse.id: self._since_ns(pulse, now_ns) for pulse in heard}

    def _since_ns(self, pulse: Pulse, now_ns: int) -> int | None:
        not_yet = pulse.last_heard_ns is None or pulse.last_heard_ns < self._started_ns
        if not_yet or now_ns - pulse.since_ns > max(self._silent_after_s, SETTLE_S) * NS:
            return None
        return min(self._heard_since_ns.get(pulse.id, now_ns), now_ns)

    def _remember(self, since_ns: dict[str, int | None]) -> None:
        for gateway, ns in since_ns.items():
            if ns is None:
                self._heard_since_ns.pop(gateway, None)
            else:
                self._heard_since_ns[gateway] = ns

    def _settled(self, pulse: Pulse, now_ns: int) -> bool:
        """Not silent, and heard for so long that what it had waiting has come."""
        silent = now_ns - pulse.since_ns > self._silent_after_s * NS
        return not silent and now_ns - self._heard_since_ns.get(pulse.id, now_ns) >= SETTLE_S * NS

    def _clocks(self, home: Sequence[Pulse], now_ns: int) -> list[Reason]:
        """A reason for the gateway of this home whose clock is furthest off, if it is too far."""
        known = [pulse for pulse in home if pulse.ahead_ns is not None and self._settled(pulse, now_ns)]
        worst = max(known, key=lambda pulse: abs(pulse.ahead_ns or 0), default=None)
        if worst is None or abs(worst.ahead_ns or 0) <= self._clock_off_s * NS:
            return []
        # Whole minutes: the same fault is one reason, not a new one with every heartbeat.
        ahead_min = round((worst.ahead_ns or 0) / (60 * NS))
        because: dict[str, float | None] = {"ahead_min": float(ahead_min), "limit_s": self._clock_off_s}
        return [Reason("gateway_clock", "1", Level.MEDIUM, because, _clock_words(worst.id, ahead_min), now_ns)]

    def _silence(self, home: Sequence[Pulse], now_ns: int) -> list[Reason]:
        """One reason for the gateway of this home that has been silent for longest, if any."""
        pulse = min(home, key=lambda one: one.since_ns, default=None)
        if pulse is None or now_ns - pulse.since_ns <= self._silent_after_s * NS:  # of nearly everybody, in each round
            return []
        heard_ns, limit_s = np.array([pulse.since_ns], np.int64), np.array([self._silent_after_s])
        level = Level(int(gateway_silent(now_ns, heard_ns, limit_s)[0]))
        if level <= Level.CALM:
            return []
        # The moment rather than the growing age: the same silence is one reason, not a new one with every look.
        heard_ms = None if pulse.last_heard_ns is None else float(pulse.last_heard_ns // MS)
        because = {"last_heard_ms": heard_ms, "limit_s": self._silent_after_s}
        return [Reason("gateway_silent", "1", level, because, _words(pulse, self._silent_after_s), now_ns)]


def _full(home: Sequence[Pulse], now_ns: int) -> list[Reason]:
    """A reason for the first gateway of this home that keeps nothing more, if any."""
    full = next((pulse.id for pulse in home if pulse.full), None)
    if full is None:
        return []
    words = {
        "nb": f"Gatewayen {full} har ikke plass til flere målinger: apparatene beholder sine til det er plass igjen",
        "en": f"The gateway {full} has no room for more readings: the devices keep theirs until it has",
    }
    return [Reason("gateway_full", "1", Level.MEDIUM, {}, words, now_ns)]


def _by_programme(people: Iterable[PatientRecord]) -> dict[str, list[PatientRecord]]:
    found: dict[str, list[PatientRecord]] = {}
    for one in people:
        found.setdefault(one.programme, []).append(one)
    return found


def _verdicts(
    tx: sa.Connection, rules: tuple[Rule, ...], limits: Mapping[str, Mapping[str, float]], now_ns: int
) -> Verdicts:
    people = list(limits)
    return run(window(tx, people, rules, limits_of(rules, people, limits), now_ns), rules)


def hear(
    tx: sa.Connection, patient_id: str, kind: Kind, reasons: Sequence[Reason], verdicts: Verdicts, row: int, new: New,
    basis: Basis,
) -> bool:  # fmt: skip
    """Hand what was found of the patient in `row` to the alarms; returns whether anything people see has changed."""
    now_ns = verdicts.now_ns
    trigger = _trigger(verdicts.rules, reasons, new, patient_id, now_ns)
    unknown = frozenset(verdicts.unknown(row, kind=kind))
    return judge(tx, patient_id, kind, reasons, unknown, now_ns, trigger, basis)


def _circumstances(
    digest: str, personal: Mapping[str, float], limits: Mapping[str, float], own: Iterable[tuple[Kind, Reason]]
) -> Circumstances:
    """What is to be written down of one patient; a programme and personal limits make all limits but the given."""
    given = {name: value for name, value in limits.items() if name in GIVEN}
    return Circumstances(digest, dict(personal), given, spoken(own))


def for_nurse(verdicts: Verdicts, row: int, kind: Kind) -> list[Reason]:
    """What is for the patient or the next of kin opens no alarm."""
    return verdicts.reasons(row, kind=kind, tells=Audience.NURSE)


def _homes(heard: Iterable[Pulse]) -> dict[str, list[Pulse]]:
    homes: dict[str, list[Pulse]] = {}
    for pulse in heard:
        if pulse.patient_id is not None:
            homes.setdefault(pulse.patient_id, []).append(pulse)
    return homes


def listeners(tx: sa.Connection, now_ns: int, patient_ids: Collection[str] | None) -> set[tuple[str, str]]:
    """(patient, kind) of the alarms that want to hear calm too: open ones, and closed ones that are still quiet."""
    return {(patient, kind) for patient, kind in _LISTENING.rows(tx, patient_ids, now_ns=now_ns)}


def _trigger(
    rules: Iterable[Rule], reasons: Sequence[Reason], new: New, patient_id: str, now_ns: int
) -> Trigger | None:
    """The newest of what came just now that the worst reason's rule looks at."""
    if not reasons:
        return None
    names = {name for rule in rules for name in (*rule.reads, *rule.events) if rule.name == reasons[0].rule}
    seen = [(_name(one), one) for one in new.get(patient_id, ()) if _name(one) in names]
    if not seen:
        return None
    name, newest = max(seen, key=lambda pair: pair[1].t_ns)
    return Trigger(newest.device, name, newest.t_ns, newest.received_ns + newest.shift_ns, now_ns)


def _name(one: Reading | Occurrence) -> str:
    return one.channel if isinstance(one, Reading) else one.sample


def _words(pulse: Pulse, limit_s: float) -> dict[str, str]:
    if pulse.last_heard_ns is None:
        return {
            "nb": f"Gatewayen {pulse.id} har aldri gitt lyd fra seg",
            "en": f"The gateway {pulse.id} has never been heard from",
        }
    return {
        "nb": f"Gatewayen {pulse.id} er stille: ingenting hørt på over {limit_s:.0f} s",
        "en": f"The gateway {pulse.id} is silent: nothing heard for more than {limit_s:.0f} s",
    }


def _clock_words(gateway: str, ahead_min: int) -> dict[str, str]:
    off = wait(abs(ahead_min) * 60)
    nb, en = ("foran", "ahead of") if ahead_min > 0 else ("bak", "behind")
    return {
        "nb": f"Klokken i gatewayen {gateway} går {off} {nb} serverens: målinger får feil tid eller havner i karantene",
        "en": f"The clock of the gateway {gateway} is {off} {en} the server's: readings get a wrong time or go into "
        "quarantine",
    }


_LISTENING = Among(
    sa.select(alarms.c.patient_id, alarms.c.kind).where(
        (alarms.c.state != "closed") | (alarms.c.quiet_until_ns > sa.bindparam("now_ns", type_=sa.BigInteger))
    ),
    alarms.c.patient_id,
)
