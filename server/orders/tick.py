"""The clock's turn for orders: what must go out (again), and what no word has come of.

An order is published until its gateway says that it has it, or until it expires: the broker may lose it, and a gateway
stores each id once, so that too often is harmless. What is returned is published after the commit.
"""

from typing import NamedTuple

import sqlalchemy as sa
from msgspec.structs import replace

from server.fleet.store import gateways
from server.ingest.store import Message
from server.orders import store
from server.orders.model import GRACE_S, Order, State, Word, hear
from vitals.clock import NS
from vitals.wire import Command, down, encode

AGAIN_S = 5.0
"""In seconds of the wall."""


class Turn(NamedTuple):
    """What to publish, and the patients whose orders have become unknown."""

    publish: list[Message]
    overdue: set[str]


def turn(tx: sa.Connection, now_ns: int, speed: float = 1.0) -> Turn:
    """Do what is due at `now_ns`. `speed`: clock seconds in a second of the wall."""
    waiting = store.waiting(tx)
    if not waiting:
        return Turn([], set())
    online = {one.id for one in gateways(tx) if one.online}
    publish: list[Message] = []
    overdue: set[str] = set()
    for order in waiting:
        if order.expires_ns + GRACE_S * NS <= now_ns:
            overdue.add(store.save(tx, hear(order, Word.OVERDUE, now_ns)).patient_id)
        elif _goes_out(order, now_ns, round(AGAIN_S * speed * NS), order.gateway in online):
            store.save(tx, replace(order, published_ns=now_ns))
            publish.append((down(order.gateway, "command"), encode(_command(order))))
    return Turn(publish, overdue)


def _goes_out(order: Order, now_ns: int, again_ns: int, online: bool) -> bool:
    """At once, and then again and again while somebody is there to hear it."""
    if order.state is not State.ORDERED or order.expires_ns <= now_ns:
        return False
    return order.published_ns is None or (online and now_ns - order.published_ns >= again_ns)


def _command(order: Order) -> Command:
    data: dict[str, int | float | str] = {**order.data}
    return Command(order.gateway, order.id, order.device, order.kind, order.issued_ns, order.expires_ns, data)
