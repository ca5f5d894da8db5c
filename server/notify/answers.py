"""An alarm taken from outside the sign-in: by a link, by the answer to a text message, by a key pressed on a call.

Whoever answers is known by what was sent to them alone, so they act under their own name, as they would on the page.
An answer that comes too late acts on nothing and says how it went: who has the alarm, or who closed it.

A text message that comes in is stored with what it did before the modem or the provider is let go, each once. From a
stranger's telephone nothing is believed and nothing is answered. A code is four digits, so after TRIES wrong ones
within GUESS_NS that telephone is not listened to for as long; that stands in the database and not in memory, where a
restart would forget it.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from server.access import store as access
from server.access.filter import sees
from server.access.passwords import Turnstile
from server.access.store import Account, staff
from server.alarms import store, table
from server.alarms.model import Alarm, Refused, State
from server.alarms.views import may_act
from server.audit.store import write
from server.db import Number, metadata
from server.notify import outbox, ways
from server.notify.keys import Key, Keys, use_up
from server.notify.sender import Language
from server.oncall.model import Person
from vitals.clock import NS

TRIES = 5
GUESS_NS = 3600 * NS
HELPS = 3
"""So often within GUESS_NS a telephone is told how to answer: another machine may be at its other end."""

_CODE = re.compile(r"(?<!\d)(\d{4})(?!\d)")

What = Literal[
    "open", "aside", "taken", "mine", "other", "closed", "settled", "old", "refused", "forbidden", "hidden", "unknown"
]
TAKEABLE: frozenset[What] = frozenset({"open", "aside"})
"""Whoever answers may take it. `aside`: a colleague has set it aside, or left it with somebody else."""

replies = sa.Table(
    "replies",
    metadata,
    sa.Column("id", Number, primary_key=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("sender", sa.String, nullable=False),
    sa.Column("text", sa.String, nullable=False),
    sa.Column("heard_ns", sa.BigInteger, nullable=False),
    sa.Column("staff", sa.String),
    sa.Column("did", sa.String, nullable=False),
    sa.Index("replies_of_sender", "sender", "heard_ns"),
)

SAYS: dict[What, dict[Language, str]] = {
    "open": {"nb": "Alarm {number} venter på svar.", "en": "Alarm {number} waits for an answer."},
    "aside": {
        "nb": "{who} satte alarm {number} til side {since}, til {until}. Du kan ta den.",
        "en": "{who} set alarm {number} aside at {since}, until {until}. You can take it.",
    },
    "taken": {"nb": "Du har alarm {number} til {until}.", "en": "You have alarm {number} until {until}."},
    "mine": {"nb": "Du har alarm {number} til {until}.", "en": "You have alarm {number} until {until}."},
    "other": {"nb": "{who} har alarm {number} siden {since}.", "en": "{who} has had alarm {number} since {since}."},
    "closed": {"nb": "{who} lukket alarm {number} {since}.", "en": "{who} closed alarm {number} at {since}."},
    "settled": {
        "nb": "Alarm {number} ordnet seg selv og ble lukket {since}.",
        "en": "Alarm {number} settled by itself and was closed at {since}.",
    },
    "old": {
        "nb": "Den kan ikke brukes mer. Alarm {number} venter fortsatt: logg inn.",
        "en": "It can no longer be used. Alarm {number} still waits: sign in.",
    },
    "refused": {
        "nb": "Alarm {number} kan ikke tas nå: logg inn.",
        "en": "Alarm {number} cannot be taken now: sign in.",
    },
    "forbidden": {
        "nb": "Alarm {number} er for sykepleiere og leger: finn en av dem.",
        "en": "Alarm {number} is for nurses and doctors: find one of them.",
    },
    "hidden": {
        "nb": "Du ser ikke pasienten i alarm {number} nå: finn en kollega.",
        "en": "You do not see the patient of alarm {number} now: find a colleague.",
    },
    "unknown": {"nb": "Den gjelder ingen alarm. Logg inn.", "en": "It is about no alarm. Sign in."},
}
_WRONG: dict[Language, str] = {
    "nb": "Den koden er ikke riktig. Se i meldingen, eller logg inn.",
    "en": "That code is not right. Look in the message, or sign in.",
}
_LOCKED: dict[Language, str] = {
    "nb": "For mange gale koder. Logg inn, eller ring en kollega.",
    "en": "Too many wrong codes. Sign in, or call a colleague.",
}
_HELP: dict[Language, str] = {
    "nb": "Hjemvakt leser bare OK og koden i meldingen. Logg inn for resten.",
    "en": "Hjemvakt reads only OK and the code in the message. Sign in for the rest.",
}


class Outcome(NamedTuple):
    """How an alarm stands for the one who asks. `who`: who has it, or closed it."""

    what: What
    number: int = 0
    patient_id: str = ""
    name: str = ""
    """Of the one who asks."""
    who: str = ""
    since_ns: int = 0
    until_ns: int = 0

    def says(self, language: Language, zone: ZoneInfo) -> str:
        """As a sentence."""
        return SAYS[self.what][language].format(
            number=self.number, who=self.who, since=_at(self.since_ns, zone), until=_at(self.until_ns, zone)
        )


class Desk:
    """Answers. `expires_s`: how long somebody has an alarm that they took."""

    def __init__(self, keys: Keys, zone: ZoneInfo, expires_s: float) -> None:
        self.keys = keys
        self.zone = zone
        self._expires_s = expires_s
        self.guesses = Turnstile(tries=20)
        """Links and secrets that never were, by who came with them from where: nobody shall be able to try."""
        self.sendings = Turnstile(tries=8)
        """Messages that a person had sent to addresses of their own choice: nobody shall be pestered from here."""

    def look(self, tx: sa.Connection, key: Key | None, now_ns: int) -> Outcome:
        """How it stands; nothing is done."""
        account, alarm = _behind(tx, key)
        if key is None or account is None or alarm is None:
            return Outcome("unknown")
        return _standing(tx, alarm, account, key, now_ns)

    def take(self, tx: sa.Connection, key: Key | None, now_ns: int, how: str) -> Outcome:
        """Take the alarm if it can be taken; `how` is for the audit: by link, by text message, by call."""
        account, alarm = _behind(tx, key)
        if key is None or account is None or alarm is None:
            return Outcome("unknown")
        stands = _standing(tx, alarm, account, key, now_ns)
        if stands.what not in TAKEABLE:
            return stands
        try:
            with tx.begin_nested():
                alarm = store.acknowledge(tx, alarm, account.name, now_ns, self._expires_s)
        except Refused:
            return stands._replace(what="refused")
        use_up(tx, key, now_ns)
        write(tx, now_ns, account.id, "acknowledge", alarm.patient_id, f"alarm {alarm.id} {how}")
        return _standing(tx, alarm, account, key, now_ns)._replace(what="taken")

    def hear(self, tx: sa.Connection, key: str, sender: str, text: str, now_ns: int) -> str | None:
        """A text message has come in, named `key`; returns whose alarm it changed."""
        if tx.scalar(sa.select(replies.c.id).where(replies.c.key == key)) is not None:
            return None
        known = sa.select(staff.c.id, staff.c.phone).where(access.may_come_in())
        phones = {row.id: row.phone for row in tx.execute(known)}
        owners = [one for one in ways.owners(tx, sender, phones) if one in phones]
        did, language, outcome = self._heard(tx, owners, sender, text, now_ns)
        row = {"key": key, "sender": sender, "text": text, "heard_ns": now_ns, "did": did}
        tx.execute(replies.insert().values(**row, staff=owners[0] if owners else None))
        answer = _answer(did, outcome, language, self.zone)
        if owners and answer:
            account = access.account(tx, owners[0])
            assert account is not None, "an owner may come in"
            person = Person(account.id, account.name, account.role)
            outbox.queue_answer(tx, key=key, person=person, address=sender, text=answer, now_ns=now_ns)
        return outcome.patient_id if outcome and outcome.what == "taken" else None

    def _heard(
        self, tx: sa.Connection, owners: list[str], sender: str, text: str, now_ns: int
    ) -> tuple[str, Language, Outcome | None]:
        if not owners:
            return "stranger", "nb", None
        if _recent(tx, sender, "wrong", now_ns) >= TRIES:
            return "locked", "nb", None
        code = _CODE.search(text)
        if code is None:
            return ("no code" if _recent(tx, sender, "no code", now_ns) < HELPS else "silent"), "nb", None
        for one in owners:
            key = self.keys.behind_code(tx, one, code[1], now_ns)
            if key is not None:
                outcome = self.take(tx, key, now_ns, "by text message")
                return outcome.what, outbox.language(tx, key.dedupe), outcome
        return "wrong" if _recent(tx, sender, "wrong", now_ns) < TRIES - 1 else "last wrong", "nb", None


def _behind(tx: sa.Connection, key: Key | None) -> tuple[Account | None, Alarm | None]:
    if key is None:
        return None, None
    return access.account(tx, key.staff), table.get(tx, key.alarm_id)


def _standing(tx: sa.Connection, alarm: Alarm, account: Account, key: Key, now_ns: int) -> Outcome:
    about = Outcome("open", alarm.id, alarm.patient_id, account.name)
    if not sees(tx, account, alarm.patient_id, now_ns):
        return about._replace(what="hidden")
    if alarm.state is State.CLOSED:
        since_ns = alarm.closed_ns or 0
        what: What = "closed" if alarm.closed_by else "settled"
        return about._replace(what=what, who=alarm.closed_by or "", since_ns=since_ns)
    if alarm.acknowledged_by is not None:
        return about._replace(
            what="mine" if alarm.acknowledged_by == account.name else "other", who=alarm.acknowledged_by,
            since_ns=alarm.acknowledged_ns or 0, until_ns=alarm.expires_ns or 0,
        )  # fmt: skip
    if not may_act(alarm, account):
        return about._replace(what="forbidden")
    if not key.live:
        return about._replace(what="old")
    parked = alarm.parked
    if parked is None or parked.is_for(account.id, account.role):
        return about
    return about._replace(what="aside", who=parked.by, since_ns=parked.since_ns, until_ns=alarm.expires_ns or 0)


def _answer(did: str, outcome: Outcome | None, language: Language, zone: ZoneInfo) -> str:
    """What is answered; "" for silence."""
    if outcome is not None:
        return outcome.says(language, zone)
    said: Mapping[str, Mapping[Language, str]] = {"wrong": _WRONG, "last wrong": _LOCKED, "no code": _HELP}
    return said[did][language] if did in said else ""


def _recent(tx: sa.Connection, sender: str, did: str, now_ns: int) -> int:
    """How many messages of that telephone ended so within GUESS_NS; the last wrong one is a wrong one."""
    which = replies.c.did.in_((did, f"last {did}"))
    query = sa.select(sa.func.count()).select_from(replies)
    return tx.scalar(query.where(replies.c.sender == sender, replies.c.heard_ns > now_ns - GUESS_NS, which)) or 0


def _at(t_ns: int, zone: ZoneInfo) -> str:
    """`08:05`"""
    return f"{datetime.fromtimestamp(t_ns // NS, UTC).astimezone(zone):%H:%M}"
