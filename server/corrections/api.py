"""What counts of the readings and what does not, as the page and the server say it to each other."""

from typing import Literal

from pydantic import Field

from server.api import Shape, Text, Written
from server.held.api import HeldValue

Wrong = Literal["wrong_person", "device_error", "measured_wrongly", "other"]


class Invalid(Shape):
    """Why a reading does not count, and who said so. `correction`: what to name to undo it."""

    correction: str
    reason: Wrong
    note: str
    who: str
    t_ms: int


class Measured(Shape):
    """One reading of a channel. `id`: what to name to say that it is wrong. `late`: it came long after it was measured.

    `also`: what the same device measured at the same moment, and what of it counts or does not as this one.
    """

    id: str
    value: float
    decimals: int
    t_ms: int
    arrived_ms: int
    late: bool
    device: str
    status: list[str]
    also: list[HeldValue]
    invalid: Invalid | None


class LatestReadings(Shape):
    """The newest readings of a channel, the newest first, those that do not count among them."""

    channel: str
    label: Text
    unit: str
    readings: list[Measured]


class Invalidate(Shape):
    """Why a reading is wrong. `alone`: only this one value, and not all that the device measured at that moment.

    `other` wants a note.
    """

    reading: str = Field(pattern=r"^-?[0-9]{1,19}\.[0-9a-f]{32}$")
    alone: bool = False
    reason: Wrong
    note: str = Field(default="", max_length=500)


class Reinstate(Shape):
    """Why what was said to be wrong counts again after all."""

    correction: str = Field(pattern="^[0-9]{1,18}$")
    why: Written = Field(min_length=3, max_length=500)


class CorrectionView(Shape):
    """Readings that were said to be wrong. `undone_…`: who has taken it back since, and why."""

    id: str
    device: str
    readings: list[HeldValue]
    reason: Wrong
    note: str
    who: str
    t_ms: int
    undone_by: str | None
    undone_ms: int | None
    undone_why: str | None
