"""Cases as rows. A case is never deleted, and what was sent, opened and answered is never changed."""

from collections.abc import Collection
from typing import Any

import msgspec
import sqlalchemy as sa

from server.cases.model import Case
from server.db import Number, metadata

cases = sa.Table(
    "cases",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("alarm_id", Number, sa.ForeignKey("alarms.id"), nullable=False, index=True),
    sa.Column("patient_id", sa.Text, sa.ForeignKey("patients.id"), nullable=False),
    sa.Column("sent_by", sa.Text, nullable=False, comment="of the staff"),
    sa.Column("sent_name", sa.Text, nullable=False),
    sa.Column("sent_ns", sa.BigInteger, nullable=False),
    sa.Column("to_role", sa.Text, nullable=False),
    sa.Column("to_person", sa.Text, comment="of the staff; NULL: whoever answers for the role"),
    sa.Column("to_name", sa.Text, nullable=False),
    sa.Column("language", sa.Text, nullable=False, comment="of the note"),
    sa.Column("note", sa.JSON, nullable=False, comment="SBAR as the sender sent it"),
    sa.Column("draft", sa.JSON, nullable=False, comment="SBAR as it was filled in from data, by language"),
    sa.Column("opened_ns", sa.BigInteger),
    sa.Column("opened_by", sa.Text, comment="a name"),
    sa.Column("lapsed_ns", sa.BigInteger, comment="when it had waited for long enough, and the ladder climbed"),
    sa.Column("answer", sa.Text),
    sa.Column("answer_text", sa.Text, nullable=False, server_default=""),
    sa.Column("measure", sa.JSON, nullable=False, server_default="[]", comment="channels the home was asked for"),
    sa.Column("answered_by", sa.Text, comment="a name"),
    sa.Column("answered_ns", sa.BigInteger),
    sa.Column("read_ns", sa.BigInteger, comment="when the sender had read the answer"),
    sa.Column("relations", sa.JSON, nullable=False, server_default="[]", comment="for those who are consulted"),
    sa.Index("cases_sent", "sent_by", "read_ns"),
    sa.Index("cases_open", "answered_ns"),
)


def lapse(tx: sa.Connection, number: int, now_ns: int) -> None:
    """It has waited for long enough; it can still be answered."""
    tx.execute(cases.update().where(cases.c.id == number).values(lapsed_ns=now_ns))


def found(tx: sa.Connection, number: int | None) -> bool:
    """Whether whom that case is for has opened it, whatever became of the message that tells of it."""
    return number is not None and of_numbers(tx, [number])[number].opened_ns is not None


def of_numbers(tx: sa.Connection, numbers: Collection[int]) -> dict[int, Case]:
    """These cases, by number."""
    return {one.id: one for one in many(tx, sa.select(cases).where(cases.c.id.in_(numbers)))}


def many(tx: sa.Connection, query: sa.Select[Any]) -> list[Case]:
    """The cases that the query finds."""
    rows = tx.execute(query).mappings()
    return [msgspec.convert({name: row[name] for name in Case.__struct_fields__}, Case) for row in rows]
