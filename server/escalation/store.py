"""The ladders as rows, so that an alarm that opens copies what is in force then, whichever process opens it."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from server.api import AlarmKind, Priority
from server.db import metadata
from server.escalation.model import Ladder
from vitals.errors import StoreError

ladders = sa.Table(
    "ladders",
    metadata,
    sa.Column("kind", sa.String, primary_key=True),
    sa.Column("priority", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary, nullable=False),
)


def apply(tx: sa.Connection, written: Iterable[Ladder]) -> None:
    """Put these ladders in force for alarms that open from now on; open alarms keep the copy they have."""
    tx.execute(ladders.delete())
    for ladder in written:
        tx.execute(
            ladders.insert().values(kind=ladder.kind, priority=ladder.priority, body=msgspec.json.encode(ladder))
        )


def in_force(tx: sa.Connection, kind: AlarmKind, priority: Priority) -> Ladder:
    """The ladder for such an alarm; raises StoreError when none was applied."""
    body = tx.scalar(sa.select(ladders.c.body).where(ladders.c.kind == kind, ladders.c.priority == priority))
    if body is None:
        raise StoreError(
            f"no ladder is in force for {kind} alarms of {priority} priority",
            "apply ladders.toml when the server starts (server.escalation.store.apply)",
        )
    return msgspec.json.decode(body, type=Ladder)
