"""Sending what lies in the outbox, and hearing what became of it.

Claim (count the attempt and set the next one), send outside any transaction, mark. A crash between send and mark means
that the message is sent again with the same `dedupe` key: at least once, never never.

A way that fails makes the person's next one due at once; when nobody of a step can be reached by any, so does the
ladder's next step. A message to a home waits out the night, and the link in it is made when it is sent, so that the row
of a message holds no key. What became of a message is told on the alarm's timeline.
"""

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from server.alarms import table, timeline
from server.alarms.holds import unheard
from server.alarms.model import State
from server.cases.table import found
from server.db import Database
from server.escalation.model import resume
from server.notify import ways
from server.notify.keys import Keys
from server.notify.outbox import outbox
from server.notify.sender import Message, Receipt, Sender, SendError
from server.notify.words import DELIVERED, FAILED, SENT, language_of
from vitals.clock import NS

log = logging.getLogger(__name__)

ATTEMPTS = 10
BACKOFF_S = 10.0
BACKOFF_MOST_S = 300.0
BATCH = 100
REPORTED_NS = 7 * 86_400 * NS
"""A report comes within some days; references of a modem begin anew much sooner."""


class Homes(Protocol):
    """What a message to a home needs."""

    def awake(self, now_ns: int) -> bool:
        """Whether it may be sent now."""

    def link(self, tx: sa.Connection, question_id: int, now_ns: int) -> str:
        """A new link to the question; only its hash is kept."""


def report(
    tx: sa.Connection, channel: str, reference: str, delivered: bool, now_ns: int, address: str | None = None
) -> str | None:
    """Hear what became of a message that was sent; returns whose alarm it was about, None for one that is unknown.

    `address` tells apart what has the same reference. Of a message in parts the reference names each: it is delivered
    when the last is, and has failed when any has.
    """
    recent = (outbox.c.channel == channel) & (outbox.c.queued_ns > now_ns - REPORTED_NS)
    named = sa.or_(outbox.c.reference == reference, outbox.c.reference.contains(",", autoescape=True))
    query = sa.select(outbox).where(recent, named).order_by(outbox.c.id.desc())
    for row in tx.execute(query):
        numbers = row.reference.split(",") if address else [row.reference]
        if reference not in numbers or (address and ways.canonical(row.address) != ways.canonical(address)):
            continue
        if row.state == "sent" and (not delivered or reference == numbers[-1]):
            _reported(tx, row, delivered, now_ns)
        return str(row.patient_id)
    return None


def _reported(tx: sa.Connection, row: sa.Row[tuple[object, ...]], delivered: bool, now_ns: int) -> None:
    tx.execute(outbox.update().where(outbox.c.id == row.id).values(state="delivered" if delivered else "failed"))
    if row.alarm_id is None:
        return
    what, text = ("delivered", DELIVERED) if delivered else ("undelivered", FAILED)
    timeline.add(tx, row.alarm_id, now_ns, what, _worded(text, row.name, row.channel), row.name)
    if not delivered:
        _next_way(tx, row.dedupe, now_ns)


class About(NamedTuple):
    """To whom a message goes and what it is about: two of the same never go out side by side, the later one waits."""

    person: str
    alarm_id: int | None
    question_id: int | None
    glass_id: int | None


class Claimed(NamedTuple):
    """A message whose turn has come. `attempts` counts this one."""

    message: Message
    patient_id: str
    attempts: int
    about: About


@dataclass(frozen=True)
class Post:
    """What sending needs; `senders` by channel. Without `homes`, messages to homes wait; without `keys`, nothing can be
    answered."""

    db: Database
    senders: Mapping[str, Sender]
    homes: Homes | None = None
    keys: Keys | None = None

    def claim(
        self, now_ns: int, only: str | None = None, but: Iterable[str] = (), aloft: Iterable[About] = ()
    ) -> Claimed | None:
        """The worst due message, of these the oldest, with this attempt counted: one that kills its sender waits for
        its turn. By the one channel `only`, by none of `but`, and about nothing that is `aloft`."""
        due = [outbox.c.state == "queued", outbox.c.next_try_ns <= now_ns]
        if self.homes is None or not self.homes.awake(now_ns):
            due.append(outbox.c.question_id.is_(None))
        if only is not None:
            due.append(outbox.c.channel == only)
        due += [outbox.c.channel != channel for channel in but]
        due += [_not_about(one) for one in aloft]
        with self.db.read() as tx:
            if tx.scalar(sa.select(outbox.c.id).where(*due).limit(1)) is None:
                return None
        with self.db.write() as tx:
            first = sa.select(outbox).where(*due).order_by(outbox.c.severity.desc(), outbox.c.id).limit(1)
            row = tx.execute(first).first()
            return None if row is None else self._claimed(tx, row, now_ns)

    def carry(self, claimed: Claimed, now_ns: int) -> None:
        """Send it, outside any transaction, and write down what became of it. It takes as long as its sender does."""
        outcome = _send(self.senders.get(claimed.message.channel), claimed.message)
        with self.db.write() as tx:
            _mark(tx, claimed.message, outcome, claimed.attempts, now_ns)

    def _claimed(self, tx: sa.Connection, row: sa.Row[Any], now_ns: int) -> Claimed:
        wait_s = min(BACKOFF_S * 2**row.attempts, BACKOFF_MOST_S)
        counted = {"attempts": row.attempts + 1, "next_try_ns": now_ns + round(wait_s * NS)}
        tx.execute(outbox.update().where(outbox.c.id == row.id).values(counted))
        link, code = "", ""
        if self.homes and row.question_id is not None:
            link = self.homes.link(tx, row.question_id, now_ns)
        # An administrator finds a nurse, and does not nurse.
        if self.keys and row.alarm_id is not None and row.role != "administrator":
            link, code = self.keys.give(tx, row.dedupe, row.alarm_id, row.person, row.channel, now_ns)
        message = Message(
            row.dedupe, row.alarm_id, row.channel, row.name, row.role, row.address, row.text, now_ns, link, code,
            language_of(row.language),
        )  # fmt: skip
        about = About(row.person, row.alarm_id, row.question_id, row.glass_id)
        return Claimed(message, row.patient_id, row.attempts + 1, about)


def deliver_due(post: Post, now_ns: int, but: Collection[str] = ()) -> list[str]:
    """Send what is due one by one, worst first then oldest, by all channels but these. Returns the patients whose
    alarms changed.

    Each message is claimed when its turn has come and not before: while a slow sender held the one before it, somebody
    may have acted, or something worse may have been queued. (`server.notify.lane` sends several at once.)
    """
    touched: dict[str, None] = {}
    for _ in range(BATCH):
        claimed = post.claim(now_ns, but=but)
        if claimed is None:
            break
        post.carry(claimed, now_ns)
        if claimed.patient_id:
            touched[claimed.patient_id] = None
    return list(touched)


def _not_about(about: About) -> sa.ColumnElement[bool]:
    return sa.or_(*(outbox.c[name].is_distinct_from(value) for name, value in about._asdict().items()))


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
        state = "delivered" if outcome.delivered else "sent"
        tx.execute(row.values(state=state, reference=outcome.reference))
        if message.alarm_id is None:
            return
        text = _worded(DELIVERED if outcome.delivered else SENT, message.to, message.channel)
        timeline.add(tx, message.alarm_id, now_ns, state, text, message.to)
        return
    over = outcome.for_good or attempts >= ATTEMPTS
    if over:
        tx.execute(row.where(outbox.c.state == "queued").values(state="failed"))
    if outcome.gone:
        _gone(tx, message)
    if message.alarm_id is not None and (over or attempts == 1):
        text = {
            "nb": f"Ikke levert til {message.to}: {outcome.text}. " + ("Gir opp." if over else "Prøver igjen."),
            "en": f"Not delivered to {message.to}: {outcome.text}. " + ("Given up." if over else "Trying again."),
        }
        timeline.add(tx, message.alarm_id, now_ns, "undelivered", text, message.to)
        _next_way(tx, message.dedupe, now_ns)


def _gone(tx: sa.Connection, message: Message) -> None:
    """The way leads nowhere any more."""
    way_id = tx.scalar(sa.select(outbox.c.way_id).where(outbox.c.dedupe == message.dedupe))
    if way_id is not None:
        ways.remove(tx, way_id)


def _next_way(tx: sa.Connection, dedupe: str, now_ns: int) -> None:
    """One way has failed: the person's next is due now. Where nobody of the step is reached, so is the next step."""
    failed = tx.execute(sa.select(outbox).where(outbox.c.dedupe == dedupe)).one()
    telling = dedupe.split("/")[1]
    step = (outbox.c.alarm_id == failed.alarm_id) & outbox.c.dedupe.startswith(
        f"{failed.alarm_id}/{telling}/", autoescape=True
    )
    fresh = step & (outbox.c.person == failed.person) & (outbox.c.state == "queued") & (outbox.c.attempts == 0)
    following = tx.scalar(sa.select(outbox.c.id).where(fresh).order_by(outbox.c.next_try_ns, outbox.c.id).limit(1))
    if following is not None:
        sooner = (outbox.c.id == following) & (outbox.c.next_try_ns > now_ns)
        tx.execute(outbox.update().where(sooner).values(next_try_ns=now_ns))
        return
    if tx.scalar(sa.select(outbox.c.id).where(step, outbox.c.state != "failed").limit(1)) is None:
        _climb_on(tx, failed.alarm_id, telling, now_ns)


def _climb_on(tx: sa.Connection, alarm_id: int, telling: str, now_ns: int) -> None:
    """A step that reached nobody costs no time; after the last one the ladder rests, or it would run in circles.

    Nor does a hand-over or a case of which nobody has heard, unless the case was found on the page.
    """
    alarm = table.get(tx, alarm_id)
    if alarm is None:
        return
    if alarm.parked is not None:
        if not found(tx, alarm.parked.case):
            table.save(tx, unheard(alarm, telling, now_ns))
        return
    if alarm.state is not State.NOTIFIED or alarm.climb.next_step_ns is None:
        return
    stands = f"{alarm.climb.round}.{alarm.climb.step}" == telling
    if stands and alarm.climb.step + 1 < len(alarm.climb.ladder.steps):
        table.save(tx, msgspec.structs.replace(alarm, climb=resume(alarm.climb, now_ns)))


def _worded(text: Mapping[str, str], name: str, channel: str) -> dict[str, str]:
    return {language: form.format(name=name, channel=channel) for language, form in text.items()}
