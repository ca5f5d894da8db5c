"""A database for a replay: the alarms' tables with what they remember at its beginning, thrown away at the end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from server.alarms.table import alarms
from server.alarms.timeline import timeline
from server.db import Database, metadata
from server.escalation.store import ladders


@contextmanager
def scratch(tx: sa.Connection, patient_id: str, began_ns: int) -> Iterator[sa.Connection]:
    """A transaction on it. In it are the ladders and the patient's alarms that were closed before `began_ns`.

    Nobody is on call in it, so nobody is told.
    """
    with tempfile.TemporaryDirectory(prefix="hjemvakt-replay-") as folder:
        db = Database(Path(folder) / "replay.sqlite")
        try:
            with db.write() as own:
                metadata.create_all(own)
                before = (alarms.c.patient_id == patient_id) & (alarms.c.closed_ns < began_ns)
                numbers = sa.select(alarms.c.id).where(before)
                _copy(tx, own, alarms, sa.select(alarms).where(before))
                _copy(tx, own, timeline, sa.select(timeline).where(timeline.c.alarm_id.in_(numbers)))
                _copy(tx, own, ladders, sa.select(ladders))
                yield own
        finally:
            db.close()


def _copy(tx: sa.Connection, own: sa.Connection, table: sa.Table, which: sa.Select[tuple[object, ...]]) -> None:
    rows = [dict(row) for row in tx.execute(which).mappings()]
    if rows:
        own.execute(table.insert(), rows)
