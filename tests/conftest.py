"""What a machine lacks is left out by name (`tests/left_out.py` says it aloud), never skipped and counted.

Hypothesis has no deadline, because a busy machine is no bug; in CI it tries the same examples each time, so that a
failure there is of the change and not of the day. Elsewhere it goes on looking.
"""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests.left_out import lacking

settings.register_profile(
    "steady", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

if TYPE_CHECKING:
    from tests.postgres import Cluster


_BROKERS = {"lasting_broker", "mortal_broker", "place"}
"""Fixtures that start a mosquitto."""


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Cluster]":
    """A PostgreSQL that runs for as long as the tests do."""
    from tests.postgres import running  # who tests a gateway need not load a server

    with running() as cluster:
        yield cluster


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what needs mosquitto or PostgreSQL, and deselect what this machine cannot run."""
    missing = lacking()
    kept, left = [], []
    for item in items:
        if _BROKERS & set(getattr(item, "fixturenames", ())) or "mosquitto" in item.name:
            item.add_marker(pytest.mark.mosquitto)
        if "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.postgres)
        (left if any(item.get_closest_marker(mark) for mark in missing) else kept).append(item)
    items[:] = kept
    if left:
        config.hook.pytest_deselected(items=left)
