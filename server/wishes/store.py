"""What homes are asked, as rows: each with when it was asked, when it is wanted, and what became of it.

    asked ─▶ delivered ─▶ answered | withdrawn | expired
      └──────────────────────────▲

The times are rows too: nothing waits in memory, and whoever looks next ends what is over (`server.wishes.look`). A row
is never deleted: what a patient was asked belongs to what was done for them.
"""

from collections.abc import Collection, Iterable
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata
from server.quick import Among, in_parts
from triage.plan import DAY_S, End, Past, Wish
from vitals.alarm import Level
from vitals.clock import NS

OPEN = ("asked", "delivered")

State = Literal["asked", "delivered", "answered", "withdrawn", "expired"]

wishes = sa.Table(
    "wishes",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("why", sa.Text, nullable=False, comment="sooner, again, or tell: a finding that is for the home itself"),
    sa.Column("channel", sa.Text, nullable=False, comment="empty where the home is told something"),
    sa.Column("level", sa.Integer, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("text", sa.JSON, nullable=False, comment="the rule's sentence, by language"),
    sa.Column("asked_ns", sa.BigInteger, nullable=False),
    sa.Column("from_ns", sa.BigInteger, nullable=False),
    sa.Column("by_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
    sa.Column("calm_ns", sa.BigInteger),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("delivered_ns", sa.BigInteger),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Index("wishes_of_patient", "patient_id", "asked_ns"),
    sa.Index(
        "wishes_open", "patient_id", sqlite_where=sa.text("ended_ns IS NULL"),
        postgresql_where=sa.text("ended_ns IS NULL"),
    ),
)  # fmt: skip

_FIELDS = Wish.__struct_fields__


class Asked(msgspec.Struct, frozen=True):
    """A request as a row."""

    id: int
    patient_id: str
    wish: Wish
    state: State
    delivered_ns: int | None = None
    ended_ns: int | None = None


def ask(tx: sa.Connection, patient_id: str, asked: Iterable[Wish]) -> None:
    """New requests."""
    rows = [{"patient_id": patient_id, "state": "asked", **_values(one)} for one in asked]
    if rows:
        tx.execute(wishes.insert(), rows)


def move(tx: sa.Connection, asked_id: int, wish: Wish) -> None:
    """The request is another now."""
    tx.execute(wishes.update().where(wishes.c.id == asked_id).values(_values(wish)))


def end(tx: sa.Connection, asked_id: int, how: End, now_ns: int) -> None:
    """It is over."""
    tx.execute(wishes.update().where(wishes.c.id == asked_id).values(state=how, ended_ns=now_ns))


def standing(tx: sa.Connection, patient_ids: Collection[str] | None) -> dict[str, list[Asked]]:
    """What these patients (None: everybody) are asked now, the oldest first."""
    found: dict[str, list[Asked]] = {}
    for row in _STANDING.rows(tx, patient_ids):
        found.setdefault(row.patient_id, []).append(_asked(row))
    return found


def past(tx: sa.Connection, patient_ids: Collection[str], now_ns: int) -> dict[str, list[Past]]:
    """What has ended of the requests of the last day."""
    lately = wishes.c.ended_ns.is_not(None) & (wishes.c.asked_ns >= now_ns - round(DAY_S * NS))
    found: dict[str, list[Past]] = {}
    for row in in_parts(tx, sa.select(wishes).where(lately), wishes.c.patient_id, patient_ids):
        ended = Past(row.channel, row.why, Level(row.level), row.asked_ns, row.ended_ns, row.state)
        found.setdefault(row.patient_id, []).append(ended)
    return found


def of_patient(tx: sa.Connection, patient_id: str, limit: int) -> list[Asked]:
    """The patient's latest, the newest first; those that stand are always among them."""
    mine = wishes.c.patient_id == patient_id
    latest = sa.select(wishes.c.id).where(mine).order_by(wishes.c.asked_ns.desc(), wishes.c.id.desc()).limit(limit)
    query = sa.select(wishes).where(mine, wishes.c.id.in_(latest) | wishes.c.ended_ns.is_(None))
    return [_asked(row) for row in tx.execute(query.order_by(wishes.c.asked_ns.desc(), wishes.c.id.desc()))]


def _values(wish: Wish) -> dict[str, object]:
    return {name: getattr(wish, name) for name in _FIELDS} | {"level": int(wish.level)}


def _asked(row: sa.Row[tuple[object, ...]]) -> Asked:
    values = row._mapping
    wish = Wish(**{name: values[name] for name in _FIELDS} | {"level": Level(values["level"])})
    return Asked(values["id"], values["patient_id"], wish, values["state"], values["delivered_ns"], values["ended_ns"])


_STANDING = Among(sa.select(wishes).where(wishes.c.ended_ns.is_(None)).order_by(wishes.c.id), wishes.c.patient_id)
