"""Orders to devices, as the page and the server say them to each other."""

from typing import Literal

from pydantic import Field

from server.api import Shape, Written

OrderKind = Literal["dispense", "lock", "unlock", "test", "schedule"]


class OrderNew(Shape):
    """An order to a device. `id`: 16 hexadecimal digits drawn at random; the same id twice is one order.

    `compartment`, and if it helps `dose_id`, to dispense; `doses` (see vitals/schedule.py; times in UTC) to schedule.
    """

    id: str = Field(pattern="^[0-9a-f]{16}$")
    device: str = Field(min_length=1, max_length=64)
    kind: OrderKind
    compartment: int | None = Field(default=None, ge=1, le=254)
    dose_id: int | None = Field(default=None, ge=1, le=65_535)
    doses: str | None = Field(default=None, min_length=1, max_length=2000)
    why: Written = Field(min_length=3, max_length=500)
    """For the audit log."""


class OrderLook(Shape):
    """What a person found who looked, of an order that nobody knows the end of."""

    found: Literal["done", "not_done", "unclear"]
    note: str = Field(default="", max_length=2000)


class OrderView(Shape):
    """An order and how far it has come. Times of steps that have not been are None.

    `said` is the device's own reason, in English. `unknown` and `disputed` (it was said that it
    was not done, and then that it was): look at the dispenser, or call the patient.
    """

    id: str
    device: str
    kind: OrderKind
    data: dict[str, int | str]
    why: str
    ordered_by: str
    issued_ms: int
    expires_ms: int
    state: Literal["ordered", "received", "sent", "done", "refused", "expired", "unknown", "disputed", "looked_at"]
    received_ms: int | None
    sent_ms: int | None
    ended_ms: int | None
    said: str | None
    looked_by: str | None
    looked_ms: int | None
    found: Literal["done", "not_done", "unclear"] | None
    note: str | None
