"""A server that knows hubs by certificates, on free ports of the loopback, and hubs to be claimed."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path

import tomli_w

from gateway.clock.hub import HubClock
from gateway.config.file import load
from gateway.config.model import Config as HubConfig
from gateway.identity.claim import claim
from gateway.identity.moment import Told, nobody
from gateway.identity.renewal import Renewals
from gateway.identity.seals import Seals
from gateway.identity.secure import secure
from gateway.spool.rows import Heard
from gateway.spool.store import Spool
from gateway.tasks import ended
from gateway.uplink.sending import Uplink
from server import broker
from server.app import Server
from server.broker.mosquitto import Mosquitto
from server.config import Broker, BrokerTls, Config
from server.identity import store
from server.identity.desk import Desk, revoke
from server.identity.door import opened
from server.ingest.inbox import Inbox
from tests.ports import free_ports
from tests.server.conftest import LADDERS
from vitals.block import Block
from vitals.clock import RunningClock
from vitals.wire import Health

HUBS = ("home-1", "home-2")
WAIT_S = 15.0

_TOWN = """
name = "Prøveby"
[[patients]]
id = "eva"
name = "Eva"
birth_year = 1940
place = "Gata 1"
programme = "general"
[[gateways]]
id = "home-1"
place = "Gata 1"
patient = "eva"
[[gateways]]
id = "home-2"
place = "Gata 2"
[[assignments]]
device = "oximeter"
patient = "eva"
from = 2020-01-01T00:00:00Z
"""


class Place:
    """The server and its parts. `claim_port` is the hubs' door's, `port` the broker's for certificates."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        own, port, claim_port = free_ports(3)
        self.tls = BrokerTls(("127.0.0.1", "localhost"), host="127.0.0.1", port=port, claim_port=claim_port)
        municipality = folder / "municipality.toml"
        municipality.write_text(_TOWN, encoding="utf-8")
        config = Config(
            "Prøveby", folder / "server", municipality, LADDERS,
            broker=Broker(kind="mosquitto", port=own, tls=self.tls),
        )  # fmt: skip
        self.server = Server(config)
        assert self.server.desk is not None
        assert self.server.keeper is not None
        self.desk, self.keeper = self.server.desk, self.server.keeper
        hosts = broker.start(config.broker, {}, folder / "server" / "broker", self.keeper.papers())
        assert isinstance(hosts, Mosquitto)
        self.broker = hosts
        self.keeper.keep(hosts.renew)
        self.inbox = Inbox(hosts.endpoint, self.server.receive_many)
        self.server.publish = self.inbox.publish
        self.inbox.start()
        assert self.inbox.wait_until_listening(WAIT_S)

    def at(self, wall: Callable[[], int]) -> None:
        """The desk goes by another wall clock from now on."""
        self.desk = self.server.desk = Desk(self.server.db, self.desk.authority, self.tls, wall)

    def close(self) -> None:
        self.inbox.stop()
        self.broker.stop()
        self.server.close()

    def hub(self, name: str, folder: str = "") -> HubConfig:
        """A hub's configuration, as it comes out of the box."""
        path = self.folder / (folder or name) / "gateway.toml"
        path.parent.mkdir(exist_ok=True)
        tls = {"claim_port": self.tls.claim_port}
        uplink = {"host": "127.0.0.1", "port": self.tls.port, "reconnect_max_s": 1.0, "tls": tls}
        path.write_text(tomli_w.dumps({"name": name, "uplink": uplink}), encoding="utf-8")
        return load(path)

    def code(self, name: str) -> str:
        return str(self.desk.make_code(name, "test"))

    async def claimed(self, name: str, folder: str = "") -> HubConfig:
        """A hub that has just been claimed."""
        config = self.hub(name, folder)
        await claim_it(config, self.code(name))
        return config

    def revoke(self, name: str) -> None:
        with self.server.db.write() as tx:
            revoke(tx, name, "returned", "test", self.desk._wall())

    def serials(self, name: str) -> list[str]:
        """Of every certificate it was given, newest first."""
        with self.server.db.read() as tx:
            return [one.serial for one in store.certificates_of(tx, name)]

    def stored(self) -> list[float]:
        from server.readings.store import series

        with self.server.db.read() as tx:
            return list(series(tx, "eva", "spo2", 0, 2**62).value)

    def aside(self) -> list[str]:
        """The reasons in quarantine."""
        from server.fleet.store import quarantine

        with self.server.db.read() as tx:
            return [one.reason for one in quarantine(tx, 100)]

    async def until(self, happened: Callable[[], object]) -> None:
        """The server's engine turns until something is so."""
        async with asyncio.timeout(WAIT_S):
            while not happened():
                await asyncio.to_thread(self.keeper.turn)
                await asyncio.sleep(0.05)


async def claim_it(config: HubConfig, code: str, discard: int | None = None) -> str:
    return await asyncio.to_thread(claim, config, code, discard=discard, sure=lambda question: True)


@contextlib.asynccontextmanager
async def place_with_door(folder: Path) -> AsyncIterator[Place]:
    place = await asyncio.to_thread(Place, folder)
    try:
        listening = socket.create_server(("127.0.0.1", place.tls.claim_port))
        async with opened(place.server, place.keeper, listening):
            yield place
        listening.close()
    finally:
        await asyncio.to_thread(place.close)


class Home:
    """A hub's spool and uplink, running."""

    def __init__(self, config: HubConfig, spool: Spool, clock: HubClock | None, told: Told) -> None:
        self.config = config
        self.spool = spool
        self.clock = HubClock(RunningClock()) if clock is None else clock
        self.uplink = Uplink(
            config.name, config.uplink, spool, self.clock, 60, self._health,
            seals=Seals(Path(config.data)), secure=secure(config, told),
        )  # fmt: skip

    def _health(self) -> Health:
        return Health(self.config.name, self.spool.epoch, self.clock.now_ns(), "test", self.spool.status.queued)

    async def measure(self, *values: float) -> None:
        now_ns = self.clock.now_ns()
        for value in values:
            now_ns += 1
            await self.spool.put([Heard("oximeter", now_ns, Block("spo2", (now_ns,), (value,)))])

    def renewals(self, now: Callable[[], datetime]) -> Renewals:
        """The part that renews the certificate, which goes by that wall clock and does not wait for long."""
        return Renewals(self.config, self.uplink, now, look_s=0.1, again_s=0.3)

    async def until(self, happened: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not happened():  # noqa: ASYNC110 - the spool and the broker tell nobody else
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def home(
    config: HubConfig,
    now: Callable[[], datetime] | None = None,
    clock: HubClock | None = None,
    told: Told = nobody,
) -> AsyncIterator[Home]:
    """The hub, running, by that `clock`; with `now` it also renews its certificate by that wall clock. `told`: what
    time the server has told it."""
    spool = await Spool.open(Path(config.data) / "spool.sqlite")
    one = Home(config, spool, clock, told)
    parts = [one.renewals(now).run()] if now else []
    running = [asyncio.create_task(part) for part in (*parts, one.uplink.run())]
    try:
        yield one
    finally:
        await ended(running)
        await spool.close()
