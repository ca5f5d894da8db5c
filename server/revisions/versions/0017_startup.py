"""A new patient's first weeks: when they end, the limits that are proposed, and those that a clinician confirmed."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.add_column(
        "patients",
        sa.Column(
            "learned", sa.JSON(), nullable=False, server_default="{}", comment="limits that a clinician confirmed"
        ),
    )
    op.create_table(
        "startups",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column(
            "look_ns", sa.BigInteger(), comment="when to look at the readings next; until then NULL: not known yet"
        ),
        sa.Column("ended_ns", sa.BigInteger()),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("patient_id"),
    )
    op.create_index("startups_running", "startups", ["ended_ns", "look_ns"])
    op.create_table(
        "proposals",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("limit", sa.Text(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("usual", sa.Float(), nullable=False, comment="the limit that held when it was proposed"),
        sa.Column("median", sa.Float(), nullable=False),
        sa.Column("spread", sa.Float(), nullable=False),
        sa.Column("readings", sa.Integer(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("set_to", sa.Float(), comment="what a clinician set it to"),
        sa.Column("decided_by", sa.Text()),
        sa.Column("decided_ns", sa.BigInteger()),
        sa.Column("note", sa.Text(), nullable=False, server_default=""),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("proposals_of_patient", "proposals", ["patient_id", "made_ns"])
