"""Events as plain rows: they are few, and each is looked at by itself."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
import sqlalchemy as sa

from server.db import metadata
from server.quick import Quick
from server.readings.model import Occurrence
from server.readings.values import Values

ASK = 1_000
"""So many identities in one question: a database has a limit."""
_TRUSTED = 0x90
"""The flags of a value without decimals that is to be trusted."""

occurrences = sa.Table(
    "events",
    metadata,
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), primary_key=True),
    sa.Column("t_ns", sa.BigInteger, primary_key=True),
    sa.Column("identity", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
    sa.Column("sample", sa.Text, nullable=False, comment="the name that the rules know it by"),
    sa.Column("sample_value", sa.Float, nullable=False),
    sa.Column("device", sa.Text, nullable=False),
    sa.Column("record", sa.Text),
    sa.Column("device_t_ns", sa.BigInteger),
    sa.Column("received_ns", sa.BigInteger, nullable=False),
    sa.Column("stored_ns", sa.BigInteger, nullable=False),
    sa.Column("shift_ns", sa.BigInteger, nullable=False, server_default="0"),
    sa.Index("events_identity", "identity", unique=True),
    sa.Index("events_sample", "patient_id", "sample", "t_ns"),
    sqlite_with_rowid=False,
)


def add(tx: sa.Connection, happened: Iterable[Occurrence], stored_ns: int) -> list[Occurrence]:
    """Add those whose identity is not there yet, each once, and return them."""
    by_identity: dict[bytes, Occurrence] = {}
    for one in happened:
        by_identity.setdefault(one.identity, one)
    for identity in known(tx, occurrences, by_identity):
        del by_identity[identity]
    new = list(by_identity.values())
    if new:
        tx.execute(occurrences.insert(), [{**msgspec.structs.asdict(one), "stored_ns": stored_ns} for one in new])
    return new


def known(tx: sa.Connection, table: sa.Table, identities: Iterable[bytes]) -> list[bytes]:
    """Those of `identities` that the table has, in a column of that name."""
    asked = list(identities)
    found: list[bytes] = []
    for start in range(0, len(asked), ASK):
        column = table.c.identity
        found += tx.scalars(sa.select(column).where(column.in_(asked[start : start + ASK])))
    return found


def events(tx: sa.Connection, patient_id: str, from_ns: int, to_ns: int) -> list[Occurrence]:
    """What happened to one patient between two moments, both inclusive, oldest first."""
    columns = occurrences.c
    query = sa.select(occurrences).where(columns.patient_id == patient_id, columns.t_ns.between(from_ns, to_ns))
    rows = tx.execute(query.order_by(columns.t_ns, columns.identity)).mappings()
    return [Occurrence(**{name: row[name] for name in Occurrence.__struct_fields__}) for row in rows]


def samples(tx: sa.Connection, patient_id: str, from_ns: int) -> dict[str, Values]:
    """What the rules see of one patient's events since then, by the name they know it by, in order of time."""
    found: dict[str, list[tuple[int, float]]] = {}
    for name, t_ns, value in _SAMPLES.rows(tx, patient=patient_id, from_ns=from_ns):
        found.setdefault(name, []).append((t_ns, value))
    return {name: as_values(pairs) for name, pairs in found.items()}


def as_values(pairs: Sequence[tuple[int, float]]) -> Values:
    """(time, value) as columns, in their order."""
    return Values(
        np.array([t_ns for t_ns, _ in pairs], np.int64), np.array([value for _, value in pairs], np.float64),
        np.full(len(pairs), _TRUSTED, np.uint8),
    )  # fmt: skip


_SAMPLES = Quick(
    sa.select(occurrences.c.sample, occurrences.c.t_ns, occurrences.c.sample_value)
    .where(occurrences.c.patient_id == sa.bindparam("patient"), occurrences.c.t_ns >= sa.bindparam("from_ns"))
    .order_by(occurrences.c.t_ns)
)
