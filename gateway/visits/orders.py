"""Orders to devices: what the server asks, on disk before each step, done at most once.

    received   the id is stored; a second arrival of it is nothing new
    sent       stored before the driver's first byte goes out
    done, refused, expired, unknown

Each step is one transaction of the spool: the order's new step and the row that tells the server of it. A crash
therefore falls between two steps, and what is on disk says what may be done about it:

    received   nothing has gone out: it may still be sent, until it expires
    sent       it may have gone out: it is never sent again. The driver is asked to `recall` it in every later
               connection, and if nothing is learned until LEARN_S after its time, `order.unknown` is told: a person
               must look

An order waits for its device, which may be away, and for a sign that somebody is there: what is sent into a silent
port would be unknown for ever, while what waits may still be done. It does not wait beyond `expires_ns`.

*Nothing is done late.* An order's times are the server's. So it is over when they are by either clock: ours, or the
server's as it was told since the start, which goes on by the steady clock (`gateway.clock.hub`), whatever becomes of
ours. It is looked at again when the order is on disk as sent: a disk may take its time. A hub without a battery begins
with the time at which it was switched off. By that an order from another boot may seem to stand, and so it waits until
the server has told the time, wherever that can be believed.

A command that was issued AHEAD_S in our future shows a clock of ours that is behind, by which nothing can be said to
have expired. It is not taken; the server sends it again, and once the clock is right it is in time or it is not.

A command is what makes a device give medicine. Where the server's key is known only what the server signed is looked at
(`gateway.identity.seals`); gateway, device and time are inside what was signed.
"""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence

from msgspec.structs import replace

from drivers.contract import OUTCOMES, Order
from gateway.clock.steady import BOOT, steady_ns
from gateway.identity.seals import Seals
from gateway.spool.ledger import Entry
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from vitals.clock import NS, Clock
from vitals.errors import StoreError, WireError
from vitals.events import Event
from vitals.seal import SIGNED_BYTES
from vitals.wire import MAX_COMMAND_BYTES, Command, decode, down, order_id

LEARN_S = 300.0
"""So long after its time it may still become known what became of an order that was sent, in the clock's seconds."""
AHEAD_S = 300.0
LIVES_S = 300
LOOK_S = 30.0
"""Seconds of the wall between two looks at the clock: it may be set."""
MOST_WAITING = 100
"""Commands not looked at yet; what is beyond is dropped, and the server sends it again."""

_PREFIX = "order."

log = logging.getLogger(__name__)


class Orders:
    """Every order of this gateway that is not over. Make it with `await Orders.open(...)`.

    `takes`: the kinds of order that each configured device takes, by device.
    `refused`: how many commands were no order of the server's to us, by reason. `server_ns`: the server's time now,
    where it has told it since the start.
    """

    def __init__(
        self,
        gateway: str,
        spool: Spool,
        clock: Clock,
        takes: Mapping[str, Sequence[str]],
        seals: Seals,
        waiting: Iterable[Entry],
        server_ns: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._gateway = gateway
        self._topic = down(gateway, "command")
        self._seals = seals
        self.refused: Counter[str] = Counter()
        self._spool = spool
        self._clock = clock
        self._server_ns = server_ns
        self._open = {one.id: one for one in sorted(waiting, key=lambda one: one.command.issued_ns)}
        self._arrived: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self.serve(takes)

    @classmethod
    async def open(
        cls,
        gateway: str,
        spool: Spool,
        clock: Clock,
        takes: Mapping[str, Sequence[str]],
        seals: Seals | None = None,
        server_ns: Callable[[], int | None] = lambda: None,
    ) -> "Orders":
        """With what the spool remembers."""
        return cls(gateway, spool, clock, takes, seals or Seals(), await spool.orders(), server_ns)

    def serve(self, takes: Mapping[str, Sequence[str]]) -> None:
        """The devices from now on, and what each takes. No session of before may still run."""
        self._takes = takes
        self._news = {device: asyncio.Event() for device in takes}

    def notes(self) -> tuple[str, ...]:
        """Troubles in a sentence each."""
        forged = self.refused["signature"]
        return (f"{forged} commands without the server's signature were refused",) if forged else ()

    def arrived(self, payload: bytes) -> None:
        """A message under `down/command`; it is looked at by `run`."""
        if len(self._arrived) < MOST_WAITING:
            self._arrived.append(payload)
        self._wake.set()

    async def run(self) -> None:
        """Take what arrives, and give up what has run out of time, for ever."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest_s()):
                    await self._wake.wait()
            self._wake.clear()
            await self.turn()

    async def turn(self) -> None:
        """What `run` does when it is woken."""
        while self._arrived:
            await self._take(self._arrived.popleft())
        now_ns = self.now_ns()
        for entry in list(self._open.values()):
            if _due_ns(entry) <= now_ns:
                await self._end(entry, "expired" if entry.step == "received" else "unknown")

    # What a session asks

    def now_ns(self) -> int:
        """It is this late, as far as an order's time is concerned."""
        return max(self._clock.now_ns(), self._server_ns() or 0)

    def news(self, device: str) -> asyncio.Event:
        """Set when an order for the device comes; whoever waits for it clears it."""
        return self._news[device]

    def of(self, device: str) -> list[Entry]:
        """The device's open orders, the oldest first: to be sent if `received`, else to be recalled."""
        return [one for one in self._open.values() if one.command.device == device and not self._held(one)]

    def _held(self, entry: Entry) -> bool:
        """Whether nobody can say that its time is not over."""
        return entry.step == "received" and entry.boot != BOOT and self._seals.sealing and self._server_ns() is None

    async def sending(self, entry: Entry) -> bool:
        """Store that it is sent. False if it must not be; raises StoreError, and then it must not be either."""
        if self._open.get(entry.id) is not entry or entry.step != "received":
            return False
        if _due_ns(entry) <= self.now_ns():
            await self._end(entry, "expired")
            return False
        now_ns = self._clock.now_ns()
        sent = replace(entry, step="sent", sent_ns=now_ns)
        self._open[entry.id] = sent  # before anything is awaited: nobody else may send it meanwhile
        try:
            await self._spool.put([_told(sent, now_ns)], orders=[sent])
        except StoreError:
            self._open[entry.id] = entry
            raise
        if entry.command.expires_ns <= self.now_ns():
            await self._end(sent, "expired")
            return False
        return True

    def ended_by(self, heard: Iterable[Heard]) -> list[Entry]:
        """The orders whose outcome is among what a device told: to be stored with it, then `forgotten`."""
        ended = []
        for one in heard:
            entry = self._open.get(str(one.what.data.get("order"))) if isinstance(one.what, Event) else None
            if entry is None or one.device != entry.command.device or not isinstance(one.what, Event):
                continue
            outcome = one.what.kind.removeprefix(_PREFIX)
            if one.what.kind.startswith(_PREFIX) and outcome in OUTCOMES:
                ended.append(replace(entry, step=outcome))
        return ended

    def forgotten(self, ended: Iterable[Entry]) -> None:
        """Their outcome is on disk: nothing is left to do."""
        for entry in ended:
            self._open.pop(entry.id, None)

    async def _take(self, payload: bytes) -> None:
        """Store a command that is new; whatever happens to it later begins there."""
        try:
            command = self._read(payload)
        except WireError as error:
            self.refused[error.reason] += 1
            log.warning("a command was ignored: %s", error)
            return
        if command.issued_ns - self.now_ns() > AHEAD_S * NS:
            log.error("a command from the future was not taken: see to the gateway's clock")
            return
        if command.order in self._open or await self._spool.order(command.order) is not None:
            return
        entry = Entry(command)
        try:
            await self._spool.put([_told(entry, self._clock.now_ns())], orders=[entry])
        except StoreError as error:
            log.error("a command was not taken, the server sends it again: %s", error)
            return
        self._open[entry.id] = entry
        log.info("%s: order %s received, %s", command.device, command.order, command.kind)
        why = self._refusal(command)
        if why:
            await self._end(entry, "refused", why)
        else:
            self._news[command.device].set()

    def _read(self, payload: bytes) -> Command:
        """The command, if it is the server's and for us; raises WireError."""
        if len(payload) > MAX_COMMAND_BYTES + SIGNED_BYTES:
            raise WireError("too long", f"a command of {len(payload)} bytes", f"send at most {MAX_COMMAND_BYTES}")
        command = decode(self._seals.believed(self._topic, payload), Command)
        order_id(command.order)
        if command.gateway != self._gateway:
            raise WireError("foreign gateway", f"a command to {command.gateway!r}", "send it under its own topic")
        if not all(0 <= t_ns < 1 << 63 for t_ns in (command.issued_ns, command.expires_ns)):
            raise WireError("does not parse", "a command's time is out of range", "count nanoseconds from 1970")
        return command

    def _refusal(self, command: Command) -> str:
        """Why it can never be sent, or ""."""
        if command.device not in self._takes:
            return "the gateway does not have this device"
        return "" if command.kind in self._takes[command.device] else f"the device takes no order {command.kind!r}"

    async def _end(self, entry: Entry, step: str, why: str = "") -> None:
        """Store an end that we ourselves know of; where the disk refuses, it is tried again at the next turn."""
        if self._open.get(entry.id) is not entry:
            return
        del self._open[entry.id]
        try:
            await self._spool.put([_told(entry, self._clock.now_ns(), step, why)], orders=[replace(entry, step=step)])
        except StoreError as error:
            self._open[entry.id] = entry
            log.error("the end of an order is not stored: %s", error)
        else:
            log.info("%s: order %s %s", entry.command.device, entry.id, step)

    def _rest_s(self) -> float:
        """Seconds of the wall until something runs out of time."""
        if not self._open:
            return LOOK_S
        due_s = (min(map(_due_ns, self._open.values())) - self.now_ns()) / NS / self._clock.speed
        return min(LOOK_S, max(0.1, due_s))


def as_order(entry: Entry, now_ns: int) -> Order:
    """It in the drivers' words. `lives_s`: whole seconds in which it must have reached the device, at most LIVES_S."""
    left_s = max(1, min(LIVES_S, (entry.command.expires_ns - now_ns) // NS))
    return Order(order_id(entry.id), entry.command.kind, {**entry.command.data, "lives_s": left_s})


def _due_ns(entry: Entry) -> int:
    """When it has waited long enough, for its device or for its outcome."""
    if entry.sent_ns is None:
        return entry.command.expires_ns
    return max(entry.command.expires_ns, entry.sent_ns) + round(LEARN_S * NS)


def _told(entry: Entry, now_ns: int, step: str = "", why: str = "") -> Heard:
    """The row that tells the server. The same step told twice is one event there, by its record."""
    step = step or entry.step
    data: dict[str, int | float | str] = {"order": entry.id, "kind": entry.command.kind}
    if why:
        data["why"] = why
    event = Event(_PREFIX + step, now_ns, data, record=f"{entry.id}:{step}")
    return Heard(entry.command.device, now_ns, event, steady_ns())
