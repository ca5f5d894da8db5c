"""What every decision rests on, so that it can be explained and made once more."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "circumstances",
        sa.Column("id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="the journal's position"),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False, comment="of the programme, see programme_versions"),
        sa.Column("personal", sa.LargeBinary(), nullable=False, comment="the patient's own limits, JSON"),
        sa.Column(
            "given", sa.LargeBinary(), nullable=False, comment="limits that say how things are with the home, JSON"
        ),
        sa.Column("said", sa.LargeBinary(), nullable=False, comment="what the server itself found, JSON"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("circumstances_of_patient", "circumstances", ["patient_id", "id"])
    op.create_table(
        "looks",
        sa.Column("id", Number, nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="the journal's position"),
        sa.Column("patient_id", sa.Text(), comment="null: everybody"),
        sa.Column("filed", sa.Integer(), nullable=False, comment="so many readings, the last ones, were filed for it"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_looks_t_ns", "looks", ["t_ns"])
    op.create_table(
        "decisions",
        sa.Column("id", Number, nullable=False),
        sa.Column("alarm_id", Number, nullable=False),
        sa.Column("t_ns", sa.BigInteger(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="the journal's position"),
        sa.Column("programme", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("limits", sa.LargeBinary(), nullable=False, comment="all that applied, JSON"),
        sa.Column("personal", sa.LargeBinary(), nullable=False, comment="which were the patient's own, JSON"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_decisions_alarm_id", "decisions", ["alarm_id"])
    op.create_table(
        "findings",
        sa.Column("decision_id", Number, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False, comment="0 is the worst"),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("because", sa.LargeBinary(), nullable=False, comment="the numbers, JSON"),
        sa.Column("nb", sa.Text(), nullable=False),
        sa.Column("en", sa.Text(), nullable=False),
        sa.Column("tells", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"]),
        sa.PrimaryKeyConstraint("decision_id", "place"),
    )
