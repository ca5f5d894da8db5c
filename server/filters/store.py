"""Filters of the worklist: each person's own, on every machine where they sign in.

A filter hides patients from one pair of eyes and from nothing else: no rule, no ladder and no sound asks for it.
"""

import sqlalchemy as sa

from server.db import metadata, upsert
from server.filters.api import Filters, SavedFilter, Wanted

MOST = 20
"""Of one person."""

saved_filters = sa.Table(
    "saved_filters",
    metadata,
    sa.Column("staff", sa.String, sa.ForeignKey("staff.id"), primary_key=True),
    sa.Column("name", sa.String, primary_key=True, comment="empty: the one that was in use last"),
    sa.Column("wanted", sa.JSON, nullable=False),
)

_LAST = ""


def of(tx: sa.Connection, staff_id: str) -> Filters:
    """The person's own, by name."""
    query = sa.select(saved_filters).where(saved_filters.c.staff == staff_id).order_by(saved_filters.c.name)
    known = {row.name: Wanted.model_validate(row.wanted) for row in tx.execute(query)}
    last = known.pop(_LAST, None)
    return Filters(saved=[SavedFilter(name=name, wanted=wanted) for name, wanted in known.items()], last=last)


def save(tx: sa.Connection, staff_id: str, name: str, wanted: Wanted) -> bool:
    """Keep it under that name, in the place of what had it; False where the person has MOST others."""
    others = saved_filters.c.staff == staff_id, saved_filters.c.name.not_in((_LAST, name))
    if (tx.scalar(sa.select(sa.func.count()).select_from(saved_filters).where(*others)) or 0) >= MOST:
        return False
    _put(tx, staff_id, name, wanted)
    return True


def remove(tx: sa.Connection, staff_id: str, name: str) -> None:
    """Forget it, if it is there."""
    tx.execute(saved_filters.delete().where(saved_filters.c.staff == staff_id, saved_filters.c.name == name))


def use(tx: sa.Connection, staff_id: str, wanted: Wanted | None) -> None:
    """This is what the person looks at now; None: everybody."""
    if wanted is None:
        remove(tx, staff_id, _LAST)
    else:
        _put(tx, staff_id, _LAST, wanted)


def _put(tx: sa.Connection, staff_id: str, name: str, wanted: Wanted) -> None:
    upsert(tx, saved_filters, {"staff": staff_id, "name": name}, {"wanted": wanted.model_dump()})
