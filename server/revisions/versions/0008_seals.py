"""The keys that gateways seal with."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "gateway_keys",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("batch_key", sa.LargeBinary(), nullable=False),
        sa.Column("previous_key", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gateway"),
    )
