"""The data folder: what stands in it, and that one program at a time has it.

A running server holds the folder's lock, and so does a restore. The lock is the kernel's: it goes with the process,
however that ends, and leaves nothing to clean up. Another server on the same folder is refused.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vitals.errors import StoreError

DATABASE = "hjemvakt.sqlite"
AUTHORITY = "authority"
"""The folder with the keys that the gateways' trust hangs on, where there is one."""
RESTORING = "restoring"
"""The folder of a restore that is not finished."""
LOCK = "lock"
UNFINISHED = ".new"
"""The ending of a file that is being written; it loses it when it is whole."""


class Taken(StoreError):
    """Somebody else has it."""


@contextmanager
def kept(data: Path) -> Iterator[None]:
    """Have the data folder to oneself; raises Taken where somebody has it."""
    handle = os.open(data / LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Taken(f"a server runs on {data}, or a restore", "stop it first") from error
        yield
    finally:
        os.close(handle)


def refuse_half_restored(data: Path) -> None:
    """Raises StoreError where a restore was cut off when the old database was away and the new one not there yet."""
    if (data / RESTORING).exists() and not (data / DATABASE).exists():
        raise StoreError(f"{data} has no database, but a restore that was not finished", "run `hjemvakt restore` again")
