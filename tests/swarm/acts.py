"""What may happen in a step: the days of people and devices, and misfortunes.

Each world draws for itself how often each misfortune comes, and some never do there: that reaches further than a bit of
everything everywhere.
"""

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from server.alarms import deeds as alarm_deeds
from server.alarms import store as alarm_store
from server.alarms.model import Refused
from server.alarms.table import get as alarm_of
from server.app import Server
from tests.swarm.home import Home
from tests.swarm.town import NURSE, START_NS
from vitals.clock import NS
from vitals.events import Fault

if TYPE_CHECKING:
    from tests.swarm.world import World

ROUND_S = 15.5
"""The engine looks at everybody in each turn if its turns are so far apart."""
ROOM = 256 << 20
_LITTLE_ROOM = 64 << 10

Act = Callable[[], Awaitable[None]]


class Acts:
    """One world's. `room`: how much the disks of its hubs hold when they begin."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._draw = world.draw
        self._ticked_s = -ROUND_S
        self.room = self._draw.choice((ROOM, ROOM, _LITTLE_ROOM))
        often = self._often()
        self._acts, self._weights = list(often), list(often.values())

    async def one(self) -> None:
        """One thing happens."""
        (act,) = self._draw.choices(self._acts, self._weights)
        await act()

    def pause_s(self) -> float:
        """How long it is until the next thing happens."""
        draw, pace = self._draw, self._world.town.pace
        kind = draw.random()
        if kind < 0.6:
            return draw.uniform(0, 2)
        if kind < 0.9:
            return draw.uniform(0, 120) * pace
        return draw.uniform(0, 1_200) * pace if kind < 0.99 else draw.uniform(3_600, 36_000)

    async def measure(self) -> None:
        """Somebody measures; often the hub hears of it at once."""
        devices = self._world.town.devices
        (device,) = self._draw.choices(devices, [3.0 if one.kind == "scale" else 1.0 for one in devices])
        wearer = self._world.town.assignments.patient_at(device.id, self._world.clock.now_ns()) or f"p-{device.place}"
        record = device.measure(self._draw, self._world.clock.now_ns(), self._world.town.bodies[wearer])
        self._world.counts["measurements"] += 1
        self._world.note("measures", device.id, record.number, sorted(record.values.items()), record.event)
        if self._draw.random() < 0.4:
            self._world.homes[device.place].visit(device, self._draw)

    async def visit(self) -> None:
        device = self._draw.choice(self._world.town.devices)
        self._world.homes[device.place].visit(device, self._draw)
        self._world.note("visit", device.id, device.place)

    async def tick(self) -> None:
        if self._world.loop.time() - self._ticked_s >= ROUND_S:
            self._ticked_s = self._world.loop.time()
            self._world.centre.tick()

    async def turn_body(self) -> None:
        self._draw.choice(list(self._world.town.bodies.values())).turn()

    async def fault(self) -> None:
        """A device says what nobody can read, once or on and on."""
        device = self._draw.choice(self._world.town.devices)
        self._babble(self._world.homes[device.place], device.id, self._draw.choice((1, 1, 12)))

    async def carry(self) -> None:
        """Somebody takes a device along to another home: that hub knows nothing of what was read of it."""
        device = self._draw.choice(self._world.town.devices)
        device.place = self._draw.randrange(len(self._world.homes))
        self._world.note("carried", device.id, device.place)

    async def nurse(self) -> None:
        """Somebody takes an alarm or snoozes it; or closes, assesses, snoozes or gives up one that was taken."""
        found = [one for one in self._world.look.alarms() if one.open]
        if found:
            one = self._draw.choice(found)
            deed = self._draw.choice(_TAKEN if one.acknowledged else _UNTAKEN)
            self._world.centre.act(lambda server: _handled(server, one.id, deed, self._world.clock.now_ns()))
            self._world.note("nurse", one.id, deed)
            self._world.alarms.check(self._world.clock.now_ns(), (), sure=False)

    async def cut_home(self) -> None:
        one = self._draw.choice(self._world.homes)
        if one.up:
            one.cut = self._draw.choice(("before", "after"))

    async def kill_home(self) -> None:
        await self._end_home(self._draw.choice(self._world.homes), "gateways killed")

    async def stop_home(self) -> None:
        await self._end_home(self._draw.choice(self._world.homes), "gateways stopped")

    async def lose_disk(self) -> None:
        await self._end_home(self._draw.choice(self._world.homes), "gateway disks lost")

    async def fill_home(self) -> None:
        one = self._draw.choice(self._world.homes)
        one.fill_disk(full=True)
        self._world.counts["gateway disks filled"] += 1
        self._babble(one, self._draw.choice(self._world.town.devices).id, 12)
        self._world.loop.call_later(self._outage_s() * 4, partial(one.fill_disk, full=False))

    def _babble(self, one: Home, device: str, times: int) -> None:
        for _ in range(times):
            data = self._draw.randbytes(self._draw.choice((8, 2_000)))
            one.fault(device, Fault("short packet", "torn", self._world.clock.now_ns(), data=data))

    async def _end_home(self, one: Home, how: str) -> None:
        if not one.up:
            return
        self._world.counts[how] += 1
        self._world.note(how, one.name)
        one.up, one.cut = False, None
        lost = await one.waiting() if how == "gateway disks lost" else []
        self._world.broker.cut(one.name)
        await (one.stop() if how == "gateways stopped" else one.kill())
        if how == "gateway disks lost":
            one.lose_disk()
            self._world.ledger.disk_lost(lost)
        self._world.later(self._outage_s(), partial(self._start_home, one))

    async def home_died(self, one: Home) -> None:
        self._world.note("died", one.name)
        self._world.broker.cut(one.name)
        await one.kill()
        self._world.later(self._outage_s(), partial(self._start_home, one))

    async def _start_home(self, one: Home) -> None:
        self._world.note("up", one.name)
        await one.start(self._draw.choice((self.room, ROOM)))

    async def cut_server(self) -> None:
        if self._world.centre.server:
            self._world.centre.cut = (self._draw.choice(("before", "after")), self._draw.randint(1, 6))

    async def kill_server(self) -> None:
        if self._world.centre.server:
            self._world.counts["servers killed"] += 1
            self._world.centre.kill()
            self.server_died()

    def server_died(self) -> None:
        self._world.note("server died")
        self._world.later(self._outage_s(), self._start_server)

    async def _start_server(self) -> None:
        if self._world.centre.server is None:
            self._world.centre.start()
            self._world.alarms.started(self._world.centre.started_ns)
            self._ticked_s = self._world.loop.time() - ROUND_S
            self._world.note("server up")

    async def server_full(self) -> None:
        self._world.centre.full = True
        self._world.loop.call_later(self._outage_s(), setattr, self._world.centre, "full", False)

    async def crash_broker(self) -> None:
        if self._world.broker.up:
            self._world.counts["broker crashes"] += 1
            self._world.note("broker crashes")
            self._world.broker.crash()
            self._world.loop.call_later(self._outage_s(), self._world.broker.start)

    async def cut_line(self) -> None:
        self._world.counts["lines cut"] += 1
        self._world.broker.cut(self._draw.choice(self._world.homes).name)

    async def partition(self) -> None:
        name = self._draw.choice(self._world.homes).name
        self._world.counts["gateways cut off"] += 1
        self._world.broker.cut_off.add(name)
        self._world.broker.cut(name)
        self._world.loop.call_later(self._outage_s() * 4, self._world.broker.cut_off.discard, name)

    async def set_hub_clock(self) -> None:
        """Right, an hour off, some seconds a day too fast, or as on the day it was made."""
        one = self._draw.choice(self._world.homes)
        ahead_s = self._draw.choice((0, 0, 3_600, -3_600, 90, -400, -(START_NS // NS) + 600))
        drift = self._draw.choice((0.0, 0.0, 1e-4, -3e-4))
        one.clock.set(ahead_s * NS, drift)
        self._world.counts["gateway clocks set"] += 1
        self._world.note("clock", one.name, ahead_s, drift)

    async def set_device_clock(self) -> None:
        device = self._draw.choice(self._world.town.devices)
        device.clock_ns = self._draw.choice((0, 3_600 * NS, -86_400 * NS, 37 * NS))
        self._world.counts["device clocks set"] += 1

    def _outage_s(self) -> float:
        return self._draw.choice((1, 20, 300, 1_500)) * self._draw.uniform(0.5, 1.5)

    def _often(self) -> Mapping[Act, float]:
        """What may happen in a step, and how often beside the others."""
        daily = {
            self.measure: 40.0, self.visit: 30.0, self.tick: 12.0, self.turn_body: 2.0, self.nurse: 2.0,
            self.fault: 1.5, self.carry: 1.0,
        }  # fmt: skip
        misfortunes = {
            self.cut_home: 1.0, self.kill_home: 1.0, self.stop_home: 0.5, self.lose_disk: 0.3, self.fill_home: 0.7,
            self.cut_server: 1.5, self.kill_server: 0.7, self.server_full: 0.6, self.crash_broker: 0.6,
            self.cut_line: 1.5, self.partition: 0.8, self.set_hub_clock: 0.6, self.set_device_clock: 0.6,
        }  # fmt: skip
        return daily | {act: often * self._draw.choice((0, 1, 3)) for act, often in misfortunes.items()}


_UNTAKEN = ("acknowledge", "acknowledge", "snooze")
_TAKEN = ("close", "close", "assess", "snooze", "undo")


def _handled(server: Server, number: int, deed: str, now_ns: int) -> None:
    with server.db.write() as tx:
        alarm = alarm_of(tx, number)
        assert alarm is not None
        with contextlib.suppress(Refused):  # it has changed since, or it is too late to undo
            match deed:
                case "acknowledge":
                    alarm_store.acknowledge(tx, alarm, NURSE, now_ns, 3_600)
                case "snooze":
                    alarm_deeds.snooze(tx, alarm, "nurse", NURSE, now_ns, 1_800, "the swarm")
                case "assess":
                    alarm_deeds.assess(tx, alarm, NURSE, now_ns, 3_600, "other")
                case "undo":
                    alarm_deeds.undo(tx, alarm, NURSE, now_ns)
                case "close":
                    alarm_store.close(tx, alarm, NURSE, now_ns, "phoned_patient", "resolved_at_home", 3)
