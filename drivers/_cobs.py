"""COBS frames with a CRC: a stream of bytes cut into packets that are whole.

Consistent overhead byte stuffing takes every zero out of a packet: each zero is replaced by the distance to the next
one, so `00` ends a frame and nothing else. A reader that lost or gained bytes is therefore out of step until the next
`00` at most, and damage spoils the frame it hit (two, where it hit the `00` between them), never a third.

COBS finds the ends, the CRC finds the damage: CRC-16/CCITT-FALSE over the payload, low byte first. An empty frame means
nothing (it clears the line), and a frame without an end is not kept beyond the longest there can be.
"""

from binascii import crc_hqx
from collections.abc import Iterator

import msgspec

LONGEST = 128
"""Bytes of a frame, without its ending 00."""


class Damage(msgspec.Struct, frozen=True):
    """A frame that cannot be used: a code of `vitals.events.FAULTS`, why, and the frame (cut to `LONGEST`)."""

    code: str
    text: str
    data: bytes


def crc16(payload: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, start FFFF, not reflected; `123456789` gives 29B1."""
    return crc_hqx(payload, 0xFFFF)


def stuff(data: bytes) -> bytes:
    """`data` without its zeros, by COBS; no ending 00."""
    out = bytearray()
    for run in data.split(b"\0"):
        while len(run) >= 254:
            out += b"\xff" + run[:254]
            run = run[254:]
        out += bytes((len(run) + 1,)) + run
    return bytes(out)


def unstuff(frame: bytes) -> bytes | None:
    """What `stuff` was given; None for a frame that COBS cannot have made."""
    out = bytearray()
    at = 0
    while at < len(frame):
        step = frame[at]
        run = frame[at + 1 : at + step]
        if step == 0 or 0 in run or len(run) != step - 1:
            return None
        out += run
        at += step
        if step < 255 and at < len(frame):
            out.append(0)
    return bytes(out)


def frame(payload: bytes) -> bytes:
    """`payload` with its CRC, stuffed and ended, as it goes on the wire."""
    return stuff(payload + crc16(payload).to_bytes(2, "little")) + b"\0"


class Frames:
    """Takes the bytes as they come, gives payloads and damage as frames end."""

    def __init__(self) -> None:
        self._open = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Damage]:
        """What ended within `data`; the start of an unfinished frame is kept."""
        *ended, rest = data.split(b"\0")
        for tail in ended:
            whole = self._extended(tail)
            self._open.clear()
            if whole:
                yield _opened(whole)
        self._extended(rest)

    def _extended(self, tail: bytes) -> bytes:
        """The open frame with `tail`; one byte beyond the longest is enough to know that it is too long."""
        self._open += tail[: LONGEST + 1 - len(self._open)]
        return bytes(self._open)


def _opened(whole: bytes) -> bytes | Damage:
    if len(whole) > LONGEST:
        return Damage("long packet", f"a frame of more than {LONGEST} bytes", whole[:LONGEST])
    data = unstuff(whole)
    if data is None:
        return Damage("bad checksum", "a frame that is not COBS: bytes were lost or changed", whole)
    if len(data) < 4:
        return Damage("short packet", f"a frame of {len(data)} bytes; type, tag and CRC take 4", whole)
    payload, said = data[:-2], int.from_bytes(data[-2:], "little")
    if crc16(payload) != said:
        return Damage("bad checksum", f"the CRC says {said:04x}, the bytes {crc16(payload):04x}", whole)
    return payload
