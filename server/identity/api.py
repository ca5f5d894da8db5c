"""Codes and certificates of hubs, as the page and the server say them to each other."""

from pydantic import Field

from server.api import Shape, Written


class ClaimCode(Shape):
    """What a technician types on a hub, good once and for so many hours."""

    code: str
    hours: int


class Revocation(Shape):
    """Why a gateway is not believed any more; for the audit log."""

    reason: Written = Field(min_length=3, max_length=500)


class Revoked(Shape):
    """How many certificates ended with it."""

    certificates: int
