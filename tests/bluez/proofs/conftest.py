"""Each proof has an air of its own: an adapter that BlueZ has just found, and nobody else on it."""

from collections.abc import AsyncIterator

import pytest
from _pytest.terminal import TerminalReporter

from firmware_sim.radio import Radio
from tests.bluez.bluez import Bluez


@pytest.fixture
async def bluez() -> AsyncIterator[Bluez]:
    async with Bluez() as bluez:
        yield bluez


@pytest.fixture
async def air(bluez: Bluez) -> AsyncIterator[Radio]:
    await bluez.without_adapter()
    radio = Radio("vhci")
    await radio.open()
    await bluez.ready()
    yield radio
    await radio.close()
    await bluez.without_adapter()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """A line for the table: what the devices were told was delivered, and what of it the gateway has."""
    counts = {"confirmed": 0, "stored": 0}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", "") == "teardown":
                for name, count in report.user_properties:
                    counts[name] += count
    lost = counts["confirmed"] - counts["stored"]
    terminalreporter.write_line(f"indications: {counts['confirmed']} confirmed, {counts['stored']} stored, {lost} lost")
