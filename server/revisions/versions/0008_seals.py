"""The gateways' keys; the configuration each is wanted to have, and the one it says it has."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "gateway_keys",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("batch_key", sa.LargeBinary(), nullable=False),
        sa.Column("previous_key", sa.LargeBinary(), nullable=True),
        sa.Column("previous_until_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.create_table(
        "gateway_configs",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_ns", sa.BigInteger(), nullable=False),
        sa.Column("published_ns", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["gateway"], ["gateways.id"]),
        sa.PrimaryKeyConstraint("gateway"),
    )
    op.add_column(
        "gateways",
        sa.Column(
            "config_version", sa.BigInteger(), nullable=False, server_default="0", comment="from afar, as it says"
        ),
    )
    op.add_column("gateways", sa.Column("config_hash", sa.Text(), nullable=False, server_default=""))
    op.add_column("gateways", sa.Column("config_refused", sa.Text(), nullable=False, server_default=""))
