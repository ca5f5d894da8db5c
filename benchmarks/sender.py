"""The least of a hub's MQTT: it sends what was made before and hears the acknowledgements, at the cost of little."""

import select
import socket
import struct
from collections.abc import Sequence

from vitals.wire import Ack, decode

_WAIT_S = 120.0


class Sender:
    """An MQTT 3.1.1 client that publishes with QoS 1 and hears acknowledgements with QoS 0."""

    def __init__(self, port: int) -> None:
        self._wire = socket.create_connection(("127.0.0.1", port), 10)
        self._wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wire.settimeout(_WAIT_S)
        self._heard = b""
        self._sent = 0
        self._wire.sendall(packet(0x10, text("MQTT") + b"\x04\x02\x00\x00" + text("bench")))
        self._next()
        self._wire.sendall(packet(0x82, b"\x00\x01" + text("hjemvakt/1/+/down/ack") + b"\x00"))
        self._next()

    def send(self, messages: Sequence[tuple[str, bytes]], window: int) -> int:
        """Publish all, so many at a time, and wait until every row is acknowledged; returns how many rows."""
        under_way, rows, at = 0, 0, 0
        while at < len(messages) or under_way:
            while at < len(messages) and under_way < window:
                self.publish(*messages[at])
                at, under_way = at + 1, under_way + 1
            kind, body = self._next()
            if kind >> 4 == 3:
                (length,) = struct.unpack(">H", body[:2])
                rows += sum(last - first + 1 for first, last in decode(body[2 + length :], Ack).ranges)
                under_way -= 1
        return rows

    def publish(self, topic: str, payload: bytes) -> None:
        """Send one; nobody waits for what is said to it."""
        self._sent += 1
        number = struct.pack(">H", self._sent % 65_535 + 1)
        self._wire.sendall(packet(0x32, text(topic) + number + payload))

    def pass_over(self) -> None:
        """Read what has been said to it, without waiting, and forget it."""
        while select.select([self._wire], (), (), 0)[0]:
            if not self._wire.recv(65_536):
                raise ConnectionError("the broker hung up; see its log")

    def close(self) -> None:
        self._wire.close()

    def _next(self) -> tuple[int, bytes]:
        """The next packet: its first byte and its body."""
        while True:
            length, shift, place = 0, 0, 1
            while place < len(self._heard):
                byte = self._heard[place]
                length |= (byte & 0x7F) << shift
                shift, place = shift + 7, place + 1
                if byte < 0x80:
                    if len(self._heard) >= place + length:
                        kind, body = self._heard[0], self._heard[place : place + length]
                        self._heard = self._heard[place + length :]
                        return kind, body
                    break
            more = self._wire.recv(65_536)
            if not more:
                raise ConnectionError("the broker hung up; see its log")
            self._heard += more


def packet(first: int, body: bytes) -> bytes:
    length, size = b"", len(body)
    while True:
        size, byte = divmod(size, 128)
        length += bytes([byte | (0x80 if size else 0)])
        if not size:
            return bytes([first]) + length + body


def text(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">H", len(data)) + data
