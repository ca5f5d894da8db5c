"""The outbox: a message is a row, written in the transaction that decided to send it.

So there is no alarm without its messages and no message without its alarm, whatever crashes when. Delivery comes after:
claim (count the attempt and set the next one), send outside any transaction, mark. A crash between send and mark means
that the message is sent again with the same `dedupe` key: at least once, never never.

A message to somebody at home is about a question (`server.held`) and not about an alarm. It waits out the night, and
the link in it is made when it is sent, so that the row of a message holds no key.

A row is `queued` until it is `sent`, `failed` (for good, or after ATTEMPTS) or `withdrawn` (somebody acted, or a newer
message to the same person about the same alarm replaced it). What became of it is told on the alarm's timeline.
"""

import logging
from collections.abc import Collection, Mapping
from typing import Protocol

import sqlalchemy as sa

from server.alarms import timeline
from server.db import Database, Number, metadata
from server.notify.sender import Message, Receipt, Sender, SendError
from server.oncall.model import Person
from vitals.clock import NS

log = logging.getLogger(__name__)

ATTEMPTS = 10
BACKOFF_S = 10.0
BACKOFF_MOST_S = 300.0
BATCH = 100
HOME = "home"


class Homes(Protocol):
    """What a message to a home needs."""

    def awake(self, now_ns: int) -> bool:
        """Whether it may be sent now."""

    def link(self, tx: sa.Connection, question_id: int, now_ns: int) -> str:
        """A new link to the question; only its hash is kept."""


outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("dedupe", sa.String, nullable=False, unique=True),
    sa.Column("alarm_id", Number),
    sa.Column("patient_id", sa.String, nullable=False),
    sa.Column("severity", sa.Integer, nullable=False),
    sa.Column("channel", sa.String, nullable=False),
    sa.Column("person", sa.String, nullable=False),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("role", sa.String, nullable=False),
    sa.Column("address", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("queued_ns", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_ns", sa.BigInteger, nullable=False),
    sa.Column("reference", sa.String),
    sa.Column("question_id", Number),
    sa.Index("outbox_due", "state", "next_try_ns"),
    sa.Index("outbox_of_alarm", "alarm_id"),
    sa.Index("outbox_of_question", "question_id"),
)


def queue(
    tx: sa.Connection,
    *,
    alarm_id: int,
    patient_id: str,
    severity: int,
    telling: str,
    person: Person,
    text: str,
    now_ns: int,
    channel: str = "sms",
    after_s: float = 0.0,
) -> None:
    """Write a message to one person, to be sent in `after_s`. `telling` names the round and step, and is part of the
    dedupe key."""
    tx.execute(
        outbox.update()
        .where(
            outbox.c.alarm_id == alarm_id,
            outbox.c.person == person.id,
            outbox.c.channel == channel,
            outbox.c.state == "queued",
        )
        .values(state="withdrawn")
    )
    tx.execute(
        outbox.insert().values(
            dedupe=f"{alarm_id}/{telling}/{person.id}/{channel}", alarm_id=alarm_id, patient_id=patient_id,
            severity=severity, channel=channel, person=person.id, name=person.name, role=person.role,
            address=person.phone, text=text, queued_ns=now_ns, state="queued", attempts=0,
            next_try_ns=now_ns + round(after_s * NS),
        )
    )  # fmt: skip


def queue_question(
    tx: sa.Connection, *, question_id: int, patient_id: str, name: str, phone: str, text: str, now_ns: int
) -> None:
    """Write the one message to a home about a question. It is never as urgent as an alarm."""
    tx.execute(
        outbox.insert().values(
            dedupe=f"question/{question_id}/{HOME}", question_id=question_id, patient_id=patient_id, severity=0,
            channel="sms", person=patient_id, name=name, role="patient", address=phone, text=text, queued_ns=now_ns,
            state="queued", attempts=0, next_try_ns=now_ns,
        )
    )  # fmt: skip


def withdraw_question(tx: sa.Connection, question_id: int) -> None:
    """Somebody answered: what is not sent yet need not be."""
    about = outbox.c.question_id == question_id
    tx.execute(outbox.update().where(about, outbox.c.state == "queued").values(state="withdrawn"))


def question_states(tx: sa.Connection, question_ids: Collection[int]) -> dict[int, str]:
    """What became of the message about each question: queued, sent, failed or withdrawn; absent: there was none."""
    asked = sa.select(outbox.c.question_id, outbox.c.state).where(outbox.c.question_id.in_(question_ids))
    return {row.question_id: row.state for row in tx.execute(asked)}


def withdraw(tx: sa.Connection, alarm_id: int) -> None:
    """Somebody acted: what is not sent yet need not be."""
    tx.execute(
        outbox.update().where(outbox.c.alarm_id == alarm_id, outbox.c.state == "queued").values(state="withdrawn")
    )


def waiting(tx: sa.Connection) -> dict[str, tuple[int, int | None]]:
    """How many messages wait and since when the oldest does, about an `alarm` and about a `question`."""
    found: dict[str, tuple[int, int | None]] = {}
    for about, column in (("alarm", outbox.c.alarm_id), ("question", outbox.c.question_id)):
        query = sa.select(sa.func.count(), sa.func.min(outbox.c.queued_ns))
        count, oldest_ns = tx.execute(query.where(outbox.c.state == "queued", column.is_not(None))).one()
        found[about] = (count, oldest_ns)
    return found


def failed(tx: sa.Connection) -> int:
    """How many messages were given up."""
    return tx.scalar(sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == "failed")) or 0


def deliver_due(db: Database, now_ns: int, senders: Mapping[str, Sender], homes: Homes | None = None) -> list[str]:
    """Send what is due, worst first then oldest; `senders` by channel. Returns the patients whose alarms changed.

    Without `homes`, messages to homes wait.

    Each message is claimed when its turn has come and not before: while a slow sender held the one before it, somebody
    may have acted, or something worse may have been queued.
    """
    touched: dict[str, None] = {}
    for _ in range(BATCH):
        claimed = _claim(db, now_ns, homes)
        if claimed is None:
            break
        message, patient_id, attempts = claimed
        outcome = _send(senders.get(message.channel), message)
        with db.write() as tx:
            _mark(tx, message, outcome, attempts, now_ns)
        touched[patient_id] = None
    return list(touched)


def _claim(db: Database, now_ns: int, homes: Homes | None) -> tuple[Message, str, int] | None:
    """The next due message with its attempts, this one counted: one that kills its sender waits for its turn."""
    due = [outbox.c.state == "queued", outbox.c.next_try_ns <= now_ns]
    if homes is None or not homes.awake(now_ns):
        due.append(outbox.c.question_id.is_(None))
    with db.read() as tx:
        if tx.scalar(sa.select(outbox.c.id).where(*due).limit(1)) is None:
            return None
    with db.write() as tx:
        row = tx.execute(sa.select(outbox).where(*due).order_by(outbox.c.severity.desc(), outbox.c.id).limit(1)).first()
        if row is None:
            return None
        wait_s = min(BACKOFF_S * 2**row.attempts, BACKOFF_MOST_S)
        tx.execute(
            outbox.update()
            .where(outbox.c.id == row.id)
            .values(attempts=row.attempts + 1, next_try_ns=now_ns + round(wait_s * NS))
        )
        link = homes.link(tx, row.question_id, now_ns) if homes and row.question_id is not None else ""
    message = Message(row.dedupe, row.alarm_id, row.channel, row.name, row.role, row.address, row.text, now_ns, link)
    return message, row.patient_id, row.attempts + 1


def _send(sender: Sender | None, message: Message) -> Receipt | SendError:
    if sender is None:
        return SendError(f"nothing sends {message.channel}", "configure a sender for that channel", for_good=True)
    try:
        return sender.send(message)
    except SendError as error:
        return error
    except Exception as error:
        # A sender's mistake may cost its message a retry, never the others their turn.
        log.exception("the %s sender broke; the message will be tried again", message.channel)
        return SendError(f"the {message.channel} sender broke ({type(error).__name__})", "see the log")


def _mark(tx: sa.Connection, message: Message, outcome: Receipt | SendError, attempts: int, now_ns: int) -> None:
    row = outbox.update().where(outbox.c.dedupe == message.dedupe)
    if isinstance(outcome, Receipt):
        tx.execute(row.values(state="sent", reference=outcome.reference))
        if message.alarm_id is None:
            return
        text = {
            "nb": f"Levert til {message.to} ({message.channel})",
            "en": f"Delivered to {message.to} ({message.channel})",
        }
        timeline.add(tx, message.alarm_id, now_ns, "delivered", text, message.to)
        return
    over = outcome.for_good or attempts >= ATTEMPTS
    if over:
        tx.execute(row.where(outbox.c.state == "queued").values(state="failed"))
    if message.alarm_id is not None and (over or attempts == 1):
        text = {
            "nb": f"Ikke levert til {message.to}: {outcome.text}. " + ("Gir opp." if over else "Prøver igjen."),
            "en": f"Not delivered to {message.to}: {outcome.text}. " + ("Given up." if over else "Trying again."),
        }
        timeline.add(tx, message.alarm_id, now_ns, "undelivered", text, message.to)
