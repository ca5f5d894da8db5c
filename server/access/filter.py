"""The one filter: which patients an account may see at a moment. Every read, list, stream and act asks it.

Role ∧ (own organisation ∨ relation ∨ broken glass) ∧ time. Nurses, doctors and administrators see the patients of
their own organisation; nurses, doctors and the hospital's specialists also those whom a relation binds to their
organisation or to themselves, and those for whom they broke the glass. A specialist has no patients of their own: a
case is sent to them. What of a patient a role is shown (an administrator: nothing that was measured) is the routes'.

It is a condition on a row of `patients` and nothing else, so that a question about one patient and a list of ten
thousand cannot come to different answers, and so that "not yours" and "not there" are the same answer of the same
query.
"""

import sqlalchemy as sa

from server.access.glass import glass
from server.access.organisations import relations
from server.access.store import Account, may_come_in, staff
from server.api import Role
from server.patients.store import patients

OWN: frozenset[Role] = frozenset({"nurse", "doctor", "administrator"})
"""Whose organisation's patients are theirs."""
BOUND: frozenset[Role] = frozenset({"nurse", "doctor", "specialist"})
"""Who may be bound to a patient besides."""


def visible(account: Account, now_ns: int) -> sa.ColumnElement[bool]:
    """The condition on `patients`."""
    ways: list[sa.ColumnElement[bool]] = [sa.false()]
    if account.role in OWN:
        ways.append(patients.c.organisation == account.organisation)
    if account.role in BOUND:
        ways += [_bound(account, now_ns), _in_need(account, now_ns)]
    return sa.or_(*ways)


def sees(tx: sa.Connection, account: Account, patient_id: str | None, now_ns: int) -> bool:
    """Whether the account may see that patient; as slow for one who is not there."""
    query = sa.select(patients.c.id).where(patients.c.id == patient_id, visible(account, now_ns))
    return tx.scalar(query) is not None


def seers(tx: sa.Connection, patient_id: str, now_ns: int) -> frozenset[str]:
    """The same asked from the other side: the user names of those who may see that patient.

    Nobody whose account is locked: they could not look, and a step that told them would wait for nothing.
    """
    its = sa.select(patients.c.organisation).where(patients.c.id == patient_id).scalar_subquery()
    related = sa.exists().where(
        relations.c.patient_id == patient_id, _lasts(relations, now_ns),
        sa.or_(relations.c.organisation == staff.c.organisation, relations.c.staff == staff.c.id),
    )  # fmt: skip
    broke = sa.exists().where(glass.c.patient_id == patient_id, glass.c.staff == staff.c.id, _lasts(glass, now_ns))
    may = sa.or_(
        staff.c.role.in_(OWN) & (staff.c.organisation == its), staff.c.role.in_(BOUND) & sa.or_(related, broke)
    )
    return frozenset(tx.scalars(sa.select(staff.c.id).where(may_come_in(), may)))


def next_change_ns(tx: sa.Connection, account: Account, now_ns: int) -> int | None:
    """When the clock alone changes what the account may see; None: never as things stand."""
    if account.role not in BOUND:
        return None
    mine = _theirs(account)
    moments = [
        tx.scalar(sa.select(sa.func.min(relations.c.from_ns)).where(mine, relations.c.from_ns > now_ns)),
        tx.scalar(sa.select(sa.func.min(relations.c.until_ns)).where(mine, relations.c.until_ns > now_ns)),
        tx.scalar(
            sa.select(sa.func.min(glass.c.until_ns)).where(glass.c.staff == account.id, glass.c.until_ns > now_ns)
        ),
    ]
    return min((one for one in moments if one is not None), default=None)


def _theirs(account: Account) -> sa.ColumnElement[bool]:
    return sa.or_(relations.c.organisation == account.organisation, relations.c.staff == account.id)


def _bound(account: Account, now_ns: int) -> sa.ColumnElement[bool]:
    return patients.c.id.in_(sa.select(relations.c.patient_id).where(_theirs(account), _lasts(relations, now_ns)))


def _in_need(account: Account, now_ns: int) -> sa.ColumnElement[bool]:
    mine = sa.select(glass.c.patient_id).where(glass.c.staff == account.id, _lasts(glass, now_ns))
    return patients.c.id.in_(mine)


def _lasts(table: sa.Table, now_ns: int) -> sa.ColumnElement[bool]:
    return (table.c.from_ns <= now_ns) & (table.c.until_ns.is_(None) | (table.c.until_ns > now_ns))
