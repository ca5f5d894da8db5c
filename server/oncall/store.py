"""The roster as rows: applied from the municipality file, asked by the ladder in its own transaction."""

from datetime import datetime

import sqlalchemy as sa

from server.access.store import people
from server.api import Role
from server.config import Municipality
from server.db import Number, metadata
from server.oncall.model import ROLES, Person, Shift, who
from vitals.clock import NS

shifts = sa.Table(
    "shifts",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("staff", sa.String, nullable=False),
    sa.Column("since_ns", sa.BigInteger),
    sa.Column("until_ns", sa.BigInteger),
)


def apply(tx: sa.Connection, municipality: Municipality) -> None:
    """Make the roster what the file says: a roster is a plan, so what is gone from the file is gone here."""
    tx.execute(shifts.delete())
    for shift in municipality.shifts:
        tx.execute(
            shifts.insert().values(
                role=shift.role,
                staff=shift.staff,
                since_ns=_ns(shift.since),
                until_ns=_ns(shift.until),
            )
        )


def answering(tx: sa.Connection, now_ns: int) -> dict[Role, tuple[Person, ...]]:
    """Who answers for each role now."""
    staff = people(tx)
    roster = [Shift(row.role, row.staff, row.since_ns, row.until_ns) for row in tx.execute(sa.select(shifts))]
    return {role: who(role, now_ns, staff, roster) for role in ROLES}


def _ns(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp()) * NS
