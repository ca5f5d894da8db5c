"""A stream of packets of one size, cut at the right places.

Such packets have no end mark; what a packet looks like is all there is: one bit that only its first byte has, or a sum
in its last byte. So the reader stands at a byte and asks whether a packet begins here. If it does, it is taken and the
reader moves on by its size; if not, that byte is lost and the reader moves on by one. A byte lost or gained on the
line thus costs the packet it hit, and the next good one ends the search.

The bytes lost between two packets are one `Lost`, however the stream was cut; on a line where nothing is ever good (the
wrong speed) there is one for each `LONGEST` bytes.
"""

from collections.abc import Callable, Iterator

import msgspec

LONGEST = 250
"""Lost bytes that are kept together."""

IsPacket = Callable[[bytes, int], object]
"""Whether a packet begins at this place of these bytes, which hold enough for a whole one; any truth value will do."""


class Lost(msgspec.Struct, frozen=True):
    """Bytes that belong to no packet."""

    data: bytes

    @property
    def text(self) -> str:
        """The reason in full, for a Fault."""
        return f"{len(self.data)} bytes that are no whole packet: the line lost or changed some, or its speed is wrong"


class Packets:
    """Takes the bytes as they come, gives packets of `size` bytes and what was lost between them."""

    def __init__(self, size: int, is_packet: IsPacket) -> None:
        self._size = size
        self._is_packet = is_packet
        self._open = b""
        self._lost = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes | Lost]:
        """What is complete with `data`; the start of an unfinished packet is kept."""
        data = self._open + data
        size, is_packet = self._size, self._is_packet
        at, last = 0, len(data) - size
        while at <= last:
            if is_packet(data, at):
                if self._lost:
                    yield self._given_up()
                yield data[at : at + size]
                at += size
            else:
                self._lost.append(data[at])
                at += 1
                if len(self._lost) == LONGEST:
                    yield self._given_up()
        self._open = data[at:]

    def _given_up(self) -> Lost:
        lost = Lost(bytes(self._lost))
        self._lost.clear()
        return lost
