"""Moments as text, to the nanosecond, which the standard library's own ends short of."""

from datetime import UTC, datetime

from vitals.clock import NS


def moment(t_ns: int) -> str:
    """`t_ns` since 1970 as `2026-03-02T08:00:00.000000001Z`."""
    whole_s, ns = divmod(t_ns, NS)
    return f"{datetime.fromtimestamp(whole_s, UTC).isoformat()[:19]}.{ns:09d}Z"


def nanoseconds(text: str) -> int:
    """Since 1970, of a text with a Z and up to nine digits behind the point, or none."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * NS + int(rest.ljust(9, "0") or 0)
