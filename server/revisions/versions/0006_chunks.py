"""Readings in chunks, made from a journal of what was filed.

The readings and events that were plain rows become the first rows of the new journal, in the order in which they were
stored; the server folds them into chunks when it starts. The old journal's raw messages go: what they brought is among
those rows or in quarantine.
"""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

from server.readings import journal
from server.readings.model import Occurrence, Reading
from server.readings.sheaf import sheaf

revision = "0006"
down_revision = "0005"

AT_ONCE = 5_000


def upgrade() -> None:
    total = op.get_bind().scalar(sa.text("SELECT total FROM journal ORDER BY seq DESC LIMIT 1")) or 0
    op.drop_table("journal")
    op.create_table(
        "journal",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("stored_ns", sa.BigInteger(), nullable=False),
        sa.Column("crc", sa.BigInteger(), nullable=False),
        sa.Column("blob", sa.LargeBinary(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False, comment="readings and events stored so far"),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "chunks",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("week", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_ns", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("seen", sa.LargeBinary(), nullable=False),
        sa.Column("identities", sa.LargeBinary(), nullable=False),
        sa.Column("rest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("patient_id", "week", "part"),
    )
    op.create_table(
        "sources",
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("device", "patient_id"),
        comment="whose chunks have readings of which device",
    )
    positions = op.create_table(
        "positions",
        sa.Column("store", sa.Text(), nullable=False),
        sa.Column(
            "seq", sa.BigInteger(), nullable=False, comment="of the journal: everything up to it is in the store"
        ),
        sa.PrimaryKeyConstraint("store"),
    )
    op.create_index("gateways_of_patient", "gateways", ["patient_id"], unique=False)
    op.create_index("assignments_of_patient", "assignments", ["patient_id"], unique=False)
    op.bulk_insert(positions, [{"store": "chunks", "seq": 0}])
    tx = op.get_bind()
    for rows in _in_order(tx, "readings"):
        given = [Reading(**one | {"status": tuple(one["status"].split())}) for one in rows["what"]]
        journal.append(tx, rows["stored_ns"][-1], sheaf(given, rows["stored_ns"]))
    for rows in _in_order(tx, "events"):
        happened = [Occurrence(**one) for one in rows["what"]]
        journal.append(tx, rows["stored_ns"][-1], journal.nothing(), happened)
    if total:  # what is held was counted, too
        journal.append(tx, 0, journal.nothing(), counted=total)
    op.drop_table("readings")


def _in_order(tx: sa.Connection, name: str) -> Iterator[dict[str, list[Any]]]:
    """The rows of a table by when they were stored: `what` as the fields of a struct, and `stored_ns`."""
    shape = Reading if name == "readings" else Occurrence
    table = sa.Table(name, sa.MetaData(), autoload_with=tx, resolve_fks=False)
    fields = [name for name in shape.__struct_fields__ if name in table.c]  # those that there were then
    columns = [table.c[name] for name in fields]
    query = sa.select(*columns, table.c.stored_ns).order_by(table.c.stored_ns, table.c.patient_id, table.c.t_ns)
    for part in tx.execute(query).mappings().partitions(AT_ONCE):
        yield {
            "what": [{name: row[name] for name in fields} for row in part],
            "stored_ns": [row["stored_ns"] for row in part],
        }
