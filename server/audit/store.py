"""The audit trail: append-only rows of who, when, what and about whom.

What somebody does is written in the transaction that does it. What somebody sees is written before it is shown; a
page that a live stream refreshes every few seconds is one look, so the same look by the same person is written again
only after LOOK_NS.
"""

import threading

import sqlalchemy as sa

from server.db import Database, Number, metadata
from vitals.clock import NS

LOOK_NS = 900 * NS
_REMEMBERED = 10_000

audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("who", sa.String, nullable=False),
    sa.Column("what", sa.String, nullable=False),
    sa.Column("patient_id", sa.String),
    sa.Column("detail", sa.String, nullable=False),
    sa.Index("audit_of_patient", "patient_id", "t_ns"),
)


def write(tx: sa.Connection, now_ns: int, who: str, what: str, patient_id: str | None = None, detail: str = "") -> None:
    """Append one entry. `who` is a user name; `what` a word such as `acknowledge` or `see page`."""
    tx.execute(audit.insert().values(t_ns=now_ns, who=who, what=what, patient_id=patient_id, detail=detail))


class Looks:
    """Writes what people see, each look once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._last_ns: dict[tuple[str, str, str | None], int] = {}

    def saw(self, now_ns: int, who: str, what: str, patient_id: str | None = None) -> None:
        """Append `see <what>` unless this look is already written."""
        look = (who, what, patient_id)
        with self._lock:
            before_ns = self._last_ns.get(look)
            if before_ns is not None and now_ns - before_ns < LOOK_NS:
                return
            with self._db.write() as tx:
                write(tx, now_ns, who, f"see {what}", patient_id)
            if len(self._last_ns) >= _REMEMBERED:
                self._last_ns.clear()
            self._last_ns[look] = now_ns
