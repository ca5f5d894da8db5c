"""Sessions: who is signed in where.

A session is 256 random bits in a cookie; the database knows only their SHA-256, so a stolen copy of it opens no door.
It ends IDLE after its last use and ABSOLUTE after sign-in. Those two are about a person at a screen, so they run on
the wall clock even where the story's clock runs fast.

Beside the secret each has a name, which opens nothing: by it its holder, or an administrator, ends it from elsewhere.
"""

import hashlib
import secrets
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.db import metadata
from vitals.clock import NS

IDLE_NS = 8 * 3600 * NS
ABSOLUTE_NS = 12 * 3600 * NS
TOUCH_NS = 60 * NS
"""How exactly the last use is known: a busy screen writes once a minute, not once a request."""

Way = Literal["password", "two steps", "oidc"]
"""How somebody came in."""

sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), nullable=False),
    sa.Column("began_ns", sa.BigInteger, nullable=False),
    sa.Column("used_ns", sa.BigInteger, nullable=False),
    sa.Column("name", sa.Text, nullable=False, server_default=""),
    sa.Column("way", sa.Text, nullable=False, server_default="password"),
    sa.Column("browser", sa.Text, nullable=False, server_default=""),
)


class Session(msgspec.Struct, frozen=True):
    """One session, without its secret. Times are of the wall; `browser` as the browser calls itself."""

    name: str
    staff: str
    way: Way
    browser: str
    began_ns: int
    used_ns: int
    mine: bool
    """Whether it is the one that asks."""


def open_session(tx: sa.Connection, staff_id: str, wall_ns: int, way: Way = "password", browser: str = "") -> str:
    """A new session; returns the token for the cookie. Sessions that are over are swept out here."""
    tx.execute(sessions.delete().where(over(wall_ns)))
    token = secrets.token_urlsafe(32)
    tx.execute(
        sessions.insert().values(
            token_hash=_hash(token), staff=staff_id, began_ns=wall_ns, used_ns=wall_ns, name=secrets.token_hex(8),
            way=way, browser=browser[:200],
        )
    )  # fmt: skip
    return token


def touch(tx: sa.Connection, token: str, wall_ns: int) -> None:
    """The session was used."""
    tx.execute(sessions.update().where(this(token)).values(used_ns=wall_ns))


def close_session(tx: sa.Connection, token: str) -> None:
    """Signed out."""
    tx.execute(sessions.delete().where(this(token)))


def of(tx: sa.Connection, staff_id: str, wall_ns: int, token: str | None = None) -> list[Session]:
    """Where that person is signed in, the last used first. `token`: of the session that asks."""
    query = sa.select(sessions).where(sessions.c.staff == staff_id, ~over(wall_ns)).order_by(sessions.c.used_ns.desc())
    mine = _hash(token) if token else None
    return [
        Session(row.name, row.staff, row.way, row.browser, row.began_ns, row.used_ns, bytes(row.token_hash) == mine)
        for row in tx.execute(query)
    ]


def end(tx: sa.Connection, staff_id: str, name: str) -> bool:
    """End that person's session of that name; False where there is none."""
    return bool(tx.execute(sessions.delete().where(sessions.c.staff == staff_id, sessions.c.name == name)).rowcount)


def end_of(tx: sa.Connection, staff_id: str, but: str | None = None) -> int:
    """End all of that person's sessions, but the one of the token `but`; returns how many ended."""
    these = sessions.c.staff == staff_id
    if but is not None:
        these = these & ~this(but)
    return int(tx.execute(sessions.delete().where(these)).rowcount)


def this(token: str) -> sa.ColumnElement[bool]:
    """The session that this cookie opens."""
    return sessions.c.token_hash == _hash(token)


def over(wall_ns: int) -> sa.ColumnElement[bool]:
    """Those that have lasted too long."""
    return sa.or_(sessions.c.used_ns <= wall_ns - IDLE_NS, sessions.c.began_ns <= wall_ns - ABSOLUTE_NS)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
