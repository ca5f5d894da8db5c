"""Readings as the page is shown them."""

from server.api import Shape, Text


class Value(Shape):
    """The newest reading of a channel. `stale`: older than the plan allows, so it must not be read as current.

    `late`: it came long after it was measured.
    """

    channel: str
    label: Text
    value: float
    decimals: int
    unit: str
    t_ms: int
    arrived_ms: int
    late: bool
    stale: bool
    status: list[str]
    low: float | None
    high: float | None
    """That patient's limits, where they have any."""
    trend: float | None
    """Change against about a day before, in the unit; None where there is nothing to compare with."""


class News2(Shape):
    """NEWS2 as far as it can be known. `lacks` names the missing channels; a partial score is never shown as whole."""

    total: int
    lacks: list[str]
    single_red: bool


class Channel(Shape):
    channel: str
    label: Text


class Band(Shape):
    """From `start` up to where the next one starts a reading has so many points of NEWS2; None: that hangs on more."""

    start: float
    points: int | None


class Readings(Shape):
    """One channel, columns of equal length, oldest first. `good` is False where the device doubted the sample.

    `bands`: NEWS2's, upwards; empty where the patient's programme does not score, or NEWS2 does not know the channel.
    """

    channel: str
    label: Text
    unit: str
    decimals: int
    low: float | None
    high: float | None
    bands: list[Band]
    t_ms: list[int]
    value: list[float]
    good: list[bool]


class DispenserEvent(Shape):
    """`kind` without its prefix: due, presented, retrieved, missed, …"""

    t_ms: int
    kind: str
    dose_id: int
    data: dict[str, float | int | str]
