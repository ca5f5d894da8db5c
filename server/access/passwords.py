"""Passwords: argon2id, verified in the same time whether or not the user exists, and only so many times.

A hash takes tens of megabytes and a good part of a core, which is its point. Two at once and a short line before them
keep a flood of sign-ins from taking the server's memory, and the threads that everybody's requests need, with it.
"""

import base64
import contextlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from vitals.clock import NS

TRIES = 5
WINDOW_NS = 300 * NS
"""After TRIES failures for one user name from one address, no more until the oldest is this old."""
_REMEMBERED = 10_000

_hasher = PasswordHasher()
_at_once = threading.BoundedSemaphore(2)
_in_line = threading.BoundedSemaphore(8)


def _nobodys() -> str:
    """A hash that no password fits, without making one: the usual cost, a random salt and a random digest."""
    lengths = _hasher.salt_len, _hasher.hash_len
    salt, digest = (base64.b64encode(secrets.token_bytes(n)).decode().rstrip("=") for n in lengths)
    cost = f"m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


_nobody = _nobodys()


def hash_password(password: str) -> str:
    """An argon2id hash for the municipality file."""
    return _hasher.hash(password)


def fits(password: str, password_hash: str | None) -> bool:
    """Whether the password is the one; None (no such user) takes as long and is always False."""
    with _at_once:
        try:
            return _hasher.verify(password_hash or _nobody, password) and password_hash is not None
        except (VerificationError, InvalidHashError):
            return False


class Crowded(Exception):
    """So many are signing in at this moment that one more would have to wait for long."""


@contextlib.contextmanager
def in_line() -> Iterator[None]:
    """A place in the line before the hashes; raises Crowded when there is none."""
    if not _in_line.acquire(blocking=False):
        raise Crowded
    try:
        yield
    finally:
        _in_line.release()


class Turnstile:
    """Counts failed tries per (name, address) on the wall clock: after `tries`, no more. Thread-safe, bounded."""

    def __init__(self, tries: int = TRIES) -> None:
        self._tries = tries
        self._failures: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_s(self, username: str, address: str, wall_ns: int) -> float:
        """Seconds until the next try is let through; 0 for now."""
        with self._lock:
            recent = self._recent((username, address), wall_ns)
            return (recent[-self._tries] + WINDOW_NS - wall_ns) / NS if len(recent) >= self._tries else 0.0

    def failed(self, username: str, address: str, wall_ns: int) -> None:
        with self._lock:
            self._failures[username, address] = [*self._recent((username, address), wall_ns), wall_ns][-self._tries :]
            self._failures.move_to_end((username, address))
            while len(self._failures) > _REMEMBERED:
                self._failures.popitem(last=False)

    def passed(self, username: str, address: str) -> None:
        with self._lock:
            self._failures.pop((username, address), None)

    def _recent(self, key: tuple[str, str], wall_ns: int) -> list[int]:
        return [t for t in self._failures.get(key, []) if t > wall_ns - WINDOW_NS]
