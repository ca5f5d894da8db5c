"""The world of one seed: everything that happens in it is drawn here, in one order, from one generator.

A step lets some time pass (mostly seconds, now and then hours), in which the gateways, the network and the server go
about their work, and then does one thing: a device measures or is read, the engine has its turn, power fails, a line
breaks, a clock jumps, a nurse closes an alarm. Each seed draws for itself which misfortunes there are and how often, so
that one world is full of power cuts and another of slow lines.

Everything that happened is added to a trace. Two worlds of one seed have the same trace; a test holds them to it.
"""

import asyncio
import hashlib
import logging
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from unittest import mock

from gateway.spool.rows import Heard
from gateway.uplink import batch, sending, window
from server.notify.emergency import Emergency
from tests.swarm import home as homes
from tests.swarm.acts import ROOM, Acts
from tests.swarm.alarms import Alarms
from tests.swarm.bodies import Record, keys
from tests.swarm.centre import Centre
from tests.swarm.home import Home
from tests.swarm.ledger import Broken, Ledger
from tests.swarm.look import Look
from tests.swarm.loop import SwarmLoop
from tests.swarm.net import Broker, Message, Weather
from tests.swarm.town import START_NS, Town
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event

LAST = 40
"""So many of the last lines of the trace are kept to be shown."""
DRAIN_S = 4 * 3600.0
LONGEST_OUTAGE_S = 4 * 2_300.0
_RESEND_S = 30.0
"""Instead of the gateway's own few seconds, so that an hour without a server is not a thousand messages."""


@dataclass
class Done:
    """How a world ended. `trace`: a digest of everything that happened."""

    seed: int
    steps: int
    trace: str
    counts: Counter[str]
    rules: Counter[str]
    verdicts: int
    stored: int


class Failed(Exception):
    """A world in which a promise was broken: which one, at which step, and what came before."""

    def __init__(self, seed: int, step: int, steps: int, error: BaseException, last: list[str]) -> None:
        self.error = error
        self.again = f"python -m tests.swarm --seed {seed} --steps {min(step + 1, steps)}"
        lines = "\n".join(f"    {line}" for line in last)
        super().__init__(
            f"seed {seed}, step {step}: {type(error).__name__}: {error}\n  the last of what happened:\n{lines}\n"
            f"  again: {self.again}"
        )


class TrueClock:
    """The time as it is: the server's."""

    speed = 1.0

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def now_ns(self) -> int:
        return START_NS + round(self._loop.time() * NS)


class World:
    """Made for one seed and run once, in a folder of its own."""

    def __init__(self, seed: int, folder: Path, loop: asyncio.AbstractEventLoop) -> None:
        self.seed = seed
        self.step = -1
        self.counts: Counter[str] = Counter()
        self.failure: BaseException | None = None
        self.last: deque[str] = deque(maxlen=LAST)
        self._digest = hashlib.blake2b(digest_size=16)
        self._tasks: set[asyncio.Task[None]] = set()
        self._checked: dict[str, tuple[str, int, int]] = {}
        self.loop = loop
        self.draw = random.Random(seed)
        self.clock = TrueClock(loop)
        self.town = Town(self.draw)
        config = self.town.written(folder)
        self.broker = Broker(loop, self.draw, self.counts)
        self.broker.weather = Weather.drawn(self.draw)
        self.centre = Centre(config, self.clock, loop, self.broker, self.draw, self.counts)
        self.homes = [Home(name, folder, self.clock, self.town.heartbeat_s, self.counts) for name in self.town.homes]
        self.acts = Acts(self)
        self.centre.start()
        self.look = Look(config.data / "hjemvakt.sqlite")
        self.ledger = Ledger(self.look, self.town.assignments)
        self.alarms = Alarms(self.look, self.town.assignments, self.town.patients, self.town.offline_s)
        self._wire_up()

    def _wire_up(self) -> None:
        broker, centre, ledger = self.broker, self.centre, self.ledger
        broker.woken = centre.wake
        broker.published = self._published
        broker.damaged = ledger.damaged
        broker.delivered = lambda name, topic, payload: self.note("hears", name, payload)
        centre.took, centre.ticked, centre.died = self._took, self._ticked, self.acts.server_died
        for one in self.homes:
            one.says, one.kept = self._says, self._kept
            one.died, one.failed = lambda home: self.later(0, partial(self.acts.home_died, home)), self._fail

    async def run(self, steps: int) -> Done:
        """Live so many steps, then mend everything and see that nothing is missing. Raises Failed."""
        try:
            for one in self.homes:
                await one.start(self.acts.room)
            for self.step in range(steps):
                await self._live()
            self.step = steps
            await self._heal()
        except Exception as error:
            raise Failed(self.seed, self.step, steps, error, list(self.last)) from error
        finally:
            await self._close()
        self.note("end", self.ledger.stored, sorted(self._counted.items()))
        return Done(
            self.seed, steps, self._digest.hexdigest(), self.counts, self.alarms.by_rule, self.alarms.asked,
            self.ledger.stored,
        )  # fmt: skip

    def note(self, *what: object, shown: bool = True) -> None:
        """It happened. What is not `shown` belongs to the trace and not among the last things a reader is told."""
        line = f"{self.loop.time():.6f} {' '.join(_short(one) for one in what)}"
        self._digest.update(line.encode())
        if shown:
            self.last.append(f"step {self.step} {line}")

    async def _live(self) -> None:
        await self._pass(self.acts.pause_s())
        await self.acts.one()
        await self._check_spools()

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.failure:
            raise self.failure

    # What is seen of it, and checked

    def _says(self, home: Home, record: Record, heard: Heard) -> None:
        assert isinstance(heard.what, Block | Event)
        self.ledger.says(record, heard.what, heard.received_ns)

    def _kept(self, record: Record, heard: Heard) -> None:
        assert isinstance(heard.what, Block | Event)
        self.ledger.kept(keys(heard.device, heard.what), record)

    def _published(self, topic: str, payload: bytes) -> None:
        self.counts["messages sent"] += 1
        self.note("sends", topic, payload, shown=False)
        self.ledger.sent(topic, payload)

    def _took(self, answers: list[Message]) -> None:
        """The server was given messages, and perhaps died of it. What it committed is there all the same."""
        now_ns = self.clock.now_ns()
        filed = self.ledger.committed(now_ns)
        self.note("server took", len(answers), sorted(filed))
        for answer in answers:
            self.ledger.answered(*answer)
        self.alarms.check(now_ns, filed, sure=bool(filed))

    def _ticked(self, whole: bool) -> None:
        server = self.centre.server
        if whole and server is not None and server.problems():
            raise Broken(f"the server fails: {server.problems()}")
        names = [one.id for one in self.town.patients] if whole else []
        self.alarms.check(self.clock.now_ns(), names, sure=whole)
        self.note("tick", whole, [one[:8] for one in self.look.alarms() if one.open])

    async def _check_spools(self) -> None:
        """What has left a spool since the last look."""
        for one in self.homes:
            if not one.up:
                continue
            status = one.spool.status
            seen = (one.spool.epoch, status.queued, status.last_seq)
            if self._checked.get(one.name) != seen:
                self._checked[one.name] = seen
                self.ledger.released(one.name, one.spool.epoch, status.last_seq, await one.present())

    # How it ends

    async def _heal(self) -> None:
        """Everything is mended and read out, and has DRAIN_S to come through."""
        self.note("heal")
        self.broker.weather = Weather()
        self.centre.cut = None
        for one in self.homes:
            one.cut = None
            one.clock.set(0)
        await self._pass(LONGEST_OUTAGE_S)
        for one in self.homes:
            await one.stop()
            await one.start(ROOM)
        for device in self.town.devices:
            for one in self.homes:
                for _ in range(len(device.memory) // homes.AT_ONCE + 2):
                    one.visit(device, self.draw)
                    while one.busy:
                        await self._pass(0.05)
        await self._drained()
        await self.acts.tick()
        await self._check_spools()
        self.ledger.everything()
        self.ledger.recount()
        self._counted = self.look.counts()

    async def _drained(self) -> None:
        until_s = self.loop.time() + DRAIN_S
        while self.loop.time() < until_s:
            await self._pass(20)
            if not self.broker.waiting and not any(one.spool.status.queued for one in self.homes):
                return
        left = {one.name: one.spool.status.queued for one in self.homes}
        raise Broken(f"not drained after {DRAIN_S:.0f} s: {left}")

    async def _close(self) -> None:
        for one in self.homes:
            if one.up:
                await one.kill()
        self.centre.kill()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.look.close()

    def later(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do it after so long."""

        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work()

        task = self.loop.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.failure = self.failure or error

    def unheard(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Something failed where nobody waited for it. That the power failed is no news."""
        error = context.get("exception")
        if not isinstance(error, homes.Cut):
            self._fail(error if isinstance(error, BaseException) else Broken(str(context["message"])))


def run(seed: int, steps: int, folder: Path) -> Done:
    """Live the world of that seed; raises Failed."""
    loop = SwarmLoop()
    try:
        with _repeatable(seed), mock.patch.object(window, "RESEND_S", _RESEND_S):
            world = World(seed, folder, loop)
            loop.set_exception_handler(world.unheard)
            steady = partial(_steady_ns, loop)
            clocks = (mock.patch.object(module, "steady_ns", steady) for module in (sending, batch))
            # Whom to call when nothing can be stored goes by the wall, of which a slow machine takes more: not here.
            calls = mock.patch.object(Emergency, "turn", return_value=None)
            with mock.patch.object(sending, "Broker", world.broker.connect), next(clocks), next(clocks), calls:
                return loop.run_until_complete(world.run(steps))
    finally:
        loop.close()


def _steady_ns(loop: SwarmLoop) -> int:
    return round(loop.time() * NS)


@contextmanager
def _repeatable(seed: int) -> Iterator[None]:
    """What our own code draws for itself is drawn from the seed, and it keeps its remarks to itself."""
    before, draw = random.getstate(), random.Random(~seed)
    random.seed(seed)
    logging.disable()
    try:
        with mock.patch("secrets.token_hex", lambda size: draw.randbytes(size).hex()):
            yield
    finally:
        logging.disable(logging.NOTSET)
        random.setstate(before)


def _short(what: object) -> str:
    if isinstance(what, bytes):
        return f"<{len(what)} bytes {hashlib.blake2b(what, digest_size=4).hexdigest()}>"
    return str(what)
