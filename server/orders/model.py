"""The life of an order: one table says what may follow what.

    ordered ─received─▶ received ─sent─▶ sent ─▶ done | refused | expired | unknown
                                    refused, expired ─done─▶ disputed
                                           unknown, disputed ─look─▶ looked at

The words come from the gateway (`vitals.wire.ORDER_STEPS`), in any order and any number of times, because rows do. A
step that comes after a later one changes no state. No word by GRACE_S after its time is a word too: `overdue`. What
cannot be known is `unknown` until a person has looked and said what they found; an order is never given again by us.

Knowledge may still come late: the device that was away tells that it did it, the gateway that was away that it never
sent it. Then that is how it stands. But word of an act that contradicts what people were told, or what a person found,
makes it `disputed`: somebody may have acted on the contrary since, and with medicine that is a second dose. Only a
person settles that.
"""

from enum import StrEnum

import msgspec

from vitals.alarm import Kind, Level


class State(StrEnum):
    ORDERED = "ordered"
    RECEIVED = "received"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    DISPUTED = "disputed"
    LOOKED_AT = "looked_at"


class Word(StrEnum):
    """What can be heard of an order."""

    RECEIVED = "received"
    SENT = "sent"
    DONE = "done"
    REFUSED = "refused"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    OVERDUE = "overdue"


_ENDS = {
    Word.DONE: State.DONE, Word.REFUSED: State.REFUSED, Word.EXPIRED: State.EXPIRED, Word.UNKNOWN: State.UNKNOWN,
    Word.OVERDUE: State.UNKNOWN,
}  # fmt: skip

AFTER: dict[tuple[State, Word], State] = {
    (State.ORDERED, Word.RECEIVED): State.RECEIVED,
    (State.ORDERED, Word.SENT): State.SENT,
    (State.RECEIVED, Word.SENT): State.SENT,
    **{(state, word): end for state in (State.ORDERED, State.RECEIVED, State.SENT) for word, end in _ENDS.items()},
    (State.UNKNOWN, Word.DONE): State.DONE,
    (State.UNKNOWN, Word.REFUSED): State.REFUSED,
    (State.UNKNOWN, Word.EXPIRED): State.EXPIRED,
    (State.REFUSED, Word.DONE): State.DISPUTED,
    (State.EXPIRED, Word.DONE): State.DISPUTED,
    (State.LOOKED_AT, Word.DONE): State.DISPUTED,
}

OPEN = frozenset({State.ORDERED, State.RECEIVED, State.SENT})
"""Something may still happen."""
TO_LOOK_AT = frozenset({State.UNKNOWN, State.DISPUTED})
"""A person has to find out."""
UNSETTLED = OPEN | TO_LOOK_AT
"""Nobody knows how it ended. Another order of the same kind for the same device has to wait until somebody does."""

LASTS_S = {"dispense": 900.0, "lock": 3600.0, "unlock": 900.0, "test": 900.0, "schedule": 86_400.0}
"""The kinds there are, and how long each waits for its device (check: a clinician's choice). A dose that is given an
hour after it was thought right may be wrong; a lock or a schedule may come late."""
GRACE_S = 600.0
"""So long after its time word may still be on its way: the gateway itself gives up after five minutes."""

DANGER: dict[str, tuple[Kind, Level]] = {
    "dispense": (Kind.CLINICAL, Level.MEDIUM),
    "schedule": (Kind.CLINICAL, Level.MEDIUM),
    "lock": (Kind.TECHNICAL, Level.MEDIUM),
    "unlock": (Kind.TECHNICAL, Level.MEDIUM),
    "test": (Kind.TECHNICAL, Level.LOW),
}
"""What kind of alarm it is when nobody knows whether it was done, and how bad (check)."""


class Order(msgspec.Struct, frozen=True):
    """One order. `id` is 16 hexadecimal digits; `ordered_by` and `looked_by` are names; the steps' times the gateway's.

    `said` is what the device or gateway gave as its reason; `found` what a person found: done, not_done or unclear.
    """

    id: str
    patient_id: str
    device: str
    gateway: str
    kind: str
    data: dict[str, int | str]
    why: str
    ordered_by: str
    issued_ns: int
    expires_ns: int
    state: State = State.ORDERED
    published_ns: int | None = None
    received_ns: int | None = None
    sent_ns: int | None = None
    ended_ns: int | None = None
    said: str = ""
    looked_by: str | None = None
    looked_ns: int | None = None
    found: str | None = None
    note: str = ""


def hear(order: Order, word: Word, t_ns: int, said: str = "") -> Order:
    """The order after hearing of a step at `t_ns`."""
    if word is Word.RECEIVED and order.received_ns is None:
        order = msgspec.structs.replace(order, received_ns=t_ns)
    if word is Word.SENT and order.sent_ns is None:
        order = msgspec.structs.replace(order, sent_ns=t_ns)
    state = AFTER.get((order.state, word))
    if order.state is State.LOOKED_AT and word is Word.DONE and order.found == "done":
        state = State.DONE  # as the person who looked had found
    if state is None:
        return order
    ended_ns = t_ns if word in _ENDS else None
    return msgspec.structs.replace(order, state=state, ended_ns=ended_ns, said=said or order.said)


def look(order: Order, name: str, now_ns: int, found: str, note: str) -> Order | None:
    """`name` has looked and says what they found; None where there is nothing (any more) to find out."""
    if order.state not in TO_LOOK_AT:
        return None
    return msgspec.structs.replace(
        order, state=State.LOOKED_AT, looked_by=name, looked_ns=now_ns, found=found, note=note
    )
