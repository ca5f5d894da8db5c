"""A real file system that is small, and a neighbour that fills it to the last byte and takes whatever becomes free."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

_BLOCK = b"x" * 65_536
_PAUSE_S = 0.05


def lacks() -> str | None:
    """Why no file system can be mounted on this machine, or None."""
    if os.geteuid() != 0:
        return "only root may mount a small file system"
    tried = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True, check=False)
    return f"nothing can be mounted here ({tried.stderr.strip()})" if tried.returncode else None


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator["Neighbour"]:
    """The folder is a disk of its own; unmounted at the end. Raises CalledProcessError where that is not allowed."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "faults", str(folder)], check=True)
    try:
        neighbour = Neighbour(folder / "neighbour")
        try:
            yield neighbour
        finally:
            neighbour.leave()
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


class Neighbour:
    """Fills the disk from `come` to `leave`, and gives everything back then."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._leaving = threading.Event()
        self._thread: threading.Thread | None = None
        self.full = threading.Event()

    def come(self) -> None:
        """Returns when the disk is full."""
        self._leaving.clear()
        self.full.clear()
        self._thread = threading.Thread(target=self._fill, name="neighbour", daemon=True)
        self._thread.start()
        self.full.wait()

    def leave(self) -> None:
        if self._thread is not None:
            self._leaving.set()
            self._thread.join()
            self._thread = None
            self._file.unlink()

    def _fill(self) -> None:
        with self._file.open("wb", buffering=0) as file:
            while not self._leaving.is_set():
                try:
                    file.write(_BLOCK)
                except OSError:
                    self.full.set()
                    self._leaving.wait(_PAUSE_S)
