"""The gateway, unmodified, over real BlueZ: what devices believe delivered is in the spool, once each and in order."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from firmware_sim.radio import Radio
from tests.bluez.bluez import Bluez
from tests.bluez.devices import Cuff
from tests.bluez.house import House, gateway

ADDRESS = "F0:00:00:00:02:{:02X}"
ONE = 110
"""What is measured while the cuff is bonded."""
AT_ONCE_S = (0, 0.05, 0.2)
WHEN_SHOWN_S = (2, 2.05, 2.2)
"""Later than BlueZ shows a device's pipes on this emulated processor."""


@pytest.fixture
async def cuff(
    air: Radio, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> AsyncIterator[Cuff]:
    """A cuff that nobody knows: another address for each proof, because BlueZ does not forget."""
    number = next(_numbers)
    cuff = await Cuff(air, ADDRESS.format(number), **getattr(request, "param", {})).start()
    yield cuff
    await cuff.stop()
    record_property("confirmed", len(cuff.confirmed))
    record_property("stored", cuff.stored)


_numbers = iter(range(1, 200))


async def bonded(cuff: Cuff, house: House) -> None:
    """The first visit, in its pairing mode."""
    await cuff.measured(ONE)
    await all_stored(cuff, house)
    assert cuff.bonded


async def all_stored(cuff: Cuff, house: House) -> None:
    """It told everything, and what it believes it delivered is stored, in order, and nothing twice."""
    await cuff.told()
    with contextlib.suppress(TimeoutError):  # then the values say what is missing
        await house.until(lambda values: len(values) >= len(cuff.confirmed), "cuff", "bp_sys", 20)
    values = await house.values("cuff", "bp_sys")
    cuff.stored = (Counter(values) & Counter(map(float, cuff.confirmed))).total()
    assert values == cuff.confirmed


async def test_it_is_bonded_through_our_agent(cuff: Cuff, bluez: Bluez, tmp_path: Path) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
    device = await bluez.device(cuff.address)
    assert device
    assert device["Bonded"]


@pytest.mark.parametrize("cuff", [{"after_s": AT_ONCE_S}, {"after_s": (0, 0, 0)}], indirect=True)
async def test_what_a_bonded_device_says_at_once_is_stored(cuff: Cuff, tmp_path: Path) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
        for morning in range(3):
            await cuff.measured(*range(120 + 3 * morning, 123 + 3 * morning))
            await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, *range(120, 129)]


async def test_a_gateway_that_was_started_anew_misses_nothing_of_a_device_bonded_before(
    cuff: Cuff, tmp_path: Path
) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await house.until(lambda values: values == [ONE], "cuff", "bp_sys")
        await cuff.measured(121, 122, 123)
        await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, 121, 122, 123]


@pytest.mark.parametrize("cuff", [{"dated": False}], indirect=True)
async def test_equal_measurements_are_not_taken_for_one(cuff: Cuff, tmp_path: Path) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
        for _ in range(2):
            await cuff.measured(120, 120, 120)
            await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, *6 * [120]]


async def test_a_forgotten_bond_is_made_again_without_a_person(cuff: Cuff, tmp_path: Path) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
        cuff.forget()
        await cuff.measured(121, 122, 123)
        await all_stored(cuff, house)
        assert cuff.bonded
        await cuff.measured(124, 125, 126)
        await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, *range(121, 127)]


# BlueZ shows the pipes of a bonded device only after the first connection since it was started or its adapter came, and
# confirms what arrives before: nobody can have subscribed then. Every later connection is as any other.


async def test_bluetoothd_dies_and_is_followed(cuff: Cuff, bluez: Bluez, tmp_path: Path) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
        await bluez.restarted()
        cuff.after_s = WHEN_SHOWN_S
        await cuff.measured(121, 122, 123)
        await all_stored(cuff, house)
        cuff.after_s = AT_ONCE_S
        await cuff.measured(124, 125, 126)
        await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, *range(121, 127)]


async def test_an_adapter_that_is_pulled_out_and_put_back_is_used_again(
    cuff: Cuff, air: Radio, bluez: Bluez, tmp_path: Path
) -> None:
    async with gateway(tmp_path, cuff=("and-ua651", cuff.address)) as house:
        await bonded(cuff, house)
        await air.close()
        await bluez.without_adapter()
        cuff.after_s = WHEN_SHOWN_S
        await cuff.measured(121, 122, 123)
        await air.open()
        await bluez.ready()
        await all_stored(cuff, house)
        cuff.after_s = AT_ONCE_S
        await cuff.measured(124, 125, 126)
        await all_stored(cuff, house)
    assert cuff.confirmed == [ONE, *range(121, 127)]
