"""What homes are asked, as the page sees it."""

from collections.abc import Sequence

import sqlalchemy as sa

from server.api import Text
from server.readings.views import label
from server.wishes import store
from server.wishes.api import WishView
from server.wishes.store import Asked
from vitals.alarm import Level
from vitals.clock import MS

SHOWN = 10

_PRIORITY = {Level.LOW: "low", Level.MEDIUM: "medium", Level.HIGH: "high"}


def open_wishes(tx: sa.Connection, patient_ids: Sequence[str] | None) -> dict[str, list[WishView]]:
    """What these patients (None: everybody) are asked now, by patient, the most pressing first."""
    found = store.standing(tx, patient_ids)
    return {id_: [_view(one) for one in sorted(asked, key=_pressing)] for id_, asked in found.items()}


def of_patient(tx: sa.Connection, patient_id: str) -> list[WishView]:
    """What the patient is asked now, and the latest that is over."""
    return [_view(one) for one in store.of_patient(tx, patient_id, SHOWN)]


def _pressing(one: Asked) -> tuple[int, int]:
    return -one.wish.level, one.wish.by_ns


def _view(one: Asked) -> WishView:
    wish = one.wish
    return WishView.model_validate(
        {
            "id": str(one.id), "why": wish.why, "channel": wish.channel or None,
            "label": label(wish.channel) if wish.channel else None, "priority": _PRIORITY[wish.level],
            "text": Text(nb=wish.text.get("nb", ""), en=wish.text.get("en", "")), "state": one.state,
            "asked_ms": wish.asked_ns // MS, "from_ms": wish.from_ns // MS, "by_ms": wish.by_ns // MS,
            "delivered_ms": _ms(one.delivered_ns), "ended_ms": _ms(one.ended_ns),
        }
    )  # fmt: skip


def _ms(t_ns: int | None) -> int | None:
    return None if t_ns is None else t_ns // MS
