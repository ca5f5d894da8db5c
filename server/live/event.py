"""Events, and the queue of whoever is told of them.

Two audiences see two versions: carers see everything, administrators what is theirs, which may be nothing. And each
sees the patients of their own scope (`server.access.scopes`) and no other: an event about somebody else never enters
their queue.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Protocol

import msgspec

from server.access.scopes import Scope
from server.api import Role

RESYNC = "resync"
"""To fetch everything anew: something could not be told one by one."""
QUEUE = 2_000


class Words(Protocol):
    """What is told, as one line of JSON."""

    def to(self, role: Role) -> bytes | None:
        """For somebody of that role; None: it is not for them."""


class Both(msgspec.Struct, frozen=True, gc=False):
    """For carers, and for administrators; None: it is not for them."""

    care: bytes | None
    office: bytes | None

    def to(self, role: Role) -> bytes | None:
        return self.office if role == "administrator" else self.care


class Live(msgspec.Struct, frozen=True, gc=False):
    """One event. `about`: the patient; None: it is for whoever sees everybody."""

    n: int
    name: str
    words: Words
    about: str | None = None

    def reaches(self, role: Role, scope: Scope) -> bool:
        """Whether it is for somebody of that role with that scope."""
        theirs = self.name == RESYNC or scope.patients is None or self.about in scope.patients
        return theirs and self.words.to(role) is not None


def resync(n: int) -> Live:
    """Fetch everything anew: it is how things are after event `n`."""
    return Live(n, RESYNC, Both(b"{}", b"{}"))


class Client:
    """One open stream: a bounded queue that another thread may fill."""

    def __init__(self, role: Role, scope: Scope, loop: asyncio.AbstractEventLoop) -> None:
        self.role = role
        self.scope = scope
        self.waiting: deque[Live] = deque()
        self.woken = asyncio.Event()
        self._loop = loop
        self._called = False

    def put(self, event: Live) -> None:
        """Queue it, or, when the queue is full, replace the whole queue by one `resync`."""
        if not event.reaches(self.role, self.scope):
            return
        if len(self.waiting) >= QUEUE:
            self.waiting.clear()
            event = resync(event.n)
        self.waiting.append(event)
        if not self._called:  # each call writes into a pipe; one that is full loses the signal to stop
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop has closed: so has the stream
                self._loop.call_soon_threadsafe(self.woken.set)

    def missed(self, events: list[Live], n: int) -> None:
        """Queue what was told while it was away, as far as it is for it, or one `resync`; `n` was told last."""
        theirs = [one for one in events if one.reaches(self.role, self.scope)]
        self.waiting.extend(theirs if len(theirs) <= QUEUE else [resync(n)])

    def rescope(self, scope: Scope, n: int) -> None:
        """From now on it is this one; where it shows others, the screen fetches anew."""
        if scope.patients != self.scope.patients:
            self.waiting.clear()
            self.waiting.append(resync(n))
        self.scope = scope

    def rest(self) -> None:
        """From now on it is called again; what was put before may be waiting."""
        self._called = False
        self.woken.clear()

    def take(self) -> Iterator[Live]:
        """What is waiting now, in its order."""
        with contextlib.suppress(IndexError):  # it was just replaced by a `resync`
            for _ in range(len(self.waiting)):
                yield self.waiting.popleft()
