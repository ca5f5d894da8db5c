"""Readings that somebody has said are wrong: whole, with who said so and why, and still known.

Such a reading is withdrawn from the journal and so counts nowhere; but the device that has it in its memory may send it
again next year. So its identity stays known for as long as what was said of it stands.
"""

from collections.abc import Collection, Iterator

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from server.db import Number, metadata
from server.readings.occurrences import ASK

corrections = sa.Table(
    "corrections",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("said_ns", sa.BigInteger, nullable=False),
    sa.Column("said_by", sa.Text, nullable=False),
    sa.Column("undone_ns", sa.BigInteger),
    sa.Column("undone_by", sa.Text),
    sa.Column("undone_why", sa.Text),
    sa.Index("corrections_of_patient", "patient_id", "t_ns"),
)

corrected = sa.Table(
    "corrected_readings",
    metadata,
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    sa.Column("correction_id", Number, sa.ForeignKey("corrections.id"), primary_key=True, index=True),
    sa.Column("channel", sa.Text, nullable=False),
    sa.Column("value", sa.Float, nullable=False),
    sa.Column("decimals", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("device_t_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Column("shift_ns", sa.BigInteger, nullable=False, server_default="0"),
)

INVALID = (
    sa.select(corrected.c.identity)
    .join_from(corrected, corrections, corrections.c.id == corrected.c.correction_id)
    .where(corrections.c.undone_ns.is_(None))
)
"""The identities of all that does not count."""


def invalid(tx: sa.Connection, names: Collection[bytes]) -> set[bytes]:
    """Those of these identities that somebody has said are wrong."""
    asked, found = list(names), set[bytes]()
    for start in range(0, len(asked), ASK):
        found.update(tx.scalars(INVALID.where(corrected.c.identity.in_(asked[start : start + ASK]))))
    return found


def every_invalid(tx: sa.Connection) -> Iterator[NDArray[np.uint64]]:
    """The identities of all that does not count, as arrays [n, 2] of their halves."""
    for names in tx.scalars(INVALID.execution_options(yield_per=2_000)).partitions():
        yield np.frombuffer(b"".join(names), ">u8").astype(np.uint64).reshape(-1, 2)
