"""The screens that are open, and what each of them is told.

Events are numbered `<epoch>-<n>` and the last RING are kept: a screen that lost its connection says the last one it saw
and gets the rest. One whose number is of another epoch (the server was restarted) or too old, or whose queue fills up,
is told to `resync`, to fetch everything anew; nothing is ever silently left out.

A scope that has changed is noticed before the next event is handed out, and the screen fetches anew.

While nothing can be stored (a full disk), nothing changes either, and a screen that stood still would look calm. So
every beat says whether the server stores what it hears (`deaf`).

Who looks at which patient (`server.presence`) goes out beside the numbered events, to carers who may see that
patient: it is about now, so nobody who was away needs to hear it afterwards; whoever comes in is told how it stands.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import uuid4

import msgspec

from server.access.scopes import Ask, Scope
from server.api import Role
from server.live.event import RESYNC, Both, Client, Live, Words, resync
from server.presence.model import Presence, Viewer
from vitals.clock import MS, Clock

RING = 2_000
"""Two events tell of a patient: where five hundred are measured in each second, this is two seconds of them."""
BEAT_S = 5.0
_NOBODY: Mapping[str, Sequence[Viewer]] = {}


class News(NamedTuple):
    """An event before it has a number: see `server.live.event.Live`."""

    name: str
    words: Words
    about: str | None = None


class Screens:
    """Thread-safe. `opened` is told how many there are whenever that changes."""

    def __init__(self, clock: Clock, presence: Presence, opened: Callable[[int], None]) -> None:
        self.epoch = uuid4().hex[:12]
        self.deaf: Callable[[], bool] = lambda: False
        """Whether what the gateways send cannot be stored now."""
        self._clock = clock
        self._presence = presence
        self._opened = opened
        self._lock = threading.Lock()
        self._n = 0
        self._count = 0
        self._ring: deque[Live] = deque(maxlen=RING)
        self._clients: set[Client] = set()

    def tell(
        self, news: Iterable[News], viewers: Mapping[str, Sequence[Viewer]] = _NOBODY, count: int | None = None
    ) -> list[Live]:
        """Number these, hand them to whom they are for, and return them: all at once, or none yet for who comes in.

        `viewers`: who looks at these patients now; `count`: how often it was changed who may see whom.
        """
        told = []
        with self._lock:
            self._count = self._count if count is None else count
            for patient_id, them in viewers.items():
                said = _json({"patient_id": patient_id, "viewers": _viewers(them)})
                self._put(Live(self._n, "viewed", Both(said, None), patient_id))  # neither numbered nor kept: see above
            for one in news:
                self._n += 1
                event = Live(self._n, *one)
                told.append(event)
                self._ring.append(event)
                self._put(event)
        return told

    async def stream(
        self, role: Role, last_event_id: str | None, ask: Ask, viewer: Viewer | None = None
    ) -> AsyncIterator[bytes]:
        """The events of one client, for as long as `ask` gives a scope.

        `viewer`: who it is, where colleagues may see which patient's page they have open.

        It is asked in a thread: every BEAT_S however busy, and before an event where the scope may be another by now.
        What has come together goes out together: each piece costs a turn of everything else that the server does.
        """
        loop = asyncio.get_running_loop()
        scope = await asyncio.to_thread(ask)
        if scope is None:
            return
        client = Client(role, scope, loop)
        name = uuid4().hex
        start = self._join(client, last_event_id)
        try:
            if viewer is not None:
                self._presence.came(name, viewer)
            hello = {
                "epoch": self.epoch, "stream": name, **self._beat(), "speed": self._clock.speed,
                **self._viewing(viewer, scope),
            }  # fmt: skip
            yield self._said("hello", _json(hello), start)
            beat_at = loop.time() + BEAT_S
            while True:
                due = loop.time() >= beat_at
                if due or (client.waiting and not client.scope.good(self._count, self._clock.now_ns())):
                    scope = await asyncio.to_thread(ask)
                    if scope is None:
                        return
                    with self._lock:
                        client.rescope(scope, self._n)
                    self._presence.keep_within(name, scope)
                if due:
                    yield self._said("beat", _json(self._beat()))
                    beat_at = loop.time() + BEAT_S
                if client.waiting:
                    yield b"".join(self._pieces(client, viewer))
                    continue
                client.rest()
                if client.waiting:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_at):
                        await client.woken.wait()
        finally:
            self._presence.left(name)
            self._leave(client)

    def _put(self, event: Live) -> None:
        for client in self._clients:
            client.put(event)

    def _join(self, client: Client, last_event_id: str | None) -> int:
        """Start following, with what was missed already queued; returns the number it starts from."""
        with self._lock:
            self._clients.add(client)
            self._opened(len(self._clients))
            if last_event_id is None:
                return self._n
            epoch, _, number = last_event_id.rpartition("-")
            oldest = self._ring[0].n if self._ring else self._n + 1
            if epoch != self.epoch or not number.isdecimal() or not oldest - 1 <= int(number) <= self._n:
                client.put(resync(self._n))
                return self._n
            client.missed([one for one in self._ring if one.n > int(number)], self._n)
            return int(number)

    def _leave(self, client: Client) -> None:
        with self._lock:
            self._clients.discard(client)
            self._opened(len(self._clients))

    def _pieces(self, client: Client, viewer: Viewer | None) -> Iterator[bytes]:
        for one in client.take():
            yield self._said(one.name, one.words.to(client.role) or b"", one.n)
            if one.name == RESYNC and viewer is not None:
                yield self._said("viewing", _json(self._viewing(viewer, client.scope)))

    def _said(self, name: str, data: bytes, n: int | None = None) -> bytes:
        """An event as the browser reads it; `data` is one line."""
        number = "" if n is None else f"id: {self.epoch}-{n}\r\n"
        return b"%sevent: %s\r\ndata: %s\r\n\r\n" % (number.encode(), name.encode(), data)

    def _beat(self) -> dict[str, object]:
        return {"now_ms": self._clock.now_ns() // MS, "deaf": self.deaf()}

    def _viewing(self, viewer: Viewer | None, scope: Scope) -> dict[str, object]:
        """Who looks at whom; who opens no patient's page (an administrator) is not told who does."""
        known = {} if viewer is None else self._presence.everybody()
        return {"viewing": {patient_id: _viewers(them) for patient_id, them in known.items() if patient_id in scope}}


def _viewers(viewers: Sequence[Viewer]) -> list[dict[str, str]]:
    return [{"id": one.id, "name": one.name} for one in viewers]


def _json(said: object) -> bytes:
    return msgspec.json.encode(said)
