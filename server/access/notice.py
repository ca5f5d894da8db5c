"""Word of a broken glass, to those who are to look at it: the administrators of the patient's organisation.

Their screens show it at once, and who has no screen open is written to: by e-mail where they have one, for it asks for
a look and not for a run, else by text message. It says who, of where, and for how long; neither whom nor why, for a
reason is about an illness and a message crosses networks that are not ours. One message to a person for each time the
glass is broken, through the outbox like any other: with its transaction, tried again, with a receipt.
"""

from collections.abc import Iterable

import sqlalchemy as sa

from server.access import store
from server.access.glass import Broken
from server.access.organisations import organisations
from server.access.store import Account
from server.escalation.store import in_force
from server.notify import outbox
from server.notify.outbox import Told
from server.notify.words import ROLE
from server.oncall.model import Way
from server.patients.store import patients
from vitals.clock import NS

_WAYS = ("email", "sms")
"""In this order."""

TEXT = {
    "nb": (
        "Hjemvakt: {name} ({role}, {place}) har åpnet opplysninger om en av deres pasienter i nødrett, i inntil "
        "{minutes} min. Logg inn og se om det var riktig (nødtilgang {number})."
    ),
    "en": (
        "Hjemvakt: {name} ({role}, {place}) has opened what is known of one of your patients in need, for {minutes} "
        "min at most. Sign in and see whether it was right (emergency access {number})."
    ),
}


def tell(tx: sa.Connection, broken: Broken, by: Account, now_ns: int) -> None:
    """Write to each of those who are to look at it, in the transaction in which the glass is broken."""
    language = in_force(tx, "technical", "high", broken.patient_id, now_ns).language
    place = tx.scalar(sa.select(organisations.c.name).where(organisations.c.id == by.organisation))
    text = TEXT[language].format(
        name=by.name, role=ROLE[language][by.role], place=place, number=broken.id,
        minutes=round((broken.until_ns - broken.from_ns) / (60 * NS)),
    )  # fmt: skip
    whose = tx.scalar(sa.select(patients.c.organisation).where(patients.c.id == broken.patient_id))
    keepers = {one.id for one in store.members(tx, whose) if one.role == "administrator" and one.locked_ns is None}
    for person in store.people(tx):
        way = _way(person.reached_by)
        if person.id in keepers and way is not None:
            outbox.queue_glass(
                tx, glass_id=broken.id, patient_id=broken.patient_id, person=person, way=way, text=text, now_ns=now_ns,
                language=language,
            )  # fmt: skip


def told(tx: sa.Connection, found: Iterable[Broken]) -> dict[int, list[Told]]:
    """What became of the messages about each of these."""
    return outbox.glass_states(tx, [one.id for one in found])


def _way(ways: Iterable[Way]) -> Way | None:
    """The way to write to somebody; None where they are only called or pushed to."""
    fit = [way for way in ways if way.channel in _WAYS]
    return min(fit, key=lambda way: (_WAYS.index(way.channel), way.after_s), default=None)
