"""The outbox: a message is a row, written in the transaction that decided to send it.

So there is no alarm without its messages and no message without its alarm, whatever crashes when. Delivery comes after:
claim (count the attempt and set the next one), send outside any transaction, mark. A crash between send and mark means
that the message is sent again with the same `dedupe` key: at least once, never never.

A person has a message for each of their ways, due after that way's own wait. A way that fails makes the next one due
at once; when nobody of a step can be reached by any, so does the ladder's next step. What a later telling replaces
keeps the moment at which it was due, or a ladder that repeats sooner than a way waits would never let it ring.

A message to somebody at home is about a question (`server.held`) and not about an alarm. It waits out the night, and
the link in it is made when it is sent, so that the row of a message holds no key.

    queued ──▶ sent ──▶ delivered
       │         └────▶ failed        a report of the other side's (`report`)
       ├──▶ failed                    for good, or after ATTEMPTS
       └──▶ withdrawn                 somebody acted, or a newer message took its place

What became of it is told on the alarm's timeline.
"""

import logging
from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

import msgspec
import sqlalchemy as sa

from server.alarms import table, timeline
from server.alarms.holds import unheard
from server.alarms.model import State
from server.cases.table import of_numbers
from server.db import Database, Number, metadata
from server.escalation.model import resume
from server.notify import ways
from server.notify.keys import Keys
from server.notify.sender import Language, Message, Receipt, Sender, SendError
from server.notify.words import DELIVERED, FAILED, SENT, language_of
from server.oncall.model import Person, Way
from vitals.clock import NS

log = logging.getLogger(__name__)

ATTEMPTS = 10
BACKOFF_S = 10.0
BACKOFF_MOST_S = 300.0
BATCH = 100
HOME = "home"
NEVER_NS = 2**63 - 1
REPORTED_NS = 7 * 86_400 * NS
"""A report comes within some days; references of a modem begin anew much sooner."""


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
    """Our clock was set back by so much: what waits is due so much earlier."""
    due = outbox.c.next_try_ns
    tx.execute(outbox.update().where(outbox.c.state == "queued", due > now_ns).values(next_try_ns=due - by_ns))


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


def deliver_due(
    db: Database,
    now_ns: int,
    senders: Mapping[str, Sender],
    homes: Homes | None = None,
    keys: Keys | None = None,
    only: Collection[str] | None = None,
    but: Collection[str] = (),
) -> list[str]:
    """Send what is due, worst first then oldest; `senders` by channel. Returns the patients whose alarms changed.

    Without `homes`, messages to homes wait; without `keys`, nothing can be answered. `only` and `but`: by which
    channels (None: by all), so that a slow one has a thread of its own and holds up no other.

    Each message is claimed when its turn has come and not before: while a slow sender held the one before it, somebody
    may have acted, or something worse may have been queued.
    """
    touched: dict[str, None] = {}
    for _ in range(BATCH):
        claimed = _claim(db, now_ns, homes, keys, only, but)
        if claimed is None:
            break
        message, patient_id, attempts = claimed
        outcome = _send(senders.get(message.channel), message)
        with db.write() as tx:
            _mark(tx, message, outcome, attempts, now_ns)
        if patient_id:
            touched[patient_id] = None
    return list(touched)


def _claim(
    db: Database,
    now_ns: int,
    homes: Homes | None,
    keys: Keys | None,
    only: Collection[str] | None,
    but: Collection[str],
) -> tuple[Message, str, int] | None:
    """The next due message with its attempts, this one counted: one that kills its sender waits for its turn."""
    due = [outbox.c.state == "queued", outbox.c.next_try_ns <= now_ns]
    if homes is None or not homes.awake(now_ns):
        due.append(outbox.c.question_id.is_(None))
    if only is not None:
        due.append(outbox.c.channel.in_(only))
    if but:
        due.append(outbox.c.channel.not_in(but))
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
        link, code = homes.link(tx, row.question_id, now_ns) if homes and row.question_id is not None else "", ""
        if keys and row.alarm_id is not None and row.role != "administrator":  # who finds a nurse, and does not nurse
            link, code = keys.give(tx, row.dedupe, row.alarm_id, row.person, row.channel, now_ns)
    message = Message(
        row.dedupe, row.alarm_id, row.channel, row.name, row.role, row.address, row.text, now_ns, link, code,
        language_of(row.language),
    )  # fmt: skip
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
        found = alarm.parked.case is not None and of_numbers(tx, [alarm.parked.case])[alarm.parked.case].opened_ns
        if not found:
            table.save(tx, unheard(alarm, telling, now_ns))
        return
    if alarm.state is not State.NOTIFIED or alarm.climb.next_step_ns is None:
        return
    stands = f"{alarm.climb.round}.{alarm.climb.step}" == telling
    if stands and alarm.climb.step + 1 < len(alarm.climb.ladder.steps):
        table.save(tx, msgspec.structs.replace(alarm, climb=resume(alarm.climb, now_ns)))


def _worded(text: Mapping[str, str], name: str, channel: str) -> dict[str, str]:
    return {language: form.format(name=name, channel=channel) for language, form in text.items()}
