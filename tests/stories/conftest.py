"""Towns for stories."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from .town import Town

Build = Callable[..., Awaitable[Town]]


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Build]:
    """Makes a town of `(name, programme, scenario, limits)` and closes it after the story. `programmes`: a folder."""
    towns = []

    async def made(*patients: tuple[str, str, str, dict[str, float]], programmes: Path | None = None) -> Town:
        town = Town(tmp_path, patients, programmes=programmes)
        towns.append(town)
        await town.open()
        return town

    yield made
    for town in towns:
        await town.close()
