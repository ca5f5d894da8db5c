"""By how much a time was moved, where the gateway's clock was found to be wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    for table in ("events", "held_readings"):
        op.add_column(table, sa.Column("shift_ns", sa.BigInteger(), nullable=False, server_default="0"))
