"""Saying that a reading is wrong, and taking that back.

A guest's finger in the oximeter, a cuff over a sleeve: what was filed is not the patient's state, and everything that
looks at readings must stop doing so at once. Nothing is erased. The journal keeps what was filed and says that it is
withdrawn; here it is kept whole (`server.readings.invalid`), with who said so, when and why.

What one device measured at one moment is wrong together as a rule: a cuff on the wrong arm gives a wrong pulse, too.

It can be taken back, by anybody of the staff and with a reason: then the same readings are filed anew, with the
identity and all the times they had.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from server.audit import store as audit
from server.corrections.api import Wrong
from server.readings.invalid import corrected, corrections
from server.readings.moments import moment
from server.readings.sheaf import sheaf
from server.readings.store import Reading, file, measured, withdraw
from vitals.errors import HjemvaktError

Stored = tuple[Reading, int]
"""A reading, and when it was stored."""


class Correction(msgspec.Struct, frozen=True):
    """What was said of `readings`: all of one device, of one moment. `said_by`, `undone_by`: names of people."""

    id: int
    patient_id: str
    device: str
    t_ns: int
    reason: Wrong
    note: str
    said_ns: int
    said_by: str
    undone_ns: int | None
    undone_by: str | None
    undone_why: str | None
    readings: tuple[Stored, ...] = ()


class Refused(HjemvaktError):
    """A colleague has said something of this reading before, and it is not the same. `who`: the colleague."""

    def __init__(self, text: str, mend: str, who: str) -> None:
        super().__init__(text, mend)
        self.who = who


class Done(msgspec.Struct, frozen=True):
    """What was said, and whether it was said just now: the same said twice is said once."""

    correction: Correction
    new: bool


def invalidate(
    tx: sa.Connection,
    patient_id: str,
    t_ns: int,
    identity: bytes,
    reason: Wrong,
    note: str,
    *,
    alone: bool,
    who: str,
    name: str,
    now_ns: int,
) -> Done | None:
    """That reading, and what its device measured beside it unless it is `alone`, counts no longer.

    None where the patient has no such reading. Raises Refused where it is invalid already and it was not the same
    person who said the same of it. Audited as `who`.
    """
    standing = standing_of(tx, patient_id, identity)
    if standing is not None:
        if (standing.said_by, standing.reason, standing.note) == (name, reason, note):
            return Done(standing, new=False)
        raise Refused(
            f"{standing.said_by} has said that this reading is invalid",
            "undo that first, or leave it",
            standing.said_by,
        )
    which = beside(tx, patient_id, t_ns, identity)
    if alone:
        which = [pair for pair in which if pair[0].identity == identity]
    if not which:
        return None
    device = which[0][0].device
    number = tx.execute(
        corrections.insert()
        .values(patient_id=patient_id, device=device, t_ns=t_ns, reason=reason, note=note, said_ns=now_ns, said_by=name)
        .returning(corrections.c.id)
    ).scalar_one()
    tx.execute(corrected.insert(), [_row(number, *pair) for pair in which])
    withdraw(tx, [one for one, _ in which], now_ns)
    _audit(tx, now_ns, who, "invalidate reading", patient_id, number, which, noted(reason, note))
    return Done(_known(tx, number), new=True)


def reinstate(tx: sa.Connection, correction: Correction, why: str, *, who: str, name: str, now_ns: int) -> Done:
    """What the correction took away counts again; raises Refused where a colleague has undone it. Audited as `who`."""
    if correction.undone_by is not None:
        if (correction.undone_by, correction.undone_why) == (name, why):
            return Done(correction, new=False)
        raise Refused(f"{correction.undone_by} has undone this", "look at the readings again", correction.undone_by)
    tx.execute(
        corrections.update()
        .where(corrections.c.id == correction.id)
        .values(undone_ns=now_ns, undone_by=name, undone_why=why)
    )
    readings, stored_ns = zip(*correction.readings, strict=True)
    file(tx, sheaf(readings, stored_ns), (), now_ns, again=True)
    _audit(tx, now_ns, who, "reinstate reading", correction.patient_id, correction.id, correction.readings, why)
    return Done(_known(tx, correction.id), new=True)


def beside(tx: sa.Connection, patient_id: str, t_ns: int, identity: bytes) -> list[Stored]:
    """The filed reading and what its device measured of the patient at the same moment; empty where there is none."""
    found = measured(tx, patient_id, None, t_ns)
    device = next((one.device for one, _ in found if one.identity == identity), None)
    return [pair for pair in found if pair[0].device == device]


def get(tx: sa.Connection, patient_id: str, number: int) -> Correction | None:
    """The patient's correction of that number."""
    return next(iter(_many(tx, (corrections.c.id == number) & (corrections.c.patient_id == patient_id))), None)


def standing_of(tx: sa.Connection, patient_id: str, identity: bytes) -> Correction | None:
    """The correction for which that reading does not count."""
    its = sa.select(corrected.c.correction_id).where(corrected.c.identity == identity)
    return next(iter(_many(tx, _stands(patient_id) & corrections.c.id.in_(its))), None)


def standing(tx: sa.Connection, patient_id: str, channel: str, count: int) -> list[Correction]:
    """The corrections for which the newest `count` readings of a channel that do not count do not."""
    its = sa.select(corrected.c.correction_id).where(corrected.c.channel == channel)
    return _many(tx, _stands(patient_id) & corrections.c.id.in_(its), count)


def of_patient(tx: sa.Connection, patient_id: str) -> list[Correction]:
    """All that was ever said to be wrong of one patient's readings, also what was undone."""
    return _many(tx, corrections.c.patient_id == patient_id)


def channels(tx: sa.Connection, patient_id: str) -> set[str]:
    """The channels of which something does not count."""
    query = sa.select(corrected.c.channel).distinct().join_from(corrected, corrections).where(_stands(patient_id))
    return set(tx.scalars(query))


def noted(reason: str, note: str) -> str:
    """The reason with a person's note after it."""
    return f"{reason}: {note}" if note else reason


def _stands(patient_id: str) -> sa.ColumnElement[bool]:
    return (corrections.c.patient_id == patient_id) & corrections.c.undone_ns.is_(None)


def _known(tx: sa.Connection, number: int) -> Correction:
    (found,) = _many(tx, corrections.c.id == number)
    return found


def _many(tx: sa.Connection, these: sa.ColumnElement[bool], count: int | None = None) -> list[Correction]:
    """Corrections with their readings, the newest measurement first."""
    order = corrections.c.t_ns.desc(), corrections.c.id.desc()
    rows = tx.execute(sa.select(corrections).where(these).order_by(*order).limit(count)).mappings().all()
    readings: dict[int, list[Stored]] = {row["id"]: [] for row in rows}
    people = {row["id"]: row for row in rows}
    query = sa.select(corrected).where(corrected.c.correction_id.in_(readings)).order_by(corrected.c.channel)
    for row in tx.execute(query).mappings():
        number = row["correction_id"]
        readings[number].append((_reading(row, people[number]), row["stored_ns"]))
    return [Correction(**row, readings=tuple(readings[row["id"]])) for row in rows]


def _row(number: int, one: Reading, stored_ns: int) -> dict[str, Any]:
    row = msgspec.structs.asdict(one) | {"status": " ".join(one.status)}
    mine = {name: value for name, value in row.items() if name in corrected.c}
    return mine | {"correction_id": number, "stored_ns": stored_ns}


def _reading(row: sa.RowMapping, of: sa.RowMapping) -> Reading:
    given = {name: (row if name in row else of)[name] for name in Reading.__struct_fields__}
    return Reading(**given | {"status": tuple(row["status"].split())})


def _audit(
    tx: sa.Connection, now_ns: int, who: str, what: str, patient_id: str, number: int, which: Sequence[Stored], why: str
) -> None:
    audit.write(tx, now_ns, who, what, patient_id, f"correction {number}: {_named(one for one, _ in which)}; {why}")


def _named(readings: Iterable[Reading]) -> str:
    known = list(readings)
    first = known[0]
    return f"{', '.join(one.channel for one in known)} of {first.device} at {moment(first.t_ns)}"
