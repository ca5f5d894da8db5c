"""What these tests stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.identity.place import Place, place_with_door


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """A server that knows hubs by certificates. Needs mosquitto."""
    async with place_with_door(tmp_path) as one:
        yield one
