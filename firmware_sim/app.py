"""Homes, running: bodies, devices and their ports on one clock.

A device's firmware is brought up to the clock's time whenever it has something to do or its port has been spoken to.
What a bystander would have seen is told as it happens: one dict for each thing, with the story's time, the wall's
time, the home, the device and what it was.

Devices wake when the simulator starts. If the story began before that (it was restarted), nobody has measured in
between; what a scale remembers from before the story is there again, to the byte.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

import msgspec

from firmware_sim.config import DeviceConfig, SimConfig, load
from firmware_sim.device import Broadcaster, Firmware, Happening, Instrument, Lasting, Peripheral, Streaming
from firmware_sim.faults import Path as FaultyPath
from firmware_sim.household import Household
from firmware_sim.kinds import find
from firmware_sim.noise import word
from firmware_sim.peripheral import AdvertPort, BlePort
from firmware_sim.ports import SerialPort
from firmware_sim.radio import Radio
from vitals.clock import NS

__all__ = ["SimConfig", "load", "run"]

Tell = Callable[[dict[str, Any]], None]
See = Callable[[Iterable[Happening]], None]

_LONGEST_SLEEP_S = 10.0
"""Of the wall: so that a wall clock that is set does not leave a device asleep."""


async def run(config: SimConfig, tell: Tell) -> None:
    """Run every home until cancelled. `tell` is called with `{"what": "ready"}`, then with each thing that happens.

    Raises LinkError or ConfigError when a radio, a port or a device's memory does not open.
    """
    radios: list[Radio] = []
    units: list[_Unit] = []
    try:
        for home in config.homes:
            radio = Radio(home.radio) if home.radio else None
            radios += [radio] if radio else []
            household = Household(config, home)
            for device in home.furnished:
                units.append(_unit(household, device, radio, _teller(household, device.id, tell)))
                await units[-1].open()
        for radio in radios:
            await radio.open()
        tell({"what": "ready"})
        async with asyncio.TaskGroup() as group:
            for unit in units:
                group.create_task(unit.run())
    finally:
        for unit in units:
            unit.close()
        for radio in radios:
            await radio.close()


class _Unit(Protocol):
    """A device with its port, as `run` handles it."""

    async def open(self) -> None: ...

    async def run(self) -> None: ...

    def close(self) -> None: ...


def _unit(household: Household, device: DeviceConfig, radio: Radio | None, see: See) -> _Unit:
    """The device's firmware in its port."""
    firmware, link = household.firmware(device), find(device.kind).link
    life = _Life(household, device, firmware, see)
    path = FaultyPath(device.faults, word(household.seed, device.id, "path"))
    if link == "serial":
        return _SerialUnit(device, cast(Instrument, firmware), path, life)
    assert radio is not None, "load() lets no device on the air pass without a radio"
    if link == "advert":
        return _AdvertUnit(device, cast(Broadcaster, firmware), radio, life)
    return _BleUnit(device, cast(Peripheral, firmware), radio, path, life)


def _teller(household: Household, device_id: str, tell: Tell) -> See:
    def see(happenings: Iterable[Happening]) -> None:
        for happening in happenings:
            if happening.t_ns >= household.start_ns:
                tell(
                    {
                        "t_ns": happening.t_ns,
                        "wall_ns": time.time_ns(),
                        "home": household.name,
                        "device": device_id,
                        "what": happening.what,
                        **happening.data,
                    }
                )

    return see


class _Life:
    """A firmware in a home's time: brought up to it whenever it has something to do or was spoken to.

    What a power cut leaves of a device (`Lasting`) is on its disk before anything it says leaves it.
    """

    def __init__(self, household: Household, device: DeviceConfig, firmware: Firmware, see: See) -> None:
        self.clock = household.clock
        self.truth = household.body.truth
        self.see = see
        self.at_ns = household.at_ns
        self.spoken_to = asyncio.Event()
        """Set when the gateway may have changed what the firmware will do next."""
        self._firmware = firmware
        self._memory = Path(device.memory) if device.memory and isinstance(firmware, Lasting) else None
        self._saved = b""
        self._happened = False

    def update(self) -> int:
        """Bring the firmware to the clock's time, and return that."""
        t_ns = self.clock.now_ns()
        happenings = self._firmware.update(t_ns, self.truth)
        self._happened = self._happened or bool(happenings)
        self.see(happenings)
        return t_ns

    def happened(self) -> bool:
        """Whether a bystander would have seen anything since this was last asked."""
        happened, self._happened = self._happened, False
        return happened

    async def run(self, after: Callable[[], None]) -> None:
        """Keep it at the clock's time for ever; `after` is called each time it was brought up to it."""
        while True:
            self.spoken_to.clear()
            self.update()
            after()
            await self.until(self._firmware.wake_ns)

    async def until(self, t_ns: int | None) -> None:
        """Wait for that time of the clock, or until spoken to, and not for ever."""
        wait_s = _LONGEST_SLEEP_S if t_ns is None else self.clock.wall_s((t_ns - self.clock.now_ns()) / NS)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_LONGEST_SLEEP_S, max(0.0, wait_s))):
                await self.spoken_to.wait()

    def save(self) -> None:
        """What a power cut leaves, to disk."""
        if self._memory is None or not isinstance(self._firmware, Lasting):
            return
        data = msgspec.msgpack.encode(self._firmware.memory)
        if data != self._saved:
            self._saved = data
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._memory.with_name(f".{self._memory.name}.new")
            fresh.write_bytes(data)
            os.replace(fresh, self._memory)


async def _paced(pace_s: float) -> AsyncIterator[None]:
    """Every `pace_s` of the wall. What was slept through is not made up for: a wire has no memory."""
    loop = asyncio.get_running_loop()
    due_s = loop.time() + pace_s
    while True:
        await asyncio.sleep(due_s - loop.time())
        yield
        due_s = max(due_s + pace_s, loop.time())


class _BleUnit:
    """A device on the air."""

    def __init__(self, device: DeviceConfig, firmware: Peripheral, radio: Radio, path: FaultyPath, life: _Life) -> None:
        self._life = life
        self._firmware = firmware
        self._port = BlePort(radio, device.address, firmware, path, life.clock.now_ns, life.see, self._heard)
        self._forgets_ns = life.at_ns(device.forgets_bond_at_h)

    async def open(self) -> None:
        await self._port.power_on()
        self._life.save()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._port.run())
            group.create_task(self._life.run(self._after))
            if isinstance(self._firmware, Streaming):
                group.create_task(self._stream(self._firmware))
            if self._forgets_ns is not None:
                group.create_task(self._forget(self._forgets_ns))

    def _after(self) -> None:
        self._life.save()
        self._port.poke()

    def _heard(self) -> None:
        self._life.save()
        self._life.spoken_to.set()

    async def _stream(self, firmware: Streaming) -> None:
        async for _ in _paced(firmware.pace_s):
            if self._port.connected:
                firmware.tick(self._life.update(), self._life.truth)
                self._after()

    async def _forget(self, t_ns: int) -> None:
        clock = self._life.clock
        await asyncio.sleep(max(0.0, clock.wall_s((t_ns - clock.now_ns()) / NS)))
        await self._port.forget_bonds()

    def close(self) -> None:
        """Nothing of a device on the air outlives its tasks."""


class _AdvertUnit:
    """A device that is only listened to."""

    def __init__(self, device: DeviceConfig, firmware: Broadcaster, radio: Radio, life: _Life) -> None:
        self._life = life
        self._port = AdvertPort(radio, device.address, firmware)

    async def open(self) -> None:
        await self._port.power_on()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._port.run())
            group.create_task(self._life.run(self._port.poke))

    def close(self) -> None:
        """Nothing of a device on the air outlives its tasks."""


class _SerialUnit:
    """A device at the end of a serial line."""

    def __init__(self, device: DeviceConfig, firmware: Instrument, path: FaultyPath, life: _Life) -> None:
        self._where = Path(device.port)
        self._firmware = firmware
        self._path = path
        self._life = life
        self._port: SerialPort | None = None
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def open(self) -> None:
        self._port = SerialPort(self._where, self._receive)
        self._life.save()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_frames())
            if self._firmware.pace_s is not None:
                group.create_task(self._tick(self._firmware.pace_s))
            group.create_task(self._life.run(self._lived))

    def _receive(self, data: bytes) -> None:
        t_ns = self._life.update()
        self._say(list(self._firmware.receive(self._path.carry(data), t_ns)))
        self._life.spoken_to.set()

    def _lived(self) -> None:
        """What its display shows is on the line at least once, however fast the story runs."""
        if self._life.happened() and self._firmware.pace_s is not None:
            self._say(self._firmware.tick(self._life.clock.now_ns(), self._life.truth))
        self._say([])

    def _say(self, answers: Iterable[bytes]) -> None:
        frames = [*answers, *self._firmware.unasked()]
        self._life.save()
        for frame in frames:
            self._frames.put_nowait(frame)

    async def _tick(self, pace_s: float) -> None:
        async for _ in _paced(pace_s):
            t_ns = self._life.update()
            self._say(self._firmware.tick(t_ns, self._life.truth))

    async def _send_frames(self) -> None:
        while True:
            frame = await self._frames.get()
            pause_s = self._path.pause_s()
            if pause_s:
                await asyncio.sleep(pause_s)
            if self._port:
                self._port.write(self._path.carry(frame * (2 if self._path.twice() else 1)))

    def close(self) -> None:
        if self._port:
            self._port.close()
