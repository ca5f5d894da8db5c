"""The simulator and the gateway, both unmodified, with a real kernel and BlueZ between them: glucose meters, which tell
what they remember when they are asked (RACP), one of them only to somebody who has typed the digits it shows."""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware_sim import app as simulator
from firmware_sim.config import load
from firmware_sim.household import Household
from gateway.tasks import ended
from tests.bluez.bluez import Bluez
from tests.bluez.house import gateway, written

STORY = """
title = "measures before meals"
[habits]
glucose_meter = { at_hours = [7, 12, 18], history_days = 4 }
"""
HOME = """
seed = 3
start_ns = {now}
[[homes]]
name = "home-01"
scenario = "meals.toml"
radio = "vhci"
[[homes.devices]]
kind = "{kind}"
id = "meter"
address = "{address}"
"""


class Home:
    """A simulated home with one meter."""

    def __init__(self, folder: Path, kind: str, address: str) -> None:
        (folder / "meals.toml").write_text(STORY, encoding="utf-8")
        (folder / "sim.toml").write_text(HOME.format(kind=kind, address=address, now=time.time_ns()), encoding="utf-8")
        self._config = load(folder / "sim.toml")
        self.shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @contextlib.asynccontextmanager
    async def running(self, bluez: Bluez) -> AsyncIterator[None]:
        await bluez.without_adapter()
        home = asyncio.create_task(simulator.run(self._config, self._tell))
        try:
            await bluez.ready()
            yield
        finally:
            await ended([home])
            await bluez.without_adapter()

    def _tell(self, happening: dict[str, Any]) -> None:
        if happening["what"] == "shows passkey":
            self.shown.set_result(happening["passkey"])

    def remembered(self) -> list[float]:
        """What a meter just like it has in its memory, mmol/L, in order of size."""
        household = Household(self._config, self._config.homes[0])
        meter = household.firmware(self._config.homes[0].furnished[0])
        happened = meter.update(household.clock.now_ns(), household.body.truth)
        return sorted(float(one.data["glucose"]) for one in happened if one.what == "measured")


async def all_stored(home: Home, folder: Path, driver: str, address: str) -> None:
    expected = home.remembered()
    assert len(expected) >= 10
    async with gateway(folder, meter=(driver, address)) as house:
        stored = await house.until_records(len(expected), "meter", "glucose")
    assert sorted(stored) == pytest.approx(expected, abs=0.01)


async def test_glucose_records_kept_in_the_meter_are_fetched(bluez: Bluez, tmp_path: Path) -> None:
    address = "F0:00:00:00:03:01"
    home = Home(tmp_path, "glucose-meter", address)
    async with home.running(bluez):
        await all_stored(home, tmp_path, "gls-1808", address)


async def test_a_meter_that_shows_digits_is_paired_by_a_person_and_read_by_the_gateway(
    bluez: Bluez, tmp_path: Path
) -> None:
    address = "F0:00:00:00:03:02"
    home = Home(tmp_path, "accu-chek", address)
    async with home.running(bluez):
        config = written(tmp_path, {"meter": ("accu-chek", address)})
        person = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "hjemvakt", "pair", "meter", "--config", str(config),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(90):
            digits = await home.shown
            said, complained = await person.communicate(f"{digits}\n".encode())
        assert person.returncode == 0, complained.decode()
        assert b"is paired" in said
        device = await bluez.device(address)
        assert device
        assert device["Bonded"]
        await all_stored(home, tmp_path, "accu-chek", address)
