"""The hub: what changed, once, to every screen that is open.

Any thread says `patient_changed`; the hub remembers the name and no more, so a hundred readings of one patient within
a tick are one new row. `drain` builds the rows, and only a row that is really different becomes an event. Events are
numbered `<epoch>-<n>` and the last RING are kept: a screen that lost its connection says the last one it saw and gets
the rest. One whose number is of another epoch (the server was restarted) or too old, or whose queue of QUEUE fills up,
is told to `resync`, to fetch everything anew; nothing is ever silently left out.

While nothing can be stored (a full disk), nothing changes either, and a screen that stood still would look calm. So
every beat says whether the server stores what it hears (`deaf`).

Two audiences see two versions: carers see everything, administrators see rows without what was measured. The worklist
is encoded once per audience and version, not once per request. Time alone makes a value stale without any event, so
the pump rebuilds all rows every REFRESH_S.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from uuid import uuid4

import msgspec
from sse_starlette import ServerSentEvent

from server.api import AlarmBrief, PhoneMessage, Role, WorklistRow
from vitals.clock import MS, Clock

log = logging.getLogger(__name__)

QUEUE = 64
RING = 1000
BEAT_S = 5.0
REFRESH_S = 60.0
COALESCE_S = 0.1
SHARE = 3
"""The pump rests so many times as long as it worked: thousands of changes a second must not keep the readings out."""
MOST_REST_S = 2.0
UNSEEN_SHARE = 20
UNSEEN_REST_S = 5.0
"""The same while no screen is open. The rows are kept up all the same: whoever opens one need not wait for them."""

Rows = Callable[[Sequence[str] | None], list[WorklistRow]]
"""The rows of these patients as they are now; of everybody for None."""

_ORDER = {"high": 0, "medium": 1, "low": 2}
_ASKED, _CALM = 3, 4


class Live(msgspec.Struct, frozen=True):
    """One event. `care` and `office` are its JSON for carers and for administrators; None: not for them."""

    n: int
    name: str
    care: str | None
    office: str | None

    def data(self, role: Role) -> str | None:
        return self.office if role == "administrator" else self.care


class Client:
    """One open stream: a bounded queue that another thread may fill."""

    def __init__(self, role: Role, loop: asyncio.AbstractEventLoop) -> None:
        self.role = role
        self.waiting: deque[Live] = deque()
        self.woken = asyncio.Event()
        self._loop = loop

    def put(self, event: Live) -> None:
        """Queue it, or, when the queue is full, replace the whole queue by one `resync`."""
        if event.data(self.role) is None:
            return
        if len(self.waiting) >= QUEUE:
            self.waiting.clear()
            event = _resync(event.n)
        self.waiting.append(event)
        self.wake()

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed: so has the stream
            self._loop.call_soon_threadsafe(self.woken.set)


class Hub:
    """Thread-safe. `rows` builds rows; `phones_for_all`: every user sees the fake phones (a demo)."""

    def __init__(self, rows: Rows, clock: Clock, *, phones_for_all: bool = True) -> None:
        self.epoch = uuid4().hex[:12]
        self.deaf: Callable[[], bool] = lambda: False
        """Whether what the gateways send cannot be stored now."""
        self._build = rows
        self._clock = clock
        self._phones_for_all = phones_for_all
        self._lock = threading.Lock()
        self._building = threading.Lock()
        self._dirty: dict[str, None] = {}
        self._ringing: list[PhoneMessage] = []
        self._rows: dict[str, WorklistRow] | None = None
        self._encoded: dict[bool, bytes] = {}
        self._version = 0
        self._n = 0
        self._ring: deque[Live] = deque(maxlen=RING)
        self._clients: set[Client] = set()
        self._pump: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
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

    def drain(self, *, everybody: bool = False) -> list[Live]:
        """Turn what changed into events, hand them to the open streams, and return them."""
        with self._building:
            with self._lock:
                dirty, self._dirty = list(self._dirty), {}
                ringing, self._ringing = self._ringing, []
                everybody = everybody or self._rows is None
            rows = self._build(None if everybody else dirty) if dirty or everybody else []
            with self._lock:
                return self._publish(rows, dirty, ringing, everybody)

    def worklist(self, role: Role) -> bytes:
        """The whole worklist as JSON, as that role may see it."""
        if self._rows is None or self._dirty:
            self.drain()  # who has just acted must see it, whether or not the pump has come round
        office = role == "administrator"
        with self._lock:
            if office not in self._encoded:
                shown = sorted((self._rows or {}).values(), key=_place)
                self._encoded[office] = b",".join(_json(for_office(row) if office else row) for row in shown)
            head = f'{{"version":{self._version},"now_ms":{self._clock.now_ns() // MS},"rows":['
            return head.encode() + self._encoded[office] + b"]}"

    async def stream(
        self, role: Role, last_event_id: str | None, allowed: Callable[[], bool]
    ) -> AsyncIterator[ServerSentEvent]:
        """The events of one client, for as long as `allowed` says so: asked in a thread, every BEAT_S however busy."""
        loop = asyncio.get_running_loop()
        client = Client(role, loop)
        start = self._join(client, last_event_id)
        try:
            hello: dict[str, object] = {"epoch": self.epoch, **self._beat(), "speed": self._clock.speed}
            yield ServerSentEvent(json.dumps(hello), event="hello", id=f"{self.epoch}-{start}")
            beat_at = loop.time() + BEAT_S
            while True:
                if loop.time() >= beat_at:
                    if not await asyncio.to_thread(allowed):
                        return
                    yield ServerSentEvent(json.dumps(self._beat()), event="beat")
                    beat_at = loop.time() + BEAT_S
                if client.waiting:
                    event = client.waiting.popleft()
                    yield ServerSentEvent(event.data(role), event=event.name, id=f"{self.epoch}-{event.n}")
                    continue
                client.woken.clear()
                if client.waiting:
                    continue
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(beat_at):
                        await client.woken.wait()
        finally:
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
            refresh_at = loop.time() + REFRESH_S
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(refresh_at):
                        await woken.wait()
                woken.clear()
                began = loop.time()
                everybody = began >= refresh_at
                await self._drained(everybody)
                if everybody:
                    refresh_at = loop.time() + REFRESH_S
                await self._rest(loop.time() - began, refresh_at - loop.time())
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

    async def _drained(self, everybody: bool) -> None:
        """Drain in a thread. What fails is logged and every screen told to fetch anew: the pump itself never stops."""
        try:
            await asyncio.to_thread(self.drain, everybody=everybody)
        except Exception:
            log.exception("the rows of the worklist could not be built; every screen is told to fetch anew")
            with self._lock:
                self._rows = None
                self._send(self._event("resync", "{}", "{}"))

    def _beat(self) -> dict[str, int | bool]:
        return {"now_ms": self._clock.now_ns() // MS, "deaf": self.deaf()}

    def _wake(self) -> None:
        pump = self._pump
        if pump:
            loop, woken = pump
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(woken.set)

    def _publish(
        self, rows: list[WorklistRow], dirty: list[str], ringing: list[PhoneMessage], everybody: bool
    ) -> list[Live]:
        first = self._rows is None
        known = self._rows or {}
        changed = [row for row in rows if known.get(row.patient.id) != row]
        if everybody or changed:
            fresh = {row.patient.id: row for row in rows}
            self._rows = fresh if everybody else {**known, **fresh}
        if changed or first:
            self._version += 1
            self._encoded.clear()
        events = [self._event("row", _text(row), _text(for_office(row))) for row in ([] if first else changed)]
        for patient_id in dirty:
            events.append(self._event("patient", json.dumps({"patient_id": patient_id}), None))
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

    def _event(self, name: str, care: str | None, office: str | None) -> Live:
        self._n += 1
        return Live(self._n, name, care, office)

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
            missed = [event for event in self._ring if event.n > int(number) and event.data(client.role) is not None]
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


def _resync(n: int) -> Live:
    return Live(n, "resync", "{}", "{}")


def _place(row: WorklistRow) -> tuple[int, int, str]:
    if row.priority is None:
        asked = min((one.asked_ms for one in row.questions), default=0)
        return _ASKED if row.questions else _CALM, asked, row.patient.name
    return _ORDER[row.priority], row.waiting_since_ms or 0, row.patient.name


def _json(shape: WorklistRow) -> bytes:
    return shape.__pydantic_serializer__.to_json(shape)


def _text(shape: WorklistRow | PhoneMessage) -> str:
    return shape.model_dump_json()
