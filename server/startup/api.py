"""Limits that were learned, as the page is shown them and decides."""

from typing import Literal

from pydantic import Field

from server.api import Shape, Text


class StartupView(Shape):
    """The patient is new: until `ends_ms` the programme's limits hold, and their own are learned."""

    started_ms: int
    ends_ms: int


class ProposalView(Shape):
    """A limit that would suit the patient, learned from their own readings. It holds once a clinician has decided so.

    `usual`: the limit that held when it was proposed. `set_to`: what it was decided to be.
    """

    id: str
    limit: str
    label: Text
    side: Text
    unit: str
    decimals: int
    value: float
    usual: float
    median: float
    readings: int
    days: int
    made_ms: int
    state: Literal["open", "confirmed", "changed", "declined", "withdrawn"]
    set_to: float | None
    decided_by: str | None
    decided_ms: int | None
    note: str


class Decide(Shape):
    """`seen`: the state that was decided on; if a colleague was first, nothing is changed. `change` needs a `value`."""

    decision: Literal["confirm", "change", "decline"]
    seen: Literal["open", "confirmed", "changed", "declined"] = "open"
    value: float | None = None
    note: str = Field(default="", max_length=500)
