"""What happens to alarms: what the rules say, what the clock does, what people do. All within the caller's transaction.

`judge` is the rules' way in. The ladder is copied when the alarm opens (and again when its priority rises, for then it
is another ladder's alarm), and the first step's messages are queued in the same transaction: an alarm exists together
with the messages that tell of it, or not at all.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.access.filter import seers
from server.access.store import people
from server.alarms import model, table, timeline, words
from server.alarms.api import AlarmKind
from server.alarms.chain import say
from server.alarms.model import PRIORITY, Alarm, Deed, State, Trigger
from server.alarms.table import open_count
from server.cases import sight
from server.cases import table as cases
from server.decisions.record import Basis, What, decided
from server.escalation.model import Climb, Tell, begin, climb
from server.escalation.store import in_force
from server.notify import outbox
from server.notify.words import message
from server.oncall.model import Person
from server.oncall.store import answering
from server.patients.store import organisation_of, patient
from server.readings.model import Reading
from triage.contract import Rule
from triage.episode import Change, Episode, Opened, Raised, Repeated, Settled, doubt, step, trust
from vitals.alarm import Kind, Level, Reason
from vitals.clock import NS

__all__ = [
    "Corrected",
    "Trigger",
    "acknowledge",
    "advance",
    "close",
    "close_itself",
    "correct",
    "escalate",
    "expire",
    "judge",
    "open_count",
    "tell",
]

Corrected = Literal["invalidated", "reinstated"]
"""What a person said of readings."""


def judge(
    tx: sa.Connection,
    patient_id: str,
    kind: Kind,
    reasons: Sequence[Reason],
    unknown: Collection[str],
    now_ns: int,
    trigger: Trigger | None = None,
    basis: Basis | None = None,
) -> bool:
    """Hear what the rules of `kind` say of a patient now; returns whether anything people see has changed.

    `unknown` names the rules that cannot tell. `basis`: what it rests on, to be written down with what it does to an
    alarm. Raises StoreError where no ladder is in force.
    """
    alarm = table.standing(tx, patient_id, kind.value, now_ns)
    if alarm is None:
        closed = table.last_closed(tx, patient_id, kind.value) if trigger and trigger.late else None
        if closed is not None and reasons and _judged(tx, closed, reasons, trigger):
            return _hear_late(tx, closed, reasons, unknown, now_ns, basis)
        return _open(tx, patient_id, kind, reasons, unknown, now_ns, trigger, basis)
    before = msgspec.json.decode(alarm.episode, type=Episode)
    episode, changes = step(before, reasons, unknown, now_ns)
    assert episode is not None, "an episode that was open stays open"
    if alarm.state is not State.CLOSED:
        _decide(tx, alarm.id, changes, reasons, now_ns, basis)
        return _follow(tx, alarm, episode, changes, now_ns, trigger)
    news = any(isinstance(change, Raised | Repeated) for change in changes) or _anew(alarm, before, reasons, trigger)
    if news and not _judged(tx, alarm, reasons, trigger):
        table.save(tx, msgspec.structs.replace(alarm, quiet_until_ns=None))
        return _open(tx, patient_id, kind, reasons, unknown, now_ns, trigger, basis)
    _remember(tx, alarm, episode)
    return False


def correct(
    tx: sa.Connection, patient_id: str, rules: Iterable[Rule], readings: Sequence[Reading], now_ns: int,
    what: Corrected, text: words.Words, name: str,
) -> None:  # fmt: skip
    """Hear that `name` has corrected these readings of a patient whom these rules watch over.

    It is written on the open clinical alarm in which a rule spoke that looks at them. Where the numbers of a rule's
    reason show that it saw them, what it said is doubted, or no longer (`triage.episode`); also in an alarm that is
    closed and quiet, which else would take what comes next for what it was closed for.
    """
    channels, values = {one.channel for one in readings}, {one.value for one in readings}
    looks = {rule.name for rule in rules if channels.intersection(rule.reads)}
    alarm = table.standing(tx, patient_id, "clinical", now_ns)
    spoke = [reason for reason in alarm.reasons if reason.rule in looks] if alarm else []
    if alarm is None or not spoke:
        return
    saw = {reason.rule for reason in spoke if not values.isdisjoint(reason.because.values())}
    episode = msgspec.json.decode(alarm.episode, type=Episode)
    _remember(tx, alarm, doubt(episode, saw, now_ns) if what == "invalidated" else trust(episode, saw))
    if alarm.state is not State.CLOSED:
        timeline.add(tx, alarm.id, now_ns, what, text, name)


def acknowledge(tx: sa.Connection, alarm: Alarm, name: str, now_ns: int, expires_s: float, note: str = "") -> Alarm:
    """`name` has it from now on, for `expires_s`; raises Refused when a colleague has it or has closed it."""
    alarm = model.acknowledge(alarm, name, now_ns, expires_s)
    outbox.withdraw(tx, alarm.id)
    text = words.noted(words.acknowledged(name, expires_s), note)
    say(tx, alarm, now_ns, "acknowledged", text, name)
    return table.save(tx, alarm)


def escalate(tx: sa.Connection, alarm: Alarm, name: str, now_ns: int, note: str = "") -> Alarm:
    """`name` wants the next step told now; raises Refused for a closed alarm."""
    alarm = model.release(alarm, Deed.ESCALATE, now_ns)
    why = words.escalated(name)
    say(tx, alarm, now_ns, "escalated", words.noted(why, note), name)
    return table.save(tx, advance(tx, alarm, now_ns, why))


def close(
    tx: sa.Connection, alarm: Alarm, name: str, now_ns: int, action: str, outcome: str, usefulness: int, note: str = ""
) -> Alarm:
    """`name` ends it; raises Refused for one that nobody has acknowledged, or that is closed."""
    alarm = model.close(alarm, name, now_ns, action, outcome, usefulness, note)
    outbox.withdraw(tx, alarm.id)
    text = words.noted(words.closed(action, outcome, usefulness), note)
    say(tx, alarm, now_ns, "closed", text, name)
    sight.closed(tx, alarm.id, now_ns, name)
    return table.save(tx, alarm)


def expire(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
    """Whoever had it has had it for long enough: the ladder climbs on, or a technical alarm that has settled is closed.

    Who handed it over and sees that nobody took it is told as well; a case that nobody answered says so.
    """
    parked = alarm.parked
    why = words.expired(alarm, now_ns)
    say(tx, alarm, now_ns, "expired", why, alarm.holder or "")
    alarm = model.release(alarm, Deed.EXPIRE, now_ns)
    if model.closes_itself(alarm):
        return close_itself(tx, alarm, now_ns)
    if parked and parked.case is not None:
        cases.lapse(tx, parked.case, now_ns)
    alarm = advance(tx, alarm, now_ns, why)
    if parked and parked.to:
        tell(tx, alarm, [one for one in people(tx) if one.id == parked.by_id], f"back.{now_ns}", why, now_ns)
    return table.save(tx, alarm)


def tell(
    tx: sa.Connection, alarm: Alarm, whom: Iterable[Person], telling: str, why: words.Words, now_ns: int
) -> list[str]:
    """Queue a message beside the ladder, that says `why`; returns the names of those who can be reached and answer.

    `telling` names it once and for all: the same again is no second message.
    """
    person = patient(tx, alarm.patient_id)
    reached = [one for one in whom if one.answers]
    for one in reached:
        outbox.queue(
            tx, alarm_id=alarm.id, patient_id=alarm.patient_id, severity=int(alarm.level), telling=telling, person=one,
            text=message(alarm, person.name if person else "", Tell(one.role, "", 0, 0, (one,), ()), why),
            now_ns=now_ns, language=alarm.climb.ladder.language,
        )  # fmt: skip
    return [one.name for one in reached]


def advance(tx: sa.Connection, alarm: Alarm, now_ns: int, why: words.Words | None = None) -> Alarm:
    """Climb if a step is due, queue its messages and write them on the timeline. The caller saves the alarm.

    `why` says what moved the ladder, in the messages; None when it was time.
    """
    climbed, tells = climb(alarm.climb, now_ns, _answering(tx, alarm.patient_id, now_ns))
    alarm = msgspec.structs.replace(alarm, climb=climbed)
    for tell in tells:
        alarm = _told(tx, alarm, tell, now_ns, why)
    return alarm


def _foot(
    tx: sa.Connection, kind: AlarmKind, level: Level, patient_id: str, now_ns: int, before: Climb | None = None
) -> Climb:
    """At the foot of the ladder that is in force for such an alarm of that patient."""
    return begin(in_force(tx, kind, PRIORITY[level], patient_id, now_ns), now_ns, before)


def _answering(tx: sa.Connection, patient_id: str, now_ns: int) -> dict[str, tuple[Person, ...]]:
    """Who answers for what a step names, as far as they may see the patient.

    Where no administrator may, every one answers who is not locked: they are the last resort, and find somebody.
    """
    everybody, may = answering(tx, now_ns, organisation_of(tx, patient_id)), seers(tx, patient_id, now_ns)
    found = {named: tuple(one for one in people if one.id in may) for named, people in everybody.items()}
    any_other = tuple(one for one in everybody["administrator"] if not one.locked)
    return found | {"administrator": found["administrator"] or any_other}


def _told(tx: sa.Connection, alarm: Alarm, tell: Tell, now_ns: int, why: words.Words | None) -> Alarm:
    if tell.last_resort:
        timeline.add(tx, alarm.id, now_ns, "last_resort", words.last_resort(bool(tell.people)))
    elif tell.unreachable or not tell.people:
        timeline.add(tx, alarm.id, now_ns, "skipped", words.skipped(tell.role, tell.name, tell.unreachable))
    if not tell.people:
        return alarm
    person = patient(tx, alarm.patient_id)
    text = message(alarm, person.name if person else "", tell, why)
    for one in tell.people:
        outbox.queue(
            tx, alarm_id=alarm.id, patient_id=alarm.patient_id, severity=int(alarm.level),
            telling=f"{tell.round}.{tell.step}", person=one, text=text, now_ns=now_ns,
            language=alarm.climb.ladder.language,
        )  # fmt: skip
        say(tx, alarm, now_ns, "told", words.told(one.name, tell.role, tell.name), one.name)
    told = dict.fromkeys((*alarm.told, *(one.name for one in tell.people)))
    return msgspec.structs.replace(alarm, state=model.after(alarm, Deed.TELL), told=tuple(told))


def _open(
    tx: sa.Connection,
    patient_id: str,
    kind: Kind,
    reasons: Sequence[Reason],
    unknown: Collection[str],
    now_ns: int,
    trigger: Trigger | None,
    basis: Basis | None,
) -> bool:
    episode, changes = step(None, reasons, unknown, now_ns)
    if episode is None or not any(isinstance(change, Opened) for change in changes):
        return False
    alarm = table.insert(
        tx,
        Alarm(
            id=0, patient_id=patient_id, kind=kind.value, level=episode.level, state=State.RAISED, raised_ns=now_ns,
            climb=_foot(tx, kind.value, episode.level, patient_id, now_ns), reasons=_newest_first(episode),
            episode=msgspec.json.encode(episode),
        ),
    )  # fmt: skip
    _decide(tx, alarm.id, changes, reasons, now_ns, basis)
    _trace(tx, alarm, trigger)
    say(tx, alarm, now_ns, "raised", words.raised(alarm))
    for reason in episode.reasons:
        timeline.add(tx, alarm.id, now_ns, "reason", reason.text)
    table.save(tx, advance(tx, alarm, now_ns, words.LATE if trigger and trigger.late else None))
    return True


def _follow(
    tx: sa.Connection, alarm: Alarm, episode: Episode, changes: Sequence[Change], now_ns: int, trigger: Trigger | None
) -> bool:
    """The rules have spoken of an open alarm."""
    was = alarm
    alarm = msgspec.structs.replace(
        alarm,
        reasons=_newest_first(episode),
        settled=episode.settled_ns is not None,
        episode=msgspec.json.encode(episode),
    )
    if alarm == was:
        return False
    said = _said(was)
    for change in changes:
        alarm = _changed(tx, alarm, change, said, now_ns, trigger)
    if model.closes_itself(alarm):
        close_itself(tx, alarm, now_ns)
    else:
        table.save(tx, alarm)
    return bool(changes) or alarm.reasons != was.reasons


def _changed(
    tx: sa.Connection, alarm: Alarm, change: Change, said: Mapping[str, Level], now_ns: int, trigger: Trigger | None
) -> Alarm:
    """`said`: the worst that each rule had said of it before (`_said`)."""
    if isinstance(change, Raised):
        _trace(tx, alarm, trigger)
        why = words.worse(change.before, change.level)
        foot = _foot(tx, alarm.kind, change.level, alarm.patient_id, now_ns, alarm.climb)
        alarm = model.worsen(alarm, change.level, foot)
        say(tx, alarm, now_ns, "worse", why)
        timeline.add(tx, alarm.id, now_ns, "reason", change.reason.text)
        return advance(tx, alarm, now_ns, words.joined(why, words.LATE) if trigger and trigger.late else why)
    if isinstance(change, Repeated):
        timeline.add(tx, alarm.id, now_ns, "reason", change.reason.text)
        news = change.reason.level > said.get(change.reason.rule, Level.CALM)
        if news and alarm.state is State.SNOOZED:
            return _disturb(tx, alarm, now_ns)
    elif isinstance(change, Settled) and not model.closes_itself(alarm):
        timeline.add(tx, alarm.id, now_ns, "settled", words.SETTLED)
    return alarm


def _disturb(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
    """A rule that had not spoken, or now says worse than it had, breaks a snooze; the same once more does not."""
    why = words.disturbed(alarm)
    say(tx, alarm, now_ns, "disturbed", why)
    return advance(tx, model.release(alarm, Deed.DISTURB, now_ns), now_ns, why)


_DOES: tuple[tuple[type[Change], What], ...] = ((Opened, "opened"), (Raised, "raised"), (Repeated, "stacked"))


def _decide(
    tx: sa.Connection, alarm_id: int, changes: Sequence[Change], reasons: Sequence[Reason], now_ns: int,
    basis: Basis | None,
) -> None:  # fmt: skip
    """Write down what a verdict did to its alarm, by the most that it did, if it did anything."""
    for kind, what in _DOES:
        if any(isinstance(change, kind) for change in changes):
            decided(tx, alarm_id, now_ns, what, basis, reasons)
            return


def close_itself(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
    """A technical alarm that has settled ends, for nobody has acknowledged it (`model.closes_itself`)."""
    outbox.withdraw(tx, alarm.id)
    say(tx, alarm, now_ns, "closed", words.SETTLED_ITSELF)
    sight.closed(tx, alarm.id, now_ns, f"alarm {alarm.id}")
    return table.save(tx, model.settle(alarm, now_ns))


def _remember(tx: sa.Connection, alarm: Alarm, episode: Episode) -> None:
    """What triage knows, and nobody sees. A closed alarm that is quiet goes on listening, so that it knows news from
    what it was closed for."""
    memory = msgspec.json.encode(episode)
    if memory != alarm.episode:
        table.save(tx, msgspec.structs.replace(alarm, episode=memory))


def _judged(tx: sa.Connection, alarm: Alarm, reasons: Sequence[Reason], trigger: Trigger | None) -> bool:
    """Whether what came now is late, older than what a closed alarm arose from, and says nothing that it did not."""
    if trigger is None or not trigger.late or alarm.closed_by is None:
        return False
    arose_ns = timeline.last_ns(tx, alarm.id, "taken")
    said = _said(alarm)
    known = all(reason.level <= said.get(reason.rule, Level.CALM) for reason in reasons)
    return known and arose_ns is not None and trigger.taken_ns <= arose_ns


def _said(alarm: Alarm) -> dict[str, Level]:
    """The worst that each rule has said of it; of one that saw what was wrong nothing is left."""
    doubted = msgspec.json.decode(alarm.episode, type=Episode).doubted
    return {reason.rule: reason.level for reason in alarm.reasons if reason.rule not in doubted}


def _hear_late(
    tx: sa.Connection, alarm: Alarm, reasons: Sequence[Reason], unknown: Collection[str], now_ns: int,
    basis: Basis | None,
) -> bool:  # fmt: skip
    """A closed alarm that had settled hears what came late to it, and is quiet about that (`_anew`) for a while."""
    episode, _ = step(msgspec.json.decode(alarm.episode, type=Episode), reasons, unknown, now_ns)
    for reason in reasons:
        timeline.add(tx, alarm.id, now_ns, "late", words.came_after(reason.text))
    decided(tx, alarm.id, now_ns, "late", basis, reasons)
    quiet_ns = now_ns + round(model.QUIET_S[alarm.level] * NS)
    table.save(tx, msgspec.structs.replace(alarm, quiet_until_ns=quiet_ns, episode=msgspec.json.encode(episode)))
    return True


def _anew(alarm: Alarm, before: Episode, reasons: Sequence[Reason], trigger: Trigger | None) -> bool:
    """Whether something that came in time makes a rule say what it has not said.

    An alarm that had settled when it was closed is quiet only about what came late to it. The sentence tells the two
    apart: it has the numbers that the finding is made of.
    """
    if not alarm.settled or trigger is None or trigger.late:
        return False
    said = {reason.rule: reason.text for reason in before.reasons}
    return any(said.get(reason.rule) != reason.text for reason in reasons)


def _newest_first(episode: Episode) -> tuple[Reason, ...]:
    return tuple(sorted(episode.reasons, key=lambda reason: (-reason.t_ns, -reason.level)))


def _trace(tx: sa.Connection, alarm: Alarm, trigger: Trigger | None) -> None:
    """The reading that led here, with its own times."""
    if trigger is None:
        return
    timeline.add(tx, alarm.id, trigger.taken_ns, "taken", words.taken(trigger))
    timeline.add(tx, alarm.id, trigger.received_ns, "received", words.RECEIVED)
    timeline.add(tx, alarm.id, trigger.stored_ns, "stored", words.stored(trigger))
