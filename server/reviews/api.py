"""A review as the page sees it."""

from server.api import Shape


class Review(Shape):
    """When the patient was last gone through, and by whom (their name)."""

    t_ms: int
    who: str
