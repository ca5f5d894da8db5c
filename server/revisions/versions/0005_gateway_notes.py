"""A gateway's own troubles, as its heartbeat tells them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("gateways", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
