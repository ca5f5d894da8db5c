"""Whose a held measurement is, as the page asks it and is answered."""

from typing import Literal

from server.api import Shape, Text


class HeldValue(Shape):
    """One value with its moment: of a measurement that is held, or beside another."""

    channel: str
    label: Text
    value: float
    decimals: int
    unit: str
    t_ms: int


class Question(Shape):
    """Whose are these readings? They are kept, but nobody's until somebody answers.

    `because` weight: far from what the patient weighs (`usual_kg`, as of `since_ms`; `limit_kg` is how far it may be).
    slot: the device took them for another of its users (`slot`). `version` goes back with the answer. `home`: what
    became of the message to the patient's own phone, None where there was none.
    """

    id: str
    version: int
    because: Literal["weight", "slot"]
    device: str
    values: list[HeldValue]
    slot: int | None
    usual_kg: float | None
    limit_kg: float | None
    since_ms: int | None
    asked_ms: int
    said: Literal["hers", "not_hers", "unknown"] | None
    said_ms: int | None
    said_by: str | None
    said_from: Literal["staff", "home"] | None
    home: Literal["queued", "sent", "failed", "withdrawn"] | None
    home_unknown_ms: int | None
    """When somebody at home said that they do not know."""


class Answer(Shape):
    """`hers` files what is held under the patient; the others keep it, and it is never filed."""

    said: Literal["hers", "not_hers", "unknown"]
    version: int
