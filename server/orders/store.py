"""Orders as rows. What changes one is read, changed and written in the caller's transaction."""

from collections.abc import Iterable
from typing import Any

import msgspec
import sqlalchemy as sa

from server.db import metadata
from server.orders.model import OPEN, TO_LOOK_AT, UNSETTLED, Order, State, Word, hear
from server.readings.store import Occurrence

orders = sa.Table(
    "orders",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("gateway", sa.Text, sa.ForeignKey("gateways.id"), nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("ordered_by", sa.Text, nullable=False),
    sa.Column("issued_ns", sa.BigInteger, nullable=False),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("published_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger),
    sa.Column("sent_ns", sa.BigInteger),
    sa.Column("ended_ns", sa.BigInteger),
    sa.Column("said", sa.Text, nullable=False),
    sa.Column("looked_by", sa.Text),
    sa.Column("looked_ns", sa.BigInteger),
    sa.Column("found", sa.Text),
    sa.Column("note", sa.Text, nullable=False),
    sa.Index("orders_of_patient", "patient_id", "issued_ns"),
    sa.Index("orders_by_state", "state", "expires_ns"),
)

_PREFIX = "order."
_WORDS = frozenset(Word) - {Word.OVERDUE}


def place(tx: sa.Connection, order: Order) -> None:
    """Store a new order; its id must be new."""
    tx.execute(orders.insert().values(msgspec.structs.asdict(order)))


def save(tx: sa.Connection, order: Order) -> Order:
    """Store a changed order."""
    tx.execute(orders.update().where(orders.c.id == order.id).values(msgspec.structs.asdict(order)))
    return order


def get(tx: sa.Connection, order_id: str) -> Order | None:
    """The order of that id."""
    found = _many(tx, orders.c.id == order_id)
    return found[0] if found else None


def of_patient(tx: sa.Connection, patient_id: str, limit: int) -> list[Order]:
    """The patient's latest orders, newest first; those that nobody knows the end of always among them."""
    mine = orders.c.patient_id == patient_id
    latest = sa.select(orders.c.id).where(mine).order_by(orders.c.issued_ns.desc(), orders.c.id).limit(limit)
    return _many(tx, mine, orders.c.id.in_(latest) | orders.c.state.in_(UNSETTLED))


def rival(tx: sa.Connection, device: str, kind: str) -> Order | None:
    """An order of that kind for the device of which nobody knows how it ended."""
    found = _many(tx, orders.c.device == device, orders.c.kind == kind, orders.c.state.in_(UNSETTLED))
    return found[0] if found else None


def waiting(tx: sa.Connection) -> list[Order]:
    """Those that may still be done, newest first."""
    return _many(tx, orders.c.state.in_(OPEN))


def to_look_at(tx: sa.Connection) -> dict[str, list[Order]]:
    """Those that a person has to look at, by patient."""
    found: dict[str, list[Order]] = {}
    for order in _many(tx, orders.c.state.in_(TO_LOOK_AT)):
        found.setdefault(order.patient_id, []).append(order)
    return found


def heard(tx: sa.Connection, events: Iterable[Occurrence]) -> set[str]:
    """Take in what gateways tell of orders; returns the patients whose orders changed.

    The patient is the one who was meant: the device may have become another's since. Only its own word counts.
    """
    changed: set[str] = set()
    for event in events:
        word = event.kind.removeprefix(_PREFIX)
        if not event.kind.startswith(_PREFIX) or word not in _WORDS:
            continue
        order = get(tx, str(event.data.get("order")))
        if order is None or order.device != event.device:
            continue
        after = hear(order, Word(word), event.t_ns, str(event.data.get("why", "")))
        if after != order:
            changed.add(save(tx, after).patient_id)
    return changed


def _many(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Order]:
    query = sa.select(orders).where(*where).order_by(orders.c.issued_ns.desc(), orders.c.id)
    return [_order(row) for row in tx.execute(query).mappings()]


def _order(row: sa.RowMapping) -> Order:
    values: dict[str, Any] = {name: row[name] for name in Order.__struct_fields__}
    return Order(**values | {"state": State(row["state"])})
