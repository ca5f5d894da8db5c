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
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import msgspec

from firmware_sim.body import Body
from firmware_sim.config import DeviceConfig, SimConfig, load
from firmware_sim.device import Firmware, Happening
from firmware_sim.devices._spot import SpotDevice
from firmware_sim.devices.dispenser import HEARTBEAT_S, Dispenser
from firmware_sim.faults import Path as FaultyPath
from firmware_sim.household import Household
from firmware_sim.noise import word
from firmware_sim.peripheral import BlePort
from firmware_sim.ports import SerialPort
from firmware_sim.radio import Radio
from vitals.clock import NS, RunningClock

__all__ = ["SimConfig", "load", "run"]

Tell = Callable[[dict[str, Any]], None]
See = Callable[[Iterable[Happening]], None]

_LONGEST_SLEEP_S = 10.0
"""Of the wall: so that a wall clock that is set does not leave a device asleep."""


async def run(config: SimConfig, tell: Tell) -> None:
    """Run every home until cancelled. `tell` is called with `{"what": "ready"}`, then with each thing that happens.

    Raises LinkError or ConfigError when a radio, a port or a dispenser's memory does not open.
    """
    radios: list[Radio] = []
    units: list[_Unit] = []
    try:
        for home in config.homes:
            radio = Radio(home.radio) if home.radio else None
            radios += [radio] if radio else []
            household = Household(config, home)
            for device in home.devices:
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
    path = FaultyPath(device.faults, word(household.seed, device.id, "path"))
    firmware = household.firmware(device)
    if isinstance(firmware, Dispenser):
        return _SerialUnit(device, firmware, path, household.clock, household.body, see)
    assert radio is not None, "load() lets no device on the air pass without a radio"
    return _BleUnit(device, firmware, radio, path, household.clock, household.body, see)


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


async def _live(
    firmware: Firmware, body: Body, clock: RunningClock, see: See, after: Callable[[], None], spoken_to: asyncio.Event
) -> None:
    """Keep a firmware at the clock's time for ever; `after` is called each time it was brought up to it.

    `spoken_to` is set when the gateway may have changed what the firmware will do next.
    """
    while True:
        spoken_to.clear()
        see(firmware.update(clock.now_ns(), body.truth))
        after()
        wake_ns = firmware.wake_ns
        wait_s = _LONGEST_SLEEP_S if wake_ns is None else clock.wall_s((wake_ns - clock.now_ns()) / NS)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_LONGEST_SLEEP_S, max(0.0, wait_s))):
                await spoken_to.wait()


class _BleUnit:
    """A device on the air."""

    def __init__(
        self,
        device: DeviceConfig,
        firmware: SpotDevice,
        radio: Radio,
        path: FaultyPath,
        clock: RunningClock,
        body: Body,
        see: See,
    ) -> None:
        self._firmware = firmware
        self._clock = clock
        self._body = body
        self._see = see
        self._port = BlePort(radio, device.address, firmware, path, clock.now_ns)

    async def open(self) -> None:
        await self._port.power_on()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._port.run())
            group.create_task(
                _live(self._firmware, self._body, self._clock, self._see, self._port.poke, asyncio.Event())
            )

    def close(self) -> None:
        """Nothing of a device on the air outlives its tasks."""


class _SerialUnit:
    """A dispenser at the end of a serial line. What it says is on its own disk first."""

    def __init__(
        self,
        device: DeviceConfig,
        firmware: Dispenser,
        path: FaultyPath,
        clock: RunningClock,
        body: Body,
        see: See,
    ) -> None:
        self._device = device
        self._firmware = firmware
        self._path = path
        self._clock = clock
        self._body = body
        self._see = see
        self._port: SerialPort | None = None
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._saved = b""
        self._spoken_to = asyncio.Event()

    async def open(self) -> None:
        self._port = SerialPort(Path(self._device.port), self._receive)
        self._save()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_frames())
            group.create_task(self._beat())
            group.create_task(
                _live(self._firmware, self._body, self._clock, self._see, lambda: self._say([]), self._spoken_to)
            )

    def _receive(self, data: bytes) -> None:
        t_ns = self._clock.now_ns()
        self._see(self._firmware.update(t_ns, self._body.truth))
        self._say(list(self._firmware.receive(self._path.carry(data), t_ns)))
        self._spoken_to.set()

    def _say(self, answers: list[bytes]) -> None:
        frames = [*answers, *self._firmware.unasked()]
        self._save()
        for frame in frames:
            self._frames.put_nowait(frame)

    def _save(self) -> None:
        if not self._device.memory:
            return
        data = msgspec.msgpack.encode(self._firmware.memory)
        if data != self._saved:
            self._saved = data
            path = Path(self._device.memory)
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.new")
            fresh.write_bytes(data)
            os.replace(fresh, path)

    async def _beat(self) -> None:
        while self._firmware.alive:
            await asyncio.sleep(HEARTBEAT_S)
            if self._firmware.alive:
                self._frames.put_nowait(self._firmware.heartbeat())

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
