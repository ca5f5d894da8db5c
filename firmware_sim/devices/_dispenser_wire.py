"""The words of the open dispenser protocol: its messages, its schedule and its orders, as numbers and bytes.

Source: docs/reference/dispenser-protocol.md, sections 2, 4 and 5.
"""

import struct
from enum import IntEnum
from hashlib import sha256

import msgspec

VERSION = 1
PART_DOSES = 11
"""Doses that fit one request."""

MOST_DOSES = 64
"""Doses this device holds."""


class Ask(IntEnum):
    """What the gateway sends."""

    HELLO_GET = 0x01
    READ_FROM = 0x02
    ACK_UPTO = 0x03
    TIME_GET = 0x04
    TIME_SET = 0x05
    SCHEDULE_PUT = 0x06
    SCHEDULE_GET = 0x07
    ORDER = 0x08
    ORDER_GET = 0x09
    SCHEDULE_PART = 0x0A


class Tell(IntEnum):
    """What the device sends."""

    HELLO = 0x81
    EVENT = 0x82
    ACKED = 0x83
    TIME = 0x84
    READ_DONE = 0x85
    SCHEDULE = 0x86
    HEARTBEAT = 0x87
    ORDER_STATE = 0x88
    ERROR = 0xFF


class Wrong(IntEnum):
    """Codes of ERROR."""

    TYPE = 1
    BODY = 2
    LOG = 3
    BUSY = 4


class Placed(IntEnum):
    """Results of SCHEDULE."""

    IN_FORCE = 0
    MORE = 1
    NOT_TAKEN = 2
    TOO_MANY = 3


class Do(IntEnum):
    """Kinds of order."""

    DISPENSE = 1
    LOCK = 2
    UNLOCK = 3
    TEST = 4


class State(IntEnum):
    """What became of an order."""

    NEVER_SEEN = 0
    UNDER_WAY = 1
    DONE = 2
    REFUSED = 3
    UNKNOWN = 4


class Reason(IntEnum):
    """Why an order was refused."""

    NONE = 0
    LATE = 1
    CANNOT = 2
    LOCKED = 3
    NO_DOSE = 4
    STUCK = 5
    NO_COMPARTMENT = 6
    BUSY = 7


class ScheduledDose(msgspec.Struct, frozen=True):
    """One dose of the schedule, in the field order of the wire. `weekdays`: bit 0 Monday."""

    dose_id: int
    minute_of_day: int
    compartment: int
    count: int
    window_min: int
    weekdays: int = 0x7F
    flags: int = 0

    def encode(self) -> bytes:
        return _DOSE.pack(*msgspec.structs.astuple(self))

    @property
    def sound(self) -> bool:
        """Whether a device can keep it."""
        return self.minute_of_day < 1440 and self.dose_id > 0 and 1 <= self.compartment <= 254 and self.window_min > 0


class Wanted(msgspec.Struct, frozen=True):
    """An ORDER, in the field order of the wire: what shall be done, in which start of the device, and until when."""

    id: int
    kind: int
    compartment: int
    dose_id: int
    boot_id: int
    not_after_ms: int


_DOSE = struct.Struct("<HHBBHBB")
_ORDER = struct.Struct("<QBBHII")


def read_doses(raw: bytes) -> tuple[ScheduledDose, ...] | None:
    """The doses of a request; None where the length, a dose or a number is wrong."""
    if len(raw) % _DOSE.size:
        return None
    doses = tuple(ScheduledDose(*fields) for fields in _DOSE.iter_unpack(raw))
    return doses if distinct(doses) and all(dose.sound for dose in doses) else None


def distinct(doses: tuple[ScheduledDose, ...]) -> bool:
    """Whether no two doses have one number."""
    return len({dose.dose_id for dose in doses}) == len(doses)


def read_schedule(body: bytes) -> tuple[ScheduledDose, ...] | None:
    """The doses of a SCHEDULE_PUT; None where the count, a dose or a number is wrong."""
    count, rest = body[0], body[1:]
    return read_doses(rest) if count <= PART_DOSES and len(rest) == count * _DOSE.size else None


def fingerprint(doses: tuple[ScheduledDose, ...]) -> bytes:
    """The 8 bytes by which a schedule is known."""
    return sha256(b"".join(dose.encode() for dose in doses)).digest()[:8]


def read_order(body: bytes) -> Wanted | None:
    """The order in the body of ORDER; None where its length or its id is wrong."""
    wanted = Wanted(*_ORDER.unpack(body)) if len(body) == _ORDER.size else None
    return wanted if wanted and wanted.id else None
