"""What else people do to an alarm, within the caller's transaction: the table decides, the timeline says it in codes.

Acknowledging, climbing the ladder and closing are in `server.alarms.store`; escalating to somebody as a case is in
`server.cases.store`.
"""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from server.access.door import CARE
from server.access.filter import seers
from server.access.store import people
from server.alarms import holds, store, table, words
from server.alarms.chain import say
from server.alarms.model import HELD, Alarm, Refused, To, closes_itself
from server.api import Role
from server.cases.sight import CONSULTED
from server.cases.table import found
from server.escalation.model import resume
from server.notify import outbox
from server.oncall.model import Person
from server.oncall.store import answering
from server.patients.store import organisation_of


def undo(tx: sa.Connection, alarm: Alarm, name: str, now_ns: int) -> Alarm:
    """`name` takes their own acknowledgement back; raises Refused for a colleague's, or when it is too late.

    The ladder goes on as if it had not been. What it had withdrawn unsent cannot be sent as it was, so then the next
    step is due at once: rather one person too many than nobody. So is what it was left with somebody for, who would
    never hear of it.
    """
    alarm = holds.undo(alarm, name, now_ns)
    if alarm.state not in HELD and outbox.unsent(tx, alarm.id, f"{alarm.climb.round}.{alarm.climb.step}"):
        alarm = msgspec.structs.replace(alarm, climb=resume(alarm.climb, now_ns))
    parked = alarm.parked
    if parked and outbox.unsent(tx, alarm.id, holds.told_by(parked)) and not found(tx, parked.case):
        alarm = holds.unheard(alarm, holds.told_by(parked), now_ns)
    say(tx, alarm, now_ns, "undone", words.undone(name), name)
    return _kept(tx, alarm, now_ns)


def assess(
    tx: sa.Connection, alarm: Alarm, name: str, now_ns: int, expires_s: float, cause: str, note: str = ""
) -> Alarm:
    """`name`, who has it, says what it comes from; raises Refused for one that another has, or nobody."""
    alarm = holds.assess(alarm, name, now_ns, expires_s, cause)
    say(tx, alarm, now_ns, "assessed", words.noted(words.assessed(name, cause), note), name)
    return table.save(tx, alarm)


def snooze(tx: sa.Connection, alarm: Alarm, by_id: str, name: str, now_ns: int, for_s: float, why: str) -> Alarm:
    """Inactivated for `for_s`, at most 8 h; raises Refused for one that another has."""
    alarm = holds.snooze(alarm, by_id, name, now_ns, for_s, why)
    outbox.withdraw(tx, alarm.id)
    say(tx, alarm, now_ns, "snoozed", words.snoozed(name, for_s, why), name)
    return _kept(tx, alarm, now_ns)


def hand_over(tx: sa.Connection, alarm: Alarm, by_id: str, name: str, now_ns: int, to: To, note: str = "") -> Alarm:
    """`name` leaves it with `to`, who are told; raises Refused where nobody of them can be reached."""
    parked, why = holds.hand_over(alarm, by_id, name, now_ns, to, note), words.handed_over(name, to)
    see = seers(tx, alarm.patient_id, now_ns) - {by_id}
    able = [one for one in addressed(tx, to, alarm.patient_id, now_ns) if one.id in see]
    whom = [one for one in able if one.role in CARE or alarm.kind == "technical"]  # else they could not take it
    reach(alarm, whom, to)
    alarm = parked
    say(tx, alarm, now_ns, "handed_over", words.noted(why, note), name)
    store.tell(tx, alarm, whom, f"hand.{now_ns}", why, now_ns)
    return table.save(tx, alarm)


def reopen(tx: sa.Connection, alarm: Alarm, name: str, now_ns: int, expires_s: float, why: str) -> Alarm:
    """`name` has a closed alarm again, for `expires_s`; raises Refused when it is too late, or when a newer one is open
    that speaks for the patient now."""
    newer = table.open_of(tx, alarm.patient_id, alarm.kind)
    if newer is not None and newer.id != alarm.id:
        raise Refused(
            f"alarm {newer.id} of the same patient has been raised since", "act on that one", newer.holder,
            newer.state.value,
        )  # fmt: skip
    alarm = holds.reopen(alarm, name, now_ns, expires_s)
    say(tx, alarm, now_ns, "reopened", words.noted(words.reopened(name), why), name)
    return table.save(tx, alarm)


def addressed(tx: sa.Connection, to: To, patient_id: str, now_ns: int) -> list[Person]:
    """Whom something about a patient for `to` is for now: the person, or all who answer for the role."""
    if to.person is not None:
        return [one for one in people(tx) if one.id == to.person]
    return list(on_call(tx, to.role, patient_id, now_ns))


def on_call(tx: sa.Connection, role: Role, patient_id: str, now_ns: int) -> tuple[Person, ...]:
    """Who answers for `role` now where the patient belongs; those who are consulted answer for patients anywhere."""
    where = None if role in CONSULTED else organisation_of(tx, patient_id)
    return answering(tx, now_ns, where)[role]


def reach(alarm: Alarm, whom: Iterable[Person], to: To) -> None:
    """Raises Refused unless somebody of them can be reached: what nobody hears of must not seem to be with somebody."""
    if any(one.reached_by for one in whom):
        return
    raise Refused(
        f"{to.name or 'nobody on call as ' + to.role} cannot be reached, or may not see this patient",
        "choose somebody else, or the ladder's next", None, alarm.state.value,
    )  # fmt: skip


def _kept(tx: sa.Connection, alarm: Alarm, now_ns: int) -> Alarm:
    """Store an alarm that nobody has acknowledged now: a technical one that has settled is over with that."""
    return store.close_itself(tx, alarm, now_ns) if closes_itself(alarm) else table.save(tx, alarm)
