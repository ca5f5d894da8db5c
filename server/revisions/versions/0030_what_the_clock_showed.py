"""What our own clock showed at the last turn: a start with an earlier one knows by how much it was set back."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "clock_shown",
        sa.Column("now_ns", sa.BigInteger(), nullable=False, comment="what the clock showed at the last turn"),
        sa.Column("boot", sa.String(), nullable=False, comment="of the machine, or empty"),
        sa.Column("steady_ns", sa.BigInteger(), nullable=False, comment="since that boot"),
        sa.Column("most_ns", sa.BigInteger(), nullable=False, comment="the most that it ever showed, or ought to have"),
    )
