"""Moments as text, to the nanosecond, which the standard library's own ends short of; and what a person writes."""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from vitals.clock import NS
from vitals.errors import ConfigError


def moment(t_ns: int) -> str:
    """`t_ns` since 1970 as `2026-03-02T08:00:00.000000001Z`."""
    whole_s, ns = divmod(t_ns, NS)
    return f"{datetime.fromtimestamp(whole_s, UTC).isoformat()[:19]}.{ns:09d}Z"


def nanoseconds(text: str) -> int:
    """Since 1970, of a text with a Z and up to nine digits behind the point, or none."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * NS + int(rest.ljust(9, "0") or 0)


def moment_of(option: str, text: str, zone: ZoneInfo) -> int:
    """Nanoseconds of a date there, or of a time with its zone; raises ConfigError."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            found = datetime.combine(date.fromisoformat(text), datetime.min.time(), zone)
        else:
            found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ConfigError(f"{option} {text} does not say in which zone", "end it with Z or +02:00, or give a date")
        since_1970 = found - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"{option} {text!r} is no time", "write it as 2026-03-01 or 2026-03-01T08:00:00Z") from error
    whole_ns = (since_1970.days * 86_400 + since_1970.seconds) * NS + since_1970.microseconds * 1000
    if not -(2**63) <= whole_ns < 2**63:
        raise ConfigError(f"{option} {text} is out of range", "give a year from 1678 to 2261")
    return whole_ns
