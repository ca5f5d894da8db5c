"""What homes are asked and told, and the document that takes it there."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.add_column(
        "gateways",
        sa.Column("wishes_version", sa.BigInteger(), nullable=False, server_default="-1", comment="-1: shows none"),
    )
    answers = sa.Column("answers", sa.Text(), comment="the device that its patient's answers are readings of")
    op.add_column("gateways", answers)
    op.create_table(
        "wishes",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column(
            "why", sa.Text(), nullable=False, comment="sooner, again, or tell: a finding that is for the home itself"
        ),
        sa.Column("channel", sa.Text(), nullable=False, comment="empty where the home is told something"),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("text", sa.JSON(), nullable=False, comment="the rule's sentence, by language"),
        sa.Column("asked_ns", sa.BigInteger(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("by_ns", sa.BigInteger(), nullable=False),
        sa.Column("until_ns", sa.BigInteger(), nullable=False),
        sa.Column("calm_ns", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("delivered_ns", sa.BigInteger()),
        sa.Column("ended_ns", sa.BigInteger()),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("wishes_of_patient", "wishes", ["patient_id", "asked_ns"])
    still = sa.text("ended_ns IS NULL")
    op.create_index("wishes_open", "wishes", ["patient_id"], sqlite_where=still, postgresql_where=still)
    op.create_table(
        "gateway_wishes",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("published_ns", sa.BigInteger()),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"]),
        sa.PrimaryKeyConstraint("gateway"),
    )
