"""How far a gateway's clock is ahead of the server's."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("gateways", sa.Column("ahead_ns", sa.BigInteger(), nullable=True))
