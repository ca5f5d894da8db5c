"""The hub: what changed, once, to every screen that is open.

Any thread says `patient_changed`; the hub remembers the name and no more, so a hundred readings of one patient within
a tick are one new row. `drain` builds the rows, and only a row that is really different becomes an event. Events are
numbered `<epoch>-<n>` and the last RING are kept: a screen that lost its connection says the last one it saw and gets
the rest. One whose number is of another epoch (the server was restarted) or too old, or whose queue of QUEUE fills up,
is told to `resync`, to fetch everything anew; nothing is ever silently left out.

While nothing can be stored (a full disk), nothing changes either, and a screen that stood still would look calm. So
every beat says whether the server stores what it hears (`deaf`).

Two audiences see two versions: carers see everything, administrators see rows without what was measured. And each
sees the patients of their own scope (`server.access.scopes`) and no other: an event about somebody else never enters
their queue. A scope that has changed is noticed before the next event is handed out, and the screen fetches anew. The
worklist is encoded once per audience, scope and version, not once per request. Time alone makes a value stale without
any event, so the pump rebuilds all rows every REFRESH_S, some at a time and between those that changed.

Who looks at which patient (`server.presence`) goes out beside the numbered events, to carers who may see that
patient: it is about now, so nobody who was away needs to hear it afterwards; whoever comes in is told how it stands.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from uuid import uuid4

import msgspec

from server.access.scopes import EVERYBODY, Ask, Scope
from server.alarms.api import AlarmBrief
from server.api import Role
from server.notify.api import PhoneMessage
from server.presence.model import Presence, Viewer
from server.worklist import WorklistRow
from vitals.clock import MS, Clock

log = logging.getLogger(__name__)

RESYNC = "resync"
QUEUE = 2_000
RING = 2_000
"""Two events tell of a patient: where five hundred are measured in each second, this is two seconds of them."""
BEAT_S = 5.0
REFRESH_S = 60.0
REFRESHED = 50
"""So many rows are built anew at a time: whoever was measured meanwhile waits only for these."""
COALESCE_S = 0.05
SHARE = 2
"""The pump rests so many times as long as a core worked for it: thousands of changes a second must not keep the
readings out. How long it waited for a turn does not count: a server that is busy with everybody would make whoever was
measured wait thrice."""
MOST_REST_S = 0.5
UNSEEN_SHARE = 20
UNSEEN_REST_S = 5.0
"""The same while no screen is open. The rows are kept up all the same: whoever opens one need not wait for them."""

Rows = Callable[[Sequence[str] | None], list[WorklistRow]]
"""The rows of these patients as they are now; of everybody for None."""

_ORDER = {"high": 0, "medium": 1, "low": 2}
_ASKED, _CALM = 3, 4


class Live(msgspec.Struct, frozen=True):
    """One event. `care` and `office` are its JSON for carers and for administrators; None: not for them.

    `about`: the patient; None: it is for whoever sees everybody.
    """

    n: int
    name: str
    care: str | None
    office: str | None
    about: str | None = None

    def data(self, role: Role) -> str | None:
        return self.office if role == "administrator" else self.care

    def reaches(self, role: Role, scope: Scope) -> bool:
        """Whether it is for somebody of that role with that scope."""
        theirs = self.name == RESYNC or scope.patients is None or self.about in scope.patients
        return theirs and self.data(role) is not None


class Shown(msgspec.Struct, frozen=True):
    """The rows that somebody is shown, encoded; `tag` is another where they are."""

    version: int
    rows: bytes
    tag: str


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
            event = _resync(event.n)
        self.waiting.append(event)
        if not self._called:  # each call writes into a pipe; one that is full loses the signal to stop
            self._called = True
            with contextlib.suppress(RuntimeError):  # the loop has closed: so has the stream
                self._loop.call_soon_threadsafe(self.woken.set)

    def rest(self) -> None:
        """From now on it is called again; what was put before may be waiting."""
        self._called = False
        self.woken.clear()

    def take(self) -> Iterator[Live]:
        """What is waiting now, in its order."""
        with contextlib.suppress(IndexError):  # it was just replaced by a `resync`
            for _ in range(len(self.waiting)):
                yield self.waiting.popleft()


class Hub:
    """Thread-safe. `rows` builds rows; `phones_for_all`: every user sees the fake phones (a demo).

    `counted` tells how often it was changed who may see whom.
    """

    def __init__(
        self, rows: Rows, clock: Clock, *, phones_for_all: bool = True, counted: Callable[[], int] = lambda: 0
    ) -> None:
        self.epoch = uuid4().hex[:12]
        self.presence = Presence(self._viewed)
        self.deaf: Callable[[], bool] = lambda: False
        """Whether what the gateways send cannot be stored now."""
        self._build = rows
        self._clock = clock
        self._phones_for_all = phones_for_all
        self._counted = counted
        self._count = 0
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._dirty: dict[str, None] = {}
        self._under_way: dict[str, None] = {}
        """They were dirty, and are being built: not to be shown as they were."""
        self._ringing: list[PhoneMessage] = []
        self._broken: dict[str, None] = {}
        """To whom the glass was broken, or that was looked at."""
        self._looked: dict[str, None] = {}
        """Patients whose page somebody has opened or left."""
        self._rows: dict[str, WorklistRow] | None = None
        self._shown: dict[tuple[bool, frozenset[str] | None], Shown] = {}
        self._single: dict[tuple[bool, str], tuple[WorklistRow, bytes]] = {}
        """Rows as they were last encoded one by one, for those who do not see everybody."""
        self._version = 0
        self._n = 0
        self._ring: deque[Live] = deque(maxlen=RING)
        self._clients: set[Client] = set()
        self._pump: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._called = False
        """The pump has been woken and has not begun since."""
        self._seen = asyncio.Event()
        """Set while a screen is open."""

    def patient_changed(self, patient_id: str) -> None:
        """After the commit, from any thread: something about that patient is new."""
        with self._lock:
            self._dirty[patient_id] = None
        self._wake()

    def phone(self, message: PhoneMessage) -> None:
        """After the commit, from any thread: a phone has rung."""
        with self._lock:
            self._ringing.append(message)
        self._wake()

    def glass(self, patient_id: str) -> None:
        """After the commit, from any thread: somebody breaks the glass to that patient, or has looked at that."""
        with self._lock:
            self._broken[patient_id] = None
        self._wake()

    def drain(self, also: Sequence[str] = ()) -> list[Live]:
        """Turn what changed into events, hand them to the open streams, and return them.

        `also`: patients whose rows time alone may have changed.
        """
        with self._building:
            with self._lock:
                self._under_way, self._dirty = self._dirty, {}
                dirty = list(self._under_way)
                ringing, self._ringing = self._ringing, []
                looked, self._looked = self._looked, {}
                broken, self._broken = list(self._broken), {}
                asked = None if self._rows is None else list(dict.fromkeys([*dirty, *also]))
            count = self._counted()
            try:
                rows = [] if asked == [] else self._build(asked)
            except Exception:
                with self._lock:
                    self._dirty = self._under_way | self._dirty  # whoever asks next builds them
                    self._under_way = {}
                raise
            viewers = {patient_id: self.presence.of(patient_id) for patient_id in looked}
            with self._lock:
                self._count, self._under_way = count, {}
                self._tell_viewed(viewers)
                if asked is not None and self._rows is None:
                    return []  # all were thrown away meanwhile: these few must not stand for everybody
                return self._publish(rows, dirty, ringing, asked, broken)

    def worklist(self, role: Role, scope: Scope = EVERYBODY) -> bytes:
        """The whole worklist as JSON, as that role with that scope may see it."""
        return self.page(self.shown(role, scope))

    def shown(self, role: Role, scope: Scope = EVERYBODY) -> Shown:
        """The rows as that role with that scope may see them now."""
        if not self._settled():
            self.drain()  # who has just acted must see it, whether the pump has yet to come round or is just about it
        office = role == "administrator"
        with self._lock:
            which = office, scope.patients
            if which not in self._shown:
                rows = self._encode(office, scope)
                self._shown[which] = Shown(self._version, rows, _tag(rows))
            return self._shown[which]

    def page(self, shown: Shown) -> bytes:
        """These rows as the whole worklist, sent now."""
        return b'{"version":%d,"now_ms":%d,"rows":[%s]}' % (shown.version, self._clock.now_ns() // MS, shown.rows)

    def still(self, shown: Shown) -> bool:
        """Whether these rows are what would be shown now."""
        return self._settled() and self._version == shown.version

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
                self.presence.came(name, viewer)
            hello: dict[str, object] = {
                "epoch": self.epoch, "stream": name, **self._beat(), "speed": self._clock.speed,
                **self._viewing(viewer, scope),
            }  # fmt: skip
            yield self._said("hello", json.dumps(hello), start)
            beat_at = loop.time() + BEAT_S
            while True:
                due = loop.time() >= beat_at
                if due or (client.waiting and not client.scope.good(self._count, self._clock.now_ns())):
                    scope = await asyncio.to_thread(ask)
                    if scope is None:
                        return
                    self._rescope(client, scope)
                    self.presence.keep_within(name, scope)
                if due:
                    yield self._said("beat", json.dumps(self._beat()))
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
            self.presence.left(name)
            with self._lock:
                self._clients.discard(client)
                if not self._clients:
                    self._seen.clear()

    async def pump(self) -> None:
        """Drain whenever something changed, for as long as the site is up."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        woken.set()  # for what changed before there was a pump
        self._pump = loop, woken
        try:
            refresh_at, old = loop.time() + REFRESH_S, list[str]()
            while True:
                if not old:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout_at(refresh_at):
                            await woken.wait()
                woken.clear()
                self._called = False
                began = loop.time()
                if began >= refresh_at:
                    refresh_at, old = began + REFRESH_S, await asyncio.to_thread(self._names)
                now, old = old[:REFRESHED], old[REFRESHED:]
                await self._rest(await self._drained(now), refresh_at - loop.time())
        finally:
            self._pump = None

    async def _rest(self, worked_s: float, refresh_s: float) -> None:
        """Longer while nobody looks, but not past the next refresh, and cut short by whoever begins to."""
        if self._seen.is_set():
            await asyncio.sleep(max(COALESCE_S, min(SHARE * worked_s, MOST_REST_S)))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(COALESCE_S, min(UNSEEN_SHARE * worked_s, UNSEEN_REST_S, refresh_s))):
                await self._seen.wait()

    async def _drained(self, also: Sequence[str]) -> float:
        """Drain in a thread; returns for how long a core worked. What fails is logged and every screen told to fetch
        anew: the pump itself never stops."""
        try:
            return await asyncio.to_thread(self._worked, also)
        except Exception:
            log.exception("the rows of the worklist could not be built; every screen is told to fetch anew")
            with self._lock:
                self._rows = None
                self._send(self._event(RESYNC, "{}", "{}"))
            return MOST_REST_S

    def _worked(self, also: Sequence[str]) -> float:
        began_s = time.thread_time()
        self.drain(also=also)
        return time.thread_time() - began_s

    def _settled(self) -> bool:
        """Whether the rows show all that was said to have changed."""
        with self._lock:
            return self._rows is not None and not self._dirty and not self._under_way

    def _said(self, name: str, data: str, n: int | None = None) -> bytes:
        """An event as the browser reads it; `data` is one line."""
        number = "" if n is None else f"id: {self.epoch}-{n}\r\n"
        return f"{number}event: {name}\r\ndata: {data}\r\n\r\n".encode()

    def _names(self) -> list[str]:
        """Whose rows there are."""
        with self._lock:
            return list(self._rows or ())

    def _beat(self) -> dict[str, int | bool]:
        return {"now_ms": self._clock.now_ns() // MS, "deaf": self.deaf()}

    def _pieces(self, client: Client, viewer: Viewer | None) -> Iterator[bytes]:
        for one in client.take():
            yield self._said(one.name, one.data(client.role) or "", one.n)
            if one.name == RESYNC and viewer is not None:
                yield self._said("viewing", json.dumps(self._viewing(viewer, client.scope)))

    def _viewing(self, viewer: Viewer | None, scope: Scope) -> dict[str, dict[str, list[dict[str, str]]]]:
        """Who looks at whom; who opens no patient's page (an administrator) is not told who does."""
        known = {} if viewer is None else self.presence.everybody()
        return {"viewing": {patient_id: _viewers(them) for patient_id, them in known.items() if patient_id in scope}}

    def _viewed(self, patient_id: str) -> None:
        with self._lock:
            self._looked[patient_id] = None
        self._wake()

    def _tell_viewed(self, viewers: Mapping[str, Sequence[Viewer]]) -> None:
        for patient_id, them in viewers.items():
            text = json.dumps({"patient_id": patient_id, "viewers": _viewers(them)})
            told = Live(self._n, "viewed", text, None, patient_id)  # not numbered, not kept: see above
            for client in self._clients:
                client.put(told)

    def _wake(self) -> None:
        pump = self._pump
        if pump and not self._called:
            self._called = True
            loop, woken = pump
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(woken.set)

    def _publish(
        self,
        rows: list[WorklistRow],
        dirty: list[str],
        ringing: list[PhoneMessage],
        asked: list[str] | None,
        broken: list[str],
    ) -> list[Live]:
        """`asked`: whose rows these are (None: everybody's)."""
        first, fresh = asked is None, {row.patient.id: row for row in rows}
        known = {} if first or self._rows is None else self._rows
        changed = [row for row in rows if known.get(row.patient.id) != row]
        gone = known.keys() & set(asked or ()) - fresh.keys()
        self._rows = known | fresh
        for patient_id in gone:
            del self._rows[patient_id]
        if changed or gone or first:
            self._version += 1
            self._shown.clear()
        events = [
            self._event("row", _text(row), _text(for_office(row)), row.patient.id) for row in ([] if first else changed)
        ]
        for patient_id in dirty:
            events.append(self._event("patient", json.dumps({"patient_id": patient_id}), None, patient_id))
        for patient_id in broken:
            text = json.dumps({"patient_id": patient_id})
            events.append(self._event("glass", text, text, patient_id))
        for message in ringing:
            text = _text(message)
            theirs = message.role == "patient" and not self._phones_for_all
            events.append(self._event("phone", text if self._phones_for_all else None, None if theirs else text))
        for event in events:
            self._send(event)
        return events

    def _send(self, event: Live) -> None:
        self._ring.append(event)
        for client in self._clients:
            client.put(event)

    def _event(self, name: str, care: str | None, office: str | None, about: str | None = None) -> Live:
        self._n += 1
        return Live(self._n, name, care, office, about)

    def _rescope(self, client: Client, scope: Scope) -> None:
        """From now on it is this one; where it shows others, the screen fetches anew."""
        with self._lock:
            if scope.patients != client.scope.patients:
                client.waiting.clear()
                client.waiting.append(_resync(self._n))
            client.scope = scope

    def _encode(self, office: bool, scope: Scope) -> bytes:
        known = self._rows or {}
        if scope.patients is None:
            shown = sorted(known.values(), key=_place)
            return b",".join(_json(for_office(row) if office else row) for row in shown)
        theirs = sorted((known[one] for one in scope.patients if one in known), key=_place)
        return b",".join(self._alone(office, row) for row in theirs)

    def _alone(self, office: bool, row: WorklistRow) -> bytes:
        """One row, encoded once for all whom it is shown to."""
        name = office, row.patient.id
        before = self._single.get(name)
        if before is None or before[0] is not row:
            before = self._single[name] = row, _json(for_office(row) if office else row)
        return before[1]

    def _join(self, client: Client, last_event_id: str | None) -> int:
        """Start following, with what was missed already queued; returns the number it starts from."""
        with self._lock:
            self._clients.add(client)
            self._seen.set()
            if last_event_id is None:
                return self._n
            epoch, _, number = last_event_id.rpartition("-")
            oldest = self._ring[0].n if self._ring else self._n + 1
            if epoch != self.epoch or not number.isdecimal() or not oldest - 1 <= int(number) <= self._n:
                client.put(_resync(self._n))
                return self._n
            missed = [one for one in self._ring if one.n > int(number) and one.reaches(client.role, client.scope)]
            client.waiting.extend(missed if len(missed) <= QUEUE else [_resync(self._n)])
            return int(number)


def for_office(row: WorklistRow) -> WorklistRow:
    """The row without what was measured: for those who keep the system."""
    return row.model_copy(
        update={"latest": [], "news2": None, "questions": [], "wishes": [], "clinical": _without_reasons(row.clinical)}
    )


def _without_reasons(alarm: AlarmBrief | None) -> AlarmBrief | None:
    """And without what a carer wrote about it."""
    parked = alarm.parked.model_copy(update={"why": ""}) if alarm and alarm.parked else None
    return alarm and alarm.model_copy(update={"reasons": [], "cause": None, "parked": parked})


def _viewers(viewers: Sequence[Viewer]) -> list[dict[str, str]]:
    return [{"id": one.id, "name": one.name} for one in viewers]


def _resync(n: int) -> Live:
    return Live(n, RESYNC, "{}", "{}")


def _place(row: WorklistRow) -> tuple[int, int, str]:
    if row.priority is None:
        asked = min((one.asked_ms for one in row.questions), default=0)
        return _ASKED if row.questions else _CALM, asked, row.patient.name
    return _ORDER[row.priority], row.waiting_since_ms or 0, row.patient.name


def _tag(rows: bytes) -> str:
    """As HTTP calls it: weak, for the same rows sent at another time say another time."""
    return f'W/"{hashlib.blake2b(rows, digest_size=12).hexdigest()}"'


def _json(shape: WorklistRow) -> bytes:
    return shape.__pydantic_serializer__.to_json(shape)


def _text(shape: WorklistRow | PhoneMessage) -> str:
    return shape.model_dump_json()
