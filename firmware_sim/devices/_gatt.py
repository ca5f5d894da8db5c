"""Numbers, dates and service tables of the Bluetooth SIG, written out from the specifications.

Sources: ISO/IEEE 11073-20601 (SFLOAT, FLOAT), GATT Specification Supplement (Date Time, Exact Time 256, Current Time).
All little-endian.
"""

import struct
from datetime import UTC, datetime

from firmware_sim.device import Can, Pipe
from vitals.clock import NS

BATTERY, INFORMATION, TIME = "180f", "180a", "1805"
BATTERY_LEVEL, CURRENT_TIME, DATE_TIME = "2a19", "2a2b", "2a08"
MAKER, MODEL, SERIAL_NUMBER, FIRMWARE_REVISION = "2a29", "2a24", "2a25", "2a26"

LABEL_PIPES = tuple(Pipe(INFORMATION, uuid, Can.READ) for uuid in (MAKER, MODEL, SERIAL_NUMBER, FIRMWARE_REVISION))
CLOCKLESS_PIPES = (Pipe(BATTERY, BATTERY_LEVEL, Can.READ), *LABEL_PIPES)
COMMON_PIPES = (Pipe(TIME, CURRENT_TIME, Can.READ | Can.WRITE), *CLOCKLESS_PIPES)
"""What every health device of ours has beside its own service; without a clock; without clock and battery."""

INVALID_LENGTH = 0x0D
DATA_FIELD_IGNORED = 0x80
IMPROPERLY_CONFIGURED = 0xFD
ALREADY_IN_PROGRESS = 0xFE
"""ATT error codes."""

SFLOAT_NAN = bytes((0xFF, 0x07))
_SFLOAT_MAX = 0x07FD
"""The largest mantissa; 07FE, 07FF and 0800 to 0802 have meanings of their own."""
_FLOAT_MAX = 0x7FFFFD
"""The same of a FLOAT."""


def sfloat(value: float, decimals: int = 0) -> bytes:
    """`value` as SFLOAT with that many decimals, fewer where the 12-bit mantissa is too small for them."""
    while decimals > -8:
        mantissa = round(value * 10**decimals)
        if abs(mantissa) <= _SFLOAT_MAX:
            return struct.pack("<H", (-decimals & 0xF) << 12 | mantissa & 0x0FFF)
        decimals -= 1
    raise ValueError(f"{value} does not fit an SFLOAT")


def float32(value: float, decimals: int) -> bytes:
    """`value` as FLOAT with that many decimals; raises ValueError where the 24-bit mantissa is too small for them."""
    mantissa = round(value * 10**decimals)
    if abs(mantissa) > _FLOAT_MAX:
        raise ValueError(f"{value} does not fit a FLOAT of {decimals} decimals")
    return struct.pack("<I", (-decimals & 0xFF) << 24 | mantissa & 0xFFFFFF)


def date_time(t_ns: int) -> bytes:
    """Date Time: u16 year, month, day, hours, minutes, seconds. Whole seconds, rounded down."""
    when = datetime.fromtimestamp(t_ns // NS, UTC)
    return struct.pack("<H5B", when.year, when.month, when.day, when.hour, when.minute, when.second)


def current_time(t_ns: int) -> bytes:
    """Current Time: Date Time, day of the week (1 Monday), fractions of 1/256 s, reason of adjustment (none)."""
    weekday = datetime.fromtimestamp(t_ns // NS, UTC).isoweekday()
    return date_time(t_ns) + bytes((weekday, t_ns % NS * 256 // NS, 0))


def read_current_time(data: bytes) -> int:
    """Nanoseconds since 1970 of a Current Time of 10 bytes; raises ValueError for a date that is none."""
    return read_date_time(data) + data[8] * NS // 256


def read_date_time(data: bytes) -> int:
    """Nanoseconds since 1970 of the Date Time these bytes begin with; raises ValueError for a date that is none."""
    year, month, day, hour, minute, second = struct.unpack_from("<H5B", data)
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp()) * NS
