"""Staff accounts and sessions.

Accounts come from the municipality file. One that leaves the file is kept by name, for the alarms it answered, but
can no longer sign in, is told nothing, and its sessions end with it; they also end when its password or role changes.

A session is 256 random bits in a cookie; the database knows only their SHA-256, so a stolen copy of it opens no door.
It ends IDLE after its last use and ABSOLUTE after sign-in. Those two are about a person at a screen, so they run on
the wall clock even where the story's clock runs fast.
"""

import hashlib
import secrets

import msgspec
import sqlalchemy as sa

from server.api import Role
from server.config import Municipality
from server.db import metadata
from server.notify.ways import counting
from server.oncall.model import Person
from vitals.clock import NS

IDLE_NS = 8 * 3600 * NS
ABSOLUTE_NS = 12 * 3600 * NS
TOUCH_NS = 60 * NS
"""How exactly the last use is known: a busy screen writes once a minute, not once a request."""

staff = sa.Table(
    "staff",
    metadata,
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("phone", sa.String, nullable=False),
    sa.Column("password_hash", sa.String, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
)
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), nullable=False),
    sa.Column("began_ns", sa.BigInteger, nullable=False),
    sa.Column("used_ns", sa.BigInteger, nullable=False),
)


class Account(msgspec.Struct, frozen=True):
    """Someone who may sign in."""

    id: str
    name: str
    role: Role
    password_hash: str


def apply(tx: sa.Connection, municipality: Municipality) -> None:
    """Make the accounts what the file says."""
    tx.execute(staff.update().values(active=False))
    for one in municipality.staff:
        row = {
            "name": one.name, "role": one.role, "phone": one.phone, "password_hash": one.password_hash, "active": True,
        }  # fmt: skip
        before = tx.execute(sa.select(staff).where(staff.c.id == one.id)).first()
        if before is None:
            tx.execute(staff.insert().values(id=one.id, **row))
            continue
        tx.execute(staff.update().where(staff.c.id == one.id).values(**row))
        if (before.password_hash, before.role) != (one.password_hash, one.role):
            tx.execute(sessions.delete().where(sessions.c.staff == one.id))
    gone = sa.select(staff.c.id).where(~staff.c.active)
    tx.execute(sessions.delete().where(sessions.c.staff.in_(gone)))


def people(tx: sa.Connection) -> list[Person]:
    """Everyone of the staff with an account today, and how each is reached."""
    rows = tx.execute(sa.select(staff).where(staff.c.active).order_by(staff.c.name))
    theirs = counting(tx)
    return [Person(row.id, row.name, row.role, row.phone, theirs.get(row.id, ())) for row in rows]


def account(tx: sa.Connection, username: str) -> Account | None:
    """The account of that user name, unless it has left."""
    row = tx.execute(sa.select(staff).where(staff.c.id == username, staff.c.active)).first()
    return Account(row.id, row.name, row.role, row.password_hash) if row else None


def open_session(tx: sa.Connection, staff_id: str, wall_ns: int) -> str:
    """A new session; returns the token for the cookie. Sessions that are over are swept out here."""
    tx.execute(sessions.delete().where(_over(wall_ns)))
    token = secrets.token_urlsafe(32)
    tx.execute(sessions.insert().values(token_hash=_hash(token), staff=staff_id, began_ns=wall_ns, used_ns=wall_ns))
    return token


def holder(tx: sa.Connection, token: str, wall_ns: int) -> tuple[Account, bool] | None:
    """Whose session this is, and whether its last use should be written anew; None when it is over or unknown."""
    row = tx.execute(
        sa.select(staff, sessions.c.used_ns)
        .join_from(sessions, staff)
        .where(sessions.c.token_hash == _hash(token), staff.c.active, ~_over(wall_ns))
    ).first()
    if row is None:
        return None
    return Account(row.id, row.name, row.role, row.password_hash), wall_ns - row.used_ns >= TOUCH_NS


def touch(tx: sa.Connection, token: str, wall_ns: int) -> None:
    """The session was used."""
    tx.execute(sessions.update().where(sessions.c.token_hash == _hash(token)).values(used_ns=wall_ns))


def close_session(tx: sa.Connection, token: str) -> None:
    """Signed out."""
    tx.execute(sessions.delete().where(sessions.c.token_hash == _hash(token)))


def _over(wall_ns: int) -> sa.ColumnElement[bool]:
    return sa.or_(sessions.c.used_ns <= wall_ns - IDLE_NS, sessions.c.began_ns <= wall_ns - ABSOLUTE_NS)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
