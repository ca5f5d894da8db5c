"""The devices of one configuration: what is known of each, and the visits to them.

`serve` is ended and begun anew with another configuration while the rest of the gateway goes on. A visit that is
interrupted costs nothing: a device keeps its record until the record is stored, and what arrived is on disk before
anybody reads it. Of a device that is configured no longer the bytes that were left are read before it is forgotten.

Hardware libraries are loaded only when the configuration names what needs them: Bumble costs a hub with BlueZ nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from drivers.catalogue import catalogue, find
from drivers.contract import Driver, Link
from gateway.clock.hub import is_set
from gateway.config.model import Config, DeviceConfig, Find
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.visits.orders import Orders
from gateway.visits.session import Session
from vitals.clock import Clock

if TYPE_CHECKING:
    from gateway.links.ble import Radio

LOOK_S = 1.0

Wired = tuple[DeviceConfig, type[Driver], Session]
Start = Callable[[Any, str], None]


class Devices:
    """What is read now, and how. Nothing before `serve`."""

    def __init__(self, spool: Spool, orders: Orders, clock: Clock, find_driver: Find = find) -> None:
        self._spool = spool
        self._orders = orders
        self._clock = clock
        self._find = find_driver
        self._radio: Radio | None = None
        self.sessions: Sequence[Session] = ()

    def serve(self, config: Config) -> Coroutine[Any, Any, None]:
        """Visit the configured devices for ever, from when this is awaited; what is told of them is theirs at once.

        Visits of another configuration must have ended.
        """
        drivers = {device.id: self._find(device.driver) for device in config.devices}
        gone = [session for session in self.sessions if session.device not in drivers]
        wired = [
            (device, driver, Session(device.id, driver, self._spool, self._clock, self._orders))
            for device in config.devices
            for driver in (drivers[device.id],)
        ]
        self.sessions = [session for _, _, session in wired]
        self._radio = None
        self._orders.serve({device: driver.card.orders for device, driver in drivers.items()})
        return self._visit(config, wired, gone)

    async def _visit(self, config: Config, wired: Sequence[Wired], gone: Sequence[Session]) -> None:
        for session in (*gone, *self.sessions):
            await session.catch_up()
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[None]] = []

            def start(work: Any, name: str) -> None:
                tasks.append(group.create_task(work, name=name))

            try:
                self._radio = _start_radio(config, wired, self._clock, start)
                _start_ports(config, wired, self._clock, start)
                await asyncio.Event().wait()
            finally:
                await ended(tasks)
                self._keep_unvisited(wired)

    def _keep_unvisited(self, wired: Sequence[Wired]) -> None:
        """What came between two visits, and what nobody has visited a device for yet, is read by whoever comes next."""
        if self._radio is None:
            return
        told = {target.name: target.inbox for target in self._radio.targets.values()}
        for device, _, session in wired:
            if device.id in told:
                session.account.packets.keep_soon(told[device.id].waiting())

    def notes(self) -> Sequence[str]:
        """Troubles in a sentence each."""
        return self._radio.notes() if self._radio else ()

    def strangers(self) -> Mapping[str, str]:
        """Address to name of what advertises, would be read, and is not configured."""
        return self._radio.strangers if self._radio else {}

    def troubles(self) -> Mapping[str, int]:
        """How often the adapter itself has failed since the visits began, by kind."""
        return self._radio.troubles_so_far() if self._radio else {}


async def when_set(clock: Clock, visits: Callable[[], Awaitable[None]]) -> None:
    """The visits to a device, once our clock is set: by it the device's own is set, and a dispenser doses by that.

    A hub without a battery for its clock starts in 1970 and is told the time by the network, or by the server. Until
    then its devices keep what they measure.
    """
    while not is_set(clock):  # noqa: ASYNC110 - nobody tells a process that its clock was set
        await asyncio.sleep(LOOK_S)
    await visits()


def _start_radio(config: Config, wired: Sequence[Wired], clock: Clock, start: Start) -> "Radio | None":
    if config.radio.kind == "none":
        return None
    from gateway.links.ble import Radio
    from gateway.links.radios import chosen
    from gateway.links.target import Target

    made_with = chosen(config.radio, Path(config.data))
    targets = [
        Target(device.address or "", driver.card, session.visit, device.id)
        for device, driver, session in wired
        if driver.card.link is not Link.SERIAL
    ]
    radio = Radio(
        targets,
        [driver.card for driver in catalogue().values()],
        clock,
        connections=config.radio.connections,
        cool_down_s=config.radio.cool_down_s,
        scanner=made_with.scanner,
        client=made_with.client,
        bonds=made_with.bonds,
        bluez=made_with.bluez,
    )
    start(made_with.run(), "radio")
    start(radio.scan(), "scan")
    for target in targets:
        start(when_set(clock, partial(radio.serve, target)), target.address)
    return radio


def _start_ports(config: Config, wired: Sequence[Wired], clock: Clock, start: Start) -> None:
    on_ports = [one for one in wired if one[1].card.link is Link.SERIAL]
    if not on_ports:
        return
    from gateway.links.serial import serve

    for device, driver, session in on_ports:
        card = replace(driver.card, serial=device.line(driver.card))
        visits = partial(serve, device.port or "", card, session.visit, clock)
        start(when_set(clock, visits), device.id)
