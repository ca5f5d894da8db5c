"""The outbox: a message is a row, written in the transaction that decided to send it.

So there is no alarm without its messages and no message without its alarm, whatever crashes when. Sending comes after
(`server.notify.delivery`).

A person has a message for each of their ways, due after that way's own wait. What a later telling replaces keeps the
moment at which it was due, or a ladder that repeats sooner than a way waits would never let it ring.

A message to somebody at home is about a question (`server.held`) and not about an alarm; one about a broken glass
(`server.access.notice`) is about neither.

    queued ──▶ sent ──▶ delivered
       │         └────▶ failed        a report of the other side's
       ├──▶ failed                    for good, or after so many attempts
       └──▶ withdrawn                 somebody acted, or a newer message took its place
"""

from collections.abc import Collection
from typing import NamedTuple

import sqlalchemy as sa

from server.db import Number, metadata
from server.notify.sender import Language
from server.notify.words import language_of
from server.oncall.model import Person, Way
from vitals.clock import NS

HOME = "home"
NEVER_NS = 2**63 - 1


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
    sa.Column("language", sa.String, nullable=False, server_default="nb"),
    sa.Column("way_id", Number),
    sa.Column("glass_id", Number),
    sa.Index("outbox_due", "state", "next_try_ns"),
    sa.Index("outbox_of_alarm", "alarm_id"),
    sa.Index("outbox_of_question", "question_id"),
    sa.Index("outbox_of_glass", "glass_id"),
    sa.Index("outbox_by_reference", "channel", "reference"),
)


_SINCE_NS = sa.case((outbox.c.attempts == 0, outbox.c.next_try_ns), else_=outbox.c.queued_ns)
"""Since when a message should have been sent."""


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
    language: str = "nb",
) -> None:
    """Write a message to one person by each of their ways. `telling` names the round and step, and is part of the
    dedupe key."""
    before = _withdrawn(tx, alarm_id, person.id)
    for way in person.reached_by:
        due_ns = min(now_ns + round(way.after_s * NS), before.get((way.channel, way.address), NEVER_NS))
        tx.execute(
            outbox.insert().values(
                dedupe=_dedupe(alarm_id, telling, person, way), alarm_id=alarm_id, patient_id=patient_id,
                severity=severity, channel=way.channel, person=person.id, name=person.name, role=person.role,
                address=way.address, text=text, queued_ns=now_ns, state="queued", attempts=0, next_try_ns=due_ns,
                language=language, way_id=way.id,
            )
        )  # fmt: skip


def _withdrawn(tx: sa.Connection, alarm_id: int, person: str) -> dict[tuple[str, str], int]:
    """Take back what is not sent of an older telling; returns when each way was due that had not been tried."""
    older = (outbox.c.alarm_id == alarm_id) & (outbox.c.person == person) & (outbox.c.state == "queued")
    waiting = {
        (row.channel, row.address): row.next_try_ns
        for row in tx.execute(sa.select(outbox).where(older))
        if not row.attempts
    }
    tx.execute(outbox.update().where(older).values(state="withdrawn"))
    return waiting


def _dedupe(alarm_id: int, telling: str, person: Person, way: Way) -> str:
    own = "" if way.id is None else f".{way.id}"
    return f"{alarm_id}/{telling}/{person.id}/{way.channel}{own}"


def queue_answer(tx: sa.Connection, *, key: str, person: Person, address: str, text: str, now_ns: int) -> None:
    """Write what somebody is answered who answered by text message. It is about no alarm, and rings for nobody else."""
    tx.execute(
        outbox.insert().values(
            dedupe=f"answer/{key}", patient_id="", severity=0, channel="sms", person=person.id, name=person.name,
            role=person.role, address=address, text=text, queued_ns=now_ns, state="queued", attempts=0,
            next_try_ns=now_ns,
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


def queue_glass(
    tx: sa.Connection,
    *,
    glass_id: int,
    patient_id: str,
    person: Person,
    way: Way,
    text: str,
    now_ns: int,
    language: str,
) -> None:
    """Write to somebody that the glass was broken (`server.access.notice`). It is never as urgent as an alarm."""
    tx.execute(
        outbox.insert().values(
            dedupe=f"glass/{glass_id}/{person.id}/{way.channel}", glass_id=glass_id, patient_id=patient_id, severity=0,
            channel=way.channel, person=person.id, name=person.name, role=person.role, address=way.address, text=text,
            queued_ns=now_ns, state="queued", attempts=0, next_try_ns=now_ns, language=language, way_id=way.id,
        )
    )  # fmt: skip


class Told(NamedTuple):
    """A message and what became of it: queued, sent, delivered or failed."""

    name: str
    channel: str
    state: str


def glass_states(tx: sa.Connection, glass_ids: Collection[int]) -> dict[int, list[Told]]:
    """What became of the messages about each broken glass."""
    found: dict[int, list[Told]] = {number: [] for number in glass_ids}
    asked = sa.select(outbox).where(outbox.c.glass_id.in_(glass_ids)).order_by(outbox.c.id)
    for row in tx.execute(asked):
        found[row.glass_id].append(Told(row.name, row.channel, row.state))
    return found


def withdraw_question(tx: sa.Connection, question_id: int) -> None:
    """Somebody answered: what is not sent yet need not be."""
    about = outbox.c.question_id == question_id
    tx.execute(outbox.update().where(about, outbox.c.state == "queued").values(state="withdrawn"))


def question_states(tx: sa.Connection, question_ids: Collection[int]) -> dict[int, str]:
    """What became of the message about each question: queued, sent, failed or withdrawn; absent: there was none."""
    asked = sa.select(outbox.c.question_id, outbox.c.state).where(outbox.c.question_id.in_(question_ids))
    return {row.question_id: "sent" if row.state == "delivered" else row.state for row in tx.execute(asked)}


def language(tx: sa.Connection, dedupe: str) -> Language:
    """Which language that message speaks."""
    return language_of(tx.scalar(sa.select(outbox.c.language).where(outbox.c.dedupe == dedupe)) or "")


def late_s(tx: sa.Connection, now_ns: int) -> float:
    """For how long the message about an alarm that has waited longest should have been sent; 0: none is late."""
    _, oldest_ns = waiting(tx)["alarm"]
    return 0.0 if oldest_ns is None else max(0.0, (now_ns - oldest_ns) / NS)


def withdraw(tx: sa.Connection, alarm_id: int) -> None:
    """Somebody acted: what is not sent yet need not be."""
    tx.execute(
        outbox.update().where(outbox.c.alarm_id == alarm_id, outbox.c.state == "queued").values(state="withdrawn")
    )


def set_back(tx: sa.Connection, by_ns: int, now_ns: int) -> None:
    """Our clock was set back by so much: what waits is due so much earlier, though not before now."""
    due = outbox.c.next_try_ns
    earlier = sa.case((due > now_ns + by_ns, due - by_ns), else_=now_ns)
    tx.execute(outbox.update().where(outbox.c.state == "queued", due > now_ns).values(next_try_ns=earlier))


def unsent(tx: sa.Connection, alarm_id: int, telling: str) -> bool:
    """Whether a message of that telling, by any way, was withdrawn before it was sent."""
    of_it = outbox.c.alarm_id == alarm_id, outbox.c.dedupe.startswith(f"{alarm_id}/{telling}/")
    query = sa.select(sa.literal(1)).where(*of_it, outbox.c.state == "withdrawn")
    return tx.scalar(query.limit(1)) is not None


def waiting(tx: sa.Connection) -> dict[str, tuple[int, int | None]]:
    """How many messages wait and since when the oldest does, about an `alarm`, a `question` and a broken `glass`.

    One that waits out a wait of its own has not begun to wait: its moment is still to come.
    """
    found: dict[str, tuple[int, int | None]] = {}
    subjects = {"alarm": outbox.c.alarm_id, "question": outbox.c.question_id, "glass": outbox.c.glass_id}
    for about, column in subjects.items():
        query = sa.select(sa.func.count(), sa.func.min(_SINCE_NS))
        count, oldest_ns = tx.execute(query.where(outbox.c.state == "queued", column.is_not(None))).one()
        found[about] = (count, oldest_ns)
    return found


def failed(tx: sa.Connection) -> int:
    """How many messages were given up."""
    return tx.scalar(sa.select(sa.func.count()).select_from(outbox).where(outbox.c.state == "failed")) or 0
