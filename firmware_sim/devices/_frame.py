"""Framing of the open dispenser protocol: COBS, CRC-16/CCITT-FALSE, `00` at the end.

COBS writes each run of up to 254 bytes without a zero as its length plus one and the run; a zero in the data is what
stands between two runs. So `00` ends a frame and nothing else, and a damaged frame costs one frame.
"""

from binascii import crc_hqx
from collections.abc import Iterator

MAX_FRAME = 128
MAX_PAYLOAD = 120
_LONGEST_RUN = 254


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE: polynomial 1021, start FFFF, not reflected."""
    return crc_hqx(data, 0xFFFF)


def frame(payload: bytes) -> bytes:
    """A payload (type, tag, body) as it goes on the wire, with its closing `00`."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload of {len(payload)} bytes; at most {MAX_PAYLOAD} fit a frame")
    return stuff(payload + crc16(payload).to_bytes(2, "little")) + b"\0"


def unframe(data: bytes) -> bytes | None:
    """The payload of a frame without its `00`; None if it is damaged."""
    if len(data) >= MAX_FRAME:
        return None
    raw = unstuff(data)
    if raw is None or len(raw) < 4 or crc16(raw[:-2]) != int.from_bytes(raw[-2:], "little"):
        return None
    return raw[:-2]


def stuff(data: bytes) -> bytes:
    """COBS, without the closing zero."""
    stuffed = bytearray()
    runs = data.split(b"\0")
    for number, run in enumerate(runs):
        while len(run) > _LONGEST_RUN or (len(run) == _LONGEST_RUN and number < len(runs) - 1):
            stuffed += bytes((_LONGEST_RUN + 1,)) + run[:_LONGEST_RUN]
            run = run[_LONGEST_RUN:]
        full = len(run) == _LONGEST_RUN
        stuffed += bytes((_LONGEST_RUN + 1 if full else len(run) + 1,)) + run
    return bytes(stuffed)


def unstuff(data: bytes) -> bytes | None:
    """COBS undone; None where a run is longer than what is there, or is not a run."""
    raw = bytearray()
    at = 0
    while at < len(data):
        code = data[at]
        run = data[at + 1 : at + code]
        if code == 0 or 0 in run or len(run) != code - 1:
            return None
        raw += run
        at += code
        if code <= _LONGEST_RUN and at < len(data):
            raw.append(0)
    return bytes(raw)


class Deframer:
    """A stream cut anywhere, to payloads. What does not check is dropped without a word."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._overlong = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The payloads that these bytes complete."""
        for byte in data:
            if byte:
                self._overlong = self._overlong or len(self._pending) >= MAX_FRAME - 1
                if not self._overlong:
                    self._pending.append(byte)
                continue
            payload = None if self._overlong else unframe(bytes(self._pending))
            self._pending.clear()
            self._overlong = False
            if payload is not None:
                yield payload
