"""The wiring: which parts there are, who knows whom, and in what order they end.

Everything long-lived is a task of the TaskGroup here, or of the devices' own (`gateway.visits.devices`), which alone is
ended and begun anew when a configuration comes from afar. On SIGTERM or SIGINT they are all cancelled; the uplink says
goodbye to the broker on its way out, each connection to a device is closed, and the spool, which the others write to
until the last moment, is closed after them.
"""

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivers.catalogue import find
from gateway import VERSION
from gateway.afar.configuration import Afar
from gateway.clock.hub import HubClock, is_set
from gateway.config.model import Config, Find
from gateway.identity.held import needed
from gateway.identity.held import notes as identity_notes
from gateway.identity.moment import wall
from gateway.identity.renewal import Renewals
from gateway.identity.seals import Seals
from gateway.identity.secure import secure
from gateway.spool.store import SPOOL_FILE, Spool
from gateway.tasks import ended
from gateway.uplink.sending import Uplink
from gateway.visits.devices import Devices
from gateway.visits.orders import Orders
from vitals.wire import SPOOL_FULL, Health

if TYPE_CHECKING:
    from gateway.home.local import Local
    from gateway.home.sheet import Home

log = logging.getLogger(__name__)


async def run(config: Config, find_driver: Find = find) -> None:
    """Run the gateway until SIGTERM or SIGINT; raises StoreError when the spool cannot be opened."""
    seals = Seals(Path(config.data))
    spool = await Spool.open(Path(config.data) / SPOOL_FILE, config.spool_mb << 20)
    try:
        with _until_signalled() as stopped:
            await _run_parts(config, spool, seals, find_driver, stopped)
    finally:
        await spool.close()


async def _run_parts(config: Config, spool: Spool, seals: Seals, find_driver: Find, stopped: asyncio.Event) -> None:
    clock = HubClock(config.clock)
    afar = Afar(config, seals, find_driver, clock)
    orders = await Orders.open(config.name, spool, clock, {}, seals, clock.server_ns)
    devices = Devices(spool, orders, clock, find_driver)

    def wall_now() -> datetime:
        return clock.told() or wall()

    home = await _opened_home(config, spool, clock, seals, lambda: uplink.silent_s())

    def notes() -> tuple[str, ...]:
        watching = home.local if home else None
        return (*identity_notes(config, wall_now()), *_notes(clock, spool, watching), *devices.notes(), *orders.notes())

    uplink = Uplink(
        config.name, config.uplink, spool, clock, afar.running.config.heartbeat_s,
        partial(_health, config.name, spool, clock, devices, afar, home, notes), orders.arrived, afar.arrived, seals,
        secure(config, clock.told),
    )  # fmt: skip
    afar.on_change = lambda: uplink.beat_every(afar.running.config.heartbeat_s)
    if home:
        uplink.hear("wishes", home.wished.arrived)
        home.wished.on_change = afar.on_change
        home.local.limits = lambda: afar.running.limits
    async with asyncio.TaskGroup() as parts:
        tasks = [
            parts.create_task(afar.run(devices.serve), name="configuration"),
            parts.create_task(orders.run(), name="orders"),
            parts.create_task(uplink.run(), name="uplink"),
        ]
        tasks += _started_home(config, home, parts)
        if needed(config.uplink.tls):
            tasks.append(parts.create_task(Renewals(config, uplink, wall_now).run(), name="renewals"))
        at = config.metrics.address()
        if at is not None:
            from gateway.metrics import Parts, serve

            told = Parts(spool, lambda: devices.sessions, uplink, clock, notes, devices.troubles)
            tasks.append(parts.create_task(serve(at, told), name="metrics"))
        log.info("%s: running, epoch %s, %d rows waiting", config.name, spool.epoch, spool.status.queued)
        await stopped.wait()
        log.info("%s: stopping", config.name)
        await ended(tasks)


def _health(
    name: str, spool: Spool, clock: HubClock, devices: Devices, afar: Afar, home: "Home | None",
    notes: Callable[[], tuple[str, ...]],
) -> Health:  # fmt: skip
    status = spool.status
    return Health(
        name,
        spool.epoch,
        clock.now_ns(),
        f"hjemvakt-gateway {VERSION}",
        status.queued,
        status.oldest_ns,
        tuple(session.health() for session in devices.sessions),
        tuple(f"{address} {name}" for address, name in devices.strangers().items()),
        notes(),
        config_version=afar.running.version,
        config_hash=afar.running.hash,
        config_refused=afar.refused,
        wishes_version=home.version if home else -1,
    )


async def _opened_home(
    config: Config, spool: Spool, clock: HubClock, seals: Seals, silent_s: Callable[[], float | None]
) -> "Home | None":
    """Who watches over the home while the server is away, and asks it what the server wishes, where that is wanted."""
    if config.local is None:
        return None
    from gateway.home.local import Local
    from gateway.home.sheet import Home
    from gateway.home.voice import Voice

    voices = [Voice(config.local.tell)] if config.local.tell else []
    local = Local(config.local, spool, clock, silent_s, voices)
    await local.open()
    home = Home(config.name, Path(config.data), config.local, spool, clock, seals, local, voices)
    await home.open()
    return home


def _started_home(config: Config, home: "Home | None", parts: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
    if config.local is None or home is None:
        return []
    from gateway.home.page import Page

    tasks = [parts.create_task(home.local.run(), name="local"), parts.create_task(home.run(), name="home")]
    at = config.local.address()
    if at:
        page = Page(config.local.language, home.local.view, home.local.seen, home)
        tasks.append(parts.create_task(page.serve(at), name="the home's page"))
    return tasks


def _notes(clock: HubClock, spool: Spool, local: "Local | None") -> tuple[str, ...]:
    unset = () if is_set(clock) else ("the clock was not set: no device is read until the hub knows the time",)
    borrowed = ("the clock was not set: the hub goes by the server's time",) if clock.borrowed else ()
    status = spool.status
    full = (SPOOL_FULL,) if spool.full else ()
    low = ("the hub's disk is full: make room on it",) if status.low else ()
    rows = status.shed - spool.before.shed
    shed = (f"the spool was nearly full: {rows} rows of waves were thrown away",) if rows else ()
    blind = ("the home could not be watched here while the server was away",) if local and local.blind else ()
    outdated = (local.outdated,) if local and local.outdated else ()
    return (*unset, *borrowed, *full, *low, *shed, *blind, *outdated)


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
