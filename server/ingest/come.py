"""What has come of each spool, so that a row that comes again is known without a look at it.

A gateway counts its rows within an epoch, and may send any of them any number of times. What has come is kept as ranges
(`server.ingest.ranges`) in the transaction that stores the rows.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from server.db import metadata
from server.ingest.ranges import Range, Ranges, runs
from server.quick import Quick
from vitals.wire import Row

received = sa.Table(
    "received",
    metadata,
    sa.Column("gateway", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Text, primary_key=True),
    sa.Column("first_seq", sa.BigInteger, primary_key=True),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
)

Spool = tuple[str, str]
"""A gateway and one of its epochs."""


class Come:
    """What has come of the spools that messages are of, these messages included."""

    def __init__(self) -> None:
        self._now: dict[Spool, Ranges] = {}
        self._before: dict[Spool, Sequence[Range]] = {}

    def recall(self, tx: sa.Connection, spools: Iterable[Spool]) -> None:
        """Know what has come of these. To be called before anything is asked of them."""
        for spool in spools:
            if spool not in self._now:
                gateway, epoch = spool
                rows = _HAVE_COME.rows(tx, gateway=gateway, epoch=epoch)
                found = self._now[spool] = Ranges((first, last) for first, last in rows)
                self._before[spool] = found.ranges()

    def has(self, spool: Spool, number: int) -> bool:
        """Whether the row of that number has come."""
        return number in self._now[spool]

    def all_new(self, spool: Spool, ranges: Sequence[Range]) -> bool:
        """Whether none of these rows has come before; from now on they have."""
        now = self._now[spool]
        if any(now.touches(first, last) for first, last in ranges):
            return False
        for first, last in ranges:
            now.add(first, last)
        return True

    def new(self, spool: Spool, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        """Those whose number has not come before, each number once; from now on it has."""
        ranges = runs([row.seq for row in rows])
        if sum(last - first + 1 for first, last in ranges) == len(rows) and self.all_new(spool, ranges):
            return rows
        now, new = self._now[spool], []
        for row in rows:
            if row.seq not in now:
                now.add(row.seq)
                new.append(row)
        return tuple(new)

    def remember(self, tx: sa.Connection) -> None:
        """Write down what has come, where it differs from what had come before."""
        gone, new = [], []
        for spool, ranges in self._now.items():
            had, has = set(self._before[spool]), set(ranges.ranges())
            named = dict(zip(("gateway", "epoch"), spool, strict=True))
            gone += [{**named, "first_seq": first} for first, _ in had - has]
            new += [{**named, "first_seq": first, "last_seq": last} for first, last in has - had]
        _FORGET.many(tx, gone)
        _COME.many(tx, new)


_THIS = (received.c.gateway == sa.bindparam("gateway")) & (received.c.epoch == sa.bindparam("epoch"))
_HAVE_COME = Quick(sa.select(received.c.first_seq, received.c.last_seq).where(_THIS))
_FORGET = Quick(received.delete().where(_THIS, received.c.first_seq == sa.bindparam("first_seq")))
_COME = Quick(received.insert())
