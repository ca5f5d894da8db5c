"""Another pair of eyes: a process that reads early what is waiting (`server.ingest.early`), on a core of its own.

A Python process computes on one core at a time. The transaction, the rules and the page have that core; reading takes
half as long as all of these together, needs nothing of theirs, and so can be done beside them. It is begun when so much
waits at once that it is worth its while, and ends when nothing has for a while.

Nothing depends on it. What it has not read, is too slow to read, or cannot read because it has died, is read by the
server itself when it is its turn, as if there were no such process. It knows no key and sees no database, and it ends
when the server does, however that ends: its input is over then.

    server  → messages to read: how many bytes, and the bytes
    server  ← what was read of them, in the same order
"""

import contextlib
import gc
import logging
import queue
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future
from typing import IO, TypeVar

import msgspec

from server.ingest.early import Section, read_early
from server.ingest.parcel import Message

log = logging.getLogger(__name__)

AHEAD = 24
"""So many portions at most are being read or wait to be; whatever else comes the server reads itself."""
IDLE_S = 60.0
"""It ends when nothing was to be read for so long."""
AGAIN_S = 60.0
"""After it has failed, no other is begun for so long."""
SLOW_S = 3.0
"""A portion takes it milliseconds: one that takes so long will not be read at all."""
STOP_S = 5.0

_LENGTH = struct.Struct("<I")
_Asked = tuple[Sequence[Message], "Future[list[Section]]"]
_END = None
T = TypeVar("T")


class _Gone(Exception):
    """It will not be read by this process any more."""


class Reader:
    """`speed`: that of the server's clock."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._lock = threading.Lock()
        self._run: _Run | None = None
        self._not_before_s = 0.0
        self._stopped = False

    def read(self, messages: Sequence[Message]) -> "Future[list[Section]] | None":
        """What will have been read of these; None where nothing can be now, because the process is being started, has
        too much to do, or failed a moment ago."""
        with self._lock:
            if self._stopped:
                return None
            if self._run is not None and self._run.over.is_set():
                self._not_before_s = time.monotonic() + (AGAIN_S if self._run.failed else 0.0)
                self._run = None
            if self._run is None:
                if time.monotonic() >= self._not_before_s:
                    self._begin()
                return None
            return self._run.read(messages)

    def told(self, future: "Future[list[Section]]") -> list[Section]:
        """What was read, waiting for it only if it is being read already; nothing where it will not be."""
        if future.cancel():
            return []
        try:
            return future.result(SLOW_S)
        except TimeoutError:
            log.warning("the process that reads early does not answer and is ended: what waits is read here")
            if (run := self._run) is not None:
                run.kill()
        except (_Gone, CancelledError):
            pass
        return []

    def ready(self, timeout_s: float) -> bool:
        """Wait until a process that was begun can read; False if there is none, or it takes longer."""
        run = self._run
        return run is not None and run.ready.wait(timeout_s)

    def stop(self) -> None:
        """End the process, if there is one."""
        with self._lock:
            self._stopped = True
            run, self._run = self._run, None
        if run is not None:
            run.stop()

    def _begin(self) -> None:
        """Where no process can be had, now is no time for one: whoever asks is storing readings, and goes on."""
        try:
            self._run = _Run(self._speed)
        except (OSError, RuntimeError) as error:  # no memory, no process, no thread; or Python itself is being replaced
            log.warning("a process that reads early cannot be begun (%s): what waits is read here", error)
            self._not_before_s = time.monotonic() + AGAIN_S


class _Run:
    """One process, from its start to its end, with a thread that tells it what to read and one that hears it."""

    def __init__(self, speed: float) -> None:
        self.ready, self.over = threading.Event(), threading.Event()
        self.failed = False
        self._stopping = False
        self._lock = threading.Lock()
        self._asked: queue.SimpleQueue[_Asked | None] = queue.SimpleQueue()
        self._due: queue.SimpleQueue[Future[list[Section]]] = queue.SimpleQueue()
        command = [sys.executable, "-m", "server.ingest.reader", str(speed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._tell = threading.Thread(target=self._write, name="reader-tell", daemon=True)
        self._hear = threading.Thread(target=self._read, name="reader-hear", daemon=True)
        try:
            self._tell.start()
            self._hear.start()
        except RuntimeError:
            self._asked.put(_END)
            with self._process:
                self._process.kill()
            raise

    def read(self, messages: Sequence[Message]) -> "Future[list[Section]] | None":
        with self._lock:
            if not self.ready.is_set() or self.over.is_set() or self._asked.qsize() + self._due.qsize() >= AHEAD:
                return None
            future: Future[list[Section]] = Future()
            self._asked.put((messages, future))
            return future

    def stop(self) -> None:
        self._stopping = True
        self._asked.put(_END)
        self._hear.join(STOP_S)
        if self._hear.is_alive():
            self._process.kill()
            self._hear.join(STOP_S)
        self._tell.join(STOP_S)

    def kill(self) -> None:
        self._process.kill()

    def _write(self) -> None:
        assert self._process.stdin is not None, "it is a pipe"
        try:
            with self._process.stdin as to:
                while (asked := self._asked.get(timeout=IDLE_S)) is not _END:
                    messages, future = asked
                    if future.set_running_or_notify_cancel():
                        self._due.put(future)
                        _send(to, _encoder.encode(messages))
        except (queue.Empty, OSError):  # nothing to do for a while, or nobody to do it
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None, "it is a pipe"
        try:
            with self._process.stdout as said:
                while (data := _received(said)) is not None:
                    if not self.ready.is_set():
                        self.ready.set()  # its first word is that it is there
                    else:
                        self._due.get_nowait().set_result(_sections.decode(data))
        except (OSError, ValueError, queue.Empty, msgspec.MsgspecError):
            log.exception("the process that reads early is not understood")
            self._process.kill()
        self._end()

    def _end(self) -> None:
        """It has closed its output: whoever waits for something is told that it does not come."""
        failed = self._process.wait() != 0 and not self._stopping
        if failed:
            log.warning(
                "the process that reads early has ended (%s): what waits is read here", self._process.returncode
            )
        with self._lock:
            self.failed = failed
            self.over.set()
            self.ready.set()
        self._asked.put(_END)
        self._tell.join()
        for future in [*_drained(self._due), *(asked[1] for asked in _drained(self._asked) if asked is not _END)]:
            if not future.cancelled():
                future.set_exception(_Gone())


def main(speed: float) -> None:
    """Read what is asked for until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends us when it has done its work
    gc.disable()  # nothing of what is read holds itself
    asked, told = sys.stdin.buffer, sys.stdout.buffer
    _send(told, b"")
    while (data := _received(asked)) is not None:
        try:
            sections = read_early(_messages.decode(data), speed)
        except Exception as error:  # noqa: BLE001 - the server will meet it again, and has the bytes
            log.warning("nothing was read early of some messages (%s)", type(error).__name__)
            sections = []
        _send(told, _encoder.encode(sections))


def _send(to: IO[bytes], data: bytes) -> None:
    to.write(_LENGTH.pack(len(data)))
    to.write(data)
    to.flush()


def _received(said: IO[bytes]) -> bytes | None:
    """What `_send` sent; None where the other side has ended."""
    length = said.read(_LENGTH.size)
    if len(length) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(length)
    data = said.read(size)
    return data if len(data) == size else None


def _drained(waiting: "queue.SimpleQueue[T]") -> list[T]:
    found = []
    with contextlib.suppress(queue.Empty):
        while True:
            found.append(waiting.get_nowait())
    return found


_encoder = msgspec.msgpack.Encoder()
_messages = msgspec.msgpack.Decoder(list[Message])
_sections = msgspec.msgpack.Decoder(list[Section])

if __name__ == "__main__":
    main(float(sys.argv[1]))
