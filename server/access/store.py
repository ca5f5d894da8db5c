"""Staff accounts.

Accounts come from the municipality file. One that leaves the file is kept by name, for the alarms it answered, but
can no longer sign in, is told nothing, and its sessions end with it (`server.access.sessions`); they also end when its
password, its role, its organisation or its name at the provider of identities changes. An administrator may lock an
account, and that holds whatever the file says.
"""

import msgspec
import sqlalchemy as sa

from server.access import sessions
from server.access.organisations import FILE
from server.api import Role
from server.audit.store import Said, write_all
from server.db import metadata
from server.municipality import DEFAULT_ORGANISATION, Municipality
from server.notify.ways import counting
from server.oncall.model import Person

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("phone", sa.String, nullable=False),
    sa.Column("password_hash", sa.String, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("organisation", sa.Text, nullable=False, server_default=DEFAULT_ORGANISATION),
    sa.Column("subject", sa.Text, comment="its name at the provider of identities"),
    sa.Column("locked_ns", sa.BigInteger, comment="since when, by the wall"),
    sa.Index("staff_by_subject", "subject", unique=True),
)

_MATTERS = ("password_hash", "role", "organisation", "subject")
"""A session is of the account as it was in these."""


class Account(msgspec.Struct, frozen=True):
    """Someone who may sign in. `organisation`: where they work."""

    id: str
    name: str
    role: Role
    password_hash: str
    organisation: str = DEFAULT_ORGANISATION


class Member(msgspec.Struct, frozen=True):
    """Someone of the staff, for whoever keeps the accounts. `locked_ns` is on the wall clock."""

    id: str
    name: str
    role: Role
    organisation: str
    phone: str
    has_password: bool
    has_subject: bool
    locked_ns: int | None


def apply(tx: sa.Connection, municipality: Municipality, now_ns: int) -> None:
    """Make the accounts what the file says; each that is opened, changed in what matters or closed has its line."""
    known = {row["id"]: row for row in tx.execute(sa.select(staff)).mappings()}
    tx.execute(staff.update().values(active=False, subject=None))
    said: list[tuple[str, str]] = []
    for one in municipality.staff:
        row = {
            "name": one.name, "role": one.role, "phone": one.phone, "password_hash": one.password_hash, "active": True,
            "organisation": municipality.organisation_of(one), "subject": one.subject,
        }  # fmt: skip
        before = known.pop(one.id, None)
        if before is None:
            tx.execute(staff.insert().values(id=one.id, **row))
        else:
            tx.execute(staff.update().where(staff.c.id == one.id).values(**row))
        if before is None or not before["active"]:
            said.append(("open account", f"{one.id}: {row['role']}, {row['organisation']}"))
        elif differs := [name for name in _MATTERS if before[name] != row[name]]:
            said.append(("change account", f"{one.id}: {', '.join(differs)}"))
            sessions.end_of(tx, one.id)
    said += [("close account", name) for name, row in known.items() if row["active"]]
    write_all(tx, [Said(now_ns, FILE, what, detail=detail) for what, detail in said])
    gone = sa.select(staff.c.id).where(~staff.c.active)
    tx.execute(sessions.sessions.delete().where(sessions.sessions.c.staff.in_(gone)))


def people(tx: sa.Connection) -> list[Person]:
    """Everyone of the staff with an account today, the locked ones among them, and how each is reached."""
    rows = tx.execute(sa.select(staff).where(staff.c.active).order_by(staff.c.name))
    theirs = counting(tx)
    return [
        Person(row.id, row.name, row.role, row.phone, theirs.get(row.id, ()), row.locked_ns is not None) for row in rows
    ]


def members(tx: sa.Connection, organisation: str | None) -> list[Member]:
    """Everyone of an organisation (None: of all) with an account today, by name."""
    query = sa.select(staff).where(staff.c.active).order_by(staff.c.name)
    if organisation is not None:
        query = query.where(staff.c.organisation == organisation)
    return [
        Member(
            row.id, row.name, row.role, row.organisation, row.phone, bool(row.password_hash), row.subject is not None,
            row.locked_ns,
        )
        for row in tx.execute(query)
    ]  # fmt: skip


def account(tx: sa.Connection, username: str) -> Account | None:
    """The account of that user name, unless it has left or is locked."""
    return _one(tx, staff.c.id == username)


def account_of(tx: sa.Connection, subject: str) -> Account | None:
    """The account of that name at the provider of identities, unless it has left or is locked."""
    return _one(tx, staff.c.subject == subject)


def lock(tx: sa.Connection, username: str, wall_ns: int) -> None:
    """Nobody comes in under that name until it is unlocked; whoever is in is out."""
    tx.execute(staff.update().where(staff.c.id == username, staff.c.locked_ns.is_(None)).values(locked_ns=wall_ns))
    sessions.end_of(tx, username)


def unlock(tx: sa.Connection, username: str) -> None:
    """They may sign in again."""
    tx.execute(staff.update().where(staff.c.id == username).values(locked_ns=None))


def holder(tx: sa.Connection, token: str, wall_ns: int) -> tuple[Account, bool] | None:
    """Whose session this is, and whether its last use should be written anew; None when it is over or unknown."""
    session = sessions.sessions
    row = tx.execute(
        sa.select(staff, session.c.used_ns)
        .join_from(session, staff)
        .where(sessions.this(token), may_come_in(), ~sessions.over(wall_ns))
    ).first()
    return None if row is None else (_account(row), wall_ns - row.used_ns >= sessions.TOUCH_NS)


def may_come_in() -> sa.ColumnElement[bool]:
    """Who has an account today that nobody has locked: the condition on `staff`."""
    return staff.c.active & staff.c.locked_ns.is_(None)


def _one(tx: sa.Connection, which: sa.ColumnElement[bool]) -> Account | None:
    row = tx.execute(sa.select(staff).where(which, may_come_in())).first()
    return None if row is None else _account(row)


def _account(row: sa.Row[tuple[object, ...]]) -> Account:
    return Account(row.id, row.name, row.role, row.password_hash, row.organisation)
