"""What was heard and is not stored yet, and in which order it is stored.

What comes on the alarm lane is stored before everything else, however many homes are telling of a long outage. Of the
rest, what waits is given to be read early (`server.ingest.reader`) as soon as there is a portion of it.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import NamedTuple

from server.ingest.early import Section
from server.ingest.parcel import Message
from server.ingest.reader import Reader
from server.ingest.store import PORTION_BYTES, Early
from vitals.wire import Lane

GATHER_BYTES = 4_000_000
"""About twenty thousand rows: what is stored within a tenth of a second."""

_URGENT = f"/up/{Lane.ALARM}"


class Heard(NamedTuple):
    """A message, its number, and the connection it came on: its packet id means nothing on another."""

    number: int
    connection: int
    packet_id: int
    message: Message


class Gathered(NamedTuple):
    """Messages to store together, in that order, and what was read of some of them."""

    heard: list[Heard]
    early: list[Early]


class _Portion(NamedTuple):
    heard: Sequence[Heard]
    size: int
    read: "Future[list[Section]] | None" = None

    def messages(self) -> list[Message]:
        return [one.message for one in self.heard]


class Waiting:
    """Thread-safe. `reader`: who reads early; None for nobody."""

    def __init__(self, reader: Reader | None = None) -> None:
        self._reader = reader
        self._more = threading.Condition()
        self._urgent: deque[Heard] = deque()
        self._portions: deque[_Portion] = deque()
        self._loose: list[Heard] = []
        self._loose_bytes = self._bytes = 0
        self._closed = False

    def put(self, one: Heard) -> None:
        """Have this stored."""
        topic, payload = one.message
        with self._more:
            if topic.endswith(_URGENT):
                self._urgent.append(one)
            else:
                self._loose.append(one)
                self._loose_bytes += len(payload)
                self._bytes += len(payload)
                if self._loose_bytes >= PORTION_BYTES:
                    portion = self._close_portion()
                    read = None if self._reader is None else self._reader.read(portion.messages())
                    self._portions.append(portion._replace(read=read))
            self._more.notify()

    def gather(self, pause_s: float) -> Gathered:
        """Wait for a message, and `pause_s` for others that come close behind it; nothing once it is closed."""
        with self._more:
            self._more.wait_for(lambda: self._urgent or self._loose or self._portions or self._closed)
            until_s = time.monotonic() + pause_s
            while not self._closed and self._bytes < GATHER_BYTES and (left_s := until_s - time.monotonic()) > 0:
                self._more.wait(left_s)
            if self._closed:
                return Gathered([], [])
            portions = list(self._taken())
        return self._gathered(portions)

    def close(self) -> None:
        """Nothing more is to be stored."""
        with self._more:
            self._closed = True
            self._more.notify_all()

    def _close_portion(self) -> _Portion:
        portion = _Portion(self._loose, self._loose_bytes)
        self._loose, self._loose_bytes = [], 0
        return portion

    def _taken(self) -> Iterator[_Portion]:
        if self._urgent:
            yield _Portion(list(self._urgent), 0)
            self._urgent.clear()
        size = 0
        while size < GATHER_BYTES and (self._portions or self._loose):
            portion = self._portions.popleft() if self._portions else self._close_portion()
            size += portion.size
            yield portion
        self._bytes -= size

    def _gathered(self, portions: Sequence[_Portion]) -> Gathered:
        early = []
        for one in portions:
            if self._reader is not None and one.read is not None and (sections := self._reader.told(one.read)):
                early.append(Early(one.messages(), sections))
        return Gathered([heard for one in portions for heard in one.heard], early)
