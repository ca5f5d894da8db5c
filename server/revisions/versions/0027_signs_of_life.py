"""When the newest heartbeat of each gateway was sent: an older one says nothing new, and is no sign of life."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column(
        "gateways", sa.Column("told_ns", sa.BigInteger(), comment="its newest heartbeat that proves when it was sent")
    )
