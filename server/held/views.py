"""Questions as the page sees them."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from server.held import store
from server.held.api import HeldValue
from server.held.api import Question as View
from server.held.model import Weighing
from server.held.store import Question
from server.notify.outbox import question_states
from server.readings.store import Reading
from server.readings.views import label, shown_decimals, unit
from vitals.clock import MS, NS

FIRST_SHOWN_S = 14 * 86_400
"""So long is it said of a first weight that nothing could be held against it."""


def views(tx: sa.Connection, questions: Sequence[Question]) -> list[View]:
    """Questions with what is held under them, and what became of the message to the home."""
    if not questions:
        return []
    ids = [one.id for one in questions]
    held, sent = store.readings_of(tx, ids), question_states(tx, ids)
    return [_view(one, held[one.id], sent.get(one.id)) for one in questions]


def open_questions(tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, list[View]]:
    """The open questions of these patients (None: of everybody), by patient."""
    questions = store.all_open(tx, patient_ids)
    found: dict[str, list[View]] = {}
    for one, view in zip(questions, views(tx, questions), strict=True):
        found.setdefault(one.patient_id, []).append(view)
    return found


def of_patient(tx: sa.Connection, patient_id: str) -> list[View]:
    """The patient's open questions, then the latest that were answered."""
    return views(tx, store.of_patient(tx, patient_id))


def unjudged(tx: sa.Connection, patient_id: str, now_ns: int) -> HeldValue | None:
    """The patient's first weight, for as long as it is new."""
    first = store.unjudged(tx, patient_id, now_ns - FIRST_SHOWN_S * NS)
    return None if first is None else _weight(first)


def _view(one: Question, held: Iterable[Reading], sent: str | None) -> View:
    return View.model_validate(
        {
            "id": str(one.id), "version": one.version, "because": one.because.value, "device": one.device,
            "values": [_value(reading) for reading in held], "slot": one.slot, "usual_kg": one.usual_kg,
            "limit_kg": one.limit_kg, "since_ms": _ms(one.since_ns), "asked_ms": one.opened_ns // MS,
            "said": one.said, "said_ms": _ms(one.said_ns), "said_by": one.said_by, "said_from": one.said_from,
            "home": sent, "home_unknown_ms": _ms(one.home_unknown_ns),
        }
    )  # fmt: skip


def _value(one: Reading) -> HeldValue:
    return HeldValue(
        channel=one.channel, label=label(one.channel), value=one.value, unit=unit(one.channel), t_ms=one.t_ns // MS,
        decimals=shown_decimals(one.channel, one.decimals),
    )  # fmt: skip


def _weight(one: Weighing) -> HeldValue:
    return HeldValue(
        channel="weight", label=label("weight"), value=one.kg, unit=unit("weight"), t_ms=one.t_ns // MS,
        decimals=shown_decimals("weight", 1),
    )  # fmt: skip


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
