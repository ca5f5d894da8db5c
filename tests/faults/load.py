"""The load: medicine dispensers on serial lines, whose lids never rest.

Each is the simulator's own firmware behind a pseudo-terminal, so a gateway process reads it with its real driver: the
bytes go to its disk, then the entries to its spool, and only then is the device told that it may forget them. An entry
of the device's log is a record with a name of its own, for ever. It is written to the ledger in the moment it is made,
before a byte of it is on the line.

The device is never killed: it is what the promise is measured against.
"""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

from firmware_sim.body import Body
from firmware_sim.clock import DeviceClock
from firmware_sim.device import Battery
from firmware_sim.devices._log import Log, Type
from firmware_sim.devices.dispenser import HEARTBEAT_S, Dispenser, Memory
from firmware_sim.ports import SerialPort
from firmware_sim.scenario import Scenario
from tests.faults.ledger import Ledger

TICK_S = 0.02
_ROOM = 1_000_000
"""Entries in a device's memory: it must not be the device that loses them."""


class Box(Dispenser):
    """A dispenser whose lid can be opened from outside."""

    def lid(self) -> None:
        """Write one entry of its log, at its own time."""
        self._write(Type.LID_OPEN)

    def tamper(self) -> None:
        """The same, of somebody who breaks in: it is urgent."""
        self._write(Type.TAMPER)


class Source:
    """One device on its line. `offset_s`, `drift_ppm`, `is_set`: how wrong its calendar is."""

    def __init__(
        self, name: str, number: int, port: Path, ledger: Ledger, *,
        offset_s: float = 0, drift_ppm: float = 0, is_set: bool = True,
    ) -> None:  # fmt: skip
        now_ns = time.time_ns()
        self.name = name
        self._ledger = ledger
        self._noted = 0
        self._body = Body(number, Scenario("calm"), now_ns)
        self._device = Box(
            now_ns,
            seed=number,
            serial=name,
            clock=DeviceClock(now_ns, offset_s=offset_s, drift_ppm=drift_ppm, is_set=is_set),
            battery=Battery(now_ns, 80),
            memory=Memory(Log(0xFA170000 + number, capacity=_ROOM)),
        )
        self._note()
        self._port = SerialPort(port, self._hear)

    def open_lid(self, times: int) -> None:
        """So many entries, all of one moment and alike in all but their numbers."""
        self._meet()
        for _ in range(times):
            self._device.lid()
        self._tell()

    def tamper(self) -> list[str]:
        """Somebody breaks in; returns the records of it, which are written and not told yet."""
        self._meet()
        before = self._device.memory.log.newest_seq
        self._device.tamper()
        log = self._device.memory.log
        asyncio.get_running_loop().call_soon(self._tell)
        return [f"{self.name} {log.log_id:08x}:{seq}" for seq in range(before + 1, log.newest_seq + 1)]

    def beat(self) -> None:
        """The heartbeat of the protocol."""
        self._meet()
        self._port.write(self._device.heartbeat())

    @property
    def calendar_ns(self) -> int:
        """What its calendar shows now."""
        self._meet()
        return self._device.calendar_ns

    @property
    def kept(self) -> list[str]:
        """The records that nobody has released it of."""
        log = self._device.memory.log
        return [f"{self.name} {log.log_id:08x}:{entry.seq}" for entry in log.entries]

    def close(self) -> None:
        self._port.close()

    def _meet(self) -> int:
        now_ns = time.time_ns()
        self._device.update(now_ns, self._body.truth)
        self._device.meet(now_ns)
        return now_ns

    def _hear(self, data: bytes) -> None:
        now_ns = self._meet()
        for frame in self._device.receive(data, now_ns):
            self._port.write(frame)
        self._tell()

    def _tell(self) -> None:
        """To the ledger first, then on the line."""
        self._note()
        for frame in self._device.unasked():
            self._port.write(frame)

    def _note(self) -> None:
        log = self._device.memory.log
        for seq in range(self._noted + 1, log.next_seq):
            self._ledger.note(f"{self.name} {log.log_id:08x}:{seq}")
        self._noted = log.newest_seq


async def flow(sources: Sequence[Source], per_s: float) -> None:
    """Keep all of them going, `per_s` entries a second together, until cancelled."""
    loop = asyncio.get_running_loop()
    begun_s = beat_s = loop.time()
    made = 0
    while True:
        due = int((loop.time() - begun_s) * per_s) - made
        for place in range(due):
            sources[(made + place) % len(sources)].open_lid(1)
        made += max(0, due)
        if loop.time() - beat_s >= HEARTBEAT_S:
            beat_s = loop.time()
            for source in sources:
                source.beat()
        await asyncio.sleep(TICK_S)
