"""Readings that somebody has said are wrong, with who, when and why."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "corrections",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("said_ns", sa.BigInteger(), nullable=False),
        sa.Column("said_by", sa.Text(), nullable=False),
        sa.Column("undone_ns", sa.BigInteger()),
        sa.Column("undone_by", sa.Text()),
        sa.Column("undone_why", sa.Text()),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("corrections_of_patient", "corrections", ["patient_id", "t_ns"])
    op.create_table(
        "corrected_readings",
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("correction_id", Number, nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("record", sa.Text()),
        sa.Column("device_t_ns", sa.BigInteger()),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("stored_ns", sa.BigInteger(), nullable=False),
        sa.Column("shift_ns", sa.BigInteger(), nullable=False, server_default="0"),
        sa.ForeignKeyConstraint(["correction_id"], ["corrections.id"]),
        sa.PrimaryKeyConstraint("identity", "correction_id"),
    )
    op.create_index("ix_corrected_readings_correction_id", "corrected_readings", ["correction_id"])
