"""What the gateway's tests stand on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from bumble.link import LocalLink

from gateway.spool.store import Spool
from tests.gateway.links.air import Socket
from tests.gateway.uplink.broker import Broker, Server
from tests.gateway.visits.scripted import Scripted
from vitals.clock import RunningClock


@pytest.fixture(scope="session")
def lasting_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One broker for all tests that do not kill it."""
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
def mortal_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker that a test may kill and start again."""
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture
async def server(lasting_broker: Broker) -> AsyncIterator[Server]:
    server = await Server(lasting_broker).start()
    yield server
    await server.stop()


@pytest.fixture
async def spool(tmp_path: Path) -> AsyncIterator[Spool]:
    spool = await Spool.open(tmp_path / "spool.sqlite")
    yield spool
    await spool.close()


@pytest.fixture
def clock() -> RunningClock:
    return RunningClock()


@pytest.fixture
async def link() -> LocalLink:
    """The simulated air."""
    return LocalLink()


@pytest.fixture
async def socket(link: LocalLink, tmp_path: Path) -> AsyncIterator[Socket]:
    """A socket with a controller on that air behind it."""
    socket = Socket(tmp_path / "hci", link)
    await socket.start()
    yield socket
    await socket.kill()


@pytest.fixture(autouse=True)
def _forget_bookmarks() -> None:
    Scripted.bookmarks.clear()
