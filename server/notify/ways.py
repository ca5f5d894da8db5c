"""How each person is reached: their own ways, in their own order, each after a wait of its own.

A way counts when its owner has shown that it leads to them, with a code that was sent there; a browser that was signed
in when it subscribed has shown it by that. Until a person has a way that counts, the telephone of the municipality's
file is their only one; from then on their own ways are what is used.

The wait of a way is counted from when the ladder tells the person. Whoever acts in the meantime spares them the rest.
It fits inside the steps that tell them: a ladder, a roster or a wait by which a step would give up on somebody before
their own last way has been used is refused where it is saved (`server.escalation.store`).
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa

from server.db import Number, metadata
from server.notify.sender import Channel
from server.oncall.model import Way
from vitals.clock import NS
from vitals.errors import HjemvaktError

MOST = 8
"""Ways a person may have."""

CODE_S = 900
TRIES = 5
DIGITS = 6
ABROAD = "+47"
"""What a number without a country has before it."""

ways = sa.Table(
    "ways",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("address", sa.Text, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("after_s", sa.Float, nullable=False),
    sa.Column("made_ns", sa.BigInteger, nullable=False),
    sa.Column("confirmed_ns", sa.BigInteger),
    sa.Column("code_hash", sa.LargeBinary),
    sa.Column("code_ends_ns", sa.BigInteger),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Index("ways_of_staff", "staff"),
)


class Owned(NamedTuple):
    """A way as its owner sees it. `name`: what they call it, such as a browser's."""

    id: int
    channel: Channel
    address: str
    name: str
    after_s: float
    confirmed: bool


class WrongCode(HjemvaktError):
    """The code is not the one that was sent, or is good no more."""


def of(tx: sa.Connection, staff: str) -> list[Owned]:
    """The person's ways, in the order in which they are used."""
    query = sa.select(ways).where(ways.c.staff == staff).order_by(ways.c.after_s, ways.c.id)
    return [_owned(row) for row in tx.execute(query)]


def counting(tx: sa.Connection) -> dict[str, tuple[Way, ...]]:
    """Everybody's ways that count, by person."""
    found: dict[str, tuple[Way, ...]] = {}
    query = sa.select(ways).where(ways.c.confirmed_ns.is_not(None)).order_by(ways.c.after_s, ways.c.id)
    for row in tx.execute(query):
        found[row.staff] = (*found.get(row.staff, ()), Way(row.channel, row.address, row.after_s, row.id))
    return found


def get(tx: sa.Connection, staff: str, way_id: int) -> Owned | None:
    """That way, if it is theirs."""
    row = tx.execute(sa.select(ways).where(ways.c.id == way_id, ways.c.staff == staff)).first()
    return _owned(row) if row else None


def add(
    tx: sa.Connection, staff: str, channel: Channel, address: str, name: str, after_s: float, now_ns: int,
    *, confirmed: bool = False,
) -> int:  # fmt: skip
    """A new way; one with the same address is made this one. Returns its number."""
    tx.execute(ways.delete().where(ways.c.staff == staff, ways.c.channel == channel, ways.c.address == address))
    row = {
        "staff": staff, "channel": channel, "address": address, "name": name, "after_s": after_s, "made_ns": now_ns,
        "confirmed_ns": now_ns if confirmed else None, "tries": 0,
    }  # fmt: skip
    number: int = tx.execute(ways.insert().values(row).returning(ways.c.id)).scalar_one()
    return number


def wait(tx: sa.Connection, way_id: int, after_s: float) -> None:
    """Change how long it waits; whoever is told from now on."""
    tx.execute(ways.update().where(ways.c.id == way_id).values(after_s=after_s))


def remove(tx: sa.Connection, way_id: int) -> None:
    """It leads nowhere any more, or its owner does not want it."""
    tx.execute(ways.delete().where(ways.c.id == way_id))


def new_code(tx: sa.Connection, way_id: int, now_ns: int) -> str:
    """The code to send there; only its hash is kept, and an older one is good no more."""
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    values = {"code_hash": _hash(way_id, code), "code_ends_ns": now_ns + CODE_S * NS, "tries": 0}
    tx.execute(ways.update().where(ways.c.id == way_id).values(values))
    return code


def confirm(tx: sa.Connection, way_id: int, code: str, now_ns: int) -> bool:
    """Whether that is the code, and the way counts from now on. Each try counts, and after TRIES none is left."""
    row = tx.execute(sa.select(ways).where(ways.c.id == way_id)).one()
    if row.code_hash is None or row.code_ends_ns <= now_ns or row.tries >= TRIES:
        return False
    good = hmac.compare_digest(row.code_hash, _hash(way_id, code.strip()))
    values: dict[str, object] = {"confirmed_ns": now_ns, "code_hash": None} if good else {"tries": row.tries + 1}
    tx.execute(ways.update().where(ways.c.id == way_id).values(values))
    return good


def owners(tx: sa.Connection, number: str, phones: Mapping[str, str]) -> Collection[str]:
    """Whose telephone that is; `phones`: the municipality's, by person."""
    wanted = canonical(number)
    mine = sa.select(ways.c.staff, ways.c.address).where(ways.c.channel == "sms", ways.c.confirmed_ns.is_not(None))
    known = [*phones.items(), *((row.staff, row.address) for row in tx.execute(mine))]
    return sorted({staff for staff, one in known if one and canonical(one) == wanted})


def canonical(number: str) -> str:
    """A telephone number as the network knows it: `900 00 101`, `004790000101` and `+47 90000101` are one."""
    bare = re.sub(r"[^\d+]", "", number)
    if bare.startswith("00"):
        return f"+{bare[2:]}"
    return bare if bare.startswith("+") else f"{ABROAD}{bare}"


def _owned(row: sa.Row[tuple[object, ...]]) -> Owned:
    return Owned(row.id, row.channel, row.address, row.name, row.after_s, row.confirmed_ns is not None)


def _hash(way_id: int, code: str) -> bytes:
    return hashlib.sha256(f"{way_id}/{code}".encode()).digest()
