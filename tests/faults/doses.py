"""Row 10: a dispenser, its gateway or the line between them dies somewhere between an order and its act.

In one process, because the cut must fall between two given steps: the simulator's firmware, the real driver, the
gateway's own session, orders and spool on a real file, and a clock that is moved by hand. The gateway's waiting for
more to write (`GATHER_S`) is left out, which changes no order of things.

Each trial is one order of one dose, and one to three cuts drawn from every place there is:

    device    the power fails after `stored`, `moved`, `logged` or `ended`, or while it waits to act
    gateway   the power fails before or after any of its commits
    line      what the gateway sends, or what the device answers, is lost, or the line breaks there

The server repeats the order all the time, as it does until it hears of it. What was told of the order is gathered from
the spool's rows, what was done from the firmware's own count of doses.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import msgspec

from drivers.catalogue import find
from drivers.contract import Rx
from firmware_sim.body import Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery
from firmware_sim.devices._log import Log
from firmware_sim.devices.dispenser import Dispenser, Memory
from firmware_sim.scenario import Scenario
from gateway.links.contract import Connection
from gateway.spool import store as spools
from gateway.spool.store import Spool
from gateway.visits.orders import LEARN_S, Orders
from gateway.visits.session import Session
from tests.faults.ledger import Count
from tests.faults.report import Result
from vitals.clock import NS, ManualClock
from vitals.errors import LinkError
from vitals.events import Event
from vitals.wire import Command, Row, encode, order_hex

START_NS = 1_795_248_000 * NS
GATEWAY, DEVICE, DRIVER = "home-1", "box-1", "hjemvakt-dispenser"
LASTS_S = 900
ENDS = ("done", "refused", "expired", "unknown")
_STEPS = ("stored", "moved", "logged", "ended", "waiting")
_COMMITS, _WORDS = 12, 12
"""A cut falls at one of the first so many commits of the gateway, or words on the line, of a trial."""
_VISITS = 8
_MAGAZINE = 28


class Cut(Exception):
    """The power failed here."""


class Cuts:
    """Where the power fails in this trial: each place is asked for by name and, where it comes again, by count."""

    def __init__(self, places: Sequence[tuple[str, int]] = ()) -> None:
        self._open = set(places)
        self._counts: Counter[str] = Counter()
        self.fell: list[str] = []

    def at(self, place: str) -> bool:
        """Whether it fails at this place now."""
        self._counts[place] += 1
        here = (place, self._counts[place])
        if here not in self._open:
            return False
        self._open.remove(here)
        self.fell.append(place)
        return True


class World:
    """A dispenser and its hub, through all trials."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "spool.sqlite"
        self._body = Body(1, Scenario("calm"), START_NS)
        self._memory = Memory(Log(0xD05E, capacity=4_096))
        self.clock = ManualClock(START_NS)
        self.cuts = Cuts()
        self.acts: Counter[int] = Counter()
        self.told: dict[str, set[str]] = {}
        self._box = self._made_box()
        self.dead = False

    # The device

    def _made_box(self) -> Dispenser:
        return Dispenser(
            self.clock.now_ns(),
            seed=1,
            serial=DEVICE,
            clock=DeviceClock(self.clock.now_ns()),
            battery=Battery(START_NS, 80, life_days=1e6),
            memory=self._memory,
            step=self._step,
        )

    def _step(self, name: str) -> None:
        if self.cuts.at(name):
            raise Cut(name)

    def box_does(self, work: Callable[[], Sequence[bytes]]) -> Sequence[bytes]:
        """What the device says to that; nothing when its power failed on the way, and it has started anew."""
        try:
            return work()
        except Cut:
            self._restart_box()
            return []

    def _restart_box(self) -> None:
        """Only what was in memory remains, as bytes would."""
        self.acts.update(self._box.acts)
        while True:
            self._memory = msgspec.msgpack.decode(msgspec.msgpack.encode(self._memory), type=Memory)
            try:
                self._box = self._made_box()
            except Cut:  # once more, while it was writing what a start writes
                continue
            return

    def hear(self, data: bytes) -> Sequence[bytes]:
        return self.box_does(lambda: list(self._box.receive(data, self.clock.now_ns())))

    def unasked(self) -> Sequence[bytes]:
        return self.box_does(lambda: list(self._box.unasked()))

    def pass_s(self, seconds: float) -> None:
        """Time goes by for both."""
        now_ns = self.clock.advance(seconds=seconds)

        def live() -> Sequence[bytes]:
            self._box.update(now_ns, self._body.truth)
            self._step("waiting")
            return []

        self.box_does(live)

    def refill(self) -> None:
        self._memory.inside = _MAGAZINE

    def doses(self, order: int) -> int:
        """How often the motor moved for it."""
        return (self.acts + Counter(self._box.acts))[order]

    # The gateway

    async def open(self) -> None:
        driver = find(DRIVER)
        self.dead = False
        self._spool = await Spool.open(self._path)
        write = self._spool._file.write

        def cut_short(puts: Sequence[object], ranges: Sequence[tuple[int, int]]) -> object:
            if not self.dead and puts and self.cuts.at("before a commit"):
                self.dead = True
            if self.dead:
                raise Cut("gateway")
            written = write(puts, ranges)  # type: ignore[arg-type]
            if puts and self.cuts.at("after a commit"):
                self.dead = True
                raise Cut("gateway")
            return written

        self._spool._file.write = cut_short  # type: ignore[method-assign, assignment]
        self._orders = await Orders.open(GATEWAY, self._spool, self.clock, {DEVICE: driver.card.orders})
        self._session = Session(DEVICE, driver, self._spool, self.clock, self._orders)

    async def close(self) -> None:
        await self._spool.close()

    async def gateway_does(self, command: bytes) -> None:
        """The order comes (again), the hub looks at its clock, and meets the device; its power may fail on the way."""
        try:
            self._orders.arrived(command)
            await self._orders.turn()
            await self._session.visit(self._line)
            await self._spool.flushed()
        except Cut:
            await self._spool.close()
            await self.open()
        await self._uplink()

    async def _line(self) -> Connection:
        return Line(self)

    async def _uplink(self) -> None:
        """The server takes what is in the spool, and says so."""
        rows = await self._spool.take(0, 10_000)
        for stored in rows:
            what = msgspec.json.decode(stored.json, type=Row).what
            if isinstance(what, Event) and what.kind.startswith("order."):
                self.told.setdefault(str(what.data["order"]), set()).add(what.kind.removeprefix("order."))
        self._spool.release([(stored.seq, stored.seq) for stored in rows])
        await self._spool.flushed()


class Line:
    """A serial line that is quiet once nothing more is under way."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._frames: list[bytes] = []

    def waiting(self) -> list[Rx]:
        return []

    async def receive(self) -> list[Rx]:
        frames, self._frames = [*self._frames, *self._world.unasked()], []
        heard = [frame for frame in frames if not self._world.cuts.at("an answer")]
        if not heard:
            raise LinkError("the line is quiet")
        return [Rx("serial", frame, self._world.clock.now_ns()) for frame in heard]

    async def send(self, pipe: str, data: bytes) -> None:
        cuts = self._world.cuts
        if self._world.dead or cuts.at("the line, before it was sent"):
            raise LinkError("the line broke")
        if cuts.at("a request"):
            return
        self._frames += self._world.hear(data)
        if cuts.at("the line, after it was sent"):
            self._frames.clear()
            raise LinkError("the line broke")

    async def close(self) -> None:
        """It has no end to tell."""


_PLACES = {
    **dict.fromkeys(_STEPS, 1),
    **dict.fromkeys(("before a commit", "after a commit"), _COMMITS),
    **dict.fromkeys(("a request", "an answer", "the line, before it was sent", "the line, after it was sent"), _WORDS),
}
"""Each place, and the last of its times at which a cut is tried."""


def _drawn(draw: random.Random) -> list[tuple[str, int]]:
    """One to three cuts, every place as likely as any other."""
    return [(place, draw.randint(1, _PLACES[place])) for place in draw.sample(list(_PLACES), draw.randint(1, 3))]


async def run(folder: Path, trials: int, seed: int) -> Result:
    """So many orders, then the count."""
    draw = random.Random(seed)
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    asyncio.get_running_loop().set_exception_handler(_unless_cut)
    world = World(folder)
    ends: Counter[str] = Counter()
    fell: Counter[str] = Counter()
    silent = doubled = contradicted = 0
    with mock.patch.object(spools, "GATHER_S", 0.0):
        await world.open()
        for _ in range(trials):
            order = draw.getrandbits(63) + 1
            await _trial(world, order, _drawn(draw))
            doses, told = world.doses(order), world.told.get(order_hex(order), set()).intersection(ENDS)
            fell.update(world.cuts.fell)
            ends[f"{'+'.join(sorted(told)) or 'nothing'} ({doses})"] += 1
            silent += not told
            doubled += max(0, doses - 1)
            contradicted += not _agrees(told, doses)
        await world.close()
    count = Count(trials, silent, doubled, contradicted)
    return Result(
        "one dose on one order",
        count.whole and fell.total() >= trials,
        count,
        (
            f"{trials:,} orders with {fell.total():,} cuts; lost: nothing was told; strange: what was told is not so",
            f"told (doses that came out): {', '.join(f'{what} {times:,}' for what, times in sorted(ends.items()))}",
            f"cuts: {', '.join(f'{place} {times:,}' for place, times in sorted(fell.items()))}",
        ),
    )


async def _trial(world: World, order: int, cuts: Sequence[tuple[str, int]]) -> None:
    """One order from beginning to end. What the device cannot say any more is given up when its time is over."""
    world.refill()
    world.cuts = Cuts(cuts)
    now_ns = world.clock.now_ns()
    command = encode(
        Command(
            GATEWAY,
            order_hex(order),
            DEVICE,
            "dispense",
            now_ns,
            now_ns + LASTS_S * NS,
            {"compartment": 3, "dose_id": 7},
        )
    )
    for _ in range(_VISITS):
        await world.gateway_does(command)
        world.pass_s(7)
    world.pass_s(LASTS_S + LEARN_S)
    for _ in range(2):
        await world.gateway_does(command)
        world.pass_s(7)
    world.pass_s(7_200)  # the dose is taken, or its hour is over


def _agrees(told: set[str], doses: int) -> bool:
    """Whether what was told can be so. After `unknown` the truth may still have come; nothing else goes together."""
    sure = told - {"unknown"}
    if len(sure) > 1:
        return False
    return sure == {"done"} if doses and sure else not (sure == {"done"} and not doses)


def _unless_cut(loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    """A task that died of a cut is what was meant."""
    if not isinstance(context.get("exception"), Cut):
        loop.default_exception_handler(context)
