"""The hub's other clock: the one that nobody sets.

A hub's clock may start in 1970, be an hour off, and jump when the network tells it the time. `steady_ns` counts from
the boot and never jumps, also while the hub sleeps. So each row carries it beside the clock's time, and whoever knows
both clocks at one right moment knows when every row of that boot was really received (`server.ingest.correct`). What
was counted in one boot says nothing about another.
"""

import secrets
import time
from pathlib import Path

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady_ns() -> int:
    """Nanoseconds of the wall since the hub was started."""
    return time.clock_gettime_ns(_STEADY)


def _name() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip().replace("-", "")[:16]
    except OSError:  # not Linux: each process counts as a boot of its own
        return secrets.token_hex(8)


BOOT = _name()
"""This boot, in 16 hexadecimal digits."""
