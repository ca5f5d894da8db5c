"""An extra dose, from the nurse's order to the dispenser's motor and back, with the world in its way."""

import pytest

from firmware_sim.devices.dispenser import Dispenser
from server.orders.model import State

from .conftest import Build
from .town import Town

HELLO = 0x81
MARIT = ("Marit", "general", "stable", {})


def box(town: Town) -> Dispenser:
    """Marit's dispenser."""
    firmware = town.homes[0].firmware("disp-1")
    assert isinstance(firmware, Dispenser)
    return firmware


async def test_a_dose_is_ordered_and_comes_out_once(build: Build) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    order = town.order("Marit", "dispense", compartment=5)
    await town.until(lambda: town.order_now(order).state is State.DONE, hours=1)
    assert box(town).acts == [int(order, 16)]
    told = town.events("Marit")
    assert [told.count(f"order.{step}") for step in ("received", "sent", "done", "unknown")] == [1, 1, 1, 0]
    assert "order_dispense_unknown" not in town.rules("Marit")
    await town.spend(hours=1)
    assert box(town).acts == [int(order, 16)]
    assert town.homes[0].spool.status.queued == 0


async def test_the_order_went_out_and_no_answer_came_and_the_hub_lost_its_power(build: Build) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    home = town.homes[0]
    order = town.order("Marit", "dispense", compartment=5)
    await town.step()  # it is published
    home.carry = lambda frame: frame if frame[1] == HELLO else b""
    await town.step()  # it goes out, and of what the device says only its HELLO arrives
    await home.restart()
    home.carry = bytes
    assert town.order_now(order).state is State.SENT
    await town.until(lambda: town.order_now(order).state is State.DONE, hours=1)
    assert box(town).acts == [int(order, 16)]
    assert town.events("Marit").count("order.sent") == 1


async def test_the_home_is_cut_off_and_the_order_is_somebodys_to_find_out_until_the_hub_tells(build: Build) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    home = town.homes[0]
    order = town.order("Marit", "dispense", compartment=5)
    await town.step()
    home.reached = False
    await town.until(lambda: town.order_now(order).state is State.UNKNOWN, hours=1)
    assert "order_dispense_unknown" in town.rules("Marit")
    assert box(town).acts == [int(order, 16)], "it came out, and nobody here can know"
    home.reached = True
    await town.until(lambda: town.order_now(order).state is State.DONE, hours=1)


async def test_an_order_that_never_reached_the_home_is_never_done_there(build: Build) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    town.homes[0].reached = False
    order = town.order("Marit", "dispense", compartment=5)
    await town.until(lambda: town.order_now(order).state is State.UNKNOWN, hours=1)
    town.homes[0].reached = True
    await town.spend(hours=1)
    assert town.order_now(order).state is State.UNKNOWN, "the server cannot tell this from an answer that was lost"
    assert box(town).acts == []


async def test_a_locked_dispenser_refuses_with_its_reason(build: Build) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    lock = town.order("Marit", "lock")
    await town.until(lambda: town.order_now(lock).state is State.DONE, hours=1)
    order = town.order("Marit", "dispense", compartment=5)
    await town.until(lambda: town.order_now(order).state is State.REFUSED, hours=1)
    assert "locked" in town.order_now(order).said
    assert box(town).acts == [int(lock, 16)]


@pytest.mark.parametrize("doses", ["7@08:00 c3 n2 w60", "; ".join(f"{n}@{n % 24:02}:00 c{n}" for n in range(1, 25))])
async def test_a_new_schedule_is_in_force_when_the_dispensers_hash_says_so(build: Build, doses: str) -> None:
    town = await build(MARIT)
    await town.spend(minutes=10)
    order = town.order("Marit", "schedule", doses=doses)
    await town.until(lambda: town.order_now(order).state is State.DONE, hours=1)
