"""The whole life of an alarm: set aside, handed over, escalated as a case; and VKP's codes on the timeline."""

import sqlalchemy as sa
from alembic import op

from server.db import Number

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    for column in ("parked", "before"):
        op.add_column("alarms", sa.Column(column, sa.LargeBinary()))
    op.add_column("alarms", sa.Column("cause", sa.String()))
    op.add_column("timeline", sa.Column("event", sa.Integer(), comment="VKP: the event chain; NULL: not one of it"))
    op.add_column("timeline", sa.Column("triage", sa.String(), comment="VKP: how urgent"))
    op.add_column("timeline", sa.Column("severity", sa.Integer(), comment="VKP: how grave"))
    op.add_column("timeline", sa.Column("alert", sa.String(), comment="VKP: what it is about, where the lists have it"))
    op.create_table(
        "cases",
        sa.Column("id", Number, nullable=False),
        sa.Column("alarm_id", Number, nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("sent_by", sa.Text(), nullable=False, comment="of the staff"),
        sa.Column("sent_name", sa.Text(), nullable=False),
        sa.Column("sent_ns", sa.BigInteger(), nullable=False),
        sa.Column("to_role", sa.Text(), nullable=False),
        sa.Column("to_person", sa.Text(), comment="of the staff; NULL: whoever answers for the role"),
        sa.Column("to_name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False, comment="of the note"),
        sa.Column("note", sa.JSON(), nullable=False, comment="SBAR as the sender sent it"),
        sa.Column("draft", sa.JSON(), nullable=False, comment="SBAR as it was filled in from data, by language"),
        sa.Column("opened_ns", sa.BigInteger()),
        sa.Column("opened_by", sa.Text(), comment="a name"),
        sa.Column("lapsed_ns", sa.BigInteger(), comment="when it had waited for long enough, and the ladder climbed"),
        sa.Column("answer", sa.Text()),
        sa.Column("answer_text", sa.Text(), nullable=False, server_default=""),
        sa.Column("measure", sa.JSON(), nullable=False, server_default="[]", comment="channels the home was asked for"),
        sa.Column("answered_by", sa.Text(), comment="a name"),
        sa.Column("answered_ns", sa.BigInteger()),
        sa.Column("read_ns", sa.BigInteger(), comment="when the sender had read the answer"),
        sa.Column("relations", sa.JSON(), nullable=False, server_default="[]", comment="for those who are consulted"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"]),
        sa.ForeignKeyConstraint(["patient_id"], ["patients.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_cases_alarm_id", "cases", ["alarm_id"])
    op.create_index("cases_sent", "cases", ["sent_by", "read_ns"])
    op.create_index("cases_open", "cases", ["answered_ns"])
