"""A home: the gateway's own spool on a real file and its own uplink, and the devices that its hub reads.

Where a driver would talk to a device there is one simple act: the hub reads what is new since its bookmark, reckons
when each thing was measured from its own clock and the device's, and hands it to the spool together with the new
bookmark. Everything behind that is the gateway's own code.

The power fails between two steps of anything, or in a commit: before it (nothing is written) or after it (everything
is, and nobody was told).
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from gateway.clock import hub
from gateway.config.model import UplinkConfig
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.uplink.sending import Uplink
from tests.swarm.bodies import Device, Naming, Record
from vitals.block import Block
from vitals.clock import Clock
from vitals.errors import StoreError
from vitals.events import Event, Fault
from vitals.wire import Health, Row

ROOM_PAGES = 65_536
AT_ONCE = 40
"""So many records are read in one visit."""


class Cut(Exception):
    """The power of the gateway failed here."""


class HubClock:
    """The hub's own time: so much ahead of the true one, and `drift` seconds more with every second."""

    speed = 1.0

    def __init__(self, true: Clock) -> None:
        self._true = true
        self._set_ns = true.now_ns()
        self.ahead_ns = 0
        self.drift = 0.0

    def now_ns(self) -> int:
        now_ns = self._true.now_ns()
        return now_ns + self.ahead_ns + round((now_ns - self._set_ns) * self.drift)

    def set(self, ahead_ns: int, drift: float = 0.0) -> None:
        self._set_ns = self._true.now_ns()
        self.ahead_ns, self.drift = ahead_ns, drift

    def true_ns(self) -> int:
        return self._true.now_ns()


class Home:
    """One home. `says` is told what a gateway is about to keep, `kept` what it surely has."""

    def __init__(self, name: str, folder: Path, clock: Clock, heartbeat_s: float, counts: Counter[str]) -> None:
        self.name = name
        self.clock = HubClock(clock)
        self.spool: Spool
        self.up = False
        self.cut: str | None = None
        """Where the power fails next: "before" or "after" a commit that has rows."""
        self.says: Callable[[Home, Record, Heard], None] = lambda home, record, heard: None
        self.kept: Callable[[Record, Heard], None] = lambda record, heard: None
        self.died: Callable[[Home], None] = lambda home: None
        self.failed: Callable[[BaseException], None] = lambda error: None
        self._path = folder / name / "spool.sqlite"
        self._path.parent.mkdir(parents=True)
        self._heartbeat_s = heartbeat_s
        self._counts = counts
        self._dead = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: set[str] = set()

    async def start(self, max_bytes: int) -> None:
        """Power on; `max_bytes`: how much the spool's disk holds."""
        self._dead, self.cut = False, None
        self.spool = await Spool.open(self._path, max_bytes)
        self._watch_commits()
        clock = hub.HubClock(self.clock)
        uplink = Uplink(self.name, UplinkConfig(protocol=5), self.spool, clock, self._heartbeat_s, self._health)
        self._do(uplink.run())
        self.up = True

    async def kill(self) -> None:
        """Power off, now: nothing more is written."""
        self._dead = True
        await self._end()

    async def stop(self) -> None:
        """Stopped as a service is: what waits is written first."""
        await self.spool.flushed()
        await self._end()

    def fill_disk(self, *, full: bool) -> None:
        """Others take the last of the hub's disk, or give it back: the spool's file cannot grow."""
        if self.up:
            self.spool._file._db.execute(f"PRAGMA max_page_count = {1 if full else ROOM_PAGES}")

    def lose_disk(self) -> None:
        """The card of the hub is replaced by an empty one. Only while the power is off."""
        for path in self._path.parent.iterdir():
            path.unlink()

    def visit(self, device: Device, draw: random.Random) -> None:
        """Begin to read a device."""
        if self.up and device.id not in self._reading:
            self._reading.add(device.id)
            self._do(self._visit(device, draw.random()))

    @property
    def busy(self) -> bool:
        """Whether a visit is under way."""
        return bool(self._reading)

    def fault(self, device: str, fault: Fault) -> None:
        """A device sends what cannot be read."""
        if self.up:
            self._do(self._keep_fault(Heard(device, self.clock.now_ns(), fault)))

    async def present(self) -> set[int]:
        """The numbers of the rows that wait in the spool."""
        return {row.seq for row in await self.spool.take(0, 1_000_000)}

    async def waiting(self) -> list[Row]:
        """The rows themselves."""
        return [msgspec.json.decode(row.json, type=Row) for row in await self.spool.take(0, 1_000_000)]

    async def _visit(self, device: Device, luck: float) -> None:
        try:
            mark = int(await self.spool.bookmark(device.id) or 0)
            if luck < 0.1:  # the device is asked for some records once more
                mark = max(0, mark - 5)
                self._counts["visits that read again"] += 1
            if device.naming is Naming.ROW:
                records, device.air = device.air, []
            else:
                records = device.memory[mark : mark + AT_ONCE]
            heard = [(record, one) for record in records for one in self._heard(device, record)]
            for record, one in heard:
                self.says(self, record, one)
            mark += 0 if device.naming is Naming.ROW else len(records)
            if heard and await self._put([one for _, one in heard], {device.id: str(mark)}):
                for record, one in heard:
                    self.kept(record, one)
        finally:
            self._reading.discard(device.id)

    def _heard(self, device: Device, record: Record) -> list[Heard]:
        """What a driver makes of a record: how long ago it was by the device's clock, and so when it was by ours."""
        now_ns, ago_ns = self.clock.now_ns(), self.clock.true_ns() + device.clock_ns - record.device_ns
        told: list[Block | Event] = record.told(now_ns - ago_ns)
        return [Heard(device.id, now_ns, one) for one in told]

    async def _keep_fault(self, heard: Heard) -> None:
        await self._put([heard])

    async def _put(self, heard: list[Heard], bookmarks: dict[str, str] | None = None) -> bool:
        try:
            await self.spool.put(heard, bookmarks)
        except StoreError:
            self._counts["rows a full spool refused"] += len(heard)
            return False
        except Cut:
            return False
        return True

    def _health(self) -> Health:
        status = self.spool.status
        return Health(self.name, self.spool.epoch, self.clock.now_ns(), "swarm", status.queued, status.oldest_ns)

    def _watch_commits(self) -> None:
        write = self.spool._file.write

        def watched(puts: object, *more: object) -> object:
            if self.cut == "before" and puts:
                self._fail("gateways cut before a commit")
            if self._dead:
                raise Cut("before the commit")
            written = write(puts, *more)  # type: ignore[arg-type]
            if self.cut == "after" and puts:
                self._fail("gateways cut after a commit")
                raise Cut("after the commit")
            return written

        self.spool._file.write = watched  # type: ignore[method-assign, assignment]

    def _fail(self, how: str) -> None:
        self._counts[how] += 1
        self.cut, self._dead, self.up = None, True, False
        asyncio.get_running_loop().call_soon(self.died, self)

    async def _end(self) -> None:
        self.up = False
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.spool.close()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, Cut):
            self.failed(error)
