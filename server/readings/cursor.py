"""How far a store outside has been fed from the journal, and what it would not take.

The position is ours and not the store's: it is moved after the store has answered, so after any crash the feed goes on
at or before the place where it stopped, never after it. What a store refuses for good is noted here with the journal's
numbers and set aside: the journal has the readings, and the feed goes on.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from server.db import Database, Number, metadata
from server.readings.lines import Refusal
from vitals.clock import Clock

REASON_LENGTH = 300

sinks = sa.Table(
    "sinks",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("seq", sa.BigInteger, nullable=False, comment="everything of the journal up to here is in it"),
    sa.Column("refused", sa.BigInteger, nullable=False, comment="points set aside since the beginning"),
)

sink_refusals = sa.Table(
    "sink_refusals",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("sink", sa.Text, sa.ForeignKey("sinks.name"), nullable=False),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("first_seq", sa.BigInteger, nullable=False),
    sa.Column("last_seq", sa.BigInteger, nullable=False),
    sa.Column("points", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Index("sink_refusals_of_sink", "sink", "id"),
)


class Cursor:
    """The position of the sink of this name. Another name is another sink, which begins at 0."""

    def __init__(self, db: Database, name: str, clock: Clock) -> None:
        self._db = db
        self._name = name
        self._clock = clock

    def seq(self) -> int:
        """The journal's seq up to which everything is in the sink, or is noted as refused; 0 for nothing."""
        return self._column(sinks.c.seq)

    def refused(self) -> int:
        """Points set aside since the beginning."""
        return self._column(sinks.c.refused)

    def refused_last(self) -> tuple[int, str] | None:
        """When something was refused last, and why."""
        query = sa.select(sink_refusals.c.t_ns, sink_refusals.c.reason).where(sink_refusals.c.sink == self._name)
        with self._db.read() as tx:
            row = tx.execute(query.order_by(sink_refusals.c.id.desc()).limit(1)).first()
        return (row.t_ns, row.reason) if row else None

    def advance(self, seq: int, refused: Sequence[Refusal] = ()) -> None:
        """Everything up to `seq` is in the sink, but for what it refused. Never back."""
        points = sum(one.points for one in refused)
        now_ns = self._clock.now_ns()
        own = sinks.c.name == self._name
        with self._db.write() as tx:
            at = tx.scalar(sa.select(sinks.c.seq).where(own))
            if at is None:
                tx.execute(sinks.insert().values(name=self._name, seq=seq, refused=points))
            else:
                more = {"seq": max(at, seq), "refused": sinks.c.refused + points}
                tx.execute(sinks.update().where(own).values(**more))
            for one in refused:
                tx.execute(
                    sink_refusals.insert().values(
                        sink=self._name, t_ns=now_ns, first_seq=one.first_seq, last_seq=one.last_seq,
                        points=one.points, reason=one.reason[:REASON_LENGTH],
                    )
                )  # fmt: skip

    def _column(self, column: sa.Column[int]) -> int:
        with self._db.read() as tx:
            return tx.scalar(sa.select(column).where(sinks.c.name == self._name)) or 0
