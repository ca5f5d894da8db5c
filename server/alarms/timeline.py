"""An alarm's timeline: append-only sentences, from the reading that was taken to the coded action that closed it.

What belongs to VKP's chain of events (`vitals.vkp`) carries its codes, as the alarm was then.
"""

from typing import NamedTuple

import sqlalchemy as sa

from server.db import Number, metadata

timeline = sa.Table(
    "timeline",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("alarm_id", Number, nullable=False, index=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("who", sa.String),
    sa.Column("nb", sa.String, nullable=False),
    sa.Column("en", sa.String, nullable=False),
    sa.Column("event", sa.Integer, comment="VKP: the event chain; NULL: not one of it"),
    sa.Column("triage", sa.String, comment="VKP: how urgent"),
    sa.Column("severity", sa.Integer, comment="VKP: how grave"),
    sa.Column("alert", sa.String, comment="VKP: what it is about, where the lists have it"),
)


class Coded(NamedTuple):
    """An entry's codes in VKP's lists."""

    event: int
    triage: str
    severity: int
    alert: str | None


def add(
    tx: sa.Connection, alarm_id: int, t_ns: int, what: str, text: dict[str, str], who: str | None = None,
    code: Coded | None = None,
) -> None:  # fmt: skip
    """Append an entry. `text` holds the sentence in `nb` and `en`; `who` a person's name."""
    codes = code._asdict() if code else {}
    tx.execute(
        timeline.insert().values(
            alarm_id=alarm_id, t_ns=t_ns, what=what, who=who, nb=text["nb"], en=text["en"], **codes
        )
    )


def last_ns(tx: sa.Connection, alarm_id: int, what: str) -> int | None:
    """The latest time of that kind of entry."""
    mine = (timeline.c.alarm_id == alarm_id) & (timeline.c.what == what)
    found: int | None = tx.scalar(sa.select(sa.func.max(timeline.c.t_ns)).where(mine))
    return found


def entries(tx: sa.Connection, alarm_ids: list[int]) -> dict[int, list[sa.Row[tuple[object, ...]]]]:
    """The entries of each alarm, in the order they were written."""
    found: dict[int, list[sa.Row[tuple[object, ...]]]] = {alarm_id: [] for alarm_id in alarm_ids}
    for row in tx.execute(sa.select(timeline).where(timeline.c.alarm_id.in_(alarm_ids)).order_by(timeline.c.id)):
        found[row.alarm_id].append(row)
    return found
