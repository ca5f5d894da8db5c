"""What a reading or an event is known by: a digest of what tells it from all others of its device.

What is delivered twice, in whatever way, is filed once for it.
"""

from collections.abc import Iterable
from hashlib import blake2b

import msgspec

from vitals.block import Block
from vitals.events import Event


def known_by(what: Block | Event, transport: str) -> tuple[str, str | int]:
    """What tells this measurement from any other of its device.

    The time of a clock that was never set comes round again, so it tells nothing apart. `transport` is what the row is
    called on its way: gateway, epoch and number.
    """
    if what.record is not None:
        return "record", what.record
    unset = isinstance(what, Block) and "clock_unset" in what.status
    if what.device_t_ns is not None and not unset:
        return "time", what.device_t_ns
    return "row", transport


def identity(*parts: object) -> bytes:
    """The 16 bytes that these parts make."""
    (found,) = identities([parts])
    return found


def identities(every: Iterable[tuple[object, ...]]) -> list[bytes]:
    """The same of many, written in one go: no part has a line's end in it as JSON."""
    names = []
    for line in _encoder.encode_lines(every).split(b"\n")[:-1]:
        name = _digest.copy()  # which costs less than a new one
        name.update(line)
        names.append(name.digest())
    return names


_encoder = msgspec.json.Encoder()
_digest = blake2b(digest_size=16)
