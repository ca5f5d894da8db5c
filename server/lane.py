"""The fast lane: the worklist again, for whoever has just been given it, as long as nothing can have changed.

Most of what a worklist costs is finding out anew what was found out a moment ago: who asks, whom they may see, that the
look is written down. So an answer that went the ordinary way, through every guard there is, is kept under the very
bytes that asked for it (the session's cookie is among them), and given again to the same bytes while all of it holds:

    nothing was committed since               `Writes.done`: a session ended, a relation, a patient, an account
    the ordinary way was gone within KEPT_NS  what another process wrote, and a session that runs out, by the wall
    the scope has not come to its end         a relation or broken glass that ends by the clock
    no row is newer, none waits to be built   `Hub.still`
    the look is written, and not due again    `Looks.knows`

Whoever misses one of these goes the ordinary way, which is the only one that decides anything: it alone lets in,
refuses, writes into the audit and says what the headers are. The lane knows no account that it was not told of, and
reads no header: bytes that differ by one are other bytes.

`Wire` is where it is asked: below ASGI, before a request is even parsed. It hands a request over only when the
connection is between two requests, the bytes are one whole request and no more, and the one who asks reads what is
written. Everything else is uvicorn's.
"""

from typing import Any, cast

import h11
import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from server.access.door import Door
from server.access.scopes import Scope as Sight
from server.audit.store import Looks
from server.house import House
from server.live.board import Shown
from vitals.clock import NS

KEPT_NS = NS
"""So old may be what the ordinary way found, by the wall."""

MOST = 1_000
"""So many answers are kept: one for each who is signed in."""

LONGEST = 4_096
"""Bytes of a request; a longer one goes the ordinary way."""

LINE = b"GET /api/worklist HTTP/1.1\r\n"
LOOK = "worklist"
"""As the audit calls it."""

GIVEN = "given"
"""Where the route says what its answer hung on: in the request's state."""

_ASKED = "hjemvakt.asked"
_END = b"\r\n\r\n"
_STATUS = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}
_CHANGES = frozenset({b"connection", b"content-length", b"expect", b"transfer-encoding", b"upgrade"})
"""A request's header that changes what becomes of its connection: what has one is not kept..."""
_STAYS = (b"connection", b"keep-alive")
"""...but for the one that changes nothing."""


class Moment(msgspec.Struct, frozen=True):
    """When the ordinary way began: how much had been committed, and the wall's time."""

    writes: int
    wall_ns: int


class Given(msgspec.Struct, frozen=True):
    """What an answer hung on: to whom, whom they see, and the rows."""

    who: str
    sight: Sight
    shown: Shown


class Held(msgspec.Struct, frozen=True):
    """An answer, as it is given again. `head`: its lines but for the ones that uvicorn adds to each."""

    moment: Moment
    given: Given
    status: int
    head: bytes


class Lane:
    """Of the event loop's thread."""

    def __init__(self, house: House, looks: Looks, door: Door) -> None:
        self._house = house
        self._looks = looks
        self._door = door
        self._held: dict[bytes, Held] = {}
        self.given = 0
        """How many it has given."""

    def moment(self) -> Moment:
        """Now; asked for before anything is looked up."""
        return Moment(self._house.db.writes.done, self._door.now_ns())

    def keep(self, asked: bytes, moment: Moment, given: Given, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """Keep what was answered to these bytes."""
        head = b"".join(b"%s: %s\r\n" % (name, value) for name, value in headers if name != b"content-length")
        if asked not in self._held and len(self._held) >= MOST:
            self._held.clear()
        self._held[asked] = Held(moment, given, status, head)

    def again(self, asked: bytes, usual: list[tuple[bytes, bytes]]) -> bytes | None:
        """The answer to these bytes, or None: the ordinary way. `usual`: the headers that uvicorn adds."""
        held = self._held.get(asked)
        if held is None:
            return None
        if not self._holds(held):
            del self._held[asked]
            return None
        self.given += 1
        head = _STATUS[held.status] + b"".join(b"%s: %s\r\n" % one for one in usual) + held.head
        if held.status != 200:
            return head + b"\r\n"
        body = self._house.hub.page(held.given.shown)
        return b"%scontent-length: %d\r\n\r\n%s" % (head, len(body), body)

    def _holds(self, held: Held) -> bool:
        given, now_ns = held.given, self._house.clock.now_ns()
        return (
            held.moment.writes == self._house.db.writes.done
            and 0 <= self._door.now_ns() - held.moment.wall_ns < KEPT_NS
            and given.sight.good(given.sight.count, now_ns)
            and self._house.hub.still(given.shown)
            and self._looks.knows(now_ns, given.who, LOOK)
        )


class Keeper:
    """ASGI, around everything: keeps what the ordinary way has answered to a request that `Wire` hands over."""

    def __init__(self, app: ASGIApp, lane: Lane) -> None:
        self._app = app
        self._lane = lane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked: bytes | None = scope.get(_ASKED)
        if asked is None or any(one[0] in _CHANGES and one != _STAYS for one in scope["headers"]):
            await self._app(scope, receive, send)
            return
        moment = self._lane.moment()

        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in _STATUS:
                given: Given | None = scope["state"].get(GIVEN)
                if given is not None:
                    self._lane.keep(asked, moment, given, message["status"], message["headers"])
            await send(message)

        await self._app(scope, receive, kept)


class Wire(H11Protocol):
    """uvicorn's end of a connection, with the lane of the site that it serves."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._lane: Lane = cast(Any, self.config.app).state.lane

    def data_received(self, data: bytes) -> None:
        """Called by the transport with what has come."""
        if not data.startswith(LINE) or not self._between():
            super().data_received(data)
            return
        said = None if self.flow.write_paused else self._lane.again(data, self.server_state.default_headers)
        if said is None:
            before = self.scope
            super().data_received(data)
            if _alone(data) and self.scope is not before:
                cast(Any, self.scope)[_ASKED] = data  # its task has not begun yet
            return
        self.transport.write(said)
        self.on_response_complete()  # counted, and the connection closes if nothing more comes, as after any other

    def _between(self) -> bool:
        """Whether the last answer is out, and nothing of the next request has come before."""
        mine, theirs = self.conn.our_state, self.conn.their_state
        return mine is h11.IDLE and theirs is h11.IDLE and not self.conn.trailing_data[0]


def _alone(data: bytes) -> bool:
    """Whether that is one whole request without a body, ended as the rules say, and nothing after it."""
    ends = data.find(_END) == len(data) - len(_END) and data.count(b"\n") == data.count(b"\r\n")
    return ends and len(data) <= LONGEST
