"""What was written down only so that hours can be lived through once more, let go when nobody will.

`looks` gets a row with every round, thousands a day for ever, and `circumstances` one with every change; a replay goes
by both. What an alarm is explained by (`decisions`, `findings`, the journal) is never touched: an alarm of ten years
ago is still decided once more, to the last bit.

A replay begins where no alarm of the patient stood. So what it needs may be older than where it is asked to begin, and
is kept as long as an alarm stands. Of the circumstances the last before that is kept too: it applied then. Whoever asks
for older hours is told that the looks are assumed, as of the hours before looks were noted (`server.decisions.course`).
"""

import sqlalchemy as sa

from server.db import Database
from server.decisions.course import earliest
from server.decisions.record import circumstances, looks

AT_ONCE = 5_000
"""So many rows of each in one transaction: readings come in between two."""


def prune(db: Database, before_ns: int) -> int:
    """Delete what no replay from `before_ns` on needs; returns how many rows."""
    with db.read() as tx:
        needed_ns = earliest(tx, before_ns)
    return _delete(db, looks, _looks(needed_ns)) + _delete(db, circumstances, _circumstances(needed_ns))


def _looks(needed_ns: int) -> sa.Select[tuple[int]]:
    """From the oldest on: what is left has no gaps, so that it is known since when there are any."""
    return sa.select(looks.c.id).where(looks.c.t_ns < needed_ns).order_by(looks.c.t_ns)


def _circumstances(needed_ns: int) -> sa.Select[tuple[int]]:
    """Those that did not apply any more."""
    later = circumstances.alias()
    over = sa.exists().where(
        later.c.patient_id == circumstances.c.patient_id, later.c.id > circumstances.c.id, later.c.t_ns <= needed_ns
    )
    return sa.select(circumstances.c.id).where(circumstances.c.t_ns < needed_ns, over).order_by(circumstances.c.id)


def _delete(db: Database, table: sa.Table, which: sa.Select[tuple[int]]) -> int:
    """Found without the pen, deleted with it, AT_ONCE at a time."""
    gone = 0
    while True:
        with db.read() as tx:
            ids = list(tx.scalars(which.limit(AT_ONCE)))
        if ids:
            with db.write() as tx:
                tx.execute(table.delete().where(table.c.id.in_(ids)))
        gone += len(ids)
        if len(ids) < AT_ONCE:
            return gone
