"""The fake phone: every telephone in one table, for the demo and the tests.

A link is a key, and this table is nobody's pocket: links are shown, and kept, only where `links` says so (a demo).

It is a sender like any other, and like a good provider it knows the dedupe key: the same message twice rings once.
And like a provider it does not need the server's disk: what cannot be written is shown all the same, and written when
it can be.
"""

import threading
from collections.abc import Callable

import sqlalchemy as sa

from server.db import Database, Number, metadata, troubled
from server.notify.api import PhoneMessage
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
        self._turn = threading.Lock()
        self._unwritten: dict[str, PhoneMessage] = {}
        """By dedupe key: what has rung and is in no row yet."""
        self._last = 0

    def send(self, message: Message) -> Receipt:
        text = whole(message) if self._links else message.text
        with self._turn:
            shown, new = self._keep(message, text)
        if self._ring and new:
            self._ring(shown)
        return Receipt(str(shown.id), delivered=True)

    def shown(self, tx: sa.Connection, after_id: int = 0) -> list[PhoneMessage]:
        """The newest MOST messages after `after_id`, oldest first, with what is not written yet."""
        with self._turn:
            unwritten = [one for one in self._unwritten.values() if one.id > after_id]
            return (messages(tx, after_id) + unwritten)[-MOST:]

    def _keep(self, message: Message, text: str) -> tuple[PhoneMessage, bool]:
        """The message as it is shown, and whether it is new."""
        if known := self._unwritten.get(message.dedupe):
            return known, False
        shown = PhoneMessage(
            id=0, t_ms=message.t_ns // MS, to=message.to, role=message.role, channel=message.channel, text=text,
            alarm_id=_number(message.alarm_id),
        )  # fmt: skip
        try:
            with self._db.write() as tx:
                for dedupe, one in self._unwritten.items():
                    _write(tx, dedupe, one)
                number, new = _write(tx, message.dedupe, shown)
        except Exception as error:
            if not troubled(error):
                raise
            number, new = self._last + 1, True
            self._unwritten[message.dedupe] = shown = shown.model_copy(update={"id": number})
        else:
            self._unwritten.clear()
            shown = shown.model_copy(update={"id": number})
        self._last = max(self._last, number)
        return shown, new


def _write(tx: sa.Connection, dedupe: str, one: PhoneMessage) -> tuple[int, bool]:
    """The number of the message's row, and whether it was not there before."""
    before = tx.scalar(sa.select(phone.c.id).where(phone.c.dedupe == dedupe))
    if before is not None:
        return before, False
    values = {
        "dedupe": dedupe, "t_ns": one.t_ms * MS, "name": one.to, "role": one.role, "channel": one.channel,
        "text": one.text, "alarm_id": None if one.alarm_id is None else int(one.alarm_id),
    }  # fmt: skip
    return tx.execute(phone.insert().values(**values).returning(phone.c.id)).scalar_one(), True


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
