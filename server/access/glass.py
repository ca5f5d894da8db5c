"""Breaking the glass: seeing a patient who is not one's own, in need.

A nurse or a doctor says why, and sees the patient for MOST_MINUTES at most. It cannot be made unseen: it stands in the
audit, the administrators of the patient's organisation are shown it until one of them has looked at it and said
whether it was right, and that is somebody else than who did it.
"""

from typing import Literal

import msgspec
import sqlalchemy as sa

from server.access.organisations import changed
from server.db import Number, metadata
from server.patients.store import patients
from vitals.clock import NS

MOST_MINUTES = 60

Verdict = Literal["justified", "unjustified"]

glass = sa.Table(
    "broken_glass",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), nullable=False),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
    sa.Column("reviewed_by", sa.Text),
    sa.Column("reviewed_ns", sa.BigInteger),
    sa.Column("verdict", sa.Text),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.Index("broken_glass_of_staff", "staff", "until_ns"),
    sa.Index("broken_glass_of_patient", "patient_id", "until_ns"),
)


class Broken(msgspec.Struct, frozen=True):
    """One time. `staff` is a user name; `reviewed_by` the name of whoever looked at it afterwards."""

    id: int
    staff: str
    patient_id: str
    reason: str
    from_ns: int
    until_ns: int
    reviewed_by: str | None
    reviewed_ns: int | None
    verdict: Verdict | None
    note: str


def break_glass(tx: sa.Connection, staff: str, patient_id: str, reason: str, minutes: int, now_ns: int) -> Broken:
    """From now on that person sees that patient, for so many minutes."""
    until_ns = now_ns + min(minutes, MOST_MINUTES) * 60 * NS
    row = tx.execute(
        glass.insert()
        .values(staff=staff, patient_id=patient_id, reason=reason, from_ns=now_ns, until_ns=until_ns)
        .returning(glass)
    ).one()
    changed(tx)
    return Broken(*row)


def mend(tx: sa.Connection, staff: str, number: int, now_ns: int) -> Broken | None:
    """That person needs it no longer; None where there is none of theirs that lasts."""
    theirs = (glass.c.id == number) & (glass.c.staff == staff) & (glass.c.until_ns > now_ns)
    row = tx.execute(glass.update().where(theirs).values(until_ns=now_ns).returning(glass)).first()
    changed(tx)
    return None if row is None else Broken(*row)


def lasting(tx: sa.Connection, staff: str, now_ns: int) -> list[Broken]:
    """What that person sees now through a broken glass."""
    lasts = (glass.c.staff == staff) & (glass.c.from_ns <= now_ns) & (glass.c.until_ns > now_ns)
    return [Broken(*row) for row in tx.execute(sa.select(glass).where(lasts).order_by(glass.c.id))]


def of_patient(tx: sa.Connection, patient_id: str, now_ns: int) -> list[Broken]:
    """Who sees that patient now through a broken glass."""
    lasts = (glass.c.patient_id == patient_id) & (glass.c.until_ns > now_ns)
    return [Broken(*row) for row in tx.execute(sa.select(glass).where(lasts).order_by(glass.c.id))]


def of_organisation(tx: sa.Connection, organisation: str, most: int) -> list[Broken]:
    """Those about the organisation's patients: the ones to look at first, then the newest."""
    query = (
        sa.select(glass)
        .join(patients, patients.c.id == glass.c.patient_id)
        .where(patients.c.organisation == organisation)
        .order_by(glass.c.reviewed_ns.is_not(None), glass.c.id.desc())
        .limit(most)
    )
    return [Broken(*row) for row in tx.execute(query)]


def review(tx: sa.Connection, number: int, by: str, verdict: Verdict, note: str, now_ns: int) -> Broken | None:
    """Somebody has looked at it; None where somebody had before."""
    row = tx.execute(
        glass.update()
        .where(glass.c.id == number, glass.c.reviewed_ns.is_(None))
        .values(reviewed_by=by, reviewed_ns=now_ns, verdict=verdict, note=note)
        .returning(glass)
    ).first()
    return None if row is None else Broken(*row)


def get(tx: sa.Connection, number: int) -> Broken | None:
    """That one, or None."""
    row = tx.execute(sa.select(glass).where(glass.c.id == number)).first()
    return None if row is None else Broken(*row)
