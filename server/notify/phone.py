"""The fake phone: every telephone in one table, for the demo and the tests.

A link is a key, and this table is nobody's pocket: links are shown, and kept, only where `links` says so (a demo).

It is a sender like any other, and like a good provider it knows the dedupe key: the same message twice rings once.
"""

from collections.abc import Callable

import sqlalchemy as sa

from server.api import PhoneMessage
from server.db import Database, Number, metadata
from server.notify.sender import Message, Receipt
from server.notify.words import whole
from vitals.clock import MS

MOST = 200

phone = sa.Table(
    "phone",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("dedupe", sa.String, nullable=False, unique=True),
    sa.Column("t_ns", sa.BigInteger, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("alarm_id", Number),
)


class FakePhone:
    """Rings on the screen. `ring` is called with each message after its commit (the live stream's `phone`)."""

    def __init__(
        self, db: Database, ring: Callable[[PhoneMessage], None] | None = None, *, links: bool = False
    ) -> None:
        self._db = db
        self._ring = ring
        self._links = links

    def send(self, message: Message) -> Receipt:
        text = whole(message) if self._links else message.text
        with self._db.write() as tx:
            before = tx.scalar(sa.select(phone.c.id).where(phone.c.dedupe == message.dedupe))
            if before is not None:
                return Receipt(str(before), delivered=True)
            number = tx.execute(
                phone.insert()
                .values(
                    dedupe=message.dedupe, t_ns=message.t_ns, name=message.to, role=message.role,
                    channel=message.channel, text=text, alarm_id=message.alarm_id,
                )
                .returning(phone.c.id)
            ).scalar_one()  # fmt: skip
        if self._ring:
            self._ring(
                PhoneMessage(
                    id=number, t_ms=message.t_ns // MS, to=message.to, role=message.role, channel=message.channel,
                    text=text, alarm_id=_number(message.alarm_id),
                )
            )  # fmt: skip
        return Receipt(str(number), delivered=True)


def messages(tx: sa.Connection, after_id: int = 0) -> list[PhoneMessage]:
    """The newest MOST messages after `after_id`, oldest first."""
    rows = tx.execute(sa.select(phone).where(phone.c.id > after_id).order_by(phone.c.id.desc()).limit(MOST)).all()
    return [
        PhoneMessage(
            id=row.id, t_ms=row.t_ns // MS, to=row.name, role=row.role, channel=row.channel, text=row.text,
            alarm_id=_number(row.alarm_id),
        )
        for row in reversed(rows)
    ]  # fmt: skip


def _number(alarm_id: int | None) -> str | None:
    return None if alarm_id is None else str(alarm_id)
