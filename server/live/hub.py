"""The hub: what changed, once, to every screen that is open.

Any thread says `patient_changed`; the hub remembers the name and no more, so a hundred readings of one patient within
a tick are one new row. `drain` builds the rows, and only a row that is really different becomes an event.

When that is done says the pump (`server.live.pump`); the rows that were told are on the board (`server.live.board`),
and the streams are in `server.live.screens`.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import msgspec

from server.access.scopes import EVERYBODY, Ask, Scope
from server.api import Role
from server.live.board import Board, Shown, Told
from server.live.event import RESYNC, Both, Live
from server.live.pump import Pump
from server.live.screens import News, Screens
from server.notify.api import PhoneMessage
from server.presence.model import Presence, Viewer
from server.worklist import WorklistRow
from vitals.clock import MS, Clock

Rows = Callable[[Sequence[str] | None], list[WorklistRow]]
"""The rows of these patients as they are now; of everybody for None."""


class _Changes(msgspec.Struct):
    """What has changed and is not told yet. `looked`: patients whose page somebody has opened or left. `broken`: to
    whom the glass was broken, or that was looked at."""

    dirty: dict[str, None] = {}
    ringing: list[PhoneMessage] = []
    broken: dict[str, None] = {}
    looked: dict[str, None] = {}


class Hub:
    """Thread-safe. `rows` builds rows; `phones_for_all`: every user sees the fake phones (a demo).

    `counted` tells how often it was changed who may see whom.
    """

    def __init__(
        self, rows: Rows, clock: Clock, *, phones_for_all: bool = True, counted: Callable[[], int] = lambda: 0
    ) -> None:
        self.presence = Presence(self._viewed)
        self._build = rows
        self._clock = clock
        self._phones_for_all = phones_for_all
        self._counted = counted
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._changes = _Changes()
        self._under_way: dict[str, None] = {}
        """They were dirty, and are being built: not to be shown as they were."""
        self._board = Board()
        self._pump = Pump(self.drain, self._names, self._lost)
        self.screens = Screens(clock, self.presence, self._pump.watched)

    def patient_changed(self, patient_id: str) -> None:
        """After the commit, from any thread: something about that patient is new."""
        with self._lock:
            self._changes.dirty[patient_id] = None
        self._pump.wake()

    def phone(self, message: PhoneMessage) -> None:
        """After the commit, from any thread: a phone has rung."""
        with self._lock:
            self._changes.ringing.append(message)
        self._pump.wake()

    def glass(self, patient_id: str) -> None:
        """After the commit, from any thread: somebody breaks the glass to that patient, or has looked at that."""
        with self._lock:
            self._changes.broken[patient_id] = None
        self._pump.wake()

    def drain(self, also: Sequence[str] = ()) -> list[Live]:
        """Turn what changed into events, hand them to the open streams, and return them.

        `also`: patients whose rows time alone may have changed.
        """
        with self._building:
            with self._lock:
                changes, self._changes = self._changes, _Changes()
                self._under_way = changes.dirty
                asked = None if self._board.empty else list(dict.fromkeys([*changes.dirty, *also]))
            try:
                count = self._counted()
                rows = [] if asked == [] else self._build(asked)
            except Exception:
                with self._lock:
                    self._changes = _and_then(changes, self._changes)  # whoever asks next builds and tells them
                    self._under_way = {}
                raise
            viewers = {patient_id: self.presence.of(patient_id) for patient_id in changes.looked}
            with self._lock:
                self._under_way = {}
                if asked is not None and self._board.empty:  # all were thrown away meanwhile, and every screen told so:
                    return self.screens.tell((), viewers, count)  # these few must not stand for everybody
                changed = self._placed(rows, asked)
                return self.screens.tell(self._news(changed, changes), viewers, count)

    def worklist(self, role: Role, scope: Scope = EVERYBODY) -> bytes:
        """The whole worklist as JSON, as that role with that scope may see it."""
        return self.page(self.shown(role, scope))

    def shown(self, role: Role, scope: Scope = EVERYBODY) -> Shown:
        """The rows as that role with that scope may see them now."""
        if not self._settled():
            self.drain()  # who has just acted must see it, whether the pump has yet to come round or is just about it
        with self._lock:
            return self._board.shown(role, scope)

    def page(self, shown: Shown) -> bytes:
        """These rows as the whole worklist, sent now."""
        return b'{"version":%d,"now_ms":%d,"rows":[%s]}' % (shown.version, self._clock.now_ns() // MS, shown.rows)

    def still(self, shown: Shown) -> bool:
        """Whether these rows are what would be shown now."""
        return self._settled() and self._board.version == shown.version

    def stream(
        self, role: Role, last_event_id: str | None, ask: Ask, viewer: Viewer | None = None
    ) -> AsyncIterator[bytes]:
        """The events of one client: see `Screens.stream`."""
        return self.screens.stream(role, last_event_id, ask, viewer)

    async def pump(self) -> None:
        """Drain whenever something changed, for as long as the site is up."""
        await self._pump.run()

    def _settled(self) -> bool:
        """Whether the rows show all that was said to have changed."""
        with self._lock:
            return not self._board.empty and not self._changes.dirty and not self._under_way

    def _names(self) -> list[str]:
        """Whose rows there are."""
        with self._lock:
            return self._board.names()

    def _lost(self) -> None:
        """Rows could not be built: every screen is told to fetch anew."""
        with self._lock:
            self._board.clear()
            self.screens.tell([News(RESYNC, Both(b"{}", b"{}"))])

    def _viewed(self, patient_id: str) -> None:
        with self._lock:
            self._changes.looked[patient_id] = None
        self._pump.wake()

    def _placed(self, rows: Sequence[WorklistRow], asked: Sequence[str] | None) -> list[Told]:
        """Put these on the board; returns what the screens are to be told of. `asked`: whose they are."""
        if asked is None:
            self._board.fill(rows)
            return []
        return self._board.put(rows, asked)

    def _news(self, changed: Sequence[Told], changes: _Changes) -> Iterator[News]:
        for row in changed:
            yield News("row", row, row.patient_id)
        for patient_id in changes.dirty:
            yield News("patient", Both(_about(patient_id), None), patient_id)
        for patient_id in changes.broken:
            yield News("glass", Both(_about(patient_id), _about(patient_id)), patient_id)
        for message in changes.ringing:
            text = message.__pydantic_serializer__.to_json(message)
            theirs = message.role == "patient" and not self._phones_for_all
            yield News("phone", Both(text if self._phones_for_all else None, None if theirs else text))


def _and_then(one: _Changes, later: _Changes) -> _Changes:
    return _Changes(
        one.dirty | later.dirty, one.ringing + later.ringing, one.broken | later.broken, one.looked | later.looked
    )


def _about(patient_id: str) -> bytes:
    return msgspec.json.encode({"patient_id": patient_id})
