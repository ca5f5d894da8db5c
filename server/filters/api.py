"""A filter of the worklist as the page sees it."""

from typing import Literal

from pydantic import Field

from server.api import Shape


class Wanted(Shape):
    """Which patients to show: those who meet every part of it. An empty part is met by everybody.

    `whose` mine: with an alarm that I have taken; unclaimed: with one that nobody has.
    """

    organisations: list[str] = Field(default_factory=list, max_length=100)
    """By name."""
    places: list[str] = Field(default_factory=list, max_length=100)
    programmes: list[str] = Field(default_factory=list, max_length=100)
    """By their title in Bokmål."""
    whose: Literal["all", "mine", "unclaimed"] = "all"
    text: str = Field(default="", max_length=100)
    """A part of the name."""


class SavedFilter(Shape):
    """One of the signed-in person's own, by name."""

    name: str = Field(min_length=1, max_length=40)
    wanted: Wanted


class Filters(Shape):
    """All of the person's own, by name, and the one that was in use last (None: everybody was shown)."""

    saved: list[SavedFilter]
    last: Wanted | None
