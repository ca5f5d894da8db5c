"""Held readings."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "held",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("slot", Number, nullable=True, comment="the user that the device named"),
        sa.Column("usual_kg", sa.Float(), nullable=True),
        sa.Column("limit_kg", sa.Float(), nullable=True),
        sa.Column("since_ns", sa.BigInteger(), nullable=True),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("said_ns", sa.BigInteger(), nullable=True),
        sa.Column("said_by", sa.Text(), nullable=True),
        sa.Column("said_from", sa.Text(), nullable=True),
        sa.Column("home_asked_ns", sa.BigInteger(), nullable=True),
        sa.Column("home_unknown_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["patient_id"],
            ["patients.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("held", schema=None) as batch_op:
        batch_op.create_index("held_of_patient", ["patient_id", "said"], unique=False)

    op.create_table(
        "held_readings",
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("held_id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Float(), nullable=False),
        sa.Column("decimals", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=True),
        sa.Column("device_t_ns", sa.BigInteger(), nullable=True),
        sa.Column("received_ns", sa.BigInteger(), nullable=False),
        sa.Column("stored_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["held_id"],
            ["held.id"],
        ),
        sa.ForeignKeyConstraint(
            ["patient_id"],
            ["patients.id"],
        ),
        sa.PrimaryKeyConstraint("identity"),
    )
    with op.batch_alter_table("held_readings", schema=None) as batch_op:
        batch_op.create_index("held_readings_moment", ["patient_id", "device", "t_ns"], unique=False)
        batch_op.create_index(batch_op.f("ix_held_readings_held_id"), ["held_id"], unique=False)

    op.create_table(
        "home_links",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("held_id", Number, nullable=False),
        sa.Column("expires_ns", sa.BigInteger(), nullable=False),
        sa.Column("used_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["held_id"],
            ["held.id"],
        ),
        sa.PrimaryKeyConstraint("token_hash"),
    )
    with op.batch_alter_table("home_links", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_home_links_held_id"), ["held_id"], unique=False)

    with op.batch_alter_table("assignments", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("user_slot", sa.Integer(), nullable=True, comment="which of the device's users the patient is")
        )

    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("question_id", Number, nullable=True))
        batch_op.alter_column("alarm_id", existing_type=Number, nullable=True)
        batch_op.create_index("outbox_of_question", ["question_id"], unique=False)

    with op.batch_alter_table("phone", schema=None) as batch_op:
        batch_op.alter_column("alarm_id", existing_type=Number, nullable=True)
