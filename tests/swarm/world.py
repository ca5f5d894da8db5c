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
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from unittest import mock

import tomli_w

from gateway import uplink
from gateway.spool import Heard
from server.alarms import store as alarm_store
from server.alarms.table import get as alarm_of
from server.app import Server
from server.broker.accounts import hash_password
from server.config import Config, Fleet
from tests.swarm import home as homes
from tests.swarm.bodies import KINDS, Body, Device, Record, keys
from tests.swarm.centre import Centre
from tests.swarm.checks import Alarms, Assignment, Broken, Ledger
from tests.swarm.evaluator import Patient
from tests.swarm.home import Home
from tests.swarm.look import Look
from tests.swarm.loop import SwarmLoop
from tests.swarm.net import Broker, Message, Weather
from vitals.block import Block
from vitals.clock import NS
from vitals.events import Event, Fault

CONFIGS = Path(__file__).parents[2] / "configs"
START_NS = int(datetime(2026, 3, 20, 8, tzinfo=UTC).timestamp()) * NS
SINCE_NS = START_NS - 30 * 86_400 * NS
LAST = 40
"""So many of the last lines of the trace are kept to be shown."""
DRAIN_S = 4 * 3600.0
ROUND_S = 15.5
ROOM = 256 << 20
_PROGRAMMES = ("copd", "heart-failure", "general")
_NURSE = "Kari Berg"
_RESEND_S = 30.0


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

    def __init__(self, seed: int, step: int, error: BaseException, last: list[str]) -> None:
        self.seed, self.step, self.error = seed, step, error
        lines = "\n".join(f"    {line}" for line in last)
        super().__init__(
            f"seed {seed}, step {step}: {type(error).__name__}: {error}\n  the last of what happened:\n{lines}\n"
            f"  again: python -m tests.swarm --seed {seed} --steps {step + 1}"
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
        self._loop = loop
        self._draw = random.Random(seed)
        self._clock = TrueClock(loop)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ticked_s = -ROUND_S
        self._checked: dict[str, tuple[str, int, int]] = {}
        self._heartbeat_s = self._draw.choice((900.0, 1_800.0, 3_600.0))
        self._offline_s = 2.2 * self._heartbeat_s
        count = self._draw.randint(3, 5)
        self._bodies = {f"p-{number}": Body(self._draw) for number in range(count)}
        self._patients = [self._drawn_patient(number) for number in range(count)]
        self._devices = [Device(f"{kind}-{n}", kind, n) for n in range(count) for kind in KINDS]
        self._assignments = [one for device in self._devices for one in self._drawn_assignments(device, count)]
        self._room = self._draw.choice((ROOM, ROOM, 96 << 10))
        config = self._written(folder)
        self._broker = Broker(loop, self._draw, self.counts)
        self._centre = Centre(config, self._clock, loop, self._broker, self._draw, self.counts)
        self._homes = [
            Home(f"home-{number}", folder, self._clock, self._heartbeat_s, self.counts) for number in range(count)
        ]
        self._centre.start()
        self._look = Look(config.data / "hjemvakt.sqlite")
        self._ledger = Ledger(self._look, self._assignments)
        self._alarms = Alarms(self._look, self._ledger, self._patients, self._offline_s, START_NS)
        self._wire_up()
        self._acts = self._drawn_acts()
        self._bad = Weather(*(self._draw.choice((0.0, most / 4, most)) for most in (0.15, 0.2, 0.15, 0.04)))
        self._broker.weather = self._bad

    # How it is made

    def _drawn_patient(self, number: int) -> Patient:
        draw, limits = self._draw, {}
        programme = draw.choice(_PROGRAMMES)
        if draw.random() < 0.5:
            limits = {"spo2_floor": float(draw.randint(86, 93)), "pulse_ceiling": float(draw.randint(90, 125))}
        if draw.random() < 0.5:
            limits["spo2_expected_s"] = draw.choice((1_800.0, 7_200.0))
        if draw.random() < 0.3:
            limits["spo2_scale"] = 2.0
        if draw.random() < 0.3:
            limits["news2_low"] = 1.0
        if programme == "heart-failure" and draw.random() < 0.5:
            limits["weight_gain_kg"] = draw.choice((1.0, 1.5))
        return Patient(f"p-{number}", programme, limits)

    def _drawn_assignments(self, device: Device, count: int) -> list[Assignment]:
        """Most devices stay with one person; some go to another in the middle, with a gap or without one."""
        draw = self._draw
        if draw.random() < 0.7:
            return [Assignment(device.id, f"p-{device.place}", SINCE_NS, None)]
        until_ns = START_NS + draw.randint(600, 300_000) * NS
        since_ns = until_ns + draw.choice((0, 0, 3_600, 20_000)) * NS
        other = f"p-{draw.randrange(count)}"
        return [
            Assignment(device.id, f"p-{device.place}", SINCE_NS, until_ns),
            Assignment(device.id, other, since_ns, None),
        ]

    def _written(self, folder: Path) -> Config:
        """The configuration, on disk as a municipality would have it."""
        secret = hash_password("swarm", iterations=10)
        at = lambda t_ns: datetime.fromtimestamp(t_ns / NS, UTC)  # noqa: E731
        town = {
            "name": "Swarm",
            "patients": [
                {"id": one.id, "name": one.id, "birth_year": 1948, "place": "-", "programme": one.programme,
                 "limits": dict(one.limits)}
                for one in self._patients
            ],
            "gateways": [
                {"id": f"home-{n}", "place": "-", "patient": one.id, "password_hash": secret}
                for n, one in enumerate(self._patients)
            ],
            "assignments": [
                {"device": one.device, "patient": one.patient, "from": at(one.from_ns)}
                | ({} if one.to_ns is None else {"to": at(one.to_ns)})
                for one in self._assignments
            ],
            "staff": [
                {"id": "kari", "name": _NURSE, "role": "nurse", "phone": "+47 1", "password_hash": "$argon2id$none"}
            ],
        }  # fmt: skip
        path = folder / "municipality.toml"
        path.write_text(tomli_w.dumps(town), encoding="utf-8")
        return Config(
            "Swarm", folder / "server", path, CONFIGS / "ladders.toml", demo=True, fleet=Fleet(self._offline_s)
        )

    def _wire_up(self) -> None:
        broker, centre, ledger = self._broker, self._centre, self._ledger
        broker.woken = centre.wake
        broker.published = self._published
        broker.damaged = ledger.damaged
        broker.delivered = lambda name, topic, payload: self.note("hears", name, payload)
        centre.took, centre.ticked, centre.died = self._took, self._ticked, self._server_died
        for one in self._homes:
            one.says, one.kept = self._says, self._kept
            one.died, one.failed = lambda home: self._later(0, partial(self._home_died, home)), self._fail

    def _drawn_acts(self) -> Mapping[Callable[[], Awaitable[None]], float]:
        """What may happen in a step, and how often beside the others."""
        daily = {
            self._measure: 40.0, self._visit: 30.0, self._tick: 12.0, self._turn_body: 2.0, self._nurse: 2.0,
            self._fault: 0.5, self._carry: 1.0,
        }  # fmt: skip
        misfortunes = {
            self._cut_home: 1.0, self._kill_home: 1.0, self._stop_home: 0.5, self._lose_disk: 0.3,
            self._cut_server: 1.5, self._kill_server: 0.7, self._server_full: 0.6, self._crash_broker: 0.6,
            self._cut_line: 1.5, self._partition: 0.8, self._set_hub_clock: 0.6, self._set_device_clock: 0.6,
        }  # fmt: skip
        return daily | {act: often * self._draw.choice((0, 1, 3)) for act, often in misfortunes.items()}

    # How it goes

    async def run(self, steps: int) -> Done:
        """Live so many steps, then mend everything and see that nothing is missing. Raises Failed."""
        try:
            for one in self._homes:
                await one.start(self._room)
            for self.step in range(steps):
                await self._live()
            self.step = steps
            await self._heal()
        except Exception as error:
            raise Failed(self.seed, self.step, error, list(self.last)) from error
        finally:
            await self._close()
        self.note("end", self._ledger.stored, sorted(self._look_counts.items()))
        return Done(
            self.seed, steps, self._digest.hexdigest(), self.counts, self._alarms.by_rule, self._alarms.asked,
            self._ledger.stored,
        )  # fmt: skip

    def note(self, *what: object, shown: bool = True) -> None:
        """It happened. What is not `shown` belongs to the trace and not among the last things a reader is told."""
        line = f"{self._loop.time():.6f} {' '.join(_short(one) for one in what)}"
        self._digest.update(line.encode())
        if shown:
            self.last.append(f"step {self.step} {line}")

    async def _live(self) -> None:
        await self._pass(self._drawn_pause_s())
        (act,) = self._draw.choices(list(self._acts), list(self._acts.values()))
        await act()
        await self._check_spools()

    async def _pass(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        if self.failure:
            raise self.failure

    def _drawn_pause_s(self) -> float:
        draw = self._draw
        kind = draw.random()
        if kind < 0.6:
            return draw.uniform(0, 2)
        if kind < 0.9:
            return draw.uniform(0, 120)
        return draw.uniform(0, 1_200) if kind < 0.99 else draw.uniform(3_600, 36_000)

    # What may happen

    async def _measure(self) -> None:
        device = self._draw.choice(self._devices)
        wearer = self._ledger.patient_at(device.id, self._clock.now_ns()) or f"p-{device.place}"
        record = device.measure(self._draw, self._clock.now_ns(), self._bodies[wearer])
        self.counts["measurements"] += 1
        self.note("measures", device.id, record.number, sorted(record.values.items()), record.event)

    async def _visit(self) -> None:
        device = self._draw.choice(self._devices)
        self._homes[device.place].visit(device, self._draw)
        self.note("visit", device.id, device.place)

    async def _tick(self) -> None:
        if self._loop.time() - self._ticked_s >= ROUND_S:
            self._ticked_s = self._loop.time()
            self._centre.tick()

    async def _turn_body(self) -> None:
        self._draw.choice(list(self._bodies.values())).turn()

    async def _fault(self) -> None:
        device = self._draw.choice(self._devices)
        data = self._draw.randbytes(8)
        self._homes[device.place].fault(device.id, Fault("short packet", "torn", self._clock.now_ns(), "", data))

    async def _carry(self) -> None:
        """Somebody takes a device along to another home: that hub knows nothing of what was read of it."""
        device = self._draw.choice(self._devices)
        device.place = self._draw.randrange(len(self._homes))
        self.note("carried", device.id, device.place)

    async def _nurse(self) -> None:
        """Somebody takes an alarm, or closes one that was taken."""
        found = [one for one in self._look.alarms() if one.open]
        if found:
            one = self._draw.choice(found)
            self._centre.act(lambda server: _handle(server, one.id, one.acknowledged, self._clock.now_ns()))
            self.note("nurse", one.id, one.acknowledged)
            self._alarms.check(self._clock.now_ns(), (), sure=False)

    async def _cut_home(self) -> None:
        one = self._draw.choice(self._homes)
        if one.up:
            one.cut = self._draw.choice(("before", "after"))

    async def _kill_home(self) -> None:
        await self._end_home(self._draw.choice(self._homes), "gateways killed")

    async def _stop_home(self) -> None:
        await self._end_home(self._draw.choice(self._homes), "gateways stopped")

    async def _lose_disk(self) -> None:
        await self._end_home(self._draw.choice(self._homes), "gateway disks lost")

    async def _end_home(self, one: Home, how: str) -> None:
        if not one.up:
            return
        self.counts[how] += 1
        self.note(how, one.name)
        one.up = False
        lost = await one.waiting() if how == "gateway disks lost" else []
        self._broker.cut(one.name)
        await (one.stop() if how == "gateways stopped" else one.kill())
        if how == "gateway disks lost":
            one.lose_disk()
            self._ledger.disk_lost(lost)
        self._later(self._drawn_outage_s(), partial(self._start_home, one))

    async def _home_died(self, one: Home) -> None:
        self.note("died", one.name)
        self._broker.cut(one.name)
        await one.kill()
        self._later(self._drawn_outage_s(), partial(self._start_home, one))

    async def _start_home(self, one: Home) -> None:
        self.note("up", one.name)
        await one.start(self._draw.choice((self._room, ROOM)))

    async def _cut_server(self) -> None:
        if self._centre.server:
            self._centre.cut = (self._draw.choice(("before", "after")), self._draw.randint(1, 6))

    async def _kill_server(self) -> None:
        if self._centre.server:
            self.counts["servers killed"] += 1
            self._centre.kill()
            self._server_died()

    def _server_died(self) -> None:
        self.note("server died")
        self._later(self._drawn_outage_s(), self._start_server)

    async def _start_server(self) -> None:
        if self._centre.server is None:
            self._centre.start()
            self._alarms.started(self._centre.started_ns)
            self._ticked_s = self._loop.time() - ROUND_S
            self.note("server up")

    async def _server_full(self) -> None:
        self._centre.full = True
        self._loop.call_later(self._drawn_outage_s(), setattr, self._centre, "full", False)

    async def _crash_broker(self) -> None:
        if self._broker.up:
            self.counts["broker crashes"] += 1
            self.note("broker crashes")
            self._broker.crash()
            self._loop.call_later(self._drawn_outage_s(), self._broker.start)

    async def _cut_line(self) -> None:
        self.counts["lines cut"] += 1
        self._broker.cut(self._draw.choice(self._homes).name)

    async def _partition(self) -> None:
        name = self._draw.choice(self._homes).name
        self.counts["gateways cut off"] += 1
        self._broker.cut_off.add(name)
        self._broker.cut(name)
        self._loop.call_later(self._drawn_outage_s() * 4, self._broker.cut_off.discard, name)

    async def _set_hub_clock(self) -> None:
        """Right, an hour off, some seconds a day too fast, or as on the day it was made."""
        one = self._draw.choice(self._homes)
        ahead_s = self._draw.choice((0, 0, 3_600, -3_600, 90, -400, -(START_NS // NS) + 600))
        drift = self._draw.choice((0.0, 0.0, 1e-4, -3e-4))
        one.clock.set(ahead_s * NS, drift)
        self.counts["gateway clocks set"] += 1
        self.note("clock", one.name, ahead_s, drift)

    async def _set_device_clock(self) -> None:
        device = self._draw.choice(self._devices)
        device.clock_ns = self._draw.choice((0, 3_600 * NS, -86_400 * NS, 37 * NS))
        self.counts["device clocks set"] += 1

    def _drawn_outage_s(self) -> float:
        return self._draw.choice((1, 20, 300, 1_500)) * self._draw.uniform(0.5, 1.5)

    # What is seen of it, and checked

    def _says(self, home: Home, record: Record, heard: Heard) -> None:
        assert isinstance(heard.what, Block | Event)
        self._ledger.says(record, heard.what, heard.received_ns)

    def _kept(self, record: Record, heard: Heard) -> None:
        assert isinstance(heard.what, Block | Event)
        self._ledger.kept(keys(heard.device, heard.what), record)

    def _published(self, topic: str, payload: bytes) -> None:
        self.counts["messages sent"] += 1
        self.note("sends", topic, payload, shown=False)
        self._ledger.sent(topic, payload)

    def _took(self, answers: list[Message]) -> None:
        """The server was given messages, and perhaps died of it. What it committed is there all the same."""
        now_ns = self._clock.now_ns()
        filed = self._ledger.committed(now_ns)
        self.note("server took", len(answers), sorted(filed))
        for answer in answers:
            self._ledger.answered(*answer)
        self._alarms.check(now_ns, filed, sure=bool(filed))

    def _ticked(self, whole: bool) -> None:
        server = self._centre.server
        if whole and server is not None and server.problems():
            raise Broken(f"the server fails: {server.problems()}")
        names = [one.id for one in self._patients] if whole else []
        self._alarms.check(self._clock.now_ns(), names, sure=whole)
        self.note("tick", whole, [one[:8] for one in self._look.alarms() if one.open])

    async def _check_spools(self) -> None:
        """What has left a spool since the last look."""
        for one in self._homes:
            if not one.up:
                continue
            status = one.spool.status
            seen = (one.spool.epoch, status.queued, status.last_seq)
            if self._checked.get(one.name) != seen:
                self._checked[one.name] = seen
                self._ledger.released(one.name, one.spool.epoch, status.last_seq, await one.present())

    # How it ends

    async def _heal(self) -> None:
        """Everything is mended and read out, and has DRAIN_S to come through."""
        self.note("heal")
        self._acts = {}
        self._broker.weather = Weather()
        self._centre.cut = None
        for one in self._homes:
            one.cut = None
            one.clock.set(0)
        await self._pass(4 * 2_300.0)  # the longest outage that was begun
        for one in self._homes:
            await one.stop()
            await one.start(ROOM)
        for device in self._devices:
            for one in self._homes:
                for _ in range(len(device.memory) // homes.AT_ONCE + 2):
                    one.visit(device, self._draw)
                    while one.busy:
                        await self._pass(0.05)
        await self._drained()
        await self._tick()
        await self._check_spools()
        self._ledger.everything()
        self._ledger.recount()
        self._look_counts = self._look.counts()

    async def _drained(self) -> None:
        until_s = self._loop.time() + DRAIN_S
        while self._loop.time() < until_s:
            await self._pass(20)
            if not self._broker.waiting and not any(one.spool.status.queued for one in self._homes):
                return
        left = {one.name: one.spool.status.queued for one in self._homes}
        raise Broken(f"not drained after {DRAIN_S:.0f} s: {left}")

    async def _close(self) -> None:
        for one in self._homes:
            if one.up:
                await one.kill()
        self._centre.kill()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._look.close()

    def _later(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def wait() -> None:
            await asyncio.sleep(seconds)
            await work()

        task = self._loop.create_task(wait())
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
        with _repeatable(seed), mock.patch.object(uplink, "RESEND_S", _RESEND_S):
            world = World(seed, folder, loop)
            loop.set_exception_handler(world.unheard)
            with mock.patch.object(uplink, "_Broker", world._broker.connect):
                return loop.run_until_complete(world.run(steps))
    finally:
        loop.close()


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


def _handle(server: Server, number: int, acknowledged: bool, now_ns: int) -> None:
    with server.db.write() as tx:
        alarm = alarm_of(tx, number)
        assert alarm is not None
        if acknowledged:
            alarm_store.close(tx, alarm, _NURSE, now_ns, "phoned_patient", "resolved_at_home", 3)
        else:
            alarm_store.acknowledge(tx, alarm, _NURSE, now_ns, 3_600)


def _short(what: object) -> str:
    if isinstance(what, bytes):
        return f"<{len(what)} bytes {hashlib.blake2b(what, digest_size=4).hexdigest()}>"
    return str(what)
