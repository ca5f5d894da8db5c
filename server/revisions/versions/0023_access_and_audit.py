"""Organisations, care relations, the broken glass, second steps at sign-in, and the audit trail as a chain.

What the trail has is chained as it stands: nobody can say any more whether it was altered before. Sessions begin anew,
because each now has a name by which it can be ended.
"""

import sqlalchemy as sa
from alembic import op

from server.audit.chain import BEGINNING, Entry, link
from server.db import Number

revision = "0023"
down_revision = "0022"

_AT_ONCE = 5_000


def upgrade() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, comment="0: the one that keeps the system"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "access_changes",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO access_changes (id, n) VALUES (1, 0)")
    op.add_column("patients", sa.Column("organisation", sa.Text(), nullable=False, server_default="municipality"))
    op.add_column("staff", sa.Column("organisation", sa.Text(), nullable=False, server_default="municipality"))
    op.add_column("staff", sa.Column("subject", sa.Text(), comment="its name at the provider of identities"))
    op.add_column("staff", sa.Column("locked_ns", sa.BigInteger(), comment="since when, by the wall"))
    op.create_index("staff_by_subject", "staff", ["subject"], unique=True)
    op.create_table(
        "relations",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("organisation", sa.Text()),
        sa.Column("staff", sa.String()),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger()),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.Text()),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["organisation"], ["organisations.id"]),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("relations_of_patient", "relations", ["patient_id"])
    op.create_index("relations_of_organisation", "relations", ["organisation"])
    op.create_index("relations_of_staff", "relations", ["staff"])
    op.create_table(
        "broken_glass",
        sa.Column("id", Number, nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("reviewed_by", sa.Text()),
        sa.Column("reviewed_ns", sa.BigInteger()),
        sa.Column("verdict", sa.Text()),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("broken_glass_of_staff", "broken_glass", ["staff", "until_ns"])
    op.create_index("broken_glass_of_patient", "broken_glass", ["patient_id", "until_ns"])
    op.create_table(
        "second_steps",
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), comment="confirmed with a first code, by the wall"),
        sa.Column("last_step", sa.BigInteger(), nullable=False, comment="the half minute of the last used code"),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("staff"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("code_hash"),
    )
    op.create_index("recovery_codes_of_staff", "recovery_codes", ["staff"])
    op.execute("DELETE FROM sessions")
    op.add_column("sessions", sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.add_column("sessions", sa.Column("way", sa.Text(), nullable=False, server_default="password"))
    op.add_column("sessions", sa.Column("browser", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit", sa.Column("link", sa.LargeBinary(), comment="SHA-256 over the link before and this row"))
    _chain()


def _chain() -> None:
    """The entries there are, in their order, with the gaps that their numbers have closed."""
    audit = sa.table("audit", *(sa.column(name) for name in (*Entry.__struct_fields__, "link")))
    fields = [audit.c[name] for name in Entry.__struct_fields__]
    tx, tie, number, after = op.get_bind(), BEGINNING, 0, -1
    while rows := tx.execute(sa.select(*fields).where(audit.c.id > after).order_by(audit.c.id).limit(_AT_ONCE)).all():
        made = []
        for was, *rest in rows:
            number += 1
            tie = link(tie, Entry(number, *rest))
            made.append({"was": was, "new": number, "tie": tie})
        update = audit.update().where(audit.c.id == sa.bindparam("was"))
        tx.execute(update.values(id=sa.bindparam("new"), link=sa.bindparam("tie", type_=sa.LargeBinary)), made)
        after = rows[-1][0]
