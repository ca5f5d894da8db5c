"""Whose a device is: giving it to a patient, taking it back, and who had it when.

The assignment at the time of measurement decides whose a reading is, so a slip here is the worst there is: a wrong
patient. A device is therefore never two people's at one moment, not for a nanosecond, and not by way of the past; what
would be is refused and says whose it is. What is filed already is not moved: it was filed by what was known, rules have
seen it, and people have acted on it. Whoever changes the past is told how much that is (`stays`), and says on the
patient's page what of it was somebody else's.

The municipality file gives devices too, at each start. What was said here wins: `server.patients.store` leaves alone
what somebody gave or ended on the page.

A refusal names nobody whom who asks may not see (`sight`).
"""

from collections import Counter

import msgspec
import sqlalchemy as sa

from server.access.scopes import EVERYBODY, Scope
from server.fleet.quarantine import quarantined
from server.patients.store import ANSWERS, assignments, patients
from server.readings.filed import Wanted, filed
from server.readings.moments import moment
from vitals.errors import HjemvaktError

_NOBODYS = "no patient"
"""The reason by which ingest sets aside what is measured while a device is nobody's."""


class Held(msgspec.Struct, frozen=True):
    """One assignment, with the patient's name."""

    device: str
    patient_id: str
    name: str
    from_ns: int
    to_ns: int | None
    user_slot: int | None
    given_by: str | None
    ended_by: str | None
    why: str | None


class Refused(HjemvaktError):
    """It would make a device two people's at once, or take it from nobody. No colleague was first: `who` is None."""

    who = None


def history(tx: sa.Connection, device: str) -> list[Held]:
    """Who has it and has had it, the newest first."""
    query = _HELD.where(assignments.c.device == device).order_by(assignments.c.from_ns.desc())
    return [Held(*row) for row in tx.execute(query)]


def holders(tx: sa.Connection, now_ns: int) -> list[Held]:
    """Every assignment in force at `now_ns`, by device."""
    columns = assignments.c
    in_force = (columns.from_ns <= now_ns) & (columns.to_ns.is_(None) | (columns.to_ns > now_ns))
    query = _HELD.where(in_force, ~columns.device.startswith(ANSWERS)).order_by(columns.device)
    return [Held(*row) for row in tx.execute(query)]


def check_give(tx: sa.Connection, device: str, from_ns: int, now_ns: int, sight: Scope = EVERYBODY) -> None:
    """That nobody has the device from `from_ns` on, and that it is not ahead of us; raises Refused."""
    if from_ns > now_ns:
        raise Refused("that is in the future", "give it when they have it; the past and now are possible")
    in_the_way = next((one for one in history(tx, device) if one.to_ns is None or one.to_ns > from_ns), None)
    if in_the_way:
        raise Refused(
            f"{device} is {_name(in_the_way, sight)}'s {_span(in_the_way)}",
            "take it back from them first" if in_the_way.to_ns is None else "choose a later time",
        )


def give(
    tx: sa.Connection,
    device: str,
    patient_id: str,
    from_ns: int,
    user_slot: int | None,
    who: str,
    why: str,
    now_ns: int,
) -> None:
    """It is the patient's from `from_ns` until further notice; raises Refused where anybody has it then or later."""
    check_give(tx, device, from_ns, now_ns)
    values = {"to_ns": None, "patient_id": patient_id, "user_slot": user_slot, "given_by": who, "why": why}
    tx.execute(assignments.insert().values(device=device, from_ns=from_ns, changed_ns=now_ns, **values))


def check_take_back(tx: sa.Connection, device: str, to_ns: int, now_ns: int, sight: Scope = EVERYBODY) -> Held:
    """Who has the device, and had it before `to_ns`, which is not ahead of us; raises Refused."""
    if to_ns > now_ns:
        raise Refused("that is in the future", "take it back when it is back; the past and now are possible")
    last = next(iter(history(tx, device)), None)
    if last is None or last.to_ns is not None:
        raise Refused(f"{device} is nobody's", "reload the page and look who has had it")
    if to_ns <= last.from_ns:
        name = _name(last, sight)
        raise Refused(f"{name} has had {device} only since {moment(last.from_ns)}", "choose a later time")
    return last


def take_back(tx: sa.Connection, device: str, to_ns: int, who: str, why: str, now_ns: int) -> None:
    """It is its holder's no longer from `to_ns` on; raises Refused where nobody has it, or had it then."""
    last = check_take_back(tx, device, to_ns, now_ns)
    this = (assignments.c.device == device) & (assignments.c.from_ns == last.from_ns)
    tx.execute(assignments.update().where(this).values(to_ns=to_ns, ended_by=who, why=why, changed_ns=now_ns))


def stays(tx: sa.Connection, device: str, from_ns: int, now_ns: int) -> Counter[tuple[str, str]]:
    """How many readings of the device measured from `from_ns` on are filed, by patient (id, name)."""
    theirs = {one.patient_id: one.name for one in history(tx, device) if one.to_ns is None or one.to_ns > from_ns}
    if not theirs or from_ns >= now_ns:
        return Counter()
    found: Counter[tuple[str, str]] = Counter()
    for some in filed(tx, Wanted(from_ns, 2**63 - 1, patients=tuple(theirs))):
        rows = zip(some.patient_id, some.device, strict=True)
        found.update((patient_id, theirs[patient_id]) for patient_id, by in rows if by == device)
    return found


def aside(tx: sa.Connection, device: str, from_ns: int) -> int:
    """How much of it, come since `from_ns` while it was nobody's, is in quarantine."""
    columns = quarantined.c
    these = (columns.device == device) & (columns.reason == _NOBODYS) & (columns.t_ns >= from_ns)
    return tx.scalar(sa.select(sa.func.count()).select_from(quarantined).where(these)) or 0


def _name(one: Held, sight: Scope) -> str:
    return one.name if one.patient_id in sight else "a patient of another organisation"


def _span(one: Held) -> str:
    since = f"from {moment(one.from_ns)}"
    return since if one.to_ns is None else f"{since} to {moment(one.to_ns)}"


_HELD = sa.select(
    assignments.c.device, assignments.c.patient_id, patients.c.name, assignments.c.from_ns, assignments.c.to_ns,
    assignments.c.user_slot, assignments.c.given_by, assignments.c.ended_by, assignments.c.why,
).join_from(assignments, patients)  # fmt: skip
