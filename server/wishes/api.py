"""What a home is asked, as the page is shown it."""

from typing import Literal

from server.api import Priority, Shape, Text


class WishView(Shape):
    """What a home is asked: to measure sooner, again at once, because a person `asked`, or (`tell`) what it is told
    of itself.

    asked: not known to be shown there yet. `from_ms` to `by_ms`: when it is wanted. `text`: the finding that asks.
    """

    id: str
    why: Literal["sooner", "again", "tell", "asked"]
    channel: str | None
    label: Text | None
    priority: Priority
    text: Text
    state: Literal["asked", "delivered", "answered", "withdrawn", "expired"]
    asked_ms: int
    from_ms: int
    by_ms: int
    delivered_ms: int | None
    ended_ms: int | None
