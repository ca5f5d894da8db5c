"""The wiring: which parts there are, who knows whom, and in what order they end.

Everything long-lived is a task of the one TaskGroup here. On SIGTERM or SIGINT they are all cancelled; the uplink says
goodbye to the broker on its way out, each connection to a device is closed, and the spool, which the others write to
until the last moment, is closed after them.

Hardware libraries are loaded only when the configuration names what needs them: Bumble costs a hub with BlueZ nothing.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from drivers.catalogue import catalogue, find
from drivers.contract import Driver, Link
from gateway import VERSION
from gateway.config import Config, DeviceConfig, Find
from gateway.orders import Orders
from gateway.session import Session
from gateway.spool import Spool
from gateway.tasks import ended
from gateway.uplink import Uplink
from vitals.clock import NS, Clock
from vitals.wire import SPOOL_FULL, Health

if TYPE_CHECKING:
    from gateway.links.ble import Radio

SPOOL_FILE = "spool.sqlite"

SET_SINCE_NS = 1_735_689_600 * NS
"""2025-01-01: a clock that shows less was never set."""
LOOK_S = 1.0

log = logging.getLogger(__name__)

Wired = tuple[DeviceConfig, type[Driver], Session]


async def run(config: Config, find_driver: Find = find) -> None:
    """Run the gateway until SIGTERM or SIGINT; raises StoreError when the spool cannot be opened."""
    spool = await Spool.open(Path(config.data) / SPOOL_FILE, config.spool_mb << 20)
    try:
        with _until_signalled() as stopped:
            await _run_parts(config, spool, find_driver, stopped)
    finally:
        await spool.close()


async def _run_parts(config: Config, spool: Spool, find_driver: Find, stopped: asyncio.Event) -> None:
    drivers = {device.id: find_driver(device.driver) for device in config.devices}
    takes = {device: driver.card.orders for device, driver in drivers.items()}
    orders = await Orders.open(config.name, spool, config.clock, takes)
    wired = [
        (device, driver, Session(device.id, driver, spool, config.clock, orders))
        for device in config.devices
        for driver in (drivers[device.id],)
    ]
    sessions = [session for _, _, session in wired]
    for session in sessions:
        await session.catch_up()
    async with asyncio.TaskGroup() as parts:
        tasks: list[asyncio.Task[None]] = []

        def start(work: Any, name: str) -> None:
            tasks.append(parts.create_task(work, name=name))

        def serve(visits: Callable[[], Awaitable[None]], name: str) -> None:
            start(_when_set(config.clock, visits), name)

        radio = _start_radio(config, wired, start, serve)
        _start_ports(config, wired, serve)
        health = _health_of(config, spool, sessions, radio)
        uplink = Uplink(config.name, config.uplink, spool, config.clock, config.heartbeat_s, health, orders.arrived)
        start(orders.run(), "orders")
        start(uplink.run(), "uplink")
        _start_metrics(config, spool, sessions, uplink, radio, start)
        log.info("%s: running, epoch %s, %d rows waiting", config.name, spool.epoch, spool.status.queued)
        await stopped.wait()
        log.info("%s: stopping", config.name)
        await ended(tasks)


async def _when_set(clock: Clock, visits: Callable[[], Awaitable[None]]) -> None:
    """The visits to a device, once our clock is set: by it the device's own is set, and a dispenser doses by that.

    A hub without a battery for its clock starts in 1970 and is told the time by the network. Until then its devices
    keep what they measure.
    """
    while not _is_set(clock):  # noqa: ASYNC110 - nobody tells a process that the clock was set
        await asyncio.sleep(LOOK_S)
    await visits()


def _is_set(clock: Clock) -> bool:
    return clock.now_ns() >= SET_SINCE_NS


def _start_radio(
    config: Config,
    wired: Sequence[Wired],
    start: Callable[[Any, str], None],
    serve: Callable[[Callable[[], Awaitable[None]], str], None],
) -> "Radio | None":
    if config.radio.kind == "none":
        return None
    from gateway.links.ble import Radio, Target
    from gateway.links.radios import chosen

    made_with = chosen(config.radio, Path(config.data))
    targets = [
        Target(device.address or "", driver.card, session.visit, device.id)
        for device, driver, session in wired
        if driver.card.link is not Link.SERIAL
    ]
    radio = Radio(
        targets,
        [driver.card for driver in catalogue().values()],
        config.clock,
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
        serve(partial(radio.serve, target), target.address)
    return radio


def _start_ports(
    config: Config, wired: Sequence[Wired], start: Callable[[Callable[[], Awaitable[None]], str], None]
) -> None:
    on_ports = [one for one in wired if one[1].card.link is Link.SERIAL]
    if not on_ports:
        return
    from gateway.links.serial import serve

    for device, driver, session in on_ports:
        card = replace(driver.card, serial=device.line(driver.card))
        start(partial(serve, device.port or "", card, session.visit, config.clock), device.id)


def _start_metrics(
    config: Config,
    spool: Spool,
    sessions: Sequence[Session],
    uplink: Uplink,
    radio: "Radio | None",
    start: Callable[[Any, str], None],
) -> None:
    at = config.metrics.address()
    if at is None:
        return
    from gateway.metrics import Parts, serve

    def troubles() -> dict[str, int]:
        return radio.troubles_so_far() if radio else {}

    parts = Parts(spool, sessions, uplink, config.clock, lambda: _notes(config.clock, spool, radio), troubles)
    start(serve(at, parts), "metrics")


def _health_of(
    config: Config, spool: Spool, sessions: Sequence[Session], radio: "Radio | None"
) -> Callable[[], Health]:
    def health() -> Health:
        status = spool.status
        return Health(
            config.name,
            spool.epoch,
            config.clock.now_ns(),
            f"hjemvakt-gateway {VERSION}",
            status.queued,
            status.oldest_ns,
            tuple(session.health() for session in sessions),
            tuple(f"{address} {name}" for address, name in (radio.strangers if radio else {}).items()),
            _notes(config.clock, spool, radio),
        )

    return health


def _notes(clock: Clock, spool: Spool, radio: "Radio | None") -> tuple[str, ...]:
    unset = () if _is_set(clock) else ("the clock was not set: no device is read until the hub knows the time",)
    full = (SPOOL_FULL,) if spool.full else ()
    return (*unset, *full, *(radio.notes() if radio else ()))


@contextlib.contextmanager
def _until_signalled() -> Any:
    """An event that SIGTERM and SIGINT set."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGTERM, signal.SIGINT)
    for one in signals:
        loop.add_signal_handler(one, stopped.set)
    try:
        yield stopped
    finally:
        for one in signals:
            loop.remove_signal_handler(one)
