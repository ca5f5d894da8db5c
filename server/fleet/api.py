"""Whose a device is, as the page and the server say it to each other."""

from pydantic import Field

from server.api import Shape


class Holder(Shape):
    """Whose a device's readings are, from (inclusive) to (exclusive); `to_ms` None: until further notice.

    `given_by`, `ended_by`: who said so on the page (their names); None: the municipality file, or nobody yet.
    """

    device: str
    patient_id: str
    name: str
    from_ms: int
    to_ms: int | None
    user_slot: int | None
    given_by: str | None
    ended_by: str | None
    why: str | None


class Give(Shape):
    """The device is this patient's from then on. `from_ms` None: from now.

    `user_slot`: which of a shared device's own users the patient is. `sure` False: nothing is done, only told what
    would follow.
    """

    patient_id: str = Field(max_length=64)
    from_ms: int | None = Field(default=None, ge=0, le=2**43)
    user_slot: int | None = Field(default=None, ge=0, le=254)
    why: str = Field(min_length=3, max_length=500)
    sure: bool = False


class TakeBack(Shape):
    """The device is its holder's no longer. `to_ms` None: from now. `sure` as for `Give`."""

    to_ms: int | None = Field(default=None, ge=0, le=2**43)
    why: str = Field(min_length=3, max_length=500)
    sure: bool = False


class Stays(Shape):
    """So many readings of the device, measured since, are filed under this patient already, and stay there."""

    patient_id: str
    name: str
    readings: int


class Follows(Shape):
    """What follows from the change, for what is here already; none of it is moved. `done`: whether it was made.

    `aside`: so much of the device, come since then while it was nobody's, is in quarantine.
    """

    done: bool
    at_ms: int
    stays: list[Stays]
    aside: int
    holders: list[Holder]
    """Who has it and has had it, the newest first."""
