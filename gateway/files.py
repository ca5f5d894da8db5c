"""Files that are on disk when it is said so, and whole or not there at all."""

import os
from pathlib import Path


def store(path: Path, data: bytes) -> None:
    """Put `data` in place of what is in `path`; after a power cut it is the one or the other. Raises OSError."""
    fresh = path.with_name(path.name + ".new")
    with fresh.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def sync(folder: Path) -> None:
    """A name is on disk only when its folder is. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
