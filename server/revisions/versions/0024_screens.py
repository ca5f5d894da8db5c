"""What the staff keep of their own: filters, the last review of each patient, and who gave a device to whom."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "saved_filters",
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False, comment="empty: the one that was in use last"),
        sa.Column("wanted", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("staff", "name"),
    )
    op.create_table(
        "reviews",
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False, comment="the name"),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("patient_id"),
    )
    for name, says in (
        ("given_by", "who began it on the page; NULL: the municipality file did"),
        ("ended_by", "who ended it on the page; the file does not open it again"),
        ("why", "as they said, the last of it"),
    ):
        op.add_column("assignments", sa.Column(name, sa.Text(), comment=says))
