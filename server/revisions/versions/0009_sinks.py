"""How far stores outside have been fed from the journal, and what they refused."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "sinks",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="everything of the journal up to here is in it"),
        sa.Column("refused", sa.BigInteger(), nullable=False, comment="points set aside since the beginning"),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "sink_refusals",
        sa.Column("id", Number, nullable=False),
        sa.Column("sink", sa.Text(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["sink"], ["sinks.name"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("sink_refusals_of_sink", "sink_refusals", ["sink", "id"])
