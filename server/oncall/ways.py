"""The ways in which each person is told, one after the other: push at once, say, and a message two minutes later.

Whoever has chosen nothing gets a message at once. A ladder's step must wait until the last way has been used
(`server.escalation.ladder.check_waits`), or the next person would be told before this one had been.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
import sqlalchemy as sa

from server.access.store import people
from server.db import metadata

Channel = Literal["sms", "push", "email", "voice", "webhook"]

ways = sa.Table(
    "ways",
    metadata,
    sa.Column("staff", sa.String, primary_key=True),
    sa.Column("channel", sa.String, primary_key=True),
    sa.Column("after_s", sa.Float, nullable=False),
)


class Way(msgspec.Struct, frozen=True):
    """Told over `channel`, `after_s` seconds after the step was due."""

    channel: Channel
    after_s: float = 0.0


USUAL = (Way("sms"),)


def ways_of(tx: sa.Connection, staff: str) -> tuple[Way, ...]:
    """The person's, the first first."""
    rows = tx.execute(sa.select(ways).where(ways.c.staff == staff).order_by(ways.c.after_s, ways.c.channel))
    return tuple(Way(row.channel, row.after_s) for row in rows) or USUAL


def choose_ways(tx: sa.Connection, staff: str, chosen: Sequence[Way]) -> None:
    """These and no others; none for the usual."""
    tx.execute(ways.delete().where(ways.c.staff == staff))
    for one in chosen:
        tx.execute(ways.insert().values(staff=staff, channel=one.channel, after_s=one.after_s))


def slowest(tx: sa.Connection) -> dict[str, tuple[str, float]]:
    """By user name: what the person is called, and after how many seconds the last way is used."""
    last = {
        row[0]: row[1]
        for row in tx.execute(sa.select(ways.c.staff, sa.func.max(ways.c.after_s)).group_by(ways.c.staff))
    }
    return {person.id: (person.name, last.get(person.id, 0.0)) for person in people(tx)}
