"""Swaps: one person asks another to take a shift, and perhaps takes one of theirs for it.

Nothing changes by asking. What the other says yes to becomes overrides (`server.oncall.store`), and is looked at once
more then: a shift may have changed hands meanwhile, or have begun.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.db import Number, metadata
from server.first import Overtaken
from server.oncall import store
from server.oncall.model import Kept
from server.oncall.plan import stretches
from vitals.errors import ConfigError

State = Literal["asked", "accepted", "declined", "withdrawn"]
Answer = Literal["accepted", "declined", "withdrawn"]

swaps = sa.Table(
    "roster_swaps",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("roster", sa.String, nullable=False),
    sa.Column("asked_by", sa.String, nullable=False),
    sa.Column("asked_of", sa.String, nullable=False),
    sa.Column("since_ns", sa.BigInteger, nullable=False),
    sa.Column("until_ns", sa.BigInteger, nullable=False),
    sa.Column("back_since_ns", sa.BigInteger),
    sa.Column("back_until_ns", sa.BigInteger),
    sa.Column("note", sa.String, nullable=False),
    sa.Column("asked_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("answered_ns", sa.BigInteger),
    sa.Index("swaps_of_roster", "roster", "until_ns"),
)


class Swap(msgspec.Struct, frozen=True):
    """`asked_by` has the first time and wants `asked_of` to take it, for the second, if there is one. User names."""

    id: int
    roster: str
    asked_by: str
    asked_of: str
    since_ns: int
    until_ns: int
    back_since_ns: int | None
    back_until_ns: int | None
    note: str
    asked_ns: int
    state: State
    answered_ns: int | None = None

    @property
    def begins_ns(self) -> int:
        """When the first of it begins: after that it is too late."""
        return self.since_ns if self.back_since_ns is None else min(self.since_ns, self.back_since_ns)


def ask(tx: sa.Connection, swap: Swap) -> Swap:
    """Write it down; raises ConfigError where it could not be granted as things stand. Its `id` is given here."""
    _check(tx, swap, swap.asked_ns)
    values = msgspec.structs.asdict(swap)
    del values["id"]
    number = tx.execute(swaps.insert().values(values).returning(swaps.c.id)).scalar_one()
    return msgspec.structs.replace(swap, id=number)


def answer(tx: sa.Connection, swap: Swap, said: Answer, name: str, why: str, now_ns: int) -> Swap:
    """`name` says so. Raises Overtaken for one that was answered, ConfigError for one that cannot be granted."""
    if swap.state != "asked":
        raise Overtaken(f"the swap is {swap.state} already", "look at the roster as it is now", None)
    if said == "accepted":
        _check(tx, swap, now_ns)
        store.change(tx, swap.roster, swap.asked_by, swap.asked_of, swap.since_ns, swap.until_ns, name, why, now_ns)
        if swap.back_since_ns is not None and swap.back_until_ns is not None:
            store.change(
                tx, swap.roster, swap.asked_of, swap.asked_by, swap.back_since_ns, swap.back_until_ns, name, why, now_ns
            )
    tx.execute(swaps.update().where(swaps.c.id == swap.id).values(state=said, answered_ns=now_ns))
    return msgspec.structs.replace(swap, state=said, answered_ns=now_ns)


def get(tx: sa.Connection, swap_id: int) -> Swap | None:
    """The swap of that number."""
    found = _many(tx, swaps.c.id == swap_id)
    return found[0] if found else None


def of_roster(tx: sa.Connection, roster: str, from_ns: int) -> list[Swap]:
    """Those whose shift is not over at `from_ns`, the newest first."""
    return _many(tx, swaps.c.roster == roster, swaps.c.until_ns > from_ns)


def _check(tx: sa.Connection, swap: Swap, now_ns: int) -> None:
    if swap.begins_ns < now_ns:
        raise ConfigError("the shift has begun", "ask an administrator for an override")
    if swap.asked_by == swap.asked_of:
        raise ConfigError("a swap is between two people", "ask somebody else")
    spans = [(swap.asked_by, swap.asked_of, swap.since_ns, swap.until_ns)]
    if swap.back_since_ns is not None and swap.back_until_ns is not None:
        spans.append((swap.asked_of, swap.asked_by, swap.back_since_ns, swap.back_until_ns))
    whole = min(span[2] for span in spans), max(span[3] for span in spans)
    rosters = store.kept(tx, *whole, swap.roster)
    for out, into, since_ns, until_ns in spans:
        if until_ns <= since_ns:
            raise ConfigError("the shift ends before it begins", "correct its times")
        _check_on(tx, rosters, out, into, since_ns, until_ns)


def _check_on(tx: sa.Connection, rosters: Sequence[Kept], out: str, into: str, since_ns: int, until_ns: int) -> None:
    called = store.names(tx, [out, into])
    there = [one for kept in rosters for one in stretches(kept, since_ns, until_ns)]
    if not there or not all(out in one.staff for one in there):
        raise ConfigError(f"{called[out]} is not on all that time", "choose a shift as it is now")
    if any(into in one.staff for one in there):
        raise ConfigError(f"{called[into]} is on at that time already", "ask somebody else")


def _many(tx: sa.Connection, *where: sa.ColumnElement[bool]) -> list[Swap]:
    rows = tx.execute(sa.select(swaps).where(*where).order_by(swaps.c.id.desc()))
    return [Swap(**{name: row._mapping[name] for name in Swap.__struct_fields__}) for row in rows]
