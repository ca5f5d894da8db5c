"""How each person is reached, what a message may be answered by, and what was heard in answer."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0022"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "ways",
        sa.Column("id", Number, nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("after_s", sa.Float(), nullable=False),
        sa.Column("made_ns", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_ns", sa.BigInteger()),
        sa.Column("code_hash", sa.LargeBinary()),
        sa.Column("code_ends_ns", sa.BigInteger()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["staff"], ["staff.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ways_of_staff", "ways", ["staff"])
    op.create_table(
        "answer_keys",
        sa.Column("dedupe", sa.String(), nullable=False),
        sa.Column("alarm_id", Number, nullable=False),
        sa.Column("staff", sa.String(), nullable=False),
        sa.Column("link_hash", sa.LargeBinary(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("ends_ns", sa.BigInteger(), nullable=False),
        sa.Column("used_ns", sa.BigInteger()),
        sa.PrimaryKeyConstraint("dedupe"),
        sa.UniqueConstraint("link_hash"),
    )
    op.create_index("answer_keys_by_code", "answer_keys", ["staff", "code_hash"])
    op.create_table(
        "replies",
        sa.Column("id", Number, nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("text", sa.String(), nullable=False),
        sa.Column("heard_ns", sa.BigInteger(), nullable=False),
        sa.Column("staff", sa.String()),
        sa.Column("did", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key"),
    )
    op.create_index("replies_of_sender", "replies", ["sender", "heard_ns"])
    op.add_column("outbox", sa.Column("language", sa.String(), nullable=False, server_default="nb"))
    op.add_column("outbox", sa.Column("way_id", Number))
    op.create_index("outbox_by_reference", "outbox", ["channel", "reference"])
