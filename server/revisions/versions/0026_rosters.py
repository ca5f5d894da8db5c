"""Rosters with all that they have been, ladders with theirs, what shifts hand over, and what was missed.

The shifts and ladders of before are applied anew from their files at the first start, as at every start until now.
"""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "ladder_books",
        sa.Column("id", Number, nullable=False),
        sa.Column("saved_ns", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False, comment="a name; empty: ladders.toml"),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "missed",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("marked_by", sa.String(), nullable=False),
        sa.Column("marked_ns", sa.BigInteger(), nullable=False),
        sa.Column("undone_by", sa.String()),
        sa.Column("undone_ns", sa.BigInteger()),
        sa.Column("undone_why", sa.String()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("missed_at", "missed", ["t_ns"])
    op.create_table(
        "roster_overrides",
        sa.Column("id", Number, nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("out", sa.String()),
        sa.Column("into", sa.String()),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(), nullable=False),
        sa.Column("why", sa.String(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger()),
        sa.Column("ended_by", sa.String()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("overrides_of_roster", "roster_overrides", ["roster", "until_ns"])
    op.create_table(
        "roster_swaps",
        sa.Column("id", Number, nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("asked_by", sa.String(), nullable=False),
        sa.Column("asked_of", sa.String(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("back_since_ns", sa.BigInteger()),
        sa.Column("back_until_ns", sa.BigInteger()),
        sa.Column("note", sa.String(), nullable=False),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("answered_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("swaps_of_roster", "roster_swaps", ["roster", "until_ns"])
    op.create_table(
        "roster_versions",
        sa.Column("id", Number, nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("in_force_ns", sa.BigInteger(), nullable=False),
        sa.Column("saved_by", sa.String(), nullable=False, comment="a name; empty: the municipality's file"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("versions_of_roster", "roster_versions", ["roster", "id"])
    op.create_table(
        "shift_notes",
        sa.Column("id", Number, nullable=False),
        sa.Column("roster", sa.String(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("organisation", sa.Text(), nullable=False, comment="where it was written"),
        sa.Column("patient_id", sa.String()),
        sa.Column("text", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("notes_of_roster", "shift_notes", ["roster", "t_ns"])
    op.drop_table("shifts")
    op.drop_table("ladders")
