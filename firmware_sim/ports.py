"""A serial port that is a pseudo-terminal, under a path that stays.

The simulator holds the far end open as well, so the line settings live on while the gateway closes and opens it. A
real line without flow control loses what nobody reads; so does this one, when the kernel's buffer has been full for a
while, and a reader who is not there never holds the simulator up. Nor does a reader who comes late get yesterday's
stream: what the kernel did not take for `KEPT_S` is gone.
"""

import asyncio
import os
import time
import tty
from collections.abc import Callable
from pathlib import Path

from vitals.errors import ConfigError

KEPT_S = 1.0
_MAX_PENDING = 65_536
_READ = 4096


class SerialPort:
    """The device's end of a line. `receive(data)` is called with what the gateway writes.

    `path` becomes a symbolic link to the pseudo-terminal; ConfigError if something else is there already.
    """

    def __init__(
        self, path: Path, receive: Callable[[bytes], None], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        if path.exists() and not path.is_symlink():
            raise ConfigError(f"port {path} is there already and is not a link", "choose another path, or remove it")
        self._path = path
        self._receive = receive
        self._now_s = now_s
        self._moved_s = now_s()
        self._pending = bytearray()
        self._writing = False
        self._loop = asyncio.get_running_loop()
        self._device, self._far = os.openpty()
        tty.setraw(self._far)
        os.set_blocking(self._device, False)
        self._point(os.ttyname(self._far))
        self._loop.add_reader(self._device, self._on_readable)

    def _point(self, target: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(f".{self._path.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(self._path)

    def write(self, data: bytes) -> None:
        """Send; what an absent reader leaves behind beyond the buffers is lost."""
        stuck = self._pending and self._now_s() - self._moved_s > KEPT_S
        if stuck or len(self._pending) + len(data) > _MAX_PENDING:
            self._pending.clear()
        self._pending += data
        self._flush()

    def _flush(self) -> None:
        try:
            written = os.write(self._device, self._pending)
        except BlockingIOError:
            written = 0
        if written or not self._pending:
            self._moved_s = self._now_s()
        del self._pending[:written]
        if bool(self._pending) == self._writing:
            return
        self._writing = bool(self._pending)
        if self._writing:
            self._loop.add_writer(self._device, self._flush)
        else:
            self._loop.remove_writer(self._device)

    def _on_readable(self) -> None:
        try:
            data = os.read(self._device, _READ)
        except BlockingIOError:
            return
        self._receive(data)

    def close(self) -> None:
        """Take the port away, and its link."""
        self._loop.remove_reader(self._device)
        self._loop.remove_writer(self._device)
        if self._path.is_symlink() and os.readlink(self._path) == os.ttyname(self._far):
            self._path.unlink()
        os.close(self._device)
        os.close(self._far)
