"""Chance that can be looked up: every random number is a hash of who asks and what for.

There is no state, so a value at any time is the same in whichever order the times are asked for, in every process and
in every run with the same seed. `smooth` is value noise: random heights on a lattice, joined by a curve whose slope is
zero at each lattice point.
"""

from functools import lru_cache
from hashlib import blake2b
from math import floor

Key = int | str


@lru_cache(maxsize=65_536)
def word(*keys: Key) -> int:
    """64 bits that look random and depend on nothing but `keys`."""
    text = "\x1f".join(str(key) for key in keys)
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def share(*keys: Key) -> float:
    """Uniform in [0, 1)."""
    return (word(*keys) >> 11) / 2**53


def swing(*keys: Key) -> float:
    """Uniform in [-1, 1)."""
    return 2 * share(*keys) - 1


def smooth(x: float, *keys: Key) -> float:
    """Value noise at `x`, within [-1, 1]; one lattice point per unit of `x`."""
    left = floor(x)
    part = x - left
    weight = part * part * (3 - 2 * part)
    low, high = swing(*keys, left), swing(*keys, left + 1)
    return low + (high - low) * weight
