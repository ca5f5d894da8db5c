"""A reading, an event, and what is read back of them."""

import msgspec

from vitals.block import DOUBTED
from vitals.clock import NS

EVER_NS = -(2**63), 2**63 - 1
"""The first and the last moment there are."""

LATE_S = 900.0
"""What is stored so long after it was measured came late: on its ordinary way a reading takes seconds, and minutes over
a line that comes and goes. It is three times what a gateway's clock may be wrong before that is an alarm of its own."""


def is_late(t_ns: int, stored_ns: int) -> bool:
    """Whether what was measured then, and stored then, came late."""
    return stored_ns - t_ns > LATE_S * NS


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one patient, as it is kept. `status`: words of `vitals.block.STATUS`.

    It is known by its `identity`, a digest of (device, the device's record or its own time, channel, place in the
    block, value), or of the transport's name for the row where the device names nothing. Whatever is delivered twice,
    in whatever order and through whichever gateway, is one reading.
    """

    patient_id: str
    channel: str
    t_ns: int
    identity: bytes
    value: float
    decimals: int
    status: tuple[str, ...]
    device: str
    record: str | None
    device_t_ns: int | None
    received_ns: int
    shift_ns: int = 0
    """By how much `t_ns` was moved, because the gateway's clock was wrong (`server.ingest.correct`)."""

    @property
    def good(self) -> bool:
        """Whether the device trusts it."""
        return DOUBTED.isdisjoint(self.status)


class Occurrence(msgspec.Struct, frozen=True):
    """One event of one patient, as it is kept. `sample` and `sample_value` are what the rules see of it."""

    patient_id: str
    t_ns: int
    identity: bytes
    kind: str
    data: dict[str, int | float | str]
    sample: str
    sample_value: float
    device: str
    record: str | None
    device_t_ns: int | None
    received_ns: int
    shift_ns: int = 0


class Latest(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The newest reading of a channel. `before_value`: the newest one 20 to 36 hours older than it."""

    channel: str
    t_ns: int
    value: float
    decimals: int
    status: tuple[str, ...]
    stored_ns: int
    before_value: float | None


def rank(one: Latest) -> tuple[int, float, int, int, tuple[str, ...]]:
    """Of two readings of a channel the greater one is the newest; what else is told of them cannot differ then."""
    return one.t_ns, one.value, one.stored_ns, one.decimals, one.status


class SeriesColumns(msgspec.Struct, frozen=True):
    """One channel, columns of equal length, oldest first. `decimals`: the finest that the device reported."""

    t_ns: list[int]
    value: list[float]
    good: list[bool]
    decimals: int
