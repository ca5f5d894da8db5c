"""What could not be filed, kept with its bytes and the reason, for a person to find.

The same thing sent again and again is one row with a count: a gateway that repeats a bad message cannot fill the disk.
"""

import hashlib
from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata, upsert

quarantined = sa.Table(
    "quarantine",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("identity", sa.LargeBinary, nullable=False, unique=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("times", Number, nullable=False),
    sa.Column("gateway", sa.Text, nullable=False),
    sa.Column("device", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
)


class Unfiled(msgspec.Struct, frozen=True):
    """One thing to set aside. `reason` is a short word to count by, `text` the whole of it."""

    gateway: str
    device: str | None
    reason: str
    text: str
    data: bytes


class QuarantineRecord(msgspec.Struct, frozen=True):
    """One thing set aside. `t_ns`: when it first came; `times`: how often it has come."""

    id: int
    t_ns: int
    times: int
    gateway: str
    device: str | None
    reason: str
    text: str
    data: bytes


def set_aside(tx: sa.Connection, things: Iterable[Unfiled], now_ns: int) -> None:
    """Keep them."""
    for thing in things:
        values = msgspec.structs.asdict(thing) | {"t_ns": now_ns, "times": 1}
        upsert(tx, quarantined, {"identity": _identity(thing)}, values, again={"times": quarantined.c.times + 1})


def quarantine(tx: sa.Connection, limit: int) -> list[QuarantineRecord]:
    """The latest, newest first."""
    columns = [quarantined.c[name] for name in QuarantineRecord.__struct_fields__]
    query = sa.select(*columns).order_by(quarantined.c.id.desc()).limit(limit)
    return [QuarantineRecord(*row) for row in tx.execute(query)]


def _identity(thing: Unfiled) -> bytes:
    known_by = msgspec.json.encode((thing.gateway, thing.device, thing.reason, thing.data))
    return hashlib.blake2b(known_by, digest_size=16).digest()
