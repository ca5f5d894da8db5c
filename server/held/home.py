"""Asking the people at home, by a text message to the telephone that the municipality has for them.

They know best who stood on the scale. The message says nothing but that there is a question, because it lies on a lock
screen that is not ours; it holds a link, and whoever has the link may answer. So a link is 256 random bits of which
only the SHA-256 is kept; it is made when the message is sent, opens one question, is used up by one answer, and is
worth nothing after LINK_S. What it opens shows the kind of device and the time, no name and no value: little is lost
if it is read by another.

Somebody who gets messages every day stops reading them: one a patient and day, none at night, and none about what was
measured so long ago that nobody remembers. Nothing here waits in memory; a question that was not asked at home stays
with the staff, where it is in any case.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from server.db import Number, metadata
from server.held import store
from server.held.store import Question, held
from server.notify import outbox
from server.patients.store import patient
from vitals.clock import NS

NIGHT = (21, 8)
"""From this hour to that, in the patients' time, no message is sent."""

REMEMBERED_S = 36 * 3600
"""What was measured in the evening may be asked about the next day; a backlog of last week may not."""

LINK_S = 24 * 3600

TEXT = "Hjemvakt har et spørsmål om en måling i dag:"
TEXT_EARLIER = "Hjemvakt har et spørsmål om en måling:"

links = sa.Table(
    "home_links",
    metadata,
    sa.Column("token_hash", sa.LargeBinary, primary_key=True),
    sa.Column("held_id", Number, sa.ForeignKey("held.id"), nullable=False, index=True),
    sa.Column("expires_ns", sa.BigInteger, nullable=False),
    sa.Column("used_ns", sa.BigInteger),
)


class Homes:
    """Asks homes. `address`: what the world calls this server; empty: nobody is asked."""

    def __init__(self, address: str, zone: ZoneInfo) -> None:
        self._address = address
        self._zone = zone

    def awake(self, now_ns: int) -> bool:
        """Whether it is day where the patients live."""
        evening, morning = NIGHT
        return morning <= self._local(now_ns).hour < evening

    def ask_due(self, tx: sa.Connection, now_ns: int) -> list[str]:
        """Queue a message for each patient who has an open question and may be asked; returns these patients."""
        if not self._address or not self.awake(now_ns):
            return []
        asked: list[str] = []
        waiting = [one for one in store.all_open(tx) if one.home_asked_ns is None]
        moments = _measured_ns(tx, (one.id for one in waiting))
        for question in reversed(waiting):  # the newest is the one that somebody remembers
            id_, measured_ns = question.patient_id, moments[question.id]
            if id_ in asked or now_ns - measured_ns > REMEMBERED_S * NS or self._asked_today(tx, id_, now_ns):
                continue
            if self._ask(tx, question, measured_ns, now_ns):
                asked.append(id_)
        return asked

    def link(self, tx: sa.Connection, question_id: int, now_ns: int) -> str:
        """A new link to the question; its hash is kept."""
        token = secrets.token_urlsafe(32)
        row = {"token_hash": _hash(token), "held_id": question_id, "expires_ns": now_ns + LINK_S * NS}
        tx.execute(links.insert().values(row))
        return f"{self._address}/q/{token}"

    def _ask(self, tx: sa.Connection, question: Question, measured_ns: int, now_ns: int) -> bool:
        person = patient(tx, question.patient_id)
        if person is None or not person.phone:
            return False
        text = TEXT if self._local(measured_ns).date() == self._local(now_ns).date() else TEXT_EARLIER
        outbox.queue_question(
            tx, question_id=question.id, patient_id=person.id, name=person.name, phone=person.phone, text=text,
            now_ns=now_ns,
        )  # fmt: skip
        tx.execute(held.update().where(held.c.id == question.id).values(home_asked_ns=now_ns))
        return True

    def _asked_today(self, tx: sa.Connection, patient_id: str, now_ns: int) -> bool:
        last_ns = tx.scalar(sa.select(sa.func.max(held.c.home_asked_ns)).where(held.c.patient_id == patient_id))
        return last_ns is not None and self._local(last_ns).date() == self._local(now_ns).date()

    def _local(self, t_ns: int) -> datetime:
        return datetime.fromtimestamp(t_ns // NS, UTC).astimezone(self._zone)


def behind(tx: sa.Connection, token: str, now_ns: int) -> Question | None:
    """The question that the link opens; None for a link that is unknown, used up or too old."""
    good = (links.c.token_hash == _hash(token)) & links.c.used_ns.is_(None) & (links.c.expires_ns > now_ns)
    number = tx.scalar(sa.select(links.c.held_id).where(good))
    return None if number is None else store.get(tx, number)


def use_up(tx: sa.Connection, question_id: int, now_ns: int) -> None:
    """Every link to the question has done its work."""
    unused = (links.c.held_id == question_id) & links.c.used_ns.is_(None)
    tx.execute(links.update().where(unused).values(used_ns=now_ns))


def _measured_ns(tx: sa.Connection, question_ids: Iterable[int]) -> dict[int, int]:
    """When the newest reading under each question was taken."""
    return {number: max(one.t_ns for one in held) for number, held in store.readings_of(tx, question_ids).items()}


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
