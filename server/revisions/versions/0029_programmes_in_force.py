"""Which version of a programme is in force, since when, and who put it there; and the text of each version."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.add_column(
        "programme_versions",
        sa.Column("text", sa.Text(), comment="the TOML as it was written; none where it was kept before texts were"),
    )
    op.create_table(
        "programmes_in_force",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("since_ns", sa.BigInteger(), nullable=False),
        sa.Column("put_by", sa.Text(), nullable=False, comment="a name; empty: the file"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("file_digest", sa.Text(), nullable=False, comment="what the file said when it was looked at last"),
        sa.ForeignKeyConstraint(["digest"], ["programme_versions.digest"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("programmes_in_force_by_name", "programmes_in_force", ["name", "id"])
