"""What these tests stand on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.identity.place import Place, place_with_door
from tests.server.conftest import Town


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server that knows hubs by certificates. Needs mosquitto."""
    async with place_with_door(tmp_path) as one:
        yield one


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """A server without a network, whose clock stands still."""
    town = Town(tmp_path)
    yield town
    town.server.close()
