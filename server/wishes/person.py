"""A person asks a home for measurements: by the same way as triage does, and shown in the home like those.

Such a request stands until it is answered or has expired: no rule withdraws what a person asked for (`triage.plan`).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from server.fleet.store import gateway_table
from server.patients.programmes import Programmes
from server.patients.store import patient
from server.readings.store import latest
from server.wishes import document, store
from triage.plan import LEAST_S, MEASURED_WITH, Wish
from vitals.alarm import Level
from vitals.answers import QUESTIONS
from vitals.clock import NS

ASKED = "asked"
"""In the place of the rule's name."""


def may_ask(tx: sa.Connection, programmes: Programmes, patient_id: str) -> list[str]:
    """The channels that a patient can be asked for: what they have measured, or their programme expects or asks."""
    record = patient(tx, patient_id)
    if record is None:
        return []
    programme = programmes.of(record.programme)
    questions = [one.channel for one in programme.ask]
    known = [*latest(tx, [patient_id]).get(patient_id, {}), *(one.channel for one in programme.expect), *questions]
    names = dict.fromkeys(MEASURED_WITH.get(name, name) for name in known)
    return [name for name in names if name in LEAST_S or (name in QUESTIONS and name in questions)]


def ask(
    tx: sa.Connection, programmes: Programmes, patient_id: str, channels: Sequence[str], level: Level, name: str,
    now_ns: int,
) -> bool:  # fmt: skip
    """`name` asks for these now, also for what triage had asked for. False where there is no box that could show it."""
    shown = sa.select(sa.literal(1)).where(gateway_table.c.patient_id == patient_id).limit(1)
    if tx.scalar(shown) is None:
        return False
    sooner = programmes.of(_programme(tx, patient_id)).sooner
    within_ns = round(sooner.interval_s(level) * NS)
    text = {"nb": f"{name} ber om det", "en": f"{name} asks for it"}
    standing = {one.wish.channel: one for one in store.standing(tx, [patient_id]).get(patient_id, [])}
    for channel in dict.fromkeys(channels):
        wish = Wish(channel, "asked", level, ASKED, text, now_ns, now_ns, now_ns + within_ns, now_ns + 2 * within_ns)
        if channel in standing:
            store.move(tx, standing[channel].id, wish)
        else:
            store.ask(tx, patient_id, [wish])
    document.compose(tx, programmes, [patient_id], now_ns)
    return True


def _programme(tx: sa.Connection, patient_id: str) -> str:
    record = patient(tx, patient_id)
    assert record is not None, "a case is about somebody in the register"
    return record.programme
