"""A gateway's own troubles, as its heartbeat tells them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    notes = sa.Column("notes", sa.JSON(), nullable=False, server_default="[]", comment="its troubles, a sentence each")
    op.add_column("gateways", notes)
